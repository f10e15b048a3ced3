"""What the hyperparameters did: response curves, interaction contours, parallel coordinates, importance bars."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.ticker import NullFormatter, NullLocator

from tunebook import palette, words
from tunebook.analysis.sweeps.response import response_curve, response_grid
from tunebook.plots import axes
from tunebook.plots.axes import plain
from tunebook.plots.chart import Numbers, numbers
from tunebook.plots.marks import few, measured, pretty, ranked_jobs

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.text import Text

    from tunebook.analysis.sweeps.comparison import Comparison, Group
    from tunebook.analysis.sweeps.scales import Scale

# Under this share of the variance two hyperparameters act independently enough to be read one by one.
_INTERACTING = 0.1
_FEWEST = 4


def plot_importance(comparison: Comparison, *, ax: Axes | None = None) -> Axes:
    """Importance of each hyperparameter with its interval; where there is no number, the reason in words.

    >>> comparison = tb.compare(tb.read_runs("runs"))
    >>> tb.plots.plot_importance(comparison).get_xlabel()
    "share of the surface's variance (Sobol total index)"
    """
    ax = axes.own_axes(ax)
    importance = comparison.importance
    if importance is None or importance.frame.empty:
        return axes.say_instead(ax, "no ranked jobs")
    for place, (_, row) in enumerate(importance.frame.iterrows()):
        if np.isfinite(row["importance"]):
            ax.barh(place, row["importance"], height=0.55, color=palette.TRAIN, alpha=0.75)
            ax.plot([row["low"], row["high"]], [place, place], color=palette.NEUTRAL, linewidth=3)
            end = max(row["high"], row["importance"])
            ax.text(end + 0.02, place, f"{row['importance']:.2f}", va="center", fontsize="small")
        else:
            reason: dict[str, Any] = {"style": "italic", "color": palette.NEUTRAL}
            ax.text(0.02, place, plain(str(row["note"])), va="center", fontsize="small", **reason)
    ax.set_yticks(range(len(importance.frame)), [plain(pretty(str(name))) for name in importance.frame.index])
    ax.set_xlim(0, 1.15)
    ax.set_xticks(np.linspace(0, 1, 6))
    ax.set_ylim(len(importance.frame) - 0.4, -0.6)
    axes.label(
        ax,
        "share of the surface's variance (Sobol total index)",
        "",
        f"What mattered, from {words.plural(importance.jobs, 'job')}",
    )
    ax.grid(visible=False, axis="y")
    return axes.inked(ax)


def plot_response(comparison: Comparison, name: str, *, ax: Axes | None = None) -> Axes:
    """The loss along one hyperparameter, the others averaged over what was tried, with a 90 % band.

    Dots are jobs, at other hyperparameters of their own; seeds of one configuration are joined. Raises
    KeyError for a hyperparameter that was not varied.

    >>> comparison = tb.compare(tb.read_runs("runs"))
    >>> tb.plots.plot_response(comparison, "n_epochs").get_xlabel()
    'epochs'
    """
    ax = axes.own_axes(ax)
    group = comparison.group
    if group is None:
        return axes.say_instead(ax, "no ranked jobs")
    curve = response_curve(group.ranking, name)
    scale = _scale(group, name)
    values = curve["value"].to_numpy()
    across = np.arange(len(values)) if scale.kind == "category" else values.astype(float)
    if scale.kind == "category":
        spread = [curve["loss"] - curve["low"], curve["high"] - curve["loss"]]
        ax.errorbar(across, curve["loss"], yerr=spread, fmt="s", color=palette.TRAIN, capsize=4, label="expected, 90 %")
        ax.set_xticks(across, [plain(str(value)) for value in values])
    else:
        ax.fill_between(across, curve["low"], curve["high"], color=palette.TRAIN, alpha=0.2, linewidth=0)
        ax.plot(across, curve["loss"], color=palette.TRAIN, linewidth=2, label="expected, others averaged (band 90 %)")
        _scaled(ax, scale)
    jobs = ranked_jobs(comparison)
    for _, seeds in jobs.groupby(group.ranking.frame["configuration"].to_numpy()):
        at = scale.unit(seeds[name].tolist()) if scale.kind == "category" else seeds[name].to_numpy(float)
        ax.plot(at, seeds["loss"], "-o", color=palette.VALID, markersize=4.5, mfc="none", alpha=0.8, linewidth=1)
    ax.plot([], [], "-o", color=palette.VALID, mfc="none", markersize=4.5, label="jobs (seeds joined)")
    best = jobs[jobs["id"] == comparison.winner]
    at = scale.unit(best[name].tolist()) if scale.kind == "category" else best[name].to_numpy(float)
    ax.plot(at, best["loss"], "*", color=palette.FULL, markersize=13, zorder=5, label="best guess")
    axes.label(ax, pretty(name), measured(comparison), _importance_of(comparison, name))
    ax.legend(fontsize="small", framealpha=0.6)
    return axes.inked(ax)


def plot_contour(
    comparison: Comparison, first: str | None = None, second: str | None = None, *, ax: Axes | None = None
) -> Axes:
    """The expected loss over two numeric hyperparameters, others averaged; the jobs on it.

    Without names, the pair that interacts most. The title says how much of the variance the two share. Under four
    configurations, two values of each, nothing is drawn.

    >>> comparison = tb.compare(tb.read_runs("runs"))
    >>> tb.plots.plot_contour(comparison).get_xlabel()
    'epochs'
    """
    ax = axes.own_axes(ax)
    group = comparison.group
    pair = (first, second) if first and second else _pair(comparison)
    if group is None or pair is None:
        return axes.say_instead(ax, "fewer than two numeric hyperparameters were varied")
    if len(group.ranking.surface.points) < _FEWEST:
        tried = words.plural(len(group.ranking.surface.points), "configuration")
        return axes.say_instead(ax, f"{tried} tried: a surface needs {_FEWEST}")
    across, up, losses = response_grid(group.ranking, *pair)
    shades = matplotlib.colormaps["viridis"]
    filled = ax.contourf(across.astype(float), up.astype(float), losses, levels=12, cmap=shades)
    lines = ax.contour(
        across.astype(float), up.astype(float), losses, levels=list(filled.levels)[::2], colors="white", linewidths=0.6
    )
    losses_on_lines = ax.clabel(lines, fontsize="x-small", fmt="%.3g")
    jobs = ranked_jobs(comparison)
    x, y = jobs[pair[0]].astype(float), jobs[pair[1]].astype(float)
    ax.plot(x, y, "o", color="white", mec="black", markersize=6, clip_on=False, zorder=4)
    best = jobs["id"] == comparison.winner
    ax.plot(x[best], y[best], "*", color="white", mec="black", markersize=16, clip_on=False, zorder=5)
    _scaled(ax, _scale(group, pair[0]))
    _scaled(ax, _scale(group, pair[1]), vertical=True)
    _inside_only(losses_on_lines, ax)
    bar = ax.figure.colorbar(filled, ax=ax)
    bar.set_label(f"expected {measured(comparison)}")
    axes.inked(bar.ax)
    axes.label(ax, pretty(pair[0]), pretty(pair[1]), _interaction(comparison, pair))
    ax.grid(visible=False)
    return axes.inked(ax)


@dataclass(frozen=True)
class Way:
    """One job's line across the axes: its heights, 0 to 1. standing: best, alike (not told apart), or ""."""

    heights: Numbers
    colour: str
    standing: str


@dataclass(frozen=True)
class Upright:
    """One vertical axis: its name, and what stands at which height."""

    name: str
    levels: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Parallel:
    """Ways across uprights; the last upright is the loss."""

    ways: tuple[Way, ...]
    uprights: tuple[Upright, ...]
    title: str


def parallel_chart(comparison: Comparison) -> Parallel | None:
    """What `plot_parallel` says, best job first; None where nothing was varied."""
    group = comparison.group
    scales = list(group.ranking.surface.scales) if group else []
    if not group or not scales:
        return None
    jobs = ranked_jobs(comparison)
    losses = jobs["loss"].to_numpy(float)
    span = np.log(losses) if comparison.measure == "loss" else losses
    height = (span - span.min()) / (np.ptp(span) or 1.0)
    badness = height if comparison.measure == "loss" else 1 - height
    heights = np.column_stack([*(scale.unit(jobs[scale.name].tolist()) / _most(scale) for scale in scales), height])
    # Seeds and neighbours lie on each other at a level: a small fixed shift by rank keeps every line in sight.
    heights[:, :-1] += np.linspace(-0.018, 0.018, len(heights))[:, None] if len(heights) > 1 else 0.0
    standings = ["alike" if alike else "" for alike in jobs["indistinguishable"]]
    colours = [palette.shade(share) for share in badness]
    for place in np.flatnonzero(jobs["id"] == comparison.winner):
        standings[place], colours[place] = "best", palette.VALID
    ways = map(Way, map(numbers, heights), colours, standings)
    uprights = [Upright(pretty(scale.name), tuple(_levels(scale))) for scale in scales]
    ends = tuple((float(height[place]), words.number(losses[place], 3)) for place in (span.argmin(), span.argmax()))
    uprights.append(Upright(measured(comparison).split(" (")[0], ends))
    return Parallel(tuple(ways), tuple(uprights), f"{words.plural(len(jobs), 'job')}: settings to {comparison.measure}")


def _levels(scale: Scale) -> Iterable[tuple[float, str]]:
    """The values tried, as the height and the words of each."""
    for level in few(scale.levels, 9):
        yield float(scale.unit([level])[0]) / _most(scale), words.setting(level)


# How a way is drawn by its standing: line style, width, marker, label.
_WAYS: dict[str, tuple[str, float, str | None, str]] = {
    "best": ("-", 3.0, "*", "best guess"),
    "alike": ("-", 1.8, None, "not told apart"),
    "": (":", 1.1, None, "worse"),
}


def plot_parallel(comparison: Comparison, *, ax: Axes | None = None) -> Axes:
    """Each job as a line across its hyperparameters to its loss; the better, the stronger.

    The winner is drawn thick with stars, what cannot be told from it solid, the rest thin and dotted.

    >>> comparison = tb.compare(tb.read_runs("runs"))
    >>> ax = tb.plots.plot_parallel(comparison)
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['epochs', 'learning rate multiplier', 'validation loss']
    """
    ax = axes.own_axes(ax)
    chart = parallel_chart(comparison)
    if chart is None:
        return axes.say_instead(ax, "no hyperparameter was varied")
    colours = {"best": palette.VALID, "alike": palette.RISING[0], "": palette.RISING[-1]}
    for standing, (style, width, marker, label) in _WAYS.items():
        ax.plot([], [], style, color=colours[standing], linewidth=width, marker=marker, label=label)
    for place, way in reversed(list(enumerate(chart.ways))):
        style, width, marker, _ = _WAYS[way.standing]
        look: dict[str, Any] = {"color": way.colour, "linewidth": width, "marker": marker, "markersize": 11}
        ax.plot(range(len(way.heights)), way.heights, style, zorder=3 - place / len(chart.ways), **look)
    _uprights(ax, chart.uprights)
    ax.set_title(chart.title, loc="left", fontsize="medium")
    ax.legend(fontsize="small", ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.1), frameon=False)
    return axes.inked(ax)


def _uprights(ax: Axes, uprights: tuple[Upright, ...]) -> None:
    last = len(uprights) - 1
    for place, upright in enumerate(uprights):
        ax.axvline(place, color=palette.NEUTRAL, linewidth=1, zorder=1)
        for height, text in upright.levels:
            side, shift = ("left", 0.04) if place == last else ("right", -0.03)
            ax.text(place + shift, height, plain(text), ha=side, va="center", fontsize="small", zorder=6)
    ax.set_xticks(range(len(uprights)), [plain(upright.name) for upright in uprights])
    ax.set_yticks([])
    ax.set_xlim(-0.25, last + 0.25)
    for side in ("top", "left", "right"):
        ax.spines[side].set_visible(False)


def _inside_only(labels: Iterable[Text], ax: Axes) -> None:
    """Hide the labels that stand so near the edge that a part of them would be cut off."""
    for text in labels:
        across, up = ax.transAxes.inverted().transform(ax.transData.transform(text.get_position()))
        text.set_visible(bool(0.06 < across < 0.94 and 0.04 < up < 0.96))


def _scale(group: Group, name: str) -> Scale:
    return next(scale for scale in group.ranking.surface.scales if scale.name == name)


def _most(scale: Scale) -> float:
    return float(max(len(scale.levels) - 1, 1)) if scale.kind == "category" else 1.0


def _scaled(ax: Axes, scale: Scale, *, vertical: bool = False) -> None:
    """Put the axis on the hyperparameter's scale, with its tried values as ticks."""
    axis = ax.yaxis if vertical else ax.xaxis
    if scale.kind == "log":
        (ax.set_yscale if vertical else ax.set_xscale)("log")
    levels = few(scale.levels, 8)
    axis.set_ticks([float(level) for level in levels], [plain(words.setting(level)) for level in levels])
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def _importance_of(comparison: Comparison, name: str) -> str:
    row = comparison.importance.frame.loc[name] if comparison.importance is not None else None
    if row is None or not np.isfinite(row["importance"]):
        note = f" ({row['note']})" if row is not None and row["note"] else ""
        return f"{pretty(name)}{note}"
    return f"{pretty(name)}: importance {row['importance']:.2f} ({row['low']:.2f}–{row['high']:.2f})"


def _pair(comparison: Comparison) -> tuple[str, str] | None:
    """The two numeric hyperparameters that interact most; the first two where that is not known."""
    group = comparison.group
    numeric = [s.name for s in group.ranking.surface.scales if s.kind != "category"] if group else []
    if len(numeric) < 2:
        return None
    known = _interactions(comparison, numeric)
    if known is not None:
        top = known.sort_values("share").iloc[-1]
        return str(top["first"]), str(top["second"])
    return numeric[0], numeric[1]


def _interactions(comparison: Comparison, names: Sequence[str]) -> pd.DataFrame | None:
    """How much the pairs among these hyperparameters share; None where that is not known."""
    pairs = comparison.importance.interactions if comparison.importance is not None else None
    if pairs is None or pairs.empty:
        return None
    known = pairs[pairs["first"].isin(names) & pairs["second"].isin(names)]
    return None if known.empty else known


def _interaction(comparison: Comparison, pair: tuple[str, str]) -> str:
    known = _interactions(comparison, pair)
    if known is None:
        return "Too few jobs to say whether they act together"
    share = float(known["share"].iloc[0])
    effect = "act together" if share > _INTERACTING else "act nearly independently"
    return f"They {effect}: {words.percent(share)} of the variance is shared"
