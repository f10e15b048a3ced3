"""Loss against cost: which configurations are worth their price, as far as that can be judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from tunebook.analysis.sweeps.comparison import Comparison

Cost = Literal["trained_tokens", "cost_usd"]


def cost_known(comparison: Comparison) -> Cost:
    """What the ranked jobs can be told apart by: dollars where the price of each is known, else trained tokens."""
    frame = comparison.frame
    ranked = frame[frame["rank"].notna()]
    return "cost_usd" if len(ranked) and ranked["cost_usd"].notna().all() else "trained_tokens"


def pareto(comparison: Comparison, *, cost: Cost | None = None, level: float = 0.9) -> pd.DataFrame:
    """One row a configuration of the main group with a known cost, cheapest first.

    `cost` is "cost_usd" or "trained_tokens"; by default dollars where the price of every ranked job is known.
    Columns: `id` (its first job), `cost` (mean over its jobs), `loss`, `loss_low`, `loss_high`, `rank`, `standing` and
    `knee`. `standing` is "front" (nothing cheaper has a lower expected loss), "dominated" (something no dearer is
    better with probability `level`) or "undecided" (something no dearer looks better, but not surely). `knee` marks
    the cheapest configuration whose expected loss is within one standard error of the best. Rewards stand in the
    loss columns where the comparison is of rewards.
    """
    group = comparison.group
    empty = pd.DataFrame(columns=["id", "cost", "loss", "loss_low", "loss_high", "rank", "standing", "knee"])
    if group is None:
        return empty
    cost = cost or cost_known(comparison)
    ranking = group.ranking
    jobs = comparison.frame.set_index("id").loc[list(group.ids)]
    jobs = jobs.assign(configuration=ranking.frame["configuration"], cost=jobs[cost].astype(float))
    rows = (
        jobs.reset_index()
        .groupby("configuration", sort=False)
        .agg(
            id=("id", "first"),
            cost=("cost", "mean"),
            loss=("loss", "first"),
            loss_low=("loss_low", "first"),
            loss_high=("loss_high", "first"),
            rank=("rank", "first"),
        )
        .dropna(subset="cost")
        .reset_index()
        .sort_values(["cost", "rank"], kind="stable")
    )
    if rows.empty:
        return empty
    draws = ranking.draws[:, rows["configuration"].to_numpy(int)]
    rows["standing"] = _standings(rows["cost"].to_numpy(float), rows["rank"].to_numpy(int), draws, level)
    best = int(rows["rank"].to_numpy(int).argmin())
    behind = draws - draws[:, [best]]
    within = behind.mean(0) <= behind.std(0)
    within[best] = True
    rows["knee"] = np.arange(len(rows)) == int(within.argmax())
    return rows.drop(columns="configuration").reset_index(drop=True)


def _standings(costs: np.ndarray, ranks: np.ndarray, draws: np.ndarray, level: float) -> list[str]:
    """Standing of each configuration; all arrays in order of rising cost (draws: lower is better)."""
    standings = []
    for place in range(len(costs)):
        rivals = np.flatnonzero((costs <= costs[place]) & (ranks < ranks[place]))
        if not len(rivals):
            standings.append("front")
            continue
        surest = (draws[:, rivals] < draws[:, [place]]).mean(0).max()
        standings.append("dominated" if surest >= level else "undecided")
    return standings
