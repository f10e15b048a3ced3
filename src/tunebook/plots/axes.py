"""A chart on matplotlib's Axes. Nothing global is changed, and pyplot is asked only for a figure of the session's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebook import palette
from tunebook.plots.chart import Chart, Line, Mark, log_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# More labels of epochs than this collide.
_MOST_LABELS = 8
_FAINTER = 300  # measurements from which on each is drawn fainter
CLEAR = {"facecolor": "none"}
_SMALL = {".": 4, "x": 4, "o": 5, "s": 5}


def own_axes(ax: Axes | None) -> Axes:
    """`ax`, or the Axes of a new figure of the session's."""
    if ax is not None:
        return ax
    from matplotlib import pyplot  # only when a figure of the session's is wanted

    return pyplot.subplots(figsize=(7, 4.2), layout="constrained", facecolor="none", subplot_kw=CLEAR)[1]


def inked(ax: Axes) -> Axes:
    """The Axes with its words and lines in a grey that is legible on light and on dark paper, and no paper of its own.

    Jupyter puts white behind a clear figure whose labels are all dark: those of the two axes are a shade apart.
    """
    from matplotlib.text import Text

    for text in ax.findobj(Text):
        if text.get_color() in ("black", "k"):
            text.set_color(palette.NEUTRAL)
    ax.tick_params(which="both", colors=palette.NEUTRAL)
    ax.tick_params(axis="y", labelcolor=palette.NEUTRAL_TOO)
    for spine in ax.spines.values():
        spine.set_edgecolor(palette.NEUTRAL)
    if legend := ax.get_legend():
        legend.get_frame().set(facecolor="none", edgecolor="none")
    return ax


def say_instead(ax: Axes, why: str) -> Axes:
    """An Axes with one line of text, where there is nothing to draw."""
    ax.text(0.5, 0.5, why, ha="center", va="center", transform=ax.transAxes, color=palette.NEUTRAL)
    ax.grid(visible=False)
    ax.set(xticks=[], yticks=[])
    return inked(ax)


def label(ax: Axes, across: str, up: str, title: str) -> None:
    ax.set_xlabel(plain(across))
    ax.set_ylabel(up)
    ax.set_title(plain(title), loc="left", fontsize="medium")
    ax.grid(alpha=0.25, color=palette.NEUTRAL, linewidth=0.5)


def plain(text: str) -> str:
    """Text as it is: a dollar sign is a dollar sign, not the start of a formula."""
    return text.replace("$", r"\$")


def draw(chart: Chart, ax: Axes | None = None) -> Axes:
    """Draw a chart on the Axes given, or new ones, and return them."""
    ax = own_axes(ax)
    label(ax, chart.x_label, chart.y_label, chart.title)
    if not chart.lines:
        return say_instead(ax, chart.note)
    for band in chart.bands:
        ax.fill_between(band.x, band.low, band.high, color=band.colour, alpha=0.2, linewidth=0)
    for line in chart.lines:
        _line(ax, line)
    margin = 0.02 * (chart.x_range[1] - chart.x_range[0])
    ax.set_xlim(chart.x_range[0] - margin, chart.x_range[1] + margin)
    _scale(ax, chart)
    _epochs(ax, chart.epochs)
    if chart.onset is not None:
        faint, edge = palette.faint(palette.ONSET, 0.2), palette.faint(palette.ONSET, 0.6)
        ax.axvspan(*chart.onset, fc=faint, ec=edge, linewidth=0, hatch="//", label="overfitting begins")
    for mark in chart.marks:
        _mark(ax, mark)
    for line in chart.legend:
        _line(ax, line)
    if any(line.label for line in (*chart.lines, *chart.legend)):
        ax.legend(title=plain(chart.key), loc="best", fontsize="small", title_fontsize="small", framealpha=0.6)
    return inked(ax)


def _line(ax: Axes, line: Line) -> None:
    # The more measurements, the fainter: the smooth curve must stay the first thing seen.
    faint = 0.35 * min(1.0, (_FAINTER / max(len(line.x), 1)) ** 0.5)
    ax.plot(
        line.x,
        line.y,
        linestyle=line.style or "none",
        marker=line.marker or None,
        color=line.colour,
        alpha=faint if line.faint else 1.0,
        linewidth=line.width,
        markersize=_SMALL.get(line.marker, 6),
        label=plain(line.label) or None,
    )


def _scale(ax: Axes, chart: Chart) -> None:
    """The vertical axis, with the same ticks as on screen where it is logarithmic."""
    low, high, log, _ = chart.y_range
    if log:
        marks = log_ticks(low, high)
        ax.set_yscale("log")
        ax.set_yticks(marks, [f"{mark:g}" for mark in marks])
        ax.set_yticks([], minor=True)
    ax.set_ylim(low, high)
    if chart.note:
        ax.text(0.01, 0.93, chart.note, va="top", fontsize="x-small", color=palette.NEUTRAL, transform=ax.transAxes)


def _mark(ax: Axes, mark: Mark) -> None:
    if mark.across:
        ax.axvline(mark.x, color=palette.NEUTRAL, linestyle=(0, (4, 2)), linewidth=1.4)
    ax.plot(
        [mark.x],
        [0.03 if mark.y is None else mark.y],
        mark.marker,
        color=mark.colour,
        markeredgecolor=palette.NEUTRAL if mark.marker == "*" else mark.colour,
        markersize=13 if mark.marker == "*" else 6,
        label=plain(mark.label) if mark.across else None,
        zorder=5,
        clip_on=False,
        transform=ax.get_xaxis_transform() if mark.y is None else ax.transData,
    )
    if mark.label and not mark.across:
        ax.annotate(
            plain(mark.label),
            (mark.x, mark.y or 0.0),
            textcoords="offset points",
            xytext=(-4, -14),
            ha="right",
            fontsize="small",
            zorder=6,
        )


def _epochs(ax: Axes, ends: tuple[float, ...]) -> None:
    for epoch, step in enumerate(ends, 1):
        ax.axvline(step, color=palette.NEUTRAL, alpha=0.6, linewidth=0.8, linestyle=":")
        if len(ends) <= _MOST_LABELS:
            ax.annotate(
                f"epoch {epoch}" if epoch == 1 else str(epoch),
                (step, 1),
                xycoords=("data", "axes fraction"),
                xytext=(-2, -2),
                textcoords="offset points",
                ha="right",
                va="top",
                fontsize="x-small",
                color=palette.NEUTRAL,
            )
