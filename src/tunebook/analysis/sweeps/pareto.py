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
    """One row a job of the main group with a known cost, cheapest first.

    `cost` is "cost_usd" or "trained_tokens"; by default dollars where the price of every ranked job is known.
    Columns: `id`, `cost`, `loss`, `loss_low`, `loss_high`, `rank`, `standing` and `knee`. `standing` is "front"
    (nothing cheaper has a lower loss), "dominated" (something no dearer is better with probability `level`) or
    "undecided" (something no dearer looks better, but not surely). `knee` marks the cheapest job that cannot be told
    from the best (`Ranking.indistinguishable`). Rewards stand in the loss columns where the comparison is of rewards.
    """
    group, columns = comparison.group, ["id", "cost", "loss", "loss_low", "loss_high", "rank", "standing", "knee"]
    if group is None:
        return pd.DataFrame(columns=columns)
    cost = cost or cost_known(comparison)
    jobs = comparison.frame[comparison.frame["group"] == group.label]
    rows = jobs.assign(cost=jobs[cost].astype(float)).dropna(subset="cost").sort_values(["cost", "rank"], kind="stable")
    ranks = rows["rank"].to_numpy(int)
    standing = _standings(rows["cost"].to_numpy(float), ranks, group.ranking.draws[:, ranks - 1], level)
    alike = (rows["indistinguishable"] | (rows["id"] == group.winner)).to_numpy(bool)
    knee = alike & (alike.cumsum() == 1)
    return rows.assign(standing=standing, knee=knee)[columns].reset_index(drop=True)


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
