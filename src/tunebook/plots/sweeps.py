"""What a comparison of runs looks like. Comparison in, Axes out; nothing global is changed.

Every picture is first a record of what it says, then drawn. Every level of a hyperparameter has its own colour, marker
and line style, so the pictures can be read without colour, on light and on dark paper.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tunebook import palette, words
from tunebook.plots import axes
from tunebook.plots.axes import plain
from tunebook.plots.chart import Band, Chart, Line, Mark, Numbers, Scale, numbers, scale_of
from tunebook.plots.marks import Look, few, level_of, looks_of, measured, name_of, pretty, ranked_jobs, settings_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from tunebook.analysis.sweeps.comparison import Comparison
    from tunebook.analysis.sweeps.more_data import MoreData

_MOST_LEVELS = 7
_LOG_FACTOR = 4.0  # losses that span more are shown by factors
_ACROSS = {"epoch": "epoch", "step": "step", "share": "share of the job's steps"}


# ---- all curves on one chart


def sweep_chart(comparison: Comparison, *, by: str | None = None, x: str = "epoch", column: str = "valid") -> Chart:
    """What `plot_sweep` says; it takes the same."""
    group = comparison.group
    if group is None:
        return Chart((), measured(comparison, column), note="no ranked jobs")
    x = x if x != "epoch" or _epochs_known(comparison, group.ids) else "share"
    by = by or _leading(comparison, told="n_epochs" if x == "epoch" else "")
    frame = comparison.frame.set_index("id").loc[list(group.ids)]
    looks = looks_of(frame[by].tolist() if by else [])
    curves = list(_job_curves(comparison, frame[::-1], looks, by=by, x=x, column=f"{column}_smooth"))
    if not curves:
        return Chart((), measured(comparison, column), note="no validation curves")
    lines, marks = zip(*curves, strict=True)
    return Chart(
        lines,
        measured(comparison, column),
        x_label=_ACROSS[x],
        title=f"{words.plural(len(lines), 'job')}, smoothed; ★ is the best guess",
        x_range=(0.0, max(line.x[-1] for line in lines)),
        y_range=_scale_of_losses([line.y for line in lines]),
        marks=marks,
        legend=_thinned(list(looks.values())) if len(looks) > 1 else (),
        key=pretty(by) if by and len(looks) > 1 else "",
        alt=_in_words(comparison, frame),
    )


def _job_curves(
    comparison: Comparison, frame: pd.DataFrame, looks: Mapping[Any, Look], *, by: str | None, x: str, column: str
) -> Iterator[tuple[Line, Mark]]:
    """Each job's smoothed curve, and the mark at its recommended step."""
    for job_id, row in frame.iterrows():
        curve = comparison.diagnoses[str(job_id)].curve
        curve = curve[np.isfinite(curve[column].to_numpy(float))]
        if curve.empty:
            continue
        look = looks[level_of(row[by])] if by else Look("", palette.SERIES[0], "o", "-")
        best = job_id == comparison.winner
        width = 2.8 if best else 1.5 if row["indistinguishable"] else 1.0
        at = numbers(curve["step"] / curve["step"].iloc[-1] if x == "share" else curve[x])
        values = numbers(curve[column])
        kept = int((curve["step"] - row["recommended_step"]).abs().to_numpy().argmin())
        mark = Mark(at[kept], values[kept], f"★ {name_of(row)}" if best else "", look.colour, look.marker)
        yield Line("", at, values, look.colour, look.style, width=width), mark


def plot_sweep(
    comparison: Comparison, *, by: str | None = None, x: str = "epoch", column: str = "valid", ax: Axes | None = None
) -> Axes:
    """The smoothed curves of all ranked jobs of the main group on one Axes.

    `by` is the hyperparameter that gives colour, marker and line style (default: of those that the axis does not tell
    already the one that mattered most, else the first that was varied); `x` is "epoch", "step" or "share" (of the
    job's own steps; used for epochs where they are not known); `column` is "valid" or "train". The winner is drawn
    strongest, what cannot be told from it next. A marker stands on each curve at the step whose checkpoint is
    recommended.

    >>> comparison = tb.compare(tb.read_runs("runs"))
    >>> ax = tb.plots.plot_sweep(comparison, by="learning_rate_multiplier")
    >>> ax.get_xlabel()
    'epoch'
    """
    return axes.draw(sweep_chart(comparison, by=by, x=x, column=column), ax)


def _leading(comparison: Comparison, told: str) -> str | None:
    """The hyperparameter that mattered most; without a finding the first that was varied.

    The one that the axis tells already, by where a curve ends, only where there is no other.
    """
    known = comparison.importance
    names = [scale.name for scale in comparison.groups[0].ranking.surface.scales]
    varied = [name for name in names if name != told] or names
    return next((name for name in (known.measured if known else ()) if name in varied), varied[0] if varied else None)


def _thinned(looks: Sequence[Look]) -> tuple[Line, ...]:
    """At most seven entries of a legend, first and last among them."""
    some = few(looks, _MOST_LEVELS)
    return tuple(Line(look.label, (), (), look.colour, look.style, look.marker) for look in some)


def _epochs_known(comparison: Comparison, ids: Sequence[str]) -> bool:
    curves = [comparison.diagnoses[job_id].curve for job_id in ids]
    return all(bool(np.isfinite(curve["epoch"].to_numpy(float)).all()) for curve in curves if len(curve))


def _scale_of_losses(series: Sequence[Numbers]) -> Scale:
    """Keep the interesting end in view: all ends, and the curves from about a seventh of their way on."""
    ends, lows = [values[-1] for values in series], [min(values) for values in series]
    early = [values[len(values) // 7] for values in series]
    top, bottom = float(max(np.quantile(ends, 0.95), np.median(early))), min(lows)
    if not np.isfinite(top - bottom) or top <= bottom:
        return Scale(bottom - 0.5 * (abs(bottom) or 1), bottom + 0.5 * (abs(bottom) or 1))
    if bottom > 0 and top > _LOG_FACTOR * bottom:
        return Scale(bottom * (bottom / top) ** 0.08, top * (top / bottom) ** 0.05, log=True)
    return Scale(bottom - 0.08 * (top - bottom), top + 0.05 * (top - bottom))


def _in_words(comparison: Comparison, frame: pd.DataFrame) -> str:
    """The chart for readers who do not see it: how many curves, where they end, which end best."""
    ends = {}
    for job_id in frame.index:
        valid = comparison.diagnoses[job_id].curve["valid_smooth"].dropna()
        if len(valid):
            ends[job_id] = float(valid.iloc[-1])
    jobs = words.plural(len(frame), "job")
    if not ends:
        return f"Line chart of {jobs} without smoothed validation curves."
    order = sorted(ends, key=lambda job_id: ends[job_id], reverse=comparison.measure == "reward")
    names = {str(job_id): name_of(row) for job_id, row in frame.iterrows()}
    first = [names[job_id] for job_id in order[:3]]
    low, high = words.number(min(ends.values())), words.number(max(ends.values()))
    return (
        f"Line chart of the smoothed validation {comparison.measure} of {words.plural(len(ends), 'job')}. "
        f"At the end of training they lie between {low} and {high}; "
        f"{words.listed(first)} end best. Recommended is {names[comparison.winner or order[0]]}."
    )


# ---- jobs, configurations and their intervals


@dataclass(frozen=True)
class Configuration:
    """A job, or the average of a configuration over seeds with its `jobs`: loss or reward, and interval.

    standing: best, alike (cannot be told from the best), or "".
    """

    label: str
    value: float
    low: float
    high: float
    standing: str = ""
    jobs: Numbers = ()


@dataclass(frozen=True)
class Ranking:
    """Jobs or configurations in order, under a title and the names of the axes; `level` is that of the intervals."""

    configurations: tuple[Configuration, ...]
    title: str
    measure: str
    across: str = ""
    level: float = 0.9


def ranking_chart(comparison: Comparison, *, most: int = 20) -> Ranking | None:
    """What `plot_ranking` says, None without ranked jobs."""
    group = comparison.group
    if group is None:
        return None
    frame = ranked_jobs(comparison)
    by_id = frame.set_index("id")
    shown = []
    seeds = group.ranking.frame["seeds"]
    for job_id, job in zip(by_id.index[:most], by_id.to_dict("records"), strict=False):
        standing = "best" if job_id == comparison.winner else "alike" if job["indistinguishable"] else ""
        sign = {"best": "★ ", "alike": "≈ "}.get(standing, "")
        seed = f", seed {words.setting(job['seed'])}" if seeds[job_id] > 1 and not words.missing(job["seed"]) else ""
        label = f"{sign}{settings_of(comparison, by_id.loc[job_id])}{seed}  {words.probability(job['p_best'])}"
        low, high = float(job["loss_low"]), float(job["loss_high"])
        shown.append(Configuration(label, float(job["loss"]), low, high, standing))
    counted = f"{len(shown)} of {len(frame)}" if len(frame) > len(shown) else f"{len(frame)}"
    title = f"{counted} jobs; ≈ not told apart from ★, % P(best)"
    return Ranking(tuple(shown), title, measured(comparison), level=group.ranking.level)


def seeds_chart(comparison: Comparison, *, most: int = 16) -> Ranking | None:
    """What `plot_seeds` says, None without ranked jobs."""
    group = comparison.group
    if group is None:
        return None
    frame = ranked_jobs(comparison).set_index("id")
    configuration = group.ranking.frame["configuration"]
    counts = configuration.value_counts(sort=False).reindex(configuration.unique())
    chosen = counts.sort_values(ascending=False, kind="stable").index[:most]
    names = [scale.name for scale in group.ranking.surface.scales]
    shown = []
    for number in configuration.unique()[np.isin(configuration.unique(), chosen)]:
        jobs = frame[configuration.loc[frame.index] == number]
        label = "\n".join(words.setting(jobs[name].iloc[0]) for name in names) or "all"
        standing = "best" if comparison.winner in jobs.index else ""
        value, low, high = numbers(group.ranking.settings.loc[number])
        shown.append(Configuration(label, value, low, high, standing, numbers(jobs["loss"])))
    known = {"replicates": "measured", "surface": "guessed from the surface", "assumed": "not measured, assumed"}
    noise = f"Seed noise {words.percent(group.ranking.noise_sd, 1)} ({known[group.ranking.noise_source]})"
    across = " / ".join(pretty(name) for name in names) or "one configuration"
    return Ranking(tuple(shown), noise, measured(comparison), across, group.ranking.level)


def plot_ranking(comparison: Comparison, *, most: int = 20, ax: Axes | None = None) -> Axes:
    """The loss of each job with its interval, best on top.

    The grey band is the winner's interval; jobs that cannot be told from the winner carry ≈. At most `most` rows.

    >>> comparison = tb.compare(tb.read_runs("runs"))
    >>> tb.plots.plot_ranking(comparison).get_xlabel()
    'validation loss (nats per token)'
    """
    ax = axes.own_axes(ax)
    chart = ranking_chart(comparison, most=most)
    if chart is None:
        return axes.say_instead(ax, "no ranked jobs")
    ax.plot([], [], "-s", color=palette.TRAIN, label=f"{words.percent(chart.level)} interval")
    for place, row in enumerate(chart.configurations):
        colour = palette.VALID if row.standing == "best" else palette.TRAIN
        style = "-" if row.standing else ":"
        ax.plot([row.low, row.high], [place, place], style, color=colour, linewidth=2.5, zorder=2)
        ax.plot(row.value, place, "s", color=colour, markersize=7, zorder=3)
    best = chart.configurations[0]
    ax.axvspan(best.low, best.high, color=palette.NEUTRAL, alpha=0.15, linewidth=0, zorder=0)
    ax.set_yticks(range(len(chart.configurations)), [plain(c.label) for c in chart.configurations], fontsize="small")
    ax.invert_yaxis()
    axes.label(ax, chart.measure, "", chart.title)
    ax.legend(fontsize="small", framealpha=0.6)
    return axes.inked(ax)


def plot_seeds(comparison: Comparison, *, most: int = 16, ax: Axes | None = None) -> Axes:
    """Each job's loss beside its seeds': how much of the difference between configurations is luck.

    One column a configuration, best first. Dots are jobs, joined within a configuration; the bar is what it gives
    on average over seeds. Configurations run once are open dots. At most `most` columns, those with several seeds
    first chosen.

    >>> comparison = tb.compare(tb.read_runs("runs"))
    >>> tb.plots.plot_seeds(comparison).get_xlabel()
    'epochs / learning rate multiplier'
    """
    ax = axes.own_axes(ax)
    chart = seeds_chart(comparison, most=most)
    if chart is None:
        return axes.say_instead(ax, "no ranked jobs")
    ax.plot([], [], "-o", color=palette.TRAIN, label="jobs of one configuration")
    ax.plot(
        [], [], color=palette.NEUTRAL, linewidth=6, alpha=0.4, label=f"average over seeds, {words.percent(chart.level)}"
    )
    for place, column in enumerate(chart.configurations):
        colour = palette.VALID if column.standing == "best" else palette.TRAIN
        several = len(column.jobs) > 1
        tall = column.high - column.low
        ax.bar(place, tall, bottom=column.low, width=0.6, color=palette.NEUTRAL, alpha=0.25, zorder=1)
        ax.plot([place - 0.3, place + 0.3], [column.value] * 2, color=palette.NEUTRAL, linewidth=1.5, zorder=2)
        at = [place] * len(column.jobs)
        ax.plot(at, column.jobs, "-o", color=colour, mfc=colour if several else "none", zorder=3)
    ax.set_xticks(range(len(chart.configurations)), [plain(c.label) for c in chart.configurations], fontsize="small")
    axes.label(ax, chart.across, chart.measure, chart.title)
    ax.legend(fontsize="small", framealpha=0.6)
    return axes.inked(ax)


# ---- loss over the number of examples


def more_data_chart(more: MoreData) -> Chart:
    """The parts measured, the curve through them, and its fan up to four times the data."""
    if more.curve.empty:
        return Chart((), "loss", "training examples", note=more.sentence)
    at = {name: numbers(more.curve[name]) for name in more.curve}
    known = numbers(more.measured["examples"])
    seen = Line("measured", known, numbers(more.measured["loss"]), palette.FULL, "", "o")
    curve = Line("expected", at["examples"], at["expected"], palette.VALID, "-")
    bands = tuple(Band(at["examples"], at[f"low{k}"], at[f"high{k}"], palette.VALID) for k in (90, 50))
    scale = scale_of([seen.y, at["expected"], at["low90"], at["high90"]], log=False)
    alt = f"Loss over training examples, measured up to {words.count(known[-1])}. {more.sentence}"
    x_range = (0.0, at["examples"][-1])
    return Chart(
        (curve, seen),
        "loss",
        "training examples",
        x_range=x_range,
        y_range=scale,
        bands=bands,
        alt=alt,
        note=scale.left_out,
    )


def plot_more_data(more: MoreData, *, ax: Axes | None = None) -> Axes:
    """Loss over the number of training examples, with 50 and 90 % intervals. Returns the Axes.

    >>> more = tb.more_data(tb.read_runs("runs"), examples={"file-train": 100})
    >>> tb.plots.plot_more_data(more).get_xlabel()
    'training examples'
    """
    return axes.draw(more_data_chart(more), ax)
