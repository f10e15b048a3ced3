"""A curve through noisy measurements with a shape in mind: it falls, and from some point on it may rise.

Least squares over sums of decays (from quick to straight) and, from a turning point on, of rises (saturating, straight,
accelerating), none of them negative; every turning point is tried and weighed by how well it explains the measurements.
With few parameters this sees a slow rise in noise that a free smoother takes for chance, and it knows where a rise
began. It cannot see what is no valley; that is the smoother's part.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import nnls

_DECAYS = (0.01, 0.03, 0.1, 0.3, 1.0)
_TURNS = 48
# A rise is borne out by at least this many measurements (of very short runs by half).
_BORNE_OUT = 3


@dataclass(frozen=True, eq=False)
class Valley:
    """Fits for each turning point.

    `turns` (k,) indices of the points tried, `fits` (k, n), `chance` (k,) their posterior weights, `shared` the
    correlation of neighbouring residuals, `residual` (n,) and `freedom` of the best, `error` its cross-validated mean
    squared error, `offset` (k,) what the second group of measurements lies above the first.
    """

    turns: np.ndarray
    fits: np.ndarray
    chance: np.ndarray
    residual: np.ndarray
    freedom: float
    shared: float
    error: float
    offset: np.ndarray
    active: tuple[np.ndarray, ...]

    def draw(self, noise: np.ndarray, weight: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(draws, n) curves: a turning point by its chance, and what that fit would have made of the `noise`."""
        draws = len(noise)
        pick = rng.choice(len(self.turns), size=draws, p=self.chance)
        curves = np.empty_like(noise)
        root = np.sqrt(weight)
        for k in np.unique(pick):
            mine = pick == k
            basis, _ = np.linalg.qr(self.active[k] * root[:, None])
            curves[mine] = self.fits[k] + (noise[mine] * root) @ basis @ basis.T / root
        return curves


def fit_valley(t: np.ndarray, y: np.ndarray, weight: np.ndarray, second: np.ndarray) -> Valley:
    """Fit every valley to `y` over `t` (ascending, at least 5).

    `weight` are precisions; measurements marked in `second` may lie above or below the others by a constant.
    """
    n = len(y)
    turns, designs = _designs(t.tobytes())
    root = np.sqrt(weight)
    free = np.ones((n, 1)) if not second.any() else np.column_stack([np.ones(n), second.astype(float)])
    free_root, _ = np.linalg.qr(free * root[:, None])
    target = y * root
    target = target - free_root @ (free_root.T @ target)
    solve = np.linalg.pinv(free * root[:, None])
    fits, loss, offsets, active, used = [], [], [], [], []
    for design in designs:
        scaled = design * root[:, None]
        scaled = scaled - free_root @ (free_root.T @ scaled)
        x, norm = nnls(scaled, target)
        rest = y - design @ x
        level = solve @ (rest * root)
        fits.append(design @ x + level[0])
        offsets.append(level[1] if len(level) > 1 else 0.0)
        loss.append(norm**2)
        active.append(np.column_stack([free[:, :1], design[:, x > 0]]))
        used.append(int((x > 0).sum()) + free.shape[1] + 1)  # the turning point is a parameter too
    square = np.array(loss) + 1e-14 * n
    best = int(np.argmin(square))
    residual = y - fits[best] - offsets[best] * second
    freedom = max(n - used[best], 2.0)
    standard = residual * root
    shared = float(np.clip(standard[1:] @ standard[:-1] / max(standard @ standard, 1e-300), 0, 0.9))
    # Correlated measurements count for fewer independent ones.
    count = freedom * (1 - shared) / (1 + shared)
    chance = np.exp(-count / 2 * np.log(square / square[best]))
    # A turning point late in the run leaves little time for a rise that counts.
    chance = chance * (t[-1] - t[turns])
    return Valley(
        turns=turns,
        fits=np.array(fits),
        chance=chance / chance.sum(),
        residual=residual,
        freedom=freedom,
        shared=shared,
        error=float(square[best] / n / max(1 - 1.4 * used[best] / n, 0.1) ** 2),
        offset=np.array(offsets),
        active=tuple(active),
    )


@lru_cache(maxsize=32)
def _designs(times: bytes) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Turning points (indices) and, for each, the columns: decays and, from the point on, rises; each spans 1."""
    t = np.frombuffer(times)
    n = len(t)
    u = (t - t[0]) / (t[-1] - t[0])
    falls = [-(1 - np.exp(-u / tau)) / (1 - np.exp(-1 / tau)) for tau in _DECAYS] + [-u]
    last = max(n - 1 - _BORNE_OUT, n // 2)
    turns = np.unique(np.round(np.linspace(1, last, min(_TURNS, last))).astype(int))
    turns = turns[(u[turns] > 0) & (u[turns] < 1)]
    designs = []
    for turn in turns:
        v = np.clip(u - u[turn], 0, None) / (u[-1] - u[turn])
        designs.append(np.column_stack([*falls, v, v**2, (1 - np.exp(-4 * v)) / (1 - np.exp(-4))]))
    return turns, tuple(designs)
