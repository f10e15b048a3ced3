"""A curve through noisy measurements without a shape in mind: local-linear regression.

Tricube weights in square-root time (loss falls fastest at the start). The bandwidth is chosen by generalised
cross-validation with the penalty 1.4 of Kim & Gu (2004), allowing for noise that neighbours share (Altman 1990). A
smoother is a matrix, so a bootstrap of any size is one product.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

BANDWIDTHS = (0.015, 0.03, 0.06, 0.12, 0.18, 0.27, 0.4, 0.6, 0.9)
_PENALTY = 1.4
_UNLIKELY = 0.05  # a bandwidth that weighs less than this share of the best is not drawn


@dataclass(frozen=True, eq=False)
class Smooth:
    """Fits with the bandwidths that predict well.

    `fits` (k, n), `hats` (k, n, n) the matrices that make them, `chance` (k,) what each weighs, `residual` (n,) and
    `freedom` (degrees left for noise) of the best, `error` its cross-validated mean squared error.
    """

    fits: np.ndarray
    hats: np.ndarray
    chance: np.ndarray
    residual: np.ndarray
    freedom: float
    error: float

    @property
    def fit(self) -> np.ndarray:
        """(n,) the mean of the fits."""
        return self.chance @ self.fits

    def draw(self, shared: float, weight: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
        """(draws, n) curves: a bandwidth by its chance, and what it would have made of other noise."""
        root, k = np.sqrt(weight), int(np.argmax(self.chance))
        standard = self.residual * root / np.sqrt(1 - np.clip(np.diag(self.hats[k]), 0, 0.95))
        noise = resample(standard - standard.mean(), self.freedom, shared, draws, rng) / root
        counts = rng.multinomial(draws, self.chance)
        parts = np.split(noise, np.cumsum(counts)[:-1])
        return np.concatenate([f + part @ hat.T for f, hat, part in zip(self.fits, self.hats, parts, strict=True)])


def smooth(t: np.ndarray, y: np.ndarray, weight: np.ndarray, shared: float = 0.0) -> Smooth:
    """Smooth `y` over `t` (ascending, at least 3); `weight` are precisions, `shared` the correlation of neighbours."""
    n = len(t)
    matrices = _smoothers(_clock(t).tobytes(), weight.tobytes())
    fits = matrices @ y
    residuals = y - fits
    # With shared noise a fit follows it and seems better than it is; its cost grows with the correlation it can follow.
    cost = np.trace(matrices, axis1=1, axis2=2) if shared <= 0 else _shared_cost(matrices, shared)
    room = np.maximum(1 - _PENALTY * cost / n, 1e-3)
    error = ((residuals**2 * weight).mean(axis=1) + 1e-18) / room**2
    best = int(np.argmin(error))
    count = n * (1 - shared) / (1 + shared)
    chance = (error[best] / error) ** (count / 2)
    likely = chance > _UNLIKELY
    chance = chance[likely] / chance[likely].sum()
    freedom = max(n - float(np.trace(matrices[best])), 2.0)
    return Smooth(fits[likely], matrices[likely], chance, residuals[best], freedom, float(error[best]))


def resample(residual: np.ndarray, freedom: float, shared: float, draws: int, rng: np.random.Generator) -> np.ndarray:
    """(draws, n) noise like the residuals: circular blocks with random signs, each draw with a spread of its own.

    Few residuals know their own spread badly (Student's argument). Blocks are about n^(1/3) long (Politis & Romano),
    longer when neighbours share noise.
    """
    n = len(residual)
    length = min(n, max(1, round(n ** (1 / 3)), round((1 + shared) / (1 - shared))))
    blocks = -(-n // length)
    starts = rng.integers(0, n, size=(draws, blocks))
    index = (starts[:, :, None] + np.arange(length)).reshape(draws, -1)[:, :n] % n
    signs = rng.choice((-1.0, 1.0), size=(draws, blocks)).repeat(length, axis=1)[:, :n]
    spread = np.sqrt(freedom / rng.chisquare(freedom, size=(draws, 1)))
    return residual[index] * signs * spread


def _clock(t: np.ndarray) -> np.ndarray:
    """Square-root time from 0 to 1, rounded so that regular grids of one length share their smoothers."""
    return np.round(np.sqrt((t - t[0]) / (t[-1] - t[0])), 6)


@lru_cache(maxsize=32)
def _smoothers(clock: bytes, weights: bytes) -> np.ndarray:
    """Smoother matrices (bandwidths, n, n) for one grid."""
    x, weight = np.frombuffer(clock), np.frombuffer(weights)
    n = len(x)
    away = np.abs(x[:, None] - x[None, :])  # row i: the points seen from x_i
    reach = np.sort(away, axis=1)[:, min(3, n - 1)]  # never fewer than three neighbours
    width = np.maximum(np.array(BANDWIDTHS)[:, None], reach * 1.01)[:, :, None]
    near = away / width
    near = np.maximum(1 - near * near * near, 0)
    w = near * near * near * weight
    ahead = x[None, :] - x[:, None]
    s0, s1, s2 = w.sum(2), (w * ahead).sum(2), (w * ahead**2).sum(2)
    determinant = np.maximum(s0 * s2 - s1**2, 1e-12 * s0**2)
    return w * (s2[:, :, None] - s1[:, :, None] * ahead) / determinant[:, :, None]


def _shared_cost(matrices: np.ndarray, shared: float) -> np.ndarray:
    n = matrices.shape[1]
    correlation = shared ** np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    return np.einsum("bij,ij->b", matrices, correlation)
