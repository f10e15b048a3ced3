"""A curve through noisy measurements with a shape in mind: it falls, and from some point on it may rise.

Least squares over sums of decays (from quick to straight) and, from a turning point on, of rises (saturating, straight,
accelerating), none of them negative; every turning point is tried and weighed by how well it explains the measurements.
With few parameters this sees a slow rise in noise that a free smoother takes for chance, and it knows where a rise
began. It cannot see what is no valley; that is the smoother's part.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from scipy.optimize import lsq_linear, nnls

from tunebook.analysis.curves.smoothing import resample

_DECAYS = (0.01, 0.03, 0.1, 0.3, 1.0)
_TURNS = 48
# A rise is borne out by at least this many measurements (of very short runs by half).
_BORNE_OUT = 3


@dataclass(frozen=True, eq=False)
class Valley:
    """Fits for each turning point.

    `turns` (k,) indices of the points tried, `fits` (k, n), `chance` (k,) their posterior weights, `shared` the
    correlation of neighbouring residuals, `residual` (n,) and `freedom` of the best, `error` its cross-validated mean
    squared error, `offset` (k,) what the second group of measurements lies above the first. `designs` (k, n, 1 + p)
    are a level and the columns, `share` (k, p) how much of each column is in the fits.
    """

    turns: np.ndarray
    fits: np.ndarray
    chance: np.ndarray
    residual: np.ndarray
    freedom: float
    shared: float
    error: float
    offset: np.ndarray
    designs: np.ndarray
    share: np.ndarray

    def draw(self, shared: float, weight: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
        """(draws, n) curves: a turning point by its chance, and what that fit would have made of other noise."""
        root = np.sqrt(weight)
        standard = self.residual * root * np.sqrt(len(weight) / self.freedom)
        noise = resample(standard, self.freedom, shared, draws, rng) / root
        pick = np.sort(rng.choice(len(self.turns), size=len(noise), p=self.chance))
        turns, starts = np.unique(pick, return_index=True)
        used = np.column_stack([np.ones(len(self.share), dtype=bool), self.share > 0])[turns]
        columns = self.designs[turns] * used[:, None, :]
        weighted = np.swapaxes(columns, 1, 2) * weight
        normal = weighted @ columns
        diagonal = np.arange(normal.shape[1])
        # Decays of like speed are nearly one column, and those not used are none.
        normal[:, diagonal, diagonal] = np.where(used, normal[:, diagonal, diagonal] * (1 + 1e-9), 1.0)
        shares = np.linalg.solve(normal, weighted)
        curves = self.fits[pick]
        for k, (start, end) in enumerate(pairwise([*starts, len(pick)])):
            curves[start:end] += (noise[start:end] @ shares[k].T) @ columns[k].T
        return curves


def fit_valley(t: np.ndarray, y: np.ndarray, weight: np.ndarray, second: np.ndarray) -> Valley:
    """Fit every valley to `y` over `t` (ascending, at least 5).

    `weight` are precisions; measurements marked in `second` may lie above or below the others by a constant.
    """
    n = len(y)
    turns, designs = _designs(t.tobytes())
    root = np.sqrt(weight)[:, None]
    # The level, and how far the second group lies off, are free: taken out of both sides before the rest is fitted.
    free = np.ones((n, 1)) if not second.any() else np.column_stack([np.ones(n), second.astype(float)])
    basis, _ = np.linalg.qr(free * root)
    target = y * root[:, 0]
    target = target - basis @ (basis.T @ target)
    scaled = designs[:, :, 1:] * root
    scaled = scaled - basis @ (basis.T @ scaled)
    share = np.array([_shares(columns, target) for columns in scaled])
    loss = ((target - (scaled @ share[:, :, None])[:, :, 0]) ** 2).sum(axis=1)
    fits = (designs[:, :, 1:] @ share[:, :, None])[:, :, 0]
    level = ((y - fits) * root[:, 0]) @ np.linalg.pinv(free * root).T
    fits = fits + level[:, :1]
    offsets = level[:, 1] if level.shape[1] > 1 else np.zeros(len(fits))
    used = (share > 0).sum(axis=1) + free.shape[1] + 1  # the turning point is a parameter too
    square = loss + 1e-14 * n
    best = int(np.argmin(square))
    residual = y - fits[best] - offsets[best] * second
    freedom = max(n - float(used[best]), 2.0)
    standard = residual * root[:, 0]
    # A fit takes along what neighbours share: with so many parameters about twice their share of the measurements.
    shared = standard[1:] @ standard[:-1] / max(standard @ standard, 1e-300) + 2 * used[best] / n
    shared = float(np.clip(shared, 0, 0.9))
    # Correlated measurements count for fewer independent ones.
    count = freedom * (1 - shared) / (1 + shared)
    chance = np.exp(-count / 2 * np.log(square / square[best]))
    # A turning point late in the run leaves little time for a rise that counts.
    chance = chance * (t[-1] - t[turns])
    return Valley(
        turns=turns,
        fits=fits,
        chance=chance / chance.sum(),
        residual=residual,
        freedom=freedom,
        shared=shared,
        error=float(square[best] / n / max(1 - 1.4 * used[best] / n, 0.1) ** 2),
        offset=offsets,
        designs=designs,
        share=share,
    )


def _shares(columns: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Least squares without negative shares."""
    try:
        return nnls(columns, target)[0]
    except RuntimeError:  # it goes round in circles where columns are alike but for rounding
        return np.maximum(lsq_linear(columns, target, (0, np.inf)).x, 0.0)


@lru_cache(maxsize=32)
def _designs(times: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Turning points (k indices) and, for each, the columns (k, n, 11): a level, decays and, from there on, rises."""
    t = np.frombuffer(times)
    n = len(t)
    u = (t - t[0]) / (t[-1] - t[0])
    falls = [-(1 - np.exp(-u / tau)) / (1 - np.exp(-1 / tau)) for tau in _DECAYS]
    last = max(n - 1 - _BORNE_OUT, n // 2)
    turns = np.unique(np.round(np.linspace(1, last, min(_TURNS, last))).astype(int))
    turns = turns[(u[turns] > 0) & (u[turns] < 1)]
    v = np.clip(u - u[turns, None], 0, None) / (1 - u[turns, None])
    same = np.broadcast_to(np.column_stack([np.ones(n), *falls, -u]), (len(turns), n, len(_DECAYS) + 2))
    return turns, np.dstack([same, v, v * v, (1 - np.exp(-4 * v)) / (1 - np.exp(-4)), 1 - np.exp(-30 * v)])
