"""The report's figures: drawn by `tunebook.plots`, kept as inline SVG that takes its ink from the page.

Lines and text stay vectors, so they are sharp on paper; text and axes use the page's own colours, so they are
legible in the dark; clouds of single measurements become one small bitmap, because thousands of vector points
would make the page heavy.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tunebook import palette
from tunebook.analysis.sweeps.comparison import Comparison
from tunebook.plots.curves import plot_loss
from tunebook.plots.sweeps import plot_sweep
from tunebook.report.alt_text import curve_table, describe_curve, describe_sweep
from tunebook.report.content import Table
from tunebook.report.jobs import labels

# Curves drawn one by one; a page of more is not read, and stays under its size.
MOST_CURVES = 40
# Single measurements beyond this many become a bitmap.
_MANY_POINTS = 120
_FAINTER = 300
# Dots per inch of those bitmaps: 40 of them must stay small, and the points are faint anyway.
_BITMAP_DPI = 100
# Colours that stand for the page's own; nothing else in the figures uses them.
_INK, _RULE = "#010203", "#040506"
_VARIABLES = {palette.TRAIN: "train", palette.VALID: "valid", palette.FULL: "full", palette.ONSET: "onset"}


@dataclass(frozen=True)
class Picture:
    """A figure: file name without ending, what it shows in words, the drawing as an SVG element, and its numbers."""

    name: str
    alt: str
    svg: str
    table: Table | None = None

    def standalone(self) -> str:
        """The drawing as an SVG file that is legible on light and on dark pages."""
        style = (
            "<style>:root{--ink:#1f2328;--rule:#c9ced3;color:var(--ink)}"
            "@media(prefers-color-scheme:dark){:root{--ink:#e6e8ea;--rule:#3b444c}}</style>"
        )
        head, rest = self.svg.split(">", 1)
        return f'<?xml version="1.0" encoding="utf-8"?>\n{head} font-family="system-ui,sans-serif">{style}{rest}\n'


@dataclass(frozen=True)
class Pictures:
    """All figures of a report: the winner's curve large, all jobs on one chart, and each job's own."""

    winner: Picture | None
    sweep: Picture | None
    jobs: Mapping[str, Picture]
    not_drawn: tuple[str, ...] = ()

    def __iter__(self):
        yield from filter(None, (self.winner, self.sweep, *self.jobs.values()))


def draw_pictures(comparison: Comparison, *, most_curves: int = MOST_CURVES) -> Pictures:
    """Draw a comparison's figures. A figure that cannot be drawn is left out and named, with the reason."""
    names, failed = labels(comparison), []
    jobs: dict[str, Picture] = {}
    winner = sweep = None
    curves = [job_id for job_id in comparison.frame.get("id", ()) if job_id in comparison.diagnoses]
    for job_id in curves[:most_curves]:
        diagnosis, run = comparison.diagnoses[job_id], comparison.run(job_id)
        alt = describe_curve(names[job_id], diagnosis)

        def draw(ax: Axes, run=run, diagnosis=diagnosis) -> None:
            plot_loss(run, diagnosis=diagnosis, ax=ax)

        try:
            if job_id == comparison.winner:
                svg = _svg(draw, (8.4, 3.5), prefix="w")
                winner = Picture(f"curve-{slug(job_id)}", alt, svg, curve_table(names[job_id], diagnosis))
            else:
                svg = _svg(draw, (4.6, 2.4), prefix=f"j{len(jobs)}")
                jobs[job_id] = Picture(f"curve-{slug(job_id)}", alt, svg, curve_table(names[job_id], diagnosis))
        except ValueError as error:  # what matplotlib raises for values or text it cannot draw
            failed.append(f"The curve of {names[job_id]} could not be drawn: {error}")
    if len(curves) > most_curves:
        failed.append(f"Only the first {most_curves} of {len(curves)} curves are drawn, best first.")
    if comparison.group is not None and len(comparison.group.ids) > 1:
        try:
            svg = _svg(lambda ax: plot_sweep(comparison, ax=ax), (8.4, 3.5), prefix="s", legend=True)
            sweep = Picture("all-jobs", describe_sweep(comparison), svg)
        except ValueError as error:
            failed.append(f"The chart of all jobs could not be drawn: {error}")
    return Pictures(winner, sweep, jobs, tuple(failed))


def inked(colour: str) -> str:
    """A colour of the palette as the page's variable, which is lighter in the dark."""
    return f"var(--{_VARIABLES[colour]},{colour})" if colour in _VARIABLES else colour


def slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text).strip("-.") or "job"


def _svg(draw: Callable[[Axes], object], size: tuple[float, float], *, prefix: str, legend: bool = False) -> str:
    """What `draw` draws on Axes of `size` (inches), as an SVG element whose ids begin with `prefix`."""
    figure = Figure(figsize=size, layout="constrained", dpi=_BITMAP_DPI)
    ax = figure.subplots()
    draw(ax)
    _dress(ax, legend=legend)
    stream = io.StringIO()
    # Text stays text, and the same numbers give the same page; both only while this figure is saved.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "tunebook"}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _inline(stream.getvalue(), prefix)


def _dress(ax: Axes, *, legend: bool) -> None:
    """Take what the page says itself (title, key) off the Axes, and give the rest the page's ink."""
    ax.set_title("", loc="left")
    ax.set_title("")
    key = ax.get_legend()
    if key is not None and not legend:
        key.remove()
    elif key is not None:
        key.set_frame_on(False)
        for text in (*key.get_texts(), key.get_title()):
            text.set(color=_INK, fontsize=8)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set(color=_RULE, linewidth=0.8)
    ax.tick_params(which="both", color=_RULE, labelcolor=_INK, labelsize=8, length=3)
    for label in (ax.xaxis.label, ax.yaxis.label):
        label.set(color=_INK, fontsize=8.5)
    for text in ax.texts:
        text.set_fontsize(8.5)
    for patch in ax.patches:
        patch.set_hatch("")  # browsers print the pattern as a solid block that hides the curve
    for line in ax.get_lines():
        if line.get_linestyle() in ("None", " ", "") and np.size(line.get_xdata()) > _MANY_POINTS:
            line.set_rasterized(True)
            # The more points, the fainter: the smooth curve must stay the first thing seen.
            line.set_alpha((line.get_alpha() or 1.0) * min(1.0, (_FAINTER / np.size(line.get_xdata())) ** 0.5))


def _inline(svg: str, prefix: str) -> str:
    """The SVG element alone, without ids nobody refers to (a page holds many figures), in the page's colours."""
    body = svg[svg.index("<svg") :].strip()
    ElementTree.fromstring(body)  # noqa: S314 - our own drawing; foreign text in it must have been escaped
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", body))
    body = re.sub(r' id="([^"]*)"', lambda found: f' id="{prefix}-{found[1]}"' if found[1] in used else "", body)
    body = re.sub(r"(url\(#|href=\"#)", rf"\g<1>{prefix}-", body)
    for colour in _VARIABLES:
        body = re.sub(rf"(stroke|fill): {colour}", rf"\1: {inked(colour)}", body)
    body = body.replace(_INK, "var(--ink,#444)").replace(_RULE, "var(--rule,#bbb)")
    body = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", body)  # the family is the page's
    body = re.sub(
        r"<!--.*?-->|\s*\n\s*", lambda found: "" if found[0].startswith("<!--") else "\n", body, flags=re.DOTALL
    )
    return re.sub(
        r'<svg [^>]*?viewBox="([^"]*)"[^>]*>',
        r'<svg xmlns="http://www.w3.org/2000/svg" '
        r'xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="\1">',
        body,
        count=1,
    )
