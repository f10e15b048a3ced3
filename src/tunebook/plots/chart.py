"""What a chart says, as a record of plain values: `svg` draws it for the live cell and the report, `axes` on Axes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from tunebook import palette, words

Numbers: TypeAlias = tuple[float, ...]
# As matplotlib names them: "-", "--", "-.", ":", or (0, lengths); "" is no line.
Style: TypeAlias = "str | tuple[int, tuple[int, ...]]"

# A logarithmic scale where the values span more than this: losses that fall so far hide their end.
_LOG_FROM = 8.0
# A highest value beyond this multiple of the scale that shows 98 % of the others leaves the picture.
_PEAK = 1.6


class Scale(NamedTuple):
    """The vertical axis: its ends, and what was left out of it in words."""

    low: float
    high: float
    log: bool = False
    left_out: str = ""


_UNIT = Scale(0.0, 1.0)


@dataclass(frozen=True)
class Line:
    """One series: a curve, points, or both. label: what the legend calls it, "" for nothing. marker: of its points, ""
    for none. `faint`: measurements behind a curve, of which a drawing may leave out some."""

    label: str
    x: Numbers
    y: Numbers
    colour: str
    style: Style = "-"
    marker: str = ""
    width: float = 2.0
    faint: bool = False


@dataclass(frozen=True)
class Band:
    """The interval around a curve."""

    x: Numbers
    low: Numbers
    high: Numbers
    colour: str


@dataclass(frozen=True)
class Mark:
    """A point worth a word: `y` None is the foot of the axis; `across` draws a line through the whole height."""

    x: float
    y: float | None
    label: str
    colour: str = palette.BEST
    marker: str = "*"
    across: bool = False


@dataclass(frozen=True)
class Chart:
    """Curves over steps, with what is marked on them. Without lines there is nothing to draw, and `note` says why.

    `onset` are the ends of the shaded span in which overfitting begins; `epochs` the steps at which one ends;
    `legend` are samples, where the lines' own labels are not the legend, under the title `key`; `alt` is the chart in
    words.
    """

    lines: tuple[Line, ...]
    y_label: str
    x_label: str = "step"
    title: str = ""
    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: Scale = _UNIT
    bands: tuple[Band, ...] = ()
    onset: tuple[float, float] | None = None
    marks: tuple[Mark, ...] = ()
    epochs: Numbers = ()
    legend: tuple[Line, ...] = ()
    key: str = ""
    note: str = ""
    alt: str = ""


def numbers(values: Any) -> Numbers:
    """A column as a tuple of floats."""
    return tuple(np.asarray(values, dtype=float).tolist())


def scale_of(series: Iterable[Any], *, log: bool | None = None) -> Scale:
    """The scale on which series are seen best. log: None where the values decide.

    A few measurements far above all others would press the rest flat: they leave the picture, and it says so.
    """
    parts = [part[np.isfinite(part)] for part in (np.asarray(values, dtype=float) for values in series)]
    parts = [part for part in parts if len(part)]
    if not parts:
        return _UNIT
    values = np.concatenate(parts)
    low, high = float(values.min()), float(values.max())
    if _spans_factors(values) if log is None else log:
        low = float(values[values > 0].min())
        room = (high / low) ** 0.04 if high > low else 1.5
        return Scale(low / room, high * room, log=True)
    top = 1.25 * max(float(np.quantile(part, 0.98)) for part in parts)
    if high > _PEAK * top > 0:
        left_out = f"↑ {int((values > top).sum())} higher, up to {words.number(high, 3)}"
        return Scale(min(0.0, low), top, left_out=left_out)
    room = 0.04 * (high - low) or 0.5 * (abs(high) or 1.0)
    return Scale(0.0 if 0 <= low < room else low - room, high + room)


def _spans_factors(values: np.ndarray) -> bool:
    positive = values[values > 0]
    if not len(positive):
        return False
    low, high = np.quantile(positive, (0.05, 0.98))
    return bool(high > _LOG_FROM * low)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers between `low` and `high`."""
    rough = (high - low) / max(about, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough)
    first = math.ceil(low / step)
    return [round(i * step, 12) for i in range(first, math.floor(high / step) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5 times powers of ten between two positive numbers; fewer where that would be crowded."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 3, 4, 5, 6, 8), (1, 2, 5), (1, 3), (1,)):
        marks = [mark for p in powers for m in steps if low <= (mark := float(f"{m}e{p}")) <= high]
        if len(marks) <= 7:
            break
    return marks
