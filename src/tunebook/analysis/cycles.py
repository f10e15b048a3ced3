"""The order of the validation batches, seen in the curve and taken out.

The service measures `valid_loss` on one small batch of the validation file after another, in a fixed order, and begins
again when the file is through. The difference between easy and hard batches then repeats with a period of as many
measurements as there are batches, and is most of what looks like noise.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import stats

# Measurements looked at when searching for a period: enough for one of 64 batches, and quick.
_SEARCHED = 1500
_LONGEST = 128


def batch_effects(y: np.ndarray, index: np.ndarray, *, period: int | None = None) -> tuple[np.ndarray, int | None]:
    """What each measurement owes to its batch (shape of `y`, mean zero), and the period; zeros and None without one.

    `y` is the logarithm of the loss, `index` the measurement's number counted from 0 (gaps allowed). A `period`
    from elsewhere (rows of the validation file / batch size) is tested like any other, but alone.
    """
    found = find_period(y, index, candidates=None if period is None else (period,))
    if found is None:
        return np.zeros(len(y)), None
    phase = index % found
    effect = np.zeros(found)
    # The trend and the batches explain each other: three rounds settle both.
    for _ in range(3):
        trend = _moving_mean(y - effect[phase], found)
        effect += _group_medians(y - effect[phase] - trend, phase, found)
        effect -= effect.mean()
    return effect[phase], found


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
    if candidates is None:
        candidates = tuple(range(2, min(_LONGEST, n // 3) + 1)) or ()
    candidates = tuple(length for length in candidates if 2 <= length <= n // 2)
    if not candidates:
        return None
    eta: dict[int, float] = {}
    for length in candidates:
        share, f = _variance_explained(y, index % length, length)
        if share >= explained and f > _critical_f(length, n, level / len(candidates)):
            eta[length] = share
    if not eta:
        return None
    best = max(eta, key=eta.__getitem__)
    # A multiple of the true period explains as much or a little more: the shortest that explains nearly all is it.
    return min(length for length in eta if best % length == 0 and eta[length] >= 0.8 * eta[best])


def _variance_explained(y: np.ndarray, phase: np.ndarray, length: int) -> tuple[float, float]:
    r = y - _moving_mean(y, length)
    centre = np.median(r)
    spread = 1.4826 * np.median(np.abs(r - centre))
    if not spread > 0:
        return 0.0, 0.0
    r = np.clip(r, centre - 5 * spread, centre + 5 * spread)
    r = r - r.mean()
    count = np.bincount(phase, minlength=length)
    total = np.bincount(phase, weights=r, minlength=length)
    within_n = len(r) - int((count > 0).sum())
    groups = int((count > 0).sum()) - 1
    if within_n < 2 or groups < 1:
        return 0.0, 0.0
    between = float((total**2 / np.maximum(count, 1)).sum())
    whole = float(r @ r)
    within = max(whole - between, 1e-300)
    f = (between / groups) / (within / within_n)
    return 1 - (within / within_n) / (whole / (len(r) - 1)), f


@lru_cache(maxsize=4096)
def _critical_f(length: int, n: int, level: float) -> float:
    return float(stats.f.isf(level, length - 1, max(n - length, 1)))


def _moving_mean(y: np.ndarray, length: int) -> np.ndarray:
    """Mean over `length` neighbours, centred; at the ends the nearest whole window, continued along its slope."""
    n = len(y)
    if n <= length:
        return np.full(n, y.mean())
    total = np.concatenate([[0.0], np.cumsum(y)])
    means = (total[length:] - total[:-length]) / length
    return np.interp(np.arange(n), np.arange(len(means)) + (length - 1) / 2, means)


def _group_medians(r: np.ndarray, phase: np.ndarray, length: int) -> np.ndarray:
    order = np.argsort(phase, kind="stable")
    groups = np.split(r[order], np.searchsorted(phase[order], np.arange(1, length)))
    return np.array([np.median(group) if len(group) else 0.0 for group in groups])
