"""What the curves of one run show, in numbers: the measurements behind a diagnosis, before any verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from tunebook.analysis.cycles import batch_effects
from tunebook.analysis.signals import Signal, choose, series
from tunebook.analysis.smoothing import Smooth, smooth

# Fewer measurements than this of the batch channel, or of whole-file measurements, carry no verdict.
ENOUGH_BATCHES = 6
ENOUGH_FULL = 2
# Standard deviation of the difference that chance makes between two whole-file measurements (same rows each time):
# real files show per-row residuals of .02 to .17 over at least 10 rows.
_FULL_NOISE = 0.03


@dataclass(frozen=True, eq=False)
class Evidence:
    """Numbers of one run; a rise is a difference on the scale of comparison (see `signals`), probabilities 0 to 1.

    `batch`, `full`, `train` are the series, `curve` and `train_curve` their smooth versions (None when too short),
    `period` the number of batches in the validation file when it shows. `rise` is the rise from the lowest point to
    the end, `rises` its bootstrap draws. NaN stands for what cannot be said.
    """

    kind: str
    batch: Signal
    full: Signal
    train: Signal
    curve: Smooth | None
    train_curve: Smooth | None
    period: int | None
    rise: float
    rises: np.ndarray
    p_rise: float
    p_improving: float
    p_diverged: float
    p_train_up: float
    full_rise: float
    onset: float
    onset_low: float
    onset_high: float
    lost_at: float
    first: float
    last: float

    @property
    def main(self) -> Signal:
        """The series the curve was drawn through."""
        return self.batch if len(self.batch) >= len(self.full) else self.full


def gather(frame: pd.DataFrame, *, rise: float, period: int | None, draws: int, rng: np.random.Generator) -> Evidence:
    """Measure one run. `frame` as in `Results.frame`; `rise` the log rise that counts; `period` when known."""
    kind, train_name, batch_name, full_name = choose(frame)
    batch, full = series(frame, batch_name, kind), series(frame, full_name, kind)
    train = series(frame, train_name, kind)
    main, y, found = batch, batch.y, None
    if len(full) > len(batch):
        main, y = full, full.y
    elif len(batch) >= ENOUGH_BATCHES:
        effect, found = batch_effects(batch.y, _counted(batch.step), period=period)
        y = batch.y - effect
    curve = smooth(main.step, _calm(y), rng, draws=draws) if len(main) >= ENOUGH_BATCHES else None
    train_curve = smooth(train.step, _calm(train.y), rng, draws=draws) if len(train) >= ENOUGH_BATCHES else None

    nan = math.nan
    size, sizes, p_rise, p_improving, onset, low, high = nan, np.empty(0), nan, nan, nan, nan, nan
    if curve is not None:
        size, sizes = _rises(curve)
        p_rise = float((sizes > rise).mean())
        p_improving = float((_improvements(curve) > rise).mean())
        onset, low, high = _onset(curve)
    full_rise = nan
    if main is not full and len(full) >= ENOUGH_FULL:
        full_rise, p_full, p_full_improving = _few(full, curve, found, rise)
        weight = 0.65 if curve is not None else 1.0
        p_rise = p_full * weight + (0 if math.isnan(p_rise) else p_rise * (1 - weight))
        if curve is None:
            p_improving = p_full_improving
            size, sizes = full_rise, np.full(1, full_rise)
            onset = low = high = float(full.step[int(np.argmin(full.y))])
    elif curve is None and len(main) >= ENOUGH_FULL and main is full:
        full_rise, p_rise, p_improving = _few(full, None, None, rise)
        size, sizes = full_rise, np.full(1, full_rise)
        onset = low = high = float(full.step[int(np.argmin(full.y))])
    step = frame["step"].to_numpy(dtype=float)
    return Evidence(
        kind=kind,
        batch=batch,
        full=full,
        train=train,
        curve=curve,
        train_curve=train_curve,
        period=found,
        rise=size,
        rises=sizes,
        p_rise=p_rise,
        p_improving=p_improving,
        p_diverged=_p_diverged(train_curve),
        p_train_up=_p_train_up(train_curve, onset, rise),
        full_rise=full_rise,
        onset=onset,
        onset_low=low,
        onset_high=high,
        lost_at=_lost_at(frame, train_name, batch_name, full_name),
        first=float(step[0]) if len(step) else nan,
        last=float(step[-1]) if len(step) else nan,
    )


def _counted(step: np.ndarray) -> np.ndarray:
    """The number of each measurement, counting those that are missing between."""
    if len(step) < 2:
        return np.zeros(len(step), dtype=int)
    every = float(np.median(np.diff(step)))
    return np.round((step - step[0]) / (every or 1.0)).astype(int)


def _calm(y: np.ndarray) -> np.ndarray:
    """Single measurements far from their neighbours drawn in to four deviations; rises that last are left alone."""
    n = len(y)
    if n < 8:
        return y
    reach = 3
    padded = np.pad(y, reach, mode="edge")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1), axis=1)
    away = y - middle
    spread = 1.4826 * float(np.median(np.abs(away)))
    # On a smooth curve nothing is far away: the spread of second differences keeps steep parts untouched.
    bend = 1.4826 * float(np.median(np.abs(np.diff(y, 2)))) / math.sqrt(6)
    limit = 4 * max(spread, bend, 0.02)
    calm = middle + np.clip(away, -limit, limit)
    calm[:reach], calm[-reach:] = y[:reach], y[-reach:]
    return calm


def _rises(curve: Smooth) -> tuple[float, np.ndarray]:
    """The rise from the lowest point to the end and its draws, both less what searching for a minimum adds."""
    size = float(curve.fit[-1] - curve.fit.min())
    draws = curve.draws[:, -1] - curve.draws.min(axis=1)
    bias = float(draws.mean()) - size
    return max(size - bias, 0.0), draws - bias


def _improvements(curve: Smooth) -> np.ndarray:
    at = int(np.searchsorted(curve.t, curve.t[0] + 0.8 * (curve.t[-1] - curve.t[0])))
    return curve.draws[:, min(at, len(curve.t) - 1)] - curve.draws[:, -1]


def _onset(curve: Smooth) -> tuple[float, float, float]:
    """Where the curve is lowest, and the steps that the noise does not tell from it."""
    k = int(np.argmin(curve.fit))
    gap = curve.fit - curve.fit[k]
    spread = (curve.draws - curve.draws[:, [k]]).std(axis=0)
    within = np.flatnonzero(gap <= 1.3 * spread + 1e-12)
    low, high = max(within[0] - 1, 0), min(within[-1] + 1, len(gap) - 1)
    return float(curve.t[k]), float(curve.t[low]), float(curve.t[high])


def _few(full: Signal, curve: Smooth | None, period: int | None, rise: float) -> tuple[float, float, float]:
    """Rise, P(rise counts), P(still improving) from a few measurements of the whole file (the same rows each time)."""
    noise = _FULL_NOISE
    if curve is not None and period:
        noise = min(noise, curve.noise / math.sqrt(period))
    size = float(full.y[-1] - full.y.min())
    p = float(stats.norm.cdf((size - rise) / (math.sqrt(2) * noise)))
    gain = float(full.y[-2] - full.y[-1])
    return size, p, float(stats.norm.cdf((gain - rise) / (math.sqrt(2) * noise)))


def _p_diverged(train: Smooth | None) -> float:
    """P(training loss ends 30 % above its lowest and has lost half of what it had gained)."""
    if train is None:
        return math.nan
    lowest = train.draws.min(axis=1)
    up = train.draws[:, -1] - lowest
    gain = train.draws[:, 0] - lowest
    return float(((up > math.log(1.3)) & (up > 0.5 * gain)).mean())


def _p_train_up(train: Smooth | None, onset: float, rise: float) -> float:
    """P(training loss rises after the onset as validation does: drift, not overfitting)."""
    if train is None or math.isnan(onset):
        return 0.0
    at = min(int(np.searchsorted(train.t, onset)), len(train.t) - 1)
    return float((train.draws[:, -1] - train.draws[:, at] > rise).mean())


def _lost_at(frame: pd.DataFrame, *columns: str) -> float:
    """The first step whose loss is infinite with no finite one after it, NaN when there is none."""
    found = [math.nan]
    for column in columns:
        if column not in frame:
            continue
        value = frame[column].to_numpy(dtype=float)
        infinite, finite = np.flatnonzero(np.isinf(value)), np.flatnonzero(np.isfinite(value))
        after = infinite[infinite > (finite[-1] if len(finite) else -1)]
        if len(after):
            found.append(float(frame["step"].iloc[after[0]]))
    return float(np.nanmin(found)) if len(found) > 1 else math.nan
