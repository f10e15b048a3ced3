"""What a comparison of runs looks like. Comparison in, Axes out; nothing global is changed.

Every level of a hyperparameter has its own colour, marker and line style, so the pictures can be read without
colour, on light and on dark paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import StrMethodFormatter

from tunebook import palette
from tunebook.analysis.sweeps.importance import show_value
from tunebook.analysis.sweeps.pareto import Cost, cost_known, pareto
from tunebook.analysis.sweeps.ranking import show_share
from tunebook.plots.marks import (
    Look,
    job_name,
    label,
    level_of,
    looks_of,
    measured,
    own_axes,
    plain,
    pretty,
    say_instead,
    settings_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tunebook.analysis.sweeps.comparison import Comparison

_MOST_LEVELS = 7
_LOG_FACTOR = 4.0  # losses that span more are shown by factors


def plot_sweep(
    comparison: Comparison, *, by: str | None = None, x: str = "epoch", column: str = "valid", ax: Axes | None = None
) -> Axes:
    """The smoothed curves of all ranked jobs of the main group on one Axes.

    `by` is the hyperparameter that gives colour, marker and line style (default: the one that mattered most, else
    the first that was varied); `x` is "epoch", "step" or "share" (of the job's own steps; used for epochs where
    they are not known); `column` is "valid" or "train". The winner is drawn strongest, what cannot be told from
    it next. A marker ends each curve at the step whose checkpoint is recommended.

    >>> comparison = tb.compare(tb.read_runs("runs"))
    >>> ax = tb.plots.plot_sweep(comparison, by="learning_rate_multiplier")
    >>> ax.get_xlabel()
    'epoch'
    """
    ax = own_axes(ax)
    group = comparison.group
    if group is None:
        return say_instead(ax, "no ranked jobs")
    by = by or _leading(comparison)
    frame = comparison.frame.set_index("id").loc[list(group.ids)]
    looks = looks_of(frame[by].tolist() if by else [])
    x = x if x != "epoch" or _epochs_known(comparison, group.ids) else "share"
    drawn = []
    for job_id in reversed(group.ids):
        curve = comparison.diagnoses[job_id].curve
        curve = curve[np.isfinite(curve[f"{column}_smooth"].to_numpy(float))]
        if curve.empty:
            continue
        look = looks[level_of(frame.loc[job_id, by])] if by else Look("", palette.SERIES[0], "o", "-")
        strong = job_id == comparison.winner
        near = strong or bool(frame.loc[job_id, "indistinguishable"])
        at = curve["step"] / curve["step"].iloc[-1] if x == "share" else curve[x]
        values = curve[f"{column}_smooth"]
        ax.plot(
            at,
            values,
            color=look.color,
            linestyle=look.style,
            linewidth=2.8 if strong else 1.5 if near else 1.0,
            alpha=1.0 if near else 0.75,
            zorder=4 if strong else 3 if near else 2,
        )
        best = int((curve["step"] - frame.loc[job_id, "recommended_step"]).abs().to_numpy().argmin())
        ax.plot(
            at.iloc[best], values.iloc[best], look.marker, color=look.color, markersize=9 if strong else 5, zorder=5
        )
        drawn.append(values.to_numpy(float))
        if strong:
            ax.annotate(
                f"★ {job_name(frame, job_id)}",
                (at.iloc[best], values.iloc[best]),
                textcoords="offset points",
                xytext=(-4, -14),
                ha="right",
                fontsize="small",
                zorder=6,
            )
    if not drawn:
        return say_instead(ax, "no validation curves")
    _frame_losses(ax, drawn)
    across = {"epoch": "epoch", "step": "step", "share": "share of the job's steps"}[x]
    label(ax, across, measured(comparison, column), f"{len(drawn)} jobs, smoothed; ★ is the best guess")
    if by and len(looks) > 1:
        handles = [
            Line2D([], [], color=look.color, marker=look.marker, linestyle=look.style, markersize=5, label=look.label)
            for look in looks.values()
        ]
        ax.legend(handles=_thinned(handles), title=pretty(by), fontsize="small", title_fontsize="small", framealpha=0.6)
    return ax


def plot_ranking(comparison: Comparison, *, most: int = 20, ax: Axes | None = None) -> Axes:
    """What to expect of each configuration with its interval, best on top, and each job's own value.

    A filled square is the posterior mean of a configuration, open circles are its jobs' own values. The grey band
    is the winner's interval; configurations that cannot be told from the winner carry ≈. At most `most` rows.

    >>> comparison = tb.compare(tb.read_runs("runs"))
    >>> tb.plots.plot_ranking(comparison).get_xlabel()
    'validation loss (nats per token)'
    """
    ax = own_axes(ax)
    group = comparison.group
    if group is None:
        return say_instead(ax, "no ranked jobs")
    frame = comparison.frame[comparison.frame["group"] == group.label]
    by_id = frame.set_index("id")
    ranks = list(dict.fromkeys(frame["rank"]))[:most]
    levels = []
    for place, rank in enumerate(ranks):
        jobs = frame[frame["rank"] == rank]
        first = jobs.iloc[0]
        # The winner's other seeds are marked as alike; the configuration is the winner all the same.
        mark = "★ " if (jobs["id"] == comparison.winner).any() else "≈ " if first["indistinguishable"] else ""
        color, style = (palette.VALID, "-") if mark == "★ " else (palette.TRAIN, "-" if mark else ":")
        ax.plot([first["loss_low"], first["loss_high"]], [place, place], style, color=color, linewidth=2.5, zorder=2)
        ax.plot(first["loss"], place, "s", color=color, markersize=7, zorder=3)
        ax.plot(jobs["observed"], [place] * len(jobs), "o", color=palette.NEUTRAL, markersize=4.5, mfc="none", zorder=4)
        seeds = f" ({len(jobs)} seeds)" if len(jobs) > 1 else ""
        told = settings_of(comparison, by_id, first["id"])
        levels.append(f"{mark}{told}{seeds}  {show_share(first['p_best'])}")
    best = frame.iloc[0]
    ax.axvspan(best["loss_low"], best["loss_high"], color=palette.NEUTRAL, alpha=0.15, linewidth=0, zorder=0)
    ax.set_yticks(range(len(levels)), levels, fontsize="small")
    ax.invert_yaxis()
    total = frame["rank"].nunique()
    shown = f"{len(ranks)} of {total}" if total > len(ranks) else f"{total}"
    title = f"{shown} configurations; ≈ not told apart from ★, % P(best)"
    label(ax, measured(comparison), "", title)
    ax.legend(
        handles=[
            Line2D([], [], color=palette.TRAIN, marker="s", label=f"expected, {group.ranking.level:.0%} interval"),
            Line2D([], [], color=palette.NEUTRAL, marker="o", mfc="none", linestyle="none", label="a job's own value"),
        ],
        fontsize="small",
        framealpha=0.6,
    )
    return ax


def plot_pareto(comparison: Comparison, *, cost: Cost | None = None, ax: Axes | None = None) -> Axes:
    """Expected loss against cost, one point a configuration with its interval.

    `cost` is "cost_usd" or "trained_tokens"; by default dollars where the price of every ranked job is known.
    Filled squares joined by a line are the front, open circles are dearer and look worse but not surely, crosses
    are dominated beyond doubt. The ring marks the knee: the cheapest within one standard error of the best.

    >>> comparison = tb.compare(tb.read_runs("runs"))
    >>> tb.plots.plot_pareto(comparison, cost="trained_tokens").get_xlabel()
    'trained tokens'
    """
    ax = own_axes(ax)
    cost = cost or cost_known(comparison)
    rows = pareto(comparison, cost=cost)
    if rows.empty:
        return say_instead(ax, "no ranked job with a known cost")
    by_id = comparison.frame.set_index("id")
    marks = (
        ("front", "s", palette.VALID, "worth its price", None),
        ("undecided", "o", palette.TRAIN, "looks worse, not surely", "none"),
        ("dominated", "x", palette.NEUTRAL, "dearer and worse", None),
    )
    for standing, marker, color, said, face in marks:
        part = rows[rows["standing"] == standing]
        if part.empty:
            continue
        spread = [part["loss"] - part["loss_low"], part["loss_high"] - part["loss"]]
        ax.errorbar(
            part["cost"],
            part["loss"],
            yerr=spread,
            fmt=marker,
            color=color,
            mfc=face or color,
            markersize=6.5,
            elinewidth=1,
            alpha=0.9,
            label=said,
            zorder=3,
        )
    front = rows[rows["standing"] == "front"]
    ax.step(front["cost"], front["loss"], where="post", color=palette.VALID, linewidth=1.2, zorder=2)
    knee = rows[rows["knee"]].iloc[0]
    ax.plot(
        knee["cost"], knee["loss"], "o", color=palette.FULL, mfc="none", markersize=15, mew=2, label="knee", zorder=4
    )
    to_the_right = knee["cost"] > (rows["cost"].min() + rows["cost"].max()) / 2
    ax.annotate(
        f"knee: {settings_of(comparison, by_id, knee['id'])}",
        (knee["cost"], knee["loss"]),
        textcoords="offset points",
        xytext=(-12 if to_the_right else 12, 10),
        ha="right" if to_the_right else "left",
        fontsize="small",
        color=palette.FULL,
    )
    if rows["cost"].min() > 0 and rows["cost"].max() > 8 * rows["cost"].min():
        ax.set_xscale("log")
    dollars = "{x:,.2f}" if rows["cost"].max() >= 1 else "{x:.3g}"  # jobs of some cents need more places
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}" if cost == "trained_tokens" else dollars))
    across = "trained tokens" if cost == "trained_tokens" else "training cost (US dollars)"
    label(ax, across, measured(comparison), f"{len(rows)} configurations: what a lower loss costs")
    ax.legend(fontsize="small", framealpha=0.6)
    return ax


def plot_seeds(comparison: Comparison, *, most: int = 16, ax: Axes | None = None) -> Axes:
    """Each job's own value beside its seeds': how much of the difference between configurations is luck.

    One column a configuration, best first. Dots are jobs, joined within a configuration; the bar is what to expect
    of it. Configurations run once are open dots. At most `most` columns, those with several seeds first chosen.

    >>> comparison = tb.compare(tb.read_runs("runs"))
    >>> tb.plots.plot_seeds(comparison).get_xlabel()
    'n epochs / learning rate multiplier'
    """
    ax = own_axes(ax)
    group = comparison.group
    if group is None:
        return say_instead(ax, "no ranked jobs")
    frame = comparison.frame[comparison.frame["group"] == group.label]
    counts = frame.groupby("rank").size()
    chosen = sorted(counts.sort_values(ascending=False, kind="stable").index[:most])
    names = [scale.name for scale in group.ranking.surface.scales]
    ticks = []
    for place, rank in enumerate(chosen):
        jobs = frame[frame["rank"] == rank]
        several = len(jobs) > 1
        color = palette.VALID if place == 0 else palette.TRAIN
        ax.bar(
            place,
            jobs["loss_high"].iloc[0] - jobs["loss_low"].iloc[0],
            bottom=jobs["loss_low"].iloc[0],
            width=0.6,
            color=palette.NEUTRAL,
            alpha=0.25,
            zorder=1,
        )
        ax.plot([place - 0.3, place + 0.3], [jobs["loss"].iloc[0]] * 2, color=palette.NEUTRAL, linewidth=1.5, zorder=2)
        ax.plot([place] * len(jobs), jobs["observed"], "-o", color=color, mfc=color if several else "none", zorder=3)
        ticks.append("\n".join(plain(show_value(jobs[name].iloc[0])) for name in names) or "all")
    ax.set_xticks(range(len(chosen)), ticks, fontsize="small")
    known = {"replicates": "measured", "surface": "guessed from the surface", "assumed": "not measured, assumed"}
    noise = f"{group.ranking.noise_sd:.1%} ({known[group.ranking.noise_source]})"
    across = " / ".join(pretty(name) for name in names) or "one configuration"
    label(ax, across, measured(comparison), f"Seed noise {noise}")
    ax.legend(
        handles=[
            Line2D([], [], color=palette.TRAIN, marker="o", label="jobs of one configuration"),
            Line2D([], [], color=palette.NEUTRAL, linewidth=6, alpha=0.4, label=f"expected, {group.ranking.level:.0%}"),
        ],
        fontsize="small",
        framealpha=0.6,
    )
    return ax


def _leading(comparison: Comparison) -> str | None:
    """The hyperparameter that mattered most; without a finding the first that was varied."""
    found = comparison.importance
    varied = [scale.name for scale in comparison.groups[0].ranking.surface.scales]
    return next((name for name in (found.measured if found else ()) if name in varied), varied[0] if varied else None)


def _thinned(handles: list[Line2D]) -> list[Line2D]:
    """At most seven entries of a legend, first and last among them."""
    if len(handles) <= _MOST_LEVELS:
        return handles
    return [handles[place] for place in np.linspace(0, len(handles) - 1, _MOST_LEVELS).round().astype(int)]


def _epochs_known(comparison: Comparison, ids: Sequence[str]) -> bool:
    curves = [comparison.diagnoses[job_id].curve for job_id in ids]
    return all(bool(np.isfinite(curve["epoch"].to_numpy(float)).all()) for curve in curves if len(curve))


def _frame_losses(ax: Axes, drawn: Sequence[np.ndarray]) -> None:
    """Keep the interesting end in view: all ends, and the curves from about a seventh of their way on."""
    ends = np.array([values[-1] for values in drawn])
    lows = np.array([values.min() for values in drawn])
    early = np.array([values[len(values) // 7] for values in drawn])
    top, bottom = max(np.quantile(ends, 0.95), np.median(early)), lows.min()
    if not np.isfinite(top - bottom) or top <= bottom:
        return
    if bottom > 0 and top > _LOG_FACTOR * bottom:
        ax.set_yscale("log")
        ax.set_ylim(bottom * (bottom / top) ** 0.08, top * (top / bottom) ** 0.05)
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:.3g}"))
        ax.yaxis.set_minor_formatter(StrMethodFormatter("{x:.3g}"))
    else:
        ax.set_ylim(bottom - 0.08 * (top - bottom), top + 0.05 * (top - bottom))
