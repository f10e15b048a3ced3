"""The order of the validation batches, seen in the curve and taken out.

The service measures `valid_loss` on one small batch of the validation file after another, in a fixed order, and begins
again when the file is through. The difference between easy and hard batches then repeats with a period of as many
measurements as there are batches, and is most of what looks like noise.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
from scipy import stats

from tunebook.analysis.curves.signals import Signal, roughness

# Measurements looked at when searching for a period: enough for one of 64 batches, and quick.
_SEARCHED = 1500
_LONGEST = 400
# Periods that are always tried, and how many of the longer ones: those after which the curve is most like itself.
_SHORT, _LIKELY = 16, 12
# At least so many means of whole cycles are a curve, at most so many are taken one by one.
_FEWEST, _MEANS = 4, 12
# What a batch does beyond its effect comes round a cycle later if it differs from then by less than this share of what
# neighbours differ by.
_COMES_ROUND = 0.95


def without_batches(
    y: np.ndarray, index: np.ndarray, *, logarithmic: bool, period: int | None = None
) -> tuple[np.ndarray, int | None]:
    """`y` without what each measurement owes to its batch, and the period; `y` itself and None without one.

    `y` is on the scale of comparison (`logarithmic` for losses), `index` the measurement's number counted from 0 (gaps
    allowed). A `period` from elsewhere (rows of the validation file / batch size) is tested like any other, but alone.

    A batch's effect is its mean excess over the mean of the cycle around it, as a fraction of that mean, so that the
    mean over a whole cycle, which is the loss on the whole file, stays what it was. (On logarithms it would not: while
    a run overfits, easy batches go on falling and hard ones rise.)
    """
    found = find_period(y, index, candidates=None if period is None else (period,))
    if found is None:
        return y, None
    level = np.exp(y) if logarithmic else y
    cycle = _moving_mean(np.concatenate([[0.0], np.cumsum(level)]), found)
    cycle = np.maximum(cycle, level.min())  # running sums lose the small beside the huge
    unit = cycle if logarithmic else np.ones(len(y))
    phase = index % found
    count = np.maximum(np.bincount(phase, minlength=found), 1)
    effect = np.bincount(phase, weights=(level - cycle) / unit, minlength=found) / count
    effect -= effect.mean()
    level = level - effect[phase] * unit
    # An odd measurement of an easy batch may fall short of its effect: never below a tenth of its cycle.
    return (np.log(np.maximum(level, 0.1 * cycle)) if logarithmic else level), found


def whole_cycles(signal: Signal, y: np.ndarray, index: np.ndarray, period: int | None) -> tuple[Signal, float] | None:
    """Means over whole cycles, which are losses on the whole validation file, and the noise of one.

    They tell more than `y`, the signal without its batches, where the difference between batches grows or shrinks while
    the model learns: what is left of it looks like noise, but comes round with the batch. None where it does not.
    """
    count = len(y) // period if period else 0
    if not period or count < _FEWEST or index[-1] - index[0] != len(index) - 1:
        return None
    later = y[period:] - y[:-period]
    own = 1.4826 * float(np.median(np.abs(later - np.median(later)))) / math.sqrt(2)
    if own > _COMES_ROUND * roughness(y):
        return None
    length = -(-count // _MEANS) * period
    count = len(y) // length
    step, value = (part[-count * length :].reshape(count, length).mean(axis=1) for part in (signal.step, signal.value))
    return replace(signal, step=step, value=value, y=signal.of(value)), own / math.sqrt(length)


def find_period(
    y: np.ndarray,
    index: np.ndarray,
    *,
    candidates: tuple[int, ...] | None = None,
    level: float = 1e-3,
    explained: float = 0.3,
) -> int | None:
    """The number of measurements after which the batches repeat, or None.

    A moving mean over exactly one period cancels the batches; what it leaves is tested by one-way analysis of
    variance over the batches (winsorised, so that one hard batch does not decide). `level` is the false-alarm rate
    over all periods tried (Bonferroni), `explained` the least share of variance (adjusted eta squared) worth removing.
    """
    y, index = y[-_SEARCHED:], index[-_SEARCHED:]
    n = len(y)
    tried = 1 if candidates else min(_LONGEST, n // 3) - 1
    candidates = tuple(length for length in candidates or _likely(y) if 2 <= length <= n // 2)
    if not candidates:
        return None
    y = _winsorised(y)
    total = np.concatenate([[0.0], np.cumsum(y)])
    eta: dict[int, float] = {}
    for length in candidates:
        share, f = _variance_explained(y - _moving_mean(total, length), index % length, length)
        if share >= explained and f > _critical_f(length, n, level / tried):
            eta[length] = share
    if not eta:
        return None
    best = max(eta, key=eta.__getitem__)
    # A multiple of the true period explains as much or a little more: the shortest that explains nearly all is it.
    return min(length for length in eta if best % length == 0 and eta[length] >= 0.8 * eta[best])


def _likely(y: np.ndarray) -> tuple[int, ...]:
    """Periods to try: the short ones, and the lags at which the curve without its trend is most like itself."""
    n = len(y)
    longest = min(_LONGEST, n // 3)
    short = range(2, min(_SHORT, longest) + 1)
    if longest <= _SHORT:
        return tuple(short)
    x = np.sqrt(np.linspace(0, 1, n))
    basis, _ = np.linalg.qr(np.vander(x, 4))
    power = np.abs(np.fft.rfft(y - basis @ (basis.T @ y), 2 * n)) ** 2
    alike = np.fft.irfft(power)[: longest + 1] / np.arange(n, n - longest - 1, -1)
    alike[: _SHORT + 1] = -np.inf
    lags = [int(lag) for lag in np.argsort(alike)[-_LIKELY:] if lag > _SHORT]
    parts = {lag // k for lag in lags for k in range(1, lag // _SHORT + 1) if lag % k == 0}
    return tuple(sorted({*short, *parts}))


def _winsorised(y: np.ndarray) -> np.ndarray:
    """Drawn in to five deviations around the trend, so that one hard batch does not decide."""
    n = len(y)
    width = max(3, n // 10)
    trend = _moving_mean(np.concatenate([[0.0], np.cumsum(y)]), width)
    away = y - trend
    centre = float(np.median(away))
    limit = 5 * 1.4826 * float(np.median(np.abs(away - centre)))
    return trend + np.clip(away, centre - limit, centre + limit)


def _variance_explained(r: np.ndarray, phase: np.ndarray, length: int) -> tuple[float, float]:
    """Adjusted eta squared and F of a one-way analysis of variance of `r` over the batches."""
    n = len(r)
    r = r - r.mean()
    count = np.bincount(phase, minlength=length)
    total = np.bincount(phase, weights=r, minlength=length)
    groups = int(np.count_nonzero(count)) - 1
    rest = n - groups - 1
    whole = float(r @ r)
    if rest < 2 or groups < 1 or not whole > 1e-20 * n:
        return 0.0, 0.0
    between = float((total**2 / np.maximum(count, 1)).sum())
    within = max(whole - between, 1e-12 * whole) / rest
    return 1 - within / (whole / (n - 1)), (between / groups) / within


@lru_cache(maxsize=4096)
def _critical_f(length: int, n: int, level: float) -> float:
    return float(stats.f.isf(level, length - 1, max(n - length, 1)))


def _moving_mean(total: np.ndarray, length: int) -> np.ndarray:
    """Mean over `length` neighbours, from running sums that begin with 0; at the ends the nearest whole window's."""
    n = len(total) - 1
    if n <= length:
        return np.full(n, total[-1] / n)
    means = (total[length:] - total[:-length]) / length
    before = (length - 1) // 2
    middle = means if length % 2 else np.append((means[:-1] + means[1:]) / 2, means[-1])
    padded = np.empty(n)
    padded[before : before + len(middle)] = middle
    padded[:before], padded[before + len(middle) :] = middle[0], middle[-1]
    return padded
