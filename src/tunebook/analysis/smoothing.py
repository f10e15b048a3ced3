"""A curve through noisy measurements, with the curves that the noise might as well have shown.

Local-linear regression with tricube weights in square-root time (loss falls fastest at the start), the bandwidth by
generalised cross-validation with the penalty 1.4 of Kim & Gu (2004), and a block bootstrap of the residuals. A smoother
is a matrix, so the whole bootstrap is one product.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

BINS = 120
BANDWIDTHS = (0.06, 0.09, 0.12, 0.18, 0.27, 0.4, 0.6, 0.9)
PENALTY = 1.4


@dataclass(frozen=True, eq=False)
class Smooth:
    """`t` (m,) where, `y` (m,) binned measurements, `fit` (m,) the curve, `draws` (B, m) curves of the bootstrap.

    `noise` is the standard deviation of one measurement around the curve, in the units of `y`.
    """

    t: np.ndarray
    y: np.ndarray
    fit: np.ndarray
    draws: np.ndarray
    noise: float
    bandwidth: float


def smooth(t: np.ndarray, y: np.ndarray, rng: np.random.Generator, *, draws: int = 300) -> Smooth:
    """Smooth `y` over `t` (ascending, at least 3 points) and draw `draws` bootstrap curves."""
    t, y, size = _bin(t, y)
    n = len(t)
    matrices, traces = _smoothers(_clock(t).tobytes())
    fits = matrices @ y
    residuals = y - fits
    rss = (residuals**2).mean(axis=1)
    room = np.maximum(1 - PENALTY * traces / n, 1e-3)
    best = int(np.argmin((rss + 1e-18) / room**2))
    matrix, fit, e = matrices[best], fits[best], residuals[best]
    leverage = np.clip(np.diag(matrix), 0, 0.95)
    e = e / np.sqrt(1 - leverage)
    e = e - e.mean()
    # Few residuals know their own spread badly: each draw has a spread of its own (Student's argument).
    freedom = max(n - traces[best], 2.0)
    spread = np.sqrt(freedom / rng.chisquare(freedom, size=(draws, 1)))
    curves = fit + (_blocks(e, draws, rng) * spread) @ matrix.T
    return Smooth(t, y, fit, curves, float(np.sqrt((e**2).mean() * size)), BANDWIDTHS[best])


def _bin(t: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Means of at most `BINS` runs of neighbours, and how many measurements a run has on average."""
    n = len(t)
    if n <= BINS:
        return t.astype(float), y, 1.0
    edges = np.linspace(0, n, BINS + 1).astype(int)[:-1]
    count = np.diff(np.append(edges, n))
    return np.add.reduceat(t, edges) / count, np.add.reduceat(y, edges) / count, n / BINS


def _clock(t: np.ndarray) -> np.ndarray:
    """Square-root time from 0 to 1, rounded so that regular grids of one length share their smoothers."""
    return np.round(np.sqrt((t - t[0]) / (t[-1] - t[0])), 6)


@lru_cache(maxsize=32)
def _smoothers(clock: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Smoother matrices (bandwidths, n, n) and their traces for one grid."""
    x = np.frombuffer(clock)
    n = len(x)
    distance = x[:, None] - x[None, :]  # row i: the points seen from x_i
    reach = np.sort(np.abs(distance), axis=1)[:, min(3, n - 1)]  # never fewer than three neighbours
    matrices = []
    for h in BANDWIDTHS:
        width = np.maximum(h, reach * 1.01)[:, None]
        w = np.clip(1 - (np.abs(distance) / width) ** 3, 0, None) ** 3
        s0, s1, s2 = w.sum(1), (w * -distance).sum(1), (w * distance**2).sum(1)
        determinant = np.maximum(s0 * s2 - s1**2, 1e-12)
        matrices.append(w * (s2[:, None] + s1[:, None] * distance) / determinant[:, None])
    stack = np.array(matrices)
    return stack, np.trace(stack, axis1=1, axis2=2)


def _blocks(e: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """(draws, n) residuals resampled in circular blocks of about n^(1/3), so that neighbours stay together."""
    n = len(e)
    length = max(1, round(n ** (1 / 3)))
    starts = rng.integers(0, n, size=(draws, -(-n // length)))
    index = (starts[:, :, None] + np.arange(length)).reshape(draws, -1)[:, :n] % n
    signs = rng.choice((-1.0, 1.0), size=starts.shape).repeat(length, axis=1)[:, :n]
    return e[index] * signs
