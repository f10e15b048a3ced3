"""The loss as a smooth function of the hyperparameters: a Gaussian process whose own settings are averaged over.

A sweep has 5-50 jobs, too few to fix length scales and noise at one best guess: intervals from a plug-in fit
are too narrow. So the settings (a length scale per hyperparameter, signal, noise, lack of fit, kernel) are
drawn from their posterior by a tempered particle sampler, and every statement averages over those draws.

Model, on y = log loss: configuration i has theta_i = level + g(x_i) + h_i, with g a Gaussian process over the
unit box, h_i what a smooth surface misses, and each job adds seed noise and a known evaluation noise.
Priors are on the relative scale of a loss (0.02 = 2 %); they are weak, named below, and matter with few jobs.

Sources: Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, chapters 2 and 5; Del Moral, Doucet
& Jasra 2006, Sequential Monte Carlo samplers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import qmc

from tunebook.analysis.sweeps.scales import Array, Scale, squares

# Log-normal priors (median, sd of the log). Unit box for lengths; log loss for the rest.
LENGTH_PRIOR = (1.2, 0.9)  # 95 %: 0.2-7 box widths; beyond about 3 the hyperparameter does nothing
SIGNAL_PRIOR = (0.15, 1.0)  # 95 %: a sweep moves the loss by 2 %-110 %
NOISE_PRIOR = (0.018, 0.9)  # 95 %: the same job with another seed differs by 0.3 %-11 %
MISFIT_PRIOR = (0.2, 1.0)  # in units of the seed noise
ROUGH_SHARE = 0.4  # prior probability of a Matern 3/2 kernel (cliffs) over a squared exponential
LEVEL_SD = 0.5  # around the mean of what was seen: as good as unknown
ROUNDING_SD = 1e-4  # result files round; it also keeps the matrices well conditioned

MOST_CONFIGURATIONS = 80  # settings are learned on at most this many configurations (cost grows with the cube)


@dataclass(frozen=True)
class Settings:
    """Draws from the posterior of the process's settings; arrays of length S (`lengths`: S x d)."""

    lengths: Array
    signal: Array
    noise: Array
    misfit: Array
    rough: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.signal)


@dataclass(frozen=True)
class Surface:
    """A fitted response surface: log loss over the unit box, averaged over `settings`.

    `points` (K x d) and `values` (K,) are the configurations and their mean log losses; `noise_variance` is the
    S x K variance of those means; `theta_mean` (S x K) and `theta_covariance` (S x K x K) say what is known about
    the configurations' true values under each draw of the settings.
    """

    scales: tuple[Scale, ...]
    points: Array
    values: Array
    center: float
    settings: Settings
    noise_variance: Array
    theta_mean: Array
    theta_covariance: Array
    _root: Array = field(repr=False)  # inverse Cholesky factor of the data's covariance
    _weights: Array = field(repr=False)

    @property
    def noise_sd(self) -> float:
        """Seed noise, posterior median: sd of one job's log loss around what its configuration gives on average."""
        return float(np.median(self.settings.noise))

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """`n` draws of the configurations' true log losses, shape (n, K), over all settings."""
        per = -(-n // len(self.settings))
        size = self.theta_mean.shape[1]
        jitter = 1e-6 * np.einsum("skk->sk", self.theta_covariance) + 1e-12
        roots = np.linalg.cholesky(self.theta_covariance + jitter[:, :, None] * np.eye(size))
        normal = rng.standard_normal((len(self.settings), per, size))
        draws = self.theta_mean[:, None, :] + normal @ roots.transpose(0, 2, 1)
        return draws.reshape(-1, size)[:n] + self.center

    def predict(self, points: Array) -> tuple[Array, Array]:
        """Mean and variance of level + g at `points` (P x d in the box), each S x P: one row a draw of the settings."""
        cross = _kernel(squares(points, self.points, self.scales), self.settings) + LEVEL_SD**2
        mean = np.einsum("spk,sk->sp", cross, self._weights) + self.center
        spread = cross @ self._root.transpose(0, 2, 1)
        variance = self.settings.signal[:, None] ** 2 + LEVEL_SD**2 - (spread**2).sum(2)
        return mean, np.maximum(variance, 0.0)

    def means(self, points: Array) -> Array:
        """Mean surface at `points` (P x d in the box) under each draw of the settings, S x P."""
        cross = _kernel(squares(points, self.points, self.scales), self.settings) + LEVEL_SD**2
        return np.einsum("spk,sk->sp", cross, self._weights) + self.center

    def paths(self, points: Array, rng: np.random.Generator, *, draws: int = 32) -> Array:
        """Whole surfaces that fit the data, one for each of the first `draws` settings, at `points`: draws x P."""
        settings = _take(self.settings, slice(draws))
        cross = _kernel(squares(points, self.points, self.scales), settings) + LEVEL_SD**2
        covariance = _kernel(squares(points, points, self.scales), settings) + LEVEL_SD**2
        spread = cross @ self._root[:draws].transpose(0, 2, 1)
        covariance -= spread @ spread.transpose(0, 2, 1)
        # Points of one surface are nearly dependent: a jitter far below any loss that is told keeps the factor real.
        covariance[:, range(len(points)), range(len(points))] += 1e-5 * settings.signal[:, None] ** 2 + 1e-8
        roots = np.linalg.cholesky(covariance)
        normal = rng.standard_normal((len(settings), len(points)))
        mean = np.einsum("spk,sk->sp", cross, self._weights[:draws]) + self.center
        return mean + np.einsum("spq,sq->sp", roots, normal)


def fit_surface(
    scales: Sequence[Scale],
    points: Array,
    values: Array,
    *,
    counts: Array | None = None,
    within: tuple[float, int] = (0.0, 0),
    evaluation_variance: Array | None = None,
    seed: int = 0,
    settings: int = 64,
    priors: Mapping[str, tuple[float, float]] | None = None,
) -> Surface:
    """Fit the surface to `values` (K mean log losses) at `points` (K x d in the unit box of `scales`).

    `counts` are the jobs behind each mean; `within` is (sum of squares, degrees of freedom) of the jobs around
    their configuration's mean, which is what tells seed noise from surface; `evaluation_variance` is the known
    variance of one job's own value; `settings` is how many posterior draws to keep. `priors` replaces
    (median, log sd) of "length", "signal", "noise" or "misfit".
    """
    points = np.asarray(points, float).reshape(len(values), len(scales))
    counts = np.ones(len(values)) if counts is None else np.asarray(counts, float)
    known = np.zeros(len(values)) if evaluation_variance is None else np.asarray(evaluation_variance, float)
    rng = np.random.default_rng(seed)
    shifted = np.asarray(values, float) - np.mean(values)
    few = _representatives(shifted, rng)
    drawn = _posterior_settings(
        squares(points[few], points[few], scales),
        shifted[few],
        counts[few],
        within,
        known[few],
        settings if len(values) <= MOST_CONFIGURATIONS else min(settings, 8),
        seed,
        dict(priors or {}),
    )
    return condition(scales, points, values, drawn, counts=counts, evaluation_variance=known)


def condition(
    scales: Sequence[Scale],
    points: Array,
    values: Array,
    settings: Settings,
    *,
    counts: Array,
    evaluation_variance: Array,
    center: float | None = None,
) -> Surface:
    """The surface through `values` for settings that are known already (see `fit_surface` for the arguments)."""
    values = np.asarray(values, float)
    center = float(np.mean(values)) if center is None else center
    noise = (settings.noise[:, None] ** 2 + evaluation_variance + ROUNDING_SD**2) / counts
    eye = np.eye(len(values))
    theta = _kernel(squares(points, points, scales), settings) + LEVEL_SD**2
    theta += (settings.misfit**2)[:, None, None] * eye
    root = np.linalg.solve(np.linalg.cholesky(theta + noise[:, :, None] * eye), eye)
    weights = np.einsum("skl,sk->sl", root, np.einsum("skl,l->sk", root, values - center))
    # theta - theta (theta + N)^-1 theta, written as N - N (theta + N)^-1 N: all terms are small, so nothing cancels.
    shrunk = root * noise[:, None, :]
    covariance = noise[:, :, None] * eye - shrunk.transpose(0, 2, 1) @ shrunk
    return Surface(
        tuple(scales),
        points,
        values,
        center,
        settings,
        noise,
        np.einsum("skl,sl->sk", theta, weights),
        covariance,
        root,
        weights,
    )


def _representatives(values: Array, rng: np.random.Generator) -> NDArray[np.intp]:
    """Which configurations the settings are learned on: all, or the best quarter and a random rest."""
    if len(values) <= MOST_CONFIGURATIONS:
        return np.arange(len(values))
    order = np.argsort(values)
    best = order[: MOST_CONFIGURATIONS // 4]
    rest = rng.choice(order[len(best) :], MOST_CONFIGURATIONS - len(best), replace=False)
    return np.concatenate([best, rest])


def _kernel(apart: Array, settings: Settings) -> Array:
    """Covariance of g, S x P x K: squared exponential, or Matern 3/2 where a draw is rough."""
    depth, rows, columns = apart.shape
    flat = apart.reshape(depth, rows * columns)
    covariance = np.empty((len(settings), rows * columns))
    # One draw at a time: its numbers stay in the cache, which is several times faster than the whole block at once.
    for draw, scaled in enumerate(settings.lengths**-2.0):
        into = covariance[draw]
        np.dot(scaled, flat, out=into)
        if settings.rough[draw]:
            np.sqrt(3.0 * into, out=into)
            into[:] = (1.0 + into) * np.exp(-into)
        else:
            into *= -0.5
            np.exp(into, out=into)
        into *= settings.signal[draw] ** 2
    return covariance.reshape(len(settings), rows, columns)


def _take(settings: Settings, which: Any) -> Settings:
    return Settings(
        settings.lengths[which],
        settings.signal[which],
        settings.noise[which],
        settings.misfit[which],
        settings.rough[which],
    )


def _unpack(white: Array, rough: NDArray[np.bool_], depth: int, priors: Mapping[str, tuple[float, float]]) -> Settings:
    """Standard normal coordinates -> settings under their log-normal priors."""

    def value(name: str, default: tuple[float, float], column: Array) -> Array:
        median, sd = priors.get(name, default)
        return median * np.exp(sd * np.clip(column, -8, 8))

    noise = value("noise", NOISE_PRIOR, white[:, depth + 1])
    return Settings(
        value("length", LENGTH_PRIOR, white[:, :depth]),
        value("signal", SIGNAL_PRIOR, white[:, depth]),
        noise,
        noise * value("misfit", MISFIT_PRIOR, white[:, depth + 2]),
        rough,
    )


def _log_likelihood(
    settings: Settings, apart: Array, values: Array, counts: Array, within: tuple[float, int], known: Array
) -> Array:
    """Log marginal likelihood of the data under each draw, shape (S,)."""
    size = len(values)
    covariance = np.zeros((len(settings), size + 1, size + 1))
    covariance[:, :size, :size] = _kernel(apart, settings)
    covariance[:, :size, :size] += LEVEL_SD**2
    places = np.arange(size)
    noise = (settings.noise[:, None] ** 2 + known + ROUNDING_SD**2) / counts
    covariance[:, places, places] += noise + settings.misfit[:, None] ** 2
    # One more row holding y: the Cholesky factor's last row is then L^-1 y, so one factorisation gives both terms.
    covariance[:, size, :size] = values
    covariance[:, size, size] = 1e12
    factor = np.linalg.cholesky(covariance)
    fit = -0.5 * (factor[:, size, :size] ** 2).sum(1) - np.log(factor[:, places, places]).sum(1)
    squares_within, freedom = within
    if freedom:
        # The median: one job that was measured badly says nothing of what sets the others apart.
        one = settings.noise**2 + np.median(known) + ROUNDING_SD**2
        fit += -0.5 * freedom * np.log(one) - 0.5 * squares_within / one
    return fit


def _posterior_settings(
    apart: Array,
    values: Array,
    counts: Array,
    within: tuple[float, int],
    known: Array,
    keep: int,
    seed: int,
    priors: Mapping[str, tuple[float, float]],
    *,
    particles: int = 256,
    moves: int = 3,
) -> Settings:
    """`keep` draws of the settings: particles from the prior, carried to the posterior in tempered steps.

    Each step lets in as much of the likelihood as leaves half of the particles effective, resamples, and moves
    them by random-walk Metropolis with their own covariance (Del Moral, Doucet & Jasra 2006, with their adaptive
    choice of steps).
    """
    depth = len(apart)
    width = depth + 3
    rng = np.random.default_rng([seed, 4])
    start = qmc.Sobol(width + 1, seed=rng).random(particles)
    white, rough = ndtri(np.clip(start[:, :width], 1e-6, 1 - 1e-6)), start[:, width] < ROUGH_SHARE

    def likelihood(white: Array, rough: NDArray[np.bool_]) -> Array:
        return _log_likelihood(_unpack(white, rough, depth, priors), apart, values, counts, within, known)

    fit = likelihood(white, rough)
    heat = 0.0
    while heat < 1.0:
        step = _next_heat(fit, heat) - heat
        weights = _normalised(step * fit)
        heat += step
        chosen = np.searchsorted(np.cumsum(weights), (np.arange(particles) + rng.random()) / particles)
        chosen = np.minimum(chosen, particles - 1)
        white, rough, fit = white[chosen], rough[chosen], fit[chosen]
        root = np.linalg.cholesky(np.cov(white.T) * 2.38**2 / width + 1e-6 * np.eye(width))
        for number in range(moves):
            # A short and a long stride in turn: the posterior of the settings is a bent valley, not a ball.
            stride = (1.0, 0.3)[number % 2]
            fresh = white + stride * rng.standard_normal(white.shape) @ root.T
            fresh_rough = np.where(rng.random(particles) < 0.2, rng.random(particles) < ROUGH_SHARE, rough)
            fresh_fit = likelihood(fresh, fresh_rough)
            gain = heat * (fresh_fit - fit) + 0.5 * ((white**2).sum(1) - (fresh**2).sum(1))
            taken = np.log(rng.random(particles)) < gain
            white[taken], rough[taken], fit[taken] = fresh[taken], fresh_rough[taken], fresh_fit[taken]
    kept = rng.permutation(particles)[:keep] if keep < particles else np.arange(particles)
    return _unpack(white[kept], rough[kept], depth, priors)


def _next_heat(fit: Array, heat: float) -> float:
    """The share of the likelihood to let in next: as much as keeps half of the particles effective, by bisection."""

    def effective(step: float) -> float:
        return float(1.0 / (_normalised(step * fit) ** 2).sum())

    if effective(1.0 - heat) >= len(fit) / 2:
        return 1.0
    low, high = 0.0, 1.0 - heat
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if effective(middle) >= len(fit) / 2 else (low, middle)
    return heat + max(low, 1e-6)


def _normalised(log_weights: Array) -> Array:
    weights = np.exp(log_weights - log_weights.max())
    return weights / weights.sum()
