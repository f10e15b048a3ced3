"""What a comparison of runs looks like. Comparison in, Axes out; nothing global is changed.

Every level of a hyperparameter has its own colour, marker and line style, so the pictures can be read without
colour, on light and on dark paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.lines import Line2D

from tunebook.analysis.importance import show_value
from tunebook.plots import palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tunebook.analysis.comparison import Comparison

# The part of viridis that keeps its distance from white and from near-black.
_SEQUENTIAL = (0.25, 0.85)
_MOST_LEVELS = 7


@dataclass(frozen=True)
class Look:
    """How one level of a hyperparameter is drawn."""

    label: str
    color: Any
    marker: str
    style: Any


def plot_sweep(
    comparison: Comparison, *, by: str | None = None, x: str = "epoch", column: str = "valid", ax: Axes | None = None
) -> Axes:
    """The smoothed curves of all ranked jobs of the main group on one Axes.

    `by` is the hyperparameter that gives colour, marker and line style (default: the one that mattered most, else
    the first that was varied); `x` is "epoch", "step" or "share" (of the job's own steps; used for epochs where
    they are not known); `column` is "valid" or "train". The winner is drawn strongest, what cannot be told from
    it next. A marker ends each curve at the step whose checkpoint is recommended.
    """
    ax = _axes(ax)
    group = comparison.group
    if group is None:
        return _empty(ax, "no ranked jobs")
    by = by or _leading(comparison)
    frame = comparison.frame.set_index("id").loc[list(group.ids)]
    looks = _looks(frame[by].tolist() if by else [])
    x = x if x != "epoch" or _epochs_known(comparison, group.ids) else "share"
    drawn = []
    for job_id in reversed(group.ids):
        curve = comparison.diagnoses[job_id].curve
        curve = curve[np.isfinite(curve[f"{column}_smooth"].to_numpy(float))]
        if curve.empty:
            continue
        look = looks[_key(frame.loc[job_id, by])] if by else Look("", palette.SERIES[0], "o", "-")
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
                f"★ {_name(frame, job_id)}",
                (at.iloc[best], values.iloc[best]),
                textcoords="offset points",
                xytext=(-4, -14),
                ha="right",
                fontsize="small",
                color=look.color,
                zorder=6,
            )
    if not drawn:
        return _empty(ax, "no validation curves")
    _frame_losses(ax, drawn)
    _label(ax, {"epoch": "epoch", "step": "step", "share": "share of the job's steps"}[x], _value(comparison, column))
    if by and len(looks) > 1:
        handles = [
            Line2D([], [], color=look.color, marker=look.marker, linestyle=look.style, markersize=5, label=look.label)
            for look in looks.values()
        ]
        ax.legend(
            handles=_thinned(handles), title=_pretty(by), fontsize="small", title_fontsize="small", framealpha=0.6
        )
    ax.set_title(f"{len(drawn)} jobs, smoothed; ★ is the best guess", loc="left", fontsize="medium")
    return ax


def plot_ranking(comparison: Comparison, *, most: int = 20, ax: Axes | None = None) -> Axes:
    """What to expect of each configuration with its interval, best on top, and each job's own value.

    A filled square is the posterior mean of a configuration, open circles are its jobs' own values. The grey band
    is the winner's interval; configurations that cannot be told from the winner carry ≈. At most `most` rows.
    """
    ax = _axes(ax)
    group = comparison.group
    if group is None:
        return _empty(ax, "no ranked jobs")
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
        others = f" +{len(jobs) - 1}" if len(jobs) > 1 else ""
        levels.append(f"{mark}{_name(by_id, first['id'])}{others}  {first['p_best']:.0%}")
    best = frame.iloc[0]
    ax.axvspan(best["loss_low"], best["loss_high"], color=palette.NEUTRAL, alpha=0.15, linewidth=0, zorder=0)
    ax.set_yticks(range(len(levels)), levels, fontsize="small")
    ax.invert_yaxis()
    total = frame["rank"].nunique()
    shown = f"the best {len(ranks)} of {total}" if total > len(ranks) else f"{total}"
    _label(ax, _value(comparison, "valid"), "")
    ax.set_title(f"{shown} configurations; ★ best guess, ≈ not told apart, % = P(best)", loc="left", fontsize="medium")
    ax.legend(
        handles=[
            Line2D([], [], color=palette.TRAIN, marker="s", label=f"expected, {group.ranking.level:.0%} interval"),
            Line2D([], [], color=palette.NEUTRAL, marker="o", mfc="none", linestyle="none", label="a job's own value"),
        ],
        fontsize="small",
        framealpha=0.6,
    )
    return ax


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    from matplotlib import pyplot  # only when a figure of the session's is wanted

    return pyplot.subplots(figsize=(7, 4.2), layout="constrained")[1]


def _empty(ax: Axes, why: str) -> Axes:
    ax.text(0.5, 0.5, why, ha="center", va="center", transform=ax.transAxes, color=palette.NEUTRAL)
    ax.set_axis_off()
    return ax


def _label(ax: Axes, across: str, up: str) -> None:
    ax.set_xlabel(across)
    ax.set_ylabel(up)
    ax.grid(alpha=0.25, color=palette.NEUTRAL, linewidth=0.5)


def _value(comparison: Comparison, column: str) -> str:
    said = "training" if column == "train" else "validation"
    return f"{said} loss (nats per token)" if comparison.measure == "loss" else f"{said} reward"


def _pretty(name: str) -> str:
    return name.replace("_", " ")


def _name(frame: Any, job_id: str) -> str:
    """The job's suffix or id; a dollar sign is a dollar sign, not the start of a formula."""
    suffix = frame.loc[job_id, "suffix"]
    return (str(suffix) if isinstance(suffix, str) and suffix else str(job_id)).replace("$", r"\$")


def _leading(comparison: Comparison) -> str | None:
    """The hyperparameter that mattered most; without a finding the first that was varied."""
    found = comparison.importance
    varied = [scale.name for scale in comparison.groups[0].ranking.surface.scales]
    return next((name for name in (found.measured if found else ()) if name in varied), varied[0] if varied else None)


def _key(value: Any) -> Any:
    return float(value) if isinstance(value, int | float | np.number) else value


def _looks(values: Sequence[Any]) -> dict[Any, Look]:
    """Level -> look, in rising order; colours run along a part of viridis, markers and styles take turns."""
    levels = sorted({_key(value) for value in values if value is not None}, key=lambda v: (isinstance(v, str), v))
    shades = matplotlib.colormaps["viridis"](np.linspace(*_SEQUENTIAL, max(len(levels), 2)))
    looks = {
        level: Look(
            show_value(level),
            tuple(shades[place]),
            palette.MARKERS[place % 7],
            palette.STYLES[place % len(palette.STYLES)],
        )
        for place, level in enumerate(levels)
    }
    if any(value is None for value in values):
        looks[None] = Look("not told", palette.NEUTRAL, "X", ":")
    return looks


def _thinned(handles: list[Line2D]) -> list[Line2D]:
    """At most seven entries of a legend, first and last among them."""
    if len(handles) <= _MOST_LEVELS:
        return handles
    return [handles[place] for place in np.linspace(0, len(handles) - 1, _MOST_LEVELS).round().astype(int)]


def _epochs_known(comparison: Comparison, ids: Sequence[str]) -> bool:
    curves = [comparison.diagnoses[job_id].curve for job_id in ids]
    return all(bool(np.isfinite(curve["epoch"].to_numpy(float)).all()) for curve in curves if len(curve))


def _frame_losses(ax: Axes, drawn: Sequence[np.ndarray]) -> None:
    """Keep the interesting end in view: the ends of the curves and the better half of their beginnings."""
    ends = np.array([values[-1] for values in drawn])
    lows = np.array([values.min() for values in drawn])
    starts = np.array([values[0] for values in drawn])
    top = max(np.quantile(ends, 0.95), np.median(starts))
    span = top - lows.min()
    if np.isfinite(span) and span > 0:
        ax.set_ylim(lows.min() - 0.08 * span, top + 0.05 * span)
