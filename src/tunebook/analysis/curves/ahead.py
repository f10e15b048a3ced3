"""What a validation curve can become: curves that fit what is known of a run so far, drawn beyond it.

Each possible curve is level + a fall + a rise + a wander: the fall and the rise have one of many fixed shapes (power
laws, exponentials, two phases, cosine and straight decay; rises that begin anywhere), their sizes are free, and the
wander is what no shape holds. Given the shapes, everything is normal, so how well each pair of them predicts what was
measured, and what it says of the rest, is known in closed form; nothing is fitted. Runs beside it lend their own curve
as one more shape of the fall.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import expit

# Means of runs of neighbours are as good as the measurements, and the matrices small.
_POINTS = 40
# Standard deviations of level, fall and rise as a share of the level now; a rise is small, middling or large.
_LEVEL, _MEAN_LEVEL, _FALL, _RISES = 1.5, 0.7, 2.0, (0.12, 0.6, 1.5)
_NEVER = 1e-3
_ONSETS = np.linspace(0.05, 0.95, 10)
# The wander forgets over a quarter of the way.
_FORGETS = 0.25
# Noise is not quite known: degrees of freedom.
_FREEDOM = 6.0
# A fall that nothing announces, a learning rate cut: its size.
_CUTS = (0.03, 0.4)
# What the curves of the runs beside, and of earlier ones, are believed to be worth against all other shapes.
BESIDE, EARLIER = 0.5, 0.25
_FEWEST = 50
# A level so much (logarithm) above the one now is of the first plunge; so many measurements are kept in any case.
_PLUNGE, _KEPT = math.log(2.0), 12


@dataclass(frozen=True)
class Beliefs:
    """What is held of a kind of curve before looking at one; chosen so that intervals hold.

    wander: standard deviations of what no shape holds, as a share of the level, and what is believed of each. cut: the
    chance of a fall that nothing announces over a whole run. counts: what the evidence counts for, as noise is not
    quite independent, and the true shape not among those tried. exact: measurements are never known better.
    powers: exponents of pure power laws, believed as much as all other shapes together.
    """

    wander: tuple[tuple[float, float], ...]
    cut: float
    counts: float
    exact: float
    powers: tuple[float, ...] = ()


_POWERS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)
# Of one run over its steps (`tests/benchmarks/forecast.py`), of loss over the number of examples (`more_data.py`).
STEPS = Beliefs(((0.005, 0.45), (0.03, 0.35), (0.1, 0.2)), cut=0.15, counts=0.7, exact=0.004)
EXAMPLES = Beliefs(((0.002, 0.5), (0.01, 0.5)), cut=0.0, counts=1.0, exact=0.002, powers=_POWERS)


@dataclass(frozen=True, eq=False)
class Shape:
    """The curve of another run: `u` (k,) shares of its way, `level` (k,) its loss, `worth` what is believed of it."""

    u: np.ndarray
    level: np.ndarray
    worth: float

    def at(self, u: np.ndarray) -> np.ndarray:
        return np.interp(u, self.u, self.level) / self.level[-1] - 0.9


def draw_ahead(
    u: np.ndarray,
    y: np.ndarray,
    sd: np.ndarray,
    at: np.ndarray,
    *,
    p_rise: float,
    shapes: Sequence[Shape] = (),
    beliefs: Beliefs = STEPS,
    draws: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Curves (B, len(at)) on the scale of `y` that fit what was measured; B is at most 2 `draws`.

    u, y, sd: (m,) shares of the planned way, levels as logarithms, and their standard deviations. at: shares of the way
    to draw at. p_rise: the probability, before looking at the curve, that it rises before the end.
    """
    u, y, precision = _fewer(*_lately(u, y, 1 / (sd**2 + 1e-12)))
    variance = 1 / precision + beliefs.exact**2
    near = np.exp(-np.abs(u[:, None] - u) / 0.05) / variance
    level = (near @ y) / near.sum(axis=1)
    now = level[-1]
    everywhere = np.concatenate([u, at])
    # A fall from far above is as likely as one from near.
    model = _Model.of(everywhere, p_rise, shapes, beliefs.powers, _FALL * max(1.0, float(np.exp(level[0] - now))))
    fits = [
        _Fit(model, np.exp(y - now), np.exp(level - now), variance, everywhere, *w, beliefs.counts)
        for w in beliefs.wander
    ]
    evidence = np.concatenate([fit.evidence for fit in fits])
    chance = np.exp(evidence - evidence.max())
    picked = rng.choice(len(chance), 2 * draws, p=chance / chance.sum())
    drawn, possible = [], []
    for place, fit in enumerate(fits):
        mine = picked[picked // len(model.pairs) == place] % len(model.pairs)
        if len(mine):
            curves, sizes = fit.draw(mine, rng)
            drawn.append(curves)
            possible.append((sizes[:, 0] > 0.02) & (sizes[:, 1:] > -0.01).all(axis=1) & (curves > 0.02).all(axis=1))
    curves, kept = np.concatenate(drawn), np.concatenate(possible)
    curves = curves[kept] if kept.sum() >= _FEWEST else np.maximum(curves, 0.02)
    return np.log(curves) + now - _cuts(beliefs.cut, len(curves), float(u[-1]), at, rng)


def _lately(u: np.ndarray, y: np.ndarray, precision: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Without the first plunge from far above the level now: its shape says nothing of the slow fall after it."""
    now = float(np.median(y[-max(3, len(y) // 8) :]))
    far = np.flatnonzero(y > now + _PLUNGE)
    first = min(int(far[-1]) + 1 if len(far) else 0, max(len(y) - _KEPT, 0))
    return u[first:], y[first:], precision[first:]


def _fewer(u: np.ndarray, y: np.ndarray, precision: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if len(u) <= _POINTS:
        return u, y, precision
    first = np.linspace(0, len(u), _POINTS + 1).astype(int)[:-1]
    total = np.add.reduceat(precision, first)
    return np.add.reduceat(u * precision, first) / total, np.add.reduceat(y * precision, first) / total, total


def _cuts(chance: float, count: int, now: float, at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    cut = rng.random(count) < chance * (1 - now)
    when, size = rng.uniform(now, 1, count), rng.uniform(*_CUTS, count)
    return np.where(cut[:, None] & (at >= when[:, None]), size[:, None], 0.0)


@dataclass(frozen=True, eq=False)
class _Model:
    """`shapes` (k, n): one row constant, then falls, then rises; `pairs` (p, 3) rows that make a curve together, with
    the precision of their sizes `prior` (p, 3) and the logarithm of what is believed of them `belief` (p,)."""

    shapes: np.ndarray
    pairs: np.ndarray
    prior: np.ndarray
    belief: np.ndarray

    @classmethod
    def of(
        cls, u: np.ndarray, p_rise: float, others: Sequence[Shape], powers: tuple[float, ...], fall_sd: float
    ) -> _Model:
        falls, fall_belief = _falls(u)
        if powers:
            falls = np.concatenate([falls, u ** -np.array(powers)[:, None]])
            fall_belief = np.append(fall_belief / 2, np.full(len(powers), 0.5 / len(powers)))
        if others:
            lent = sum(shape.worth for shape in others)
            falls = np.concatenate([falls, [shape.at(u) for shape in others]])
            fall_belief = np.append(fall_belief * (1 - lent), [shape.worth for shape in others])
        rises = _rises(u)
        sizes = np.append(_NEVER, np.tile(_RISES, len(rises) - 1))
        rise_belief = np.append(1 - p_rise, np.full(len(sizes) - 1, p_rise / (len(sizes) - 1)))
        fall = np.repeat(np.arange(len(falls)), len(sizes))
        size = np.tile(np.arange(len(sizes)), len(falls))
        rise = (size + len(_RISES) - 1) // len(_RISES)
        deviations = [np.full(len(fall), _LEVEL), np.where(fall == 0, _NEVER, fall_sd), sizes[size]]
        return cls(
            np.concatenate([np.ones((1, len(u))), falls, rises]),
            np.stack([np.zeros_like(fall), fall + 1, rise + 1 + len(falls)], axis=1),
            np.stack(deviations, axis=1) ** -2.0,
            np.log(fall_belief[fall]) + np.log(rise_belief[size]),
        )


def _falls(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shapes of the fall over `u`, the first of them none, and what is believed of each."""
    halves, powers = np.geomspace(0.003, 1, 8), np.array([0.3, 0.6, 1.0, 1.8])
    power = (1 + u / np.repeat(halves, 4)[:, None]) ** -np.tile(powers, 8)[:, None]
    slow = np.exp(-u / np.geomspace(0.02, 1.5, 12)[:, None])
    two = 0.65 * slow**5 + 0.35 * slow
    way = np.minimum(u, 1)
    shapes = np.concatenate([np.zeros((1, len(u))), power, slow, two, [0.5 + 0.5 * np.cos(np.pi * way), 1 - way]])
    belief = np.concatenate([[0.3], np.full(32, 1 / 32), np.full(12, 0.05), np.full(12, 0.5 / 12), [0.1, 0.05]])
    return shapes, belief / belief.sum()


def _rises(u: np.ndarray) -> np.ndarray:
    """Shapes of the rise, 1 at the end, the first of them none: straight, faster and faster, slower and slower."""
    v = np.clip(u - _ONSETS[:, None], 0, None) / (1 - _ONSETS[:, None])
    forms = [v, v**2, (1 - np.exp(-3 * v)) / (1 - np.exp(-3.0))]
    return np.concatenate([np.zeros((1, len(u))), *forms])


@dataclass(frozen=True, eq=False)
class _Fit:
    """Every pair of shapes with one size of wander, given `z` (m,), the levels measured as a share of the level now.

    `level` (m,) is smooth and gives the noise its size; `everywhere` the shares of the way, measured ones first."""

    model: _Model
    z: np.ndarray
    level: np.ndarray
    variance: np.ndarray
    everywhere: np.ndarray
    wander: float
    believed: float
    counts: float

    @cached_property
    def _wandering(self) -> np.ndarray:
        u = self.everywhere
        return self.wander**2 * np.exp(-np.abs(u[:, None] - u) / _FORGETS)

    @cached_property
    def _root(self) -> np.ndarray:
        m, g = len(self.z), self.level
        return np.linalg.cholesky(np.diag(g**2 * self.variance) + self._wandering[:m, :m] * g[:, None] * g)

    @cached_property
    def _white(self) -> tuple[np.ndarray, np.ndarray]:
        m = len(self.z)
        both = np.linalg.solve(self._root, np.column_stack([self.z, self.model.shapes[:, :m].T]))
        return both[:, 0], both[:, 1:].T

    @cached_property
    def _posterior(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Mean sizes (p, 3), their covariances (p, 3, 3), what each pair leaves unexplained (p,), and the precisions'
        determinants (p,)."""
        z, shapes = self._white
        pairs, prior = self.model.pairs, self.model.prior
        gram, product = shapes @ shapes.T, shapes @ z
        expected = np.array([_MEAN_LEVEL, 0.0, 0.0])
        a, b, c = np.diag(gram)[pairs].T + prior.T
        d, e, f = gram[pairs[:, 0], pairs[:, 1]], gram[pairs[:, 0], pairs[:, 2]], gram[pairs[:, 1], pairs[:, 2]]
        covariance, size = _inverse(a, b, c, d, e, f)
        right = product[pairs] + prior * expected
        mean = (covariance * right[:, None, :]).sum(axis=2)
        left = z @ z + (prior * expected**2).sum(axis=1) - (right * mean).sum(axis=1)
        return mean, covariance, np.maximum(left, 0.0), size

    @property
    def evidence(self) -> np.ndarray:
        _, _, left, determinant = self._posterior
        m = len(self.z)
        size = 0.5 * np.log(self.model.prior).sum(axis=1) - 0.5 * np.log(determinant)
        fit = -(_FREEDOM + m) / 2 * np.log1p(left / _FREEDOM) - np.log(np.diag(self._root)).sum()
        return self.counts * (fit + size + self.model.belief + np.log(self.believed))

    def draw(self, pairs: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Curves (B, h) after the measured places as a share of the level now, and the sizes (B, 3) of their parts."""
        mean, covariance, left, _ = self._posterior
        z, white = self._white
        m, count = len(self.z), len(pairs)
        spread = np.sqrt((_FREEDOM + left[pairs]) / rng.chisquare(_FREEDOM + m, count))
        root = np.linalg.cholesky(covariance[pairs] + 1e-12 * np.eye(3))
        sizes = mean[pairs] + spread[:, None] * np.einsum("kij,kj->ki", root, rng.normal(size=(count, 3)))
        rows = self.model.pairs[pairs]
        ahead = (sizes[:, :, None] * self.model.shapes[rows, m:]).sum(axis=1)
        seen = np.linalg.solve(self._root, self._wandering[:m, m:] * self.level[:, None])
        # What the measurements say of the wander, and what they leave open.
        known = (z - (sizes[:, :, None] * white[rows]).sum(axis=1)) @ seen
        open_ = self._wandering[m:, m:] - seen.T @ seen + 1e-10 * np.eye(ahead.shape[1])
        return ahead + known + rng.normal(size=ahead.shape) @ np.linalg.cholesky(open_).T, sizes


def _inverse(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray, e: np.ndarray, f: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Inverses (p, 3, 3) and determinants (p,) of the symmetric matrices ((a, d, e), (d, b, f), (e, f, c)); thousands
    of them one by one take a library ten times as long."""
    ab, ac, bc = d * f - e * b, d * e - a * f, e * f - d * c
    aa, bb, cc = b * c - f * f, a * c - e * e, a * b - d * d
    size = a * aa + d * bc + e * ab
    return (np.stack([aa, bc, ab, bc, bb, ac, ab, ac, cc], axis=-1) / size[:, None]).reshape(-1, 3, 3), size


def p_rise_before_looking(gap: float | None, now: float) -> float:
    """The probability that validation rises before the end, from the gap to training alone.

    gap: logarithm of validation over training loss of late, None when training is not shown; the wider, the likelier,
    and the later (`now`, a share of the way) it is seen, the less. From simulated and trained runs alike.
    """
    return 0.35 if gap is None else float(np.clip(expit(5 * gap - 3.5 * now - 0.4), 0.05, 0.95))
