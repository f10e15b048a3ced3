"""Curves as inline SVG: the live loss chart, the overlay of several jobs, and sparklines.

Text is `currentColor` and grid lines are theme variables, so one string is right in light and dark themes, in a saved
notebook and in an export, and a tick costs a few milliseconds. (The figures to publish are drawn by `tunebook.plots`.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tunebook.widgets.markup import esc, number, table
from tunebook.widgets.style import SERIES_COLOURS, TRAIN_COLOUR, VALID_COLOUR

DASHES = ("", "6 3", "2 3", "8 3 2 3")
MOST_EPOCH_LINES = 12
LOG_FROM = 5.0
MOST_POINTS = 240  # a chart is about 560 pixels wide; more vertices are not seen, only sent


@dataclass(frozen=True)
class Line:
    """One series of a chart. `x` are steps; `style` is line, dashed, faint or markers."""

    label: str
    x: np.ndarray
    y: np.ndarray
    colour: str
    style: str = "line"
    dash: str = ""


@dataclass(frozen=True)
class Chart:
    """What a chart shows: lines, and steps worth marking (label -> step)."""

    lines: tuple[Line, ...]
    y_label: str
    marks: Mapping[str, float] = field(default_factory=dict)
    epochs: tuple[float, ...] = ()
    x_max: float | None = None
    alt: str = ""

    @property
    def log(self) -> bool:
        """Whether y is drawn on a log scale: losses that fall to a small part of where they began hide their end."""
        y = np.concatenate([line.y for line in self.lines])
        return bool(y.min() > 0 and np.quantile(y, 0.99) > LOG_FROM * np.quantile(y, 0.05))


# What is drawn, the first that exists: columns of training, sampled and full validation, and the axis label.
_METRICS = (
    ("train_loss", "valid_loss", "full_valid_loss", "loss"),
    ("train_mean_reward", "valid_mean_reward", "full_valid_mean_reward", "mean reward"),
)


def measured(frame: Any, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of the rows where `column` was measured; two empty arrays where there is none."""
    if frame is None or column not in frame.columns or "step" not in frame.columns:
        return np.empty(0), np.empty(0)
    step = frame["step"].to_numpy(dtype=float)
    value = frame[column].to_numpy(dtype=float)
    kept = np.isfinite(step) & np.isfinite(value)
    return step[kept], value[kept]


def thin(x: np.ndarray, y: np.ndarray, most: int = MOST_POINTS) -> tuple[np.ndarray, np.ndarray]:
    """At most `most` points: means of equal runs of rows; the last point is kept as it is."""
    if len(x) <= most:
        return x, y
    edges = np.linspace(0, len(x) - 1, most).astype(int)
    sizes = np.diff(np.append(edges[:-1], len(x) - 1))
    mean_x = np.add.reduceat(x[:-1], edges[:-1]) / sizes
    mean_y = np.add.reduceat(y[:-1], edges[:-1]) / sizes
    return np.append(mean_x, x[-1]), np.append(mean_y, y[-1])


def smooth(y: np.ndarray) -> np.ndarray:
    """Centred moving mean over a fifteenth of the curve (at least 3 points): the line the eye would draw."""
    width = max(3, len(y) // 15) | 1
    if len(y) < 6:
        return y
    padded = np.pad(y, width // 2, mode="edge")
    sums = np.cumsum(np.insert(padded, 0, 0.0))
    return (sums[width:] - sums[:-width]) / width


def loss_chart(
    frame: Any,
    *,
    diagnosis: Any = None,
    total_steps: int | None = None,
    n_epochs: float | None = None,
) -> Chart | None:
    """The curves of one job: training raw and smoothed, sampled validation, full validation at epoch ends.

    frame: a result frame with `step` and the canonical columns. None when nothing was measured yet.
    diagnosis: adds its smoothed validation curve, onset and recommended step.
    """
    for *columns, label in _METRICS:  # noqa: B007 - used after the loop
        series = [measured(frame, column) for column in columns]
        if any(len(x) for x, _ in series):
            break
    else:
        return None
    (tx, ty), (vx, vy), (fx, fy) = series
    lines = []
    if len(tx):
        if len(tx) >= 6:
            lines.append(Line("", *thin(tx, ty), TRAIN_COLOUR, "faint"))
        lines.append(Line("training", *thin(tx, smooth(ty)), TRAIN_COLOUR))
    curve = getattr(diagnosis, "curve", None)
    cx, cy = measured(curve, "valid_smooth") if curve is not None else (np.empty(0), np.empty(0))
    if len(vx):
        if len(cx) > 1:
            lines.append(Line("", *thin(vx, vy, 160), VALID_COLOUR, "dots"))
            lines.append(Line("validation", *thin(cx, cy), VALID_COLOUR, "line", "6 3"))
        else:
            lines.append(Line("validation, sampled", *thin(vx, vy, 160), VALID_COLOUR, "line", "6 3"))
    if len(fx):
        lines.append(Line("full validation", fx, fy, VALID_COLOUR, "markers"))
    last = max(float(x[-1]) for x, _ in series if len(x))
    # The whole way ahead from a third of it on; before that it would leave the curve no room.
    x_max = max(last, min(float(total_steps or 0), 3 * last))
    epochs: tuple[float, ...] = ()
    if n_epochs and 1 < n_epochs <= MOST_EPOCH_LINES and total_steps:
        epochs = tuple(total_steps * e / n_epochs for e in range(1, math.ceil(n_epochs)))
    marks = {words: step for words, step in _marks(diagnosis).items() if step < 0.97 * last}
    return Chart(tuple(lines), label, marks, epochs, x_max, _describe(label, series))


def _marks(diagnosis: Any) -> dict[str, float]:
    marks = {}
    onset = getattr(diagnosis, "onset_step", None)
    best = getattr(diagnosis, "recommended_step", None)
    if onset is not None and math.isfinite(onset):
        marks["overfits from here"] = float(onset)
    elif best is not None and math.isfinite(best):
        marks["lowest expected loss"] = float(best)
    return marks


def _describe(label: str, series: Sequence[tuple[np.ndarray, np.ndarray]]) -> str:
    parts = []
    for name, (x, y) in zip(("training", "validation", "full validation"), series, strict=True):
        if len(x):
            parts.append(f"{name} {label} from {number(float(y[0]))} to {number(float(y[-1]))} at step {x[-1]:.0f}")
    return "; ".join(parts)


def overlay_chart(frames: Mapping[str, Any]) -> Chart | None:
    """One curve of several jobs over each other: the first of validation, full validation and training all have.

    frames: name -> result frame. Jobs with fewer than two values of it are left out; None when all are.
    """
    for column in ("valid_loss", "full_valid_loss", "train_loss"):
        curves = {name: measured(frame, column) for name, frame in frames.items()}
        curves = {name: pair for name, pair in curves.items() if len(pair[0]) > 1}
        if len(curves) == len(frames):
            break
    lines = []
    for i, (name, (x, y)) in enumerate(curves.items()):
        colour = SERIES_COLOURS[i % len(SERIES_COLOURS)]
        dash = DASHES[(i // len(SERIES_COLOURS)) % len(DASHES)]
        shown = y if column == "full_valid_loss" else smooth(y)
        lines.append(Line(name, *thin(x, shown, 120), colour, "line", dash))
    if not lines:
        return None
    what = {"valid_loss": "validation loss", "full_valid_loss": "full validation loss"}.get(column, "training loss")
    alt = "; ".join(f"{line.label}: last {what} {number(float(line.y[-1]))}" for line in lines)
    return Chart(tuple(lines), what, {}, (), None, alt)


def svg(chart: Chart | None, *, width: int = 600, height: int = 250, empty: str = "", legend: bool = True) -> str:
    """The chart as one `<svg>`; always `width` x `height`, so that nothing jumps when the first values arrive."""
    frame = (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{esc(chart.alt if chart else empty)}" style="height:auto" '
        'font-family="inherit" font-size="11" fill="none">'
    )
    if chart is None:
        words = f'<text x="{width / 2}" y="{height / 2}" text-anchor="middle" fill="currentColor" opacity=".7">'
        rect = (
            f'<rect x="44.5" y="22.5" width="{width - 56}" height="{height - 56}" rx="3" '
            'stroke="currentColor" stroke-opacity=".2"/>'
        )
        return f"{frame}{rect}{words}{esc(empty)}</text></svg>"
    left, right, top, bottom = 48, width - 12, 26, height - 32
    xs = np.concatenate([line.x for line in chart.lines])
    bend = np.log10 if chart.log else np.asarray
    low, high = _range([bend(line.y) for line in chart.lines], from_zero=not chart.log)
    x0, x1 = min(0.0, float(xs.min())), max(chart.x_max or 0.0, float(xs.max()), 1.0)

    def px(x: Any) -> Any:
        return left + (x - x0) / (x1 - x0) * (right - left)

    def py(y: Any) -> Any:
        return bottom - (np.clip(bend(y), low, high) - low) / (high - low) * (bottom - top)

    parts = [frame, _grid(chart, px, py, (left, right, top, bottom), (low, high), (x0, x1))]
    parts += [_draw(line, px(line.x), py(line.y)) for line in chart.lines]
    parts += [_mark(label, float(px(step)), top, bottom, right) for step, label in _labels(chart.marks)]
    if legend:
        parts.append(_legend(chart.lines, left, right))
    return "".join(parts) + "</svg>"


def _range(values: Sequence[np.ndarray], *, from_zero: bool) -> tuple[float, float]:
    """The y range: all of it, but a few extreme values (one bad batch among hundreds) are clipped, not obeyed."""
    y = np.concatenate(list(values))
    low, high = float(y.min()), float(y.max())
    if len(y) >= 40:
        q_low, q_high = np.quantile(y, [0.01, 0.99])
        spread = max(float(q_high - q_low), 1e-9)
        low, high = max(low, float(q_low) - spread / 2), min(high, float(q_high) + spread / 2)
    if high - low < 1e-9:
        low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
    pad = 0.04 * (high - low)
    return low - pad if low < 0 or low - pad > 0 or not from_zero else 0.0, high + pad


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers between `low` and `high`."""
    rough = (high - low) / max(about, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough)
    first = math.ceil(low / step)
    return [round(i * step, 12) for i in range(first, math.floor(high / step) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5 times powers of ten between 10**low and 10**high; fewer where that would be crowded."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        found = [m * 10.0**p for p in powers for m in steps if low <= math.log10(m * 10.0**p) <= high]
        if len(found) <= 6:
            return found
    return found


def _grid(
    chart: Chart, px: Any, py: Any, box: tuple[int, ...], ys: tuple[float, float], xs: tuple[float, float]
) -> str:
    left, right, top, bottom = box
    parts = []
    for tick in log_ticks(*ys) if chart.log else ticks(*ys, about=4):
        y = float(py(tick))
        parts.append(f'<path d="M{left} {y:.1f}H{right}" stroke="currentColor" stroke-opacity=".14"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" fill="currentColor">{tick:g}</text>')
    parts += [
        f'<text x="{px(tick):.1f}" y="{bottom + 15}" text-anchor="middle" fill="currentColor">{tick:g}</text>'
        for tick in ticks(*xs, about=6)
    ]
    for step in chart.epochs:
        if step > xs[1]:
            break
        x = float(px(step))
        parts.append(
            f'<path d="M{x:.1f} {top}V{bottom}" stroke="currentColor" stroke-opacity=".3" stroke-dasharray="1 4"/>'
        )
    parts.append(f'<path d="M{left} {bottom}H{right}" stroke="currentColor" stroke-opacity=".5"/>')
    parts.append(
        f'<text x="{(left + right) / 2}" y="{bottom + 29}" text-anchor="middle" fill="currentColor" opacity=".75">'
        f"step{' (dotted: end of an epoch)' if chart.epochs else ''}</text>"
    )
    parts.append(
        f'<text transform="translate(11 {(top + bottom) / 2:.0f}) rotate(-90)" text-anchor="middle" '
        f'fill="currentColor" opacity=".75">{esc(chart.y_label)}{" (log scale)" if chart.log else ""}</text>'
    )
    return "".join(parts)


def _points(x: np.ndarray, y: np.ndarray) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def _draw(line: Line, x: np.ndarray, y: np.ndarray) -> str:
    if line.style == "faint":
        return f'<polyline points="{_points(x, y)}" stroke="{line.colour}" stroke-opacity=".3"/>'
    if line.style == "dots":
        dots = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(x.tolist(), y.tolist(), strict=True))
        return f'<path d="{dots}" stroke="{line.colour}" stroke-opacity=".4" stroke-width="3" stroke-linecap="round"/>'
    dash = f' stroke-dasharray="{line.dash}"' if line.dash else ""
    drawn = ""
    if len(x) > 1:
        wide = 1.2 if line.style == "markers" else 1.9
        drawn = (
            f'<polyline points="{_points(x, y)}" stroke="{line.colour}" stroke-width="{wide}"{dash} '
            'stroke-linejoin="round"/>'
        )
    if line.style == "markers" or len(x) == 1:
        drawn += "".join(
            f'<path d="M{a:.1f} {b - 4.5:.1f}l4.5 4.5l-4.5 4.5l-4.5 -4.5z" fill="{line.colour}"/>'
            for a, b in zip(x.tolist(), y.tolist(), strict=True)
        )
    return drawn


def _mark(label: str, x: float, top: int, bottom: int, right: int) -> str:
    anchor, dx = ("end", -4) if x > right - 120 else ("start", 4)
    y = top + 10 if "overfits" in label else top + 24
    return (
        f'<path d="M{x:.1f} {top}V{bottom}" stroke="currentColor" stroke-opacity=".6" stroke-dasharray="4 3"/>'
        f'<text x="{x + dx:.1f}" y="{y}" text-anchor="{anchor}" fill="currentColor">{esc(label)}</text>'
    )


def _labels(marks: Mapping[str, float]) -> list[tuple[float, str]]:
    """(step, words), with what stands at one step said once."""
    at: dict[float, list[str]] = {}
    for label, step in marks.items():
        at.setdefault(step, []).append(label)
    return [(step, ", ".join(labels)) for step, labels in at.items()]


def _legend(lines: Sequence[Line], left: int, right: int) -> str:
    """Sample and words of each line in one row above the plot; what does not fit is left to the table beside it."""
    parts, x = [], float(left)
    for line in lines:
        if not line.label:
            continue
        wide = 30 + 6.2 * len(line.label)
        if x + wide > right + 8:
            break
        sample = _draw(line, np.array([x, x + 18]), np.array([9.0, 9.0]))
        if line.style == "markers":
            sample = _draw(line, np.array([x + 9]), np.array([9.0]))
        parts.append(f'{sample}<text x="{x + 23:.1f}" y="13" fill="currentColor">{esc(line.label)}</text>')
        x += wide + 8
    return "".join(parts)


def overlay_html(frames: Mapping[str, Any], *, empty: str) -> str:
    """Curves of several jobs over each other and their key; the words `empty` where there are none."""
    lines = overlay_chart(frames)
    return svg(lines, width=860, height=300, empty=empty, legend=False) + (key_table(lines) if lines else "")


def key_table(chart: Chart) -> str:
    """The lines of a chart as a table: sample, name, last and lowest value. The chart in numbers."""
    rows = []
    for line in chart.lines:
        sample = _draw(line, np.array([1.0, 33.0]), np.array([7.0, 7.0]))
        picture = f'<svg width="34" height="14" aria-hidden="true" fill="none">{sample}</svg>'
        lowest = int(np.argmin(line.y))
        values = (number(float(line.y[-1])), number(float(line.y[lowest])), f"{line.x[lowest]:.0f}")
        rows.append((picture, esc(line.label), *values))
    return table(
        f"Overlaid curves: {chart.y_label}, smoothed", ("", "job", "last", "lowest", "at step"), rows, numbers=(2, 3, 4)
    )


def sparkline(train: np.ndarray, valid: np.ndarray, *, width: int = 110, height: int = 24) -> str:
    """Training (solid) and validation (dashed) loss of one job as a picture the size of a word."""
    pair = [(thin(np.arange(len(y), dtype=float), y, 40)[1], colour, dash)
            for y, colour, dash in ((train, TRAIN_COLOUR, ""), (valid, VALID_COLOUR, "3 2")) if len(y) > 1]  # fmt: skip
    if not pair:
        return ""
    if all((y > 0).all() for y, _, _ in pair):  # the end of a falling curve is what tells jobs apart
        pair = [(np.log(y), colour, dash) for y, colour, dash in pair]
    every = np.concatenate([y for y, _, _ in pair])
    low, high = np.quantile(every, [0.0, 0.98])
    spread = float(high - low) or 1.0
    words = ", ".join(
        f"{name} {number(float(y[0]))} to {number(float(y[-1]))}"
        for name, y in (("training loss", train), ("validation loss", valid)) if len(y) > 1
    )  # fmt: skip
    drawn = []
    for y, colour, dash in pair:
        x = np.linspace(2, width - 2, len(y))
        down = 2 + (1 - (np.clip(y, low, high) - low) / spread) * (height - 4)
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        drawn.append(
            f'<polyline points="{_points(x, down)}" fill="none" stroke="{colour}" stroke-width="1.4"{dashes}/>'
        )
    return (
        f'<svg width="{width}" height="{height}" role="img" aria-label="{esc(words)}"><title>{esc(words)}</title>'
        f"{''.join(drawn)}</svg>"
    )
