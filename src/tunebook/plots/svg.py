"""A chart as SVG, in a few milliseconds: `inline` for a page or a widget, `picture` for a notebook's output.

Inline, text is `currentColor` and curves take the page's variables (`--train`, `--valid`, `--full`, `--onset`) where it
has them, so one string is right in light and dark. A picture stands alone in an `<img>`, where neither exists: its text
is a grey that is read on both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from markupsafe import escape

from tunebook import palette, words
from tunebook.plots.chart import Band, Chart, Line, Mark, Style, log_ticks, numbers, ticks
from tunebook.show import Picture

_LETTER = 6.2  # the width of a letter of 11 pixels, on average
_PIXELS_A_POINT = 2.5  # more points than one in so many pixels are not seen, only sent
_DASHES = {"-": "", "--": "6 3", "-.": "8 3 2 3", ":": "2 3"}
# Markers around the origin, one unit wide to each side.
_MARKERS = {
    "o": "M-1 0a1 1 0 1 0 2 0a1 1 0 1 0-2 0z",
    "s": "M-.9-.9h1.8v1.8h-1.8z",
    "^": "M0-1L1 .8H-1z",
    "v": "M0 1L1-.8H-1z",
    "D": "M0-1.1L1.1 0L0 1.1L-1.1 0z",
    "P": "M-.35-1h.7v.65h.65v.7h-.65v.65h-.7v-.65h-.65v-.7h.65z",
    "X": "M-1-.5L-.5-1L0-.5L.5-1L1-.5L.5 0L1 .5L.5 1L0 .5L-.5 1L-1 .5L-.5 0z",
    "*": "M0-1.6L.38-.52L1.52-.49L.61.2L.94 1.29L0 .64L-.94 1.29L-.61.2L-1.52-.49L-.38-.52z",
}
_INK, _GREY = "currentColor", palette.NEUTRAL
_VARIABLES = {palette.TRAIN: "train", palette.VALID: "valid", palette.FULL: "full", palette.ONSET: "onset"}
Place: TypeAlias = Callable[[Any], Any]


class Box(NamedTuple):
    """The part of a drawing inside its axes, in pixels."""

    left: float
    right: float
    top: float
    bottom: float


def inline(chart: Chart, *, width: int = 600, height: int = 250, legend: bool = True, empty: str = "") -> str:
    """The chart as one `<svg>` for a page; always `width` x `height`, so that nothing jumps when first values arrive.

    legend: names of lines and marks; False where the page has its own. empty: the words where there is nothing.
    """
    if not chart.lines:
        return _frame(width, height, _nothing(empty or chart.note, width, height), empty or chart.note)
    return _frame(width, height, _drawing(chart, width, height, legend), chart.alt)


def picture(chart: Chart, *, width: int = 640, height: int = 280, empty: str = "") -> Picture:
    """The chart as a picture that no front end strips."""
    drawn = inline(chart, width=width, height=height, empty=empty)
    return _pictured(drawn, chart.alt or empty or chart.note, width)


def _pictured(svg: str, said: str, width: int) -> Picture:
    return Picture(_alone(svg).replace(_INK, _GREY), said, width)


def file(chart: Chart, *, width: int = 860, height: int = 360) -> str:
    """The chart as the text of an SVG file, its ink as the reader's system is, light or dark."""
    head, rest = _alone(inline(chart, width=width, height=height)).split(">", 1)
    ink = "<style>:root{color:#1f2328}@media(prefers-color-scheme:dark){:root{color:#e6e8ea}}</style>"
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}>{ink}{rest}\n'


def sample(line: Line, *, width: int = 34, height: int = 14) -> Picture:
    """A line's look for a key beside the chart."""
    return _pictured(_small(_sample(line, 1.0, height / 2, width - 2.0), width, height), "", width)


def key() -> list[tuple[str, str]]:
    """What the lines and marks of a run's chart mean: words, and a drawing of each."""
    at = (0.0, 28.0)
    entries = []
    for name, look in palette.CURVES.items():
        line = Line("", at, (6.0, 6.0), look.colour, look.style, look.marker if name == "full" else "")
        band = _band(Band(at, (11.0, 11.0), (1.0, 1.0), look.colour), np.asarray, np.asarray) if name == "valid" else ""
        said = f"{look.label}, with 90 % band" if band else look.label
        entries.append((said, band + _sample(line, 0.0, 6.0, 28.0)))
    onset = f'<rect x="4" width="20" height="12" fill="{_paint(palette.ONSET)}" fill-opacity=".35"/>'
    star = f'<path d="M14 0v12" stroke="{_INK}" stroke-opacity=".6" stroke-dasharray="4 3"/>'
    entries += [("onset of overfitting", onset)]
    entries += [("recommended checkpoint", star + _marker("*", 14.0, 6.0, palette.BEST, 4.5))]
    return [(said, _small(drawn, 28, 12)) for said, drawn in entries]


def sparkline(train: np.ndarray, valid: np.ndarray, *, width: int = 110, height: int = 24) -> Picture | None:
    """Training and validation loss of one job as a picture the size of a word."""
    pairs = [(look, y) for look, y in zip(palette.CURVES.values(), (train, valid), strict=False) if len(y) > 1]
    if not pairs:
        return None
    log = all((y > 0).all() for _, y in pairs)  # the end of a falling curve is what tells jobs apart
    bent = [np.log(y) if log else y for _, y in pairs]
    low, high = np.quantile(np.concatenate(bent), [0.0, 0.98])
    spread = float(high - low) or 1.0
    names = ("training loss", "validation loss")
    said = ", ".join(
        f"{name} {words.number(y[0])} to {words.number(y[-1])}"
        for name, y in zip(names, (train, valid), strict=True)
        if len(y) > 1
    )
    drawn = []
    for (look, _), y in zip(pairs, bent, strict=True):
        y = np.asarray(thin(np.arange(len(y)), y, 40)[1])
        down = 2 + (1 - (np.clip(y, low, high) - low) / spread) * (height - 4)
        drawn.append(_polyline(_pairs(np.linspace(2, width - 2, len(y)), down), look.colour, 1.4, look.style))
    return _pictured(_small("".join(drawn), width, height), said, width)


def thin(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """At most `most` points: means of equal runs of rows; the last point is kept as it is."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if len(x) <= most:
        return x, y
    edges = np.linspace(0, len(x) - 1, most).astype(int)
    sizes = np.diff(np.append(edges[:-1], len(x) - 1))
    mean_x = np.add.reduceat(x[:-1], edges[:-1]) / sizes
    mean_y = np.add.reduceat(y[:-1], edges[:-1]) / sizes
    return np.append(mean_x, x[-1]), np.append(mean_y, y[-1])


def _small(drawn: str, width: int, height: int) -> str:
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return f'<svg {size} aria-hidden="true" fill="none">{drawn}</svg>'


def _frame(width: int, height: int, drawn: str, said: str) -> str:
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" style="height:auto"'
    label = f'role="img" aria-label="{escape(said)}"'
    return f'<svg {size} {label} font-family="inherit" font-size="11" fill="none">{drawn}</svg>'


def _alone(svg: str) -> str:
    """An `<svg>` that needs no page around it."""
    head = 'xmlns="http://www.w3.org/2000/svg" '
    svg = svg.replace("<svg ", f"<svg {head}", 1).replace('"inherit"', '"system-ui,sans-serif"')
    return re.sub(r"var\(--\w+,([^)]+)\)", r"\1", svg)


def _nothing(said: str, width: int, height: int) -> str:
    size = f'width="{width - 56}" height="{height - 56}"'
    return f'<rect x="44.5" y="22.5" {size} rx="3" stroke="{_INK}" stroke-opacity=".2"/>' + _words(
        said, width / 2, height / 2, "middle"
    )


def _drawing(chart: Chart, width: int, height: int, legend: bool) -> str:
    first, last = chart.x_range
    low, high, log, _ = chart.y_range
    up = [(tick, f"{tick:g}") for tick in (log_ticks(low, high) if log else ticks(low, high))]
    left = max(48.0, 24 + _LETTER * max((len(label) for _, label in up), default=0))  # room for what is measured
    samples = _legend(chart, left, width - 12.0) if legend else ""
    rows = samples.count("<g ")
    box = Box(left, width - 12, 8 + 18 * rows, height - 34)
    bend: Place = np.log10 if log else np.asarray
    bent_low, bent_high = float(bend(low)), float(bend(high))

    def px(x: Any) -> Any:
        return box.left + (np.asarray(x) - first) / (last - first) * (box.right - box.left)

    def py(y: Any) -> Any:
        share = (bend(np.maximum(y, 1e-12) if log else y) - bent_low) / (bent_high - bent_low)
        return box.bottom - share * (box.bottom - box.top)

    most = int((box.right - box.left) / _PIXELS_A_POINT)
    parts = [_grid(chart, px, [(float(py(tick)), label) for tick, label in up], box)]
    if not legend:  # with one, the names of the marks stand there
        parts += _epoch_numbers([float(px(step)) for step in chart.epochs], box)
    if chart.onset is not None:
        parts.append(_onset(float(px(chart.onset[0])), float(px(chart.onset[1])), box, legend))
    parts += [
        _band(_thinned_band(band, most), px, lambda y: np.clip(py(y), box.top, box.bottom)) for band in chart.bands
    ]
    parts += [_line(line, px, py, most, box.top, box.bottom) for line in chart.lines]
    parts += [_mark(mark, px, py, box, legend) for mark in chart.marks]
    if chart.note:
        parts.append(_words(chart.note, box.left + 5, box.top + 24, size=10))
    return "".join(parts) + samples


def _grid(chart: Chart, px: Place, upward: Sequence[tuple[float, str]], box: Box) -> str:
    """Axes, ticks (upward: where, and its number), the lines of epochs, and what is measured."""
    parts = []
    for y, label in upward:
        parts.append(f'<path d="M{box.left} {y:.1f}H{box.right}" stroke="{_INK}" stroke-opacity=".14"/>')
        parts.append(_words(label, box.left - 6, y + 4, "end", opacity=1))
    across = [(tick, float(px(tick))) for tick in ticks(*chart.x_range, about=6)]
    parts += [_words(f"{tick:g}", x, box.bottom + 15, "middle", opacity=1) for tick, x in across]
    for step in chart.epochs:
        if step <= chart.x_range[1]:
            line = f'd="M{float(px(step)):.1f} {box.top}V{box.bottom}"'
            parts.append(f'<path {line} stroke="{_INK}" stroke-opacity=".3" stroke-dasharray="1 4"/>')
    parts.append(f'<path d="M{box.left} {box.bottom}H{box.right}" stroke="{_INK}" stroke-opacity=".5"/>')
    below = chart.x_label + (" (dotted: end of an epoch)" if chart.epochs else "")
    parts.append(_words(below, (box.left + box.right) / 2, box.bottom + 30, "middle"))
    up = chart.y_label + (", log scale" if chart.y_range[2] else "")
    turned = f'<g transform="translate(11 {(box.top + box.bottom) / 2:.0f}) rotate(-90)">'
    parts.append(f"{turned}{_words(up, 0, 0, 'middle')}</g>")
    return "".join(parts)


def _epoch_numbers(ends: Sequence[float], box: Box) -> list[str]:
    """The number of each epoch at the top, before the line that ends it; none where they would touch each other."""
    if min((b - a for a, b in pairwise([box.left, *ends])), default=0.0) < 3 * _LETTER:
        return []
    names = [str(number) for number in range(1, len(ends) + 1)]
    if ends[0] - box.left > 10 * _LETTER:
        names[0] = "epoch 1"
    return [_words(name, x - 4, box.top + 10, "end") for name, x in zip(names, ends, strict=True) if x <= box.right]


def _text(said: str) -> str:
    """Text inside a drawing: escaped, and a dollar sign in an element of its own, so that no page typesets it."""
    return re.sub(r"[$\\]", r"<tspan>\g<0></tspan>", str(escape(said)))


def _words(said: str, x: float, y: float, anchor: str = "start", *, opacity: float = 0.75, size: int = 11) -> str:
    more = f' text-anchor="{anchor}"' if anchor != "start" else ""
    more += f' opacity="{opacity:g}"' if opacity < 1 else ""
    more += f' font-size="{size}"' if size != 11 else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{more} fill="{_INK}">{_text(said)}</text>'


def _paint(colour: str) -> str:
    """A colour of the palette as the page's variable, which may be lighter in the dark."""
    return f"var(--{_VARIABLES[colour]},{colour})" if colour in _VARIABLES else colour


def _dashes(style: Style) -> str:
    lengths = _DASHES[style] if isinstance(style, str) else " ".join(f"{2 * length}" for length in style[1])
    return f' stroke-dasharray="{lengths}"' if lengths else ""


def _points(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _pairs(x: np.ndarray, y: np.ndarray) -> list[tuple[float, float]]:
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _polyline(points: list[tuple[float, float]], colour: str, width: float, style: Style) -> str:
    look = f'stroke="{_paint(colour)}" stroke-width="{width:g}" stroke-linejoin="round"{_dashes(style)}'
    return f'<polyline points="{_points(points)}" {look}/>'


def _line(line: Line, px: Place, py: Place, most: int, top: float = -np.inf, bottom: float = np.inf) -> str:
    """A curve and its points, those between the pixels `top` and `bottom`."""
    x, y = np.asarray(line.x), np.asarray(line.y)
    if line.faint:
        x, y = (part[:: max(1, -(-len(x) // most))] for part in (x, y))
    elif not line.marker:
        x, y = thin(x, y, most)
    points = _pairs(px(x), py(y))
    inside = [(a, b) for a, b in points if top <= b <= bottom]
    if line.faint:
        return _faint(line, inside)
    parts = []
    if line.style:
        parts = [_polyline(piece, line.colour, line.width, line.style) for piece in _pieces(points, top, bottom)]
    if line.marker:
        size = 2.2 if line.marker in ".x" else 4.0
        parts += [_marker(line.marker, a, b, line.colour, size) for a, b in inside]
    return "".join(parts)


def _pieces(points: list[tuple[float, float]], top: float, bottom: float) -> Iterator[list[tuple[float, float]]]:
    """The parts of a curve between two heights: it is cut where it leaves the picture."""
    piece: list[tuple[float, float]] = []
    for (x0, y0), (x1, y1) in pairwise(points):
        if max(y0, y1) < top or min(y0, y1) > bottom:
            continue
        slope = (x1 - x0) / (y1 - y0) if y1 != y0 else 0.0
        first, last = min(max(y0, top), bottom), min(max(y1, top), bottom)
        start, end = (x0 + slope * (first - y0), first), (x1 + slope * (last - y1), last)
        if not piece or piece[-1] != start:
            if piece:
                yield piece
            piece = [start]
        piece.append(end)
    if piece:
        yield piece


def _faint(line: Line, points: list[tuple[float, float]]) -> str:
    """Measurements as one path, so that hundreds of them are small."""
    cross = line.marker == "x"
    dots = (f"M{x - 2:.1f} {y - 2:.1f}l4 4m0-4l-4 4" if cross else f"M{x:.1f} {y:.1f}h0" for x, y in points)
    look = f'stroke-opacity=".35" stroke-width="{1 if cross else 3}" stroke-linecap="round"'
    return f'<path d="{"".join(dots)}" stroke="{_paint(line.colour)}" {look}/>'


def _marker(marker: str, x: float, y: float, colour: str, size: float = 4.0) -> str:
    edge = f' stroke="{_GREY}" stroke-width=".15"' if marker == "*" else ""
    at = f"translate({x:.1f} {y:.1f}) scale({size:g})"
    return f'<path transform="{at}" d="{_MARKERS.get(marker, _MARKERS["o"])}" fill="{_paint(colour)}"{edge}/>'


def _thinned_band(band: Band, most: int) -> Band:
    x, low = thin(band.x, band.low, most)
    return replace(band, x=numbers(x), low=numbers(low), high=numbers(thin(band.x, band.high, most)[1]))


def _band(band: Band, px: Place, py: Place) -> str:
    x = px(np.concatenate([band.x, band.x[::-1]]))
    y = py(np.concatenate([band.high, band.low[::-1]]))
    return f'<polygon points="{_points(_pairs(x, y))}" fill="{_paint(band.colour)}" fill-opacity=".2"/>'


def _onset(start: float, end: float, box: Box, named: bool) -> str:
    wide, tall = max(end - start, 1.5), box.bottom - box.top
    shade = f'<rect x="{start:.1f}" y="{box.top}" width="{wide:.1f}" height="{tall}"'
    shade += f' fill="{_paint(palette.ONSET)}" fill-opacity=".25"/>'
    return shade + (_beside("overfitting begins", start + wide / 2, box.top + 11, box) if named else "")


def _beside(said: str, x: float, y: float, box: Box) -> str:
    """Words beside a vertical line, on the side that has room for them."""
    fits = x + 4 + _LETTER * len(said) < box.right
    return _words(said, x + 4 if fits else x - 4, y, "start" if fits else "end", opacity=1)


def _mark(mark: Mark, px: Place, py: Place, box: Box, named: bool) -> str:
    x = float(px(mark.x))
    y = box.bottom - 8 if mark.y is None else float(py(mark.y))
    line = said = ""
    if mark.across:
        line = f'<path d="M{x:.1f} {box.top}V{box.bottom}" stroke="{_INK}" stroke-opacity=".6" stroke-dasharray="4 3"/>'
        said = _beside(mark.label, x, box.top + 25, box) if named else ""
    elif mark.label:
        said = _words(mark.label, x - 4, y + 16, "end", opacity=1)
    return line + _marker(mark.marker, x, y, mark.colour, 4.5 if mark.marker == "*" else 3.5) + said


def _sample(line: Line, x: float, y: float, width: float) -> str:
    shown = replace(line, x=(x, x + width), y=(y, y))
    drawn = _line(replace(shown, marker=""), np.asarray, np.asarray, 2) if line.style else ""
    return drawn + (_marker(line.marker, x + width / 2, y, line.colour, 3.5) if line.marker else "")


def _legend(chart: Chart, left: float, right: float) -> str:
    """Samples and words of the lines in rows above the plot."""
    entries = [line for line in (*chart.legend, *chart.lines) if line.label]
    rows: list[list[str]] = [[]]
    x = left
    if chart.key:
        rows[-1].append(_words(chart.key, x, 4))
        x += _LETTER * len(chart.key) + 12
    for line in entries:
        wide = 30 + _LETTER * len(line.label)
        if x + wide > right + 8 and rows[-1]:
            rows.append([])
            x = left
        rows[-1].append(_sample(line, x, 0.0, 18.0) + _words(line.label, x + 23, 4, opacity=1))
        x += wide + 8
    drawn = (f'<g transform="translate(0 {10 + 18 * place})">{"".join(row)}</g>' for place, row in enumerate(rows))
    return "".join(drawn) if entries else ""
