"""The validation curve of a run with its uncertainty: two views of the same measurements, weighed and drawn together.

One view is free (`smoothing`), one knows that loss falls and then may rise (`valley`). The free one is right about
curves of any shape, the other sees more in noise. Each gives draws of the curve that the noise leaves possible, in
proportion to how well it predicts; every judgement is then a count over the draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from tunebook.analysis.curves.drops import drops
from tunebook.analysis.curves.signals import Signal, roughness
from tunebook.analysis.curves.smoothing import Smooth, smooth
from tunebook.analysis.curves.valley import Valley, fit_valley

# Runs of neighbours that measurements are averaged over before fitting; noisy ones over fewer and longer runs, because
# a mean loss is a mean of losses, not of their logarithms.
_BINS, _NOISY_BINS = 120, 60
_NOISY = 0.05
_SURELY_FREE = 0.8
# Noise of which neighbours share four fifths still has .38 of its size in second differences; a smooth misfit next to
# nothing.
_SMOOTH = 0.25
# Ratio of the noise of the noisiest to the calmest third of a run beyond which it is no accident.
_UNEVEN = 1.7
# The very end of a curve is its least certain point; a rise is judged by the mean of the last tenth.
_TAIL = 0.1
# Standard deviation of one whole-file measurement (the same rows each time) on the logarithmic scale: real files show
# residuals of .02 to .17 a row over at least 10 rows.
FULL_NOISE = 0.02
# The same for few of them, and what it is worth before looking, in pairs of measurements; simulated and trained runs
# (`tests/benchmarks/diagnosis.py`) are found best with about these.
_WOBBLE = 0.009
_BELIEF = 8.0
_LEAST = 0.05
# Of what a calm measurement lies off the curve this share is the checkpoint's own and shows on other examples as well.
# Rough ones are of batches: nothing of that is the model's.
_OWN = 0.4
# The error of a turning point as a share of a run with many measurements; a short run's is that of their spacing.
_TURN_ERROR = 0.03


@dataclass(frozen=True, eq=False)
class Curve:
    """`t` (m,) steps, `fit` (m,) the curve and `draws` (B, m) on the signal's scale of comparison.

    `rises` (B,) are draws of the rise from the lowest point to the end (logarithm of a ratio), `lasting` (B,) of what
    the last tenth of the run bears out of it on average, `gains` (B,) of the fall over the last fifth, `left` (B,) of
    the fall that half as long again would bring, `lowest` (B,) of the step where the rise begins. `noise` is the
    standard deviation of one measurement around the curve, `best` the step with the lowest expected level.
    """

    t: np.ndarray
    fit: np.ndarray
    draws: np.ndarray
    rises: np.ndarray
    lasting: np.ndarray
    gains: np.ndarray
    left: np.ndarray
    lowest: np.ndarray
    noise: float
    best: float

    def at(self, step: np.ndarray) -> np.ndarray:
        """The curve at other steps, on the scale of comparison."""
        return np.interp(step, self.t, self.fit)


def draw_curve(signal: Signal, y: np.ndarray, full: Signal | None, rng: np.random.Generator, *, draws: int) -> Curve:
    """The curve through `y`, the signal's values on the scale of comparison without spikes and batch effects.

    Measurements of the whole file (`full`) join in: far less noisy, but perhaps at another level.
    """
    t, y, size = _bin(signal, y)
    fallen = drops(t, y)
    measured, (t, y, weight, second, valley) = t, _fit(t, y - fallen, _without(full, t, fallen))
    fallen = _up_to(t, measured, fallen)
    level = y - valley.chance @ valley.offset * second
    calm = _is_smooth(level, valley.residual)
    shared = 0.0 if calm else valley.shared
    free = smooth(t, level, weight, shared)
    trust = valley.error**2 / (valley.error**2 + free.error**2)
    # A free curve whose squared error is half the valley's has seen a shape that is no valley.
    trust = 1.0 if trust > _SURELY_FREE else trust
    free, valley = replace(free, fits=free.fits + fallen), replace(valley, fits=valley.fits + fallen)
    share = round(draws * trust)
    tail = 1 if calm else max(1, round(_TAIL * len(t)))
    rises, lasting, gains, left, curves = [], [], [], [], []
    for view, count in ((free, share), (valley, draws - share)):
        if count:
            drawn = view.draw(shared, weight, count, rng)
            curves.append(drawn)
            rises.append(_rises(signal, view, drawn, 1))
            lasting.append(_rises(signal, view, drawn, tail))
            gains.append(signal.rise(drawn[:, _after(t, 0.8)], drawn[:, -1]))
            left.append(_left(signal, t, drawn))
    # Where a rise began is the turning point, which the valley knows: the lowest point of a free curve lies anywhere
    # on a flat floor.
    if trust == 1:
        turn = np.argmin(curves[0], axis=1)
    else:
        # Of runs that rose, any turning point is as likely before looking: the valley holds late ones for less so.
        chance = valley.chance / (t[-1] - t[valley.turns])
        turn = rng.choice(np.argmin(valley.fits, axis=1), size=draws, p=chance / chance.sum())
    noise = float(np.sqrt((valley.residual**2 * weight).sum() / valley.freedom * size))
    fit = trust * free.fit + (1 - trust) * (valley.chance @ valley.fits)
    own = 0.0 if roughness(level) > _NOISY else _OWN
    return Curve(
        t=t,
        fit=fit,
        draws=np.concatenate(curves),
        rises=np.concatenate(rises),
        lasting=np.concatenate(lasting),
        gains=np.concatenate(gains),
        left=np.concatenate(left),
        lowest=np.clip(_spread(t, turn, rng) + _blur(t, len(signal), draws, rng), 0, t[-1]),
        noise=noise,
        best=float(t[int(np.argmin(fit + own * (level + fallen - fit)))]),
    )


def smooth_curve(signal: Signal, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Steps and the free curve alone, on the scale of comparison: for a picture, not for a judgement."""
    t, y, _ = _bin(signal, y)
    fallen = drops(t, y)
    return t, smooth(t, y - fallen, np.ones(len(t))).fit + fallen


def weighed(signal: Signal, y: np.ndarray, full: Signal | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps, levels, and what each is known to: the standard deviation, on the scale of comparison, of one level."""
    t, y, _ = _bin(signal, y)
    t, y, weight, second, valley = _fit(t, y, full)
    level = y - valley.chance @ valley.offset * second
    shared = 0.0 if _is_smooth(level, valley.residual) else valley.shared
    variance = float((valley.residual**2 * weight).sum() / valley.freedom) * (1 + shared) / (1 - shared)
    return t, level, np.sqrt(variance / weight)


def _up_to(t: np.ndarray, measured: np.ndarray, fallen: np.ndarray) -> np.ndarray:
    """What had fallen by other times than those measured."""
    return fallen[np.maximum(np.searchsorted(measured, t, side="right") - 1, 0)]


def _without(full: Signal | None, measured: np.ndarray, fallen: np.ndarray) -> Signal | None:
    return full and replace(full, y=full.y - _up_to(full.step, measured, fallen))


def _fit(
    t: np.ndarray, y: np.ndarray, full: Signal | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, Valley]:
    """Times, values, precisions, which are of the whole file, and the valley through them."""
    weight, second = np.ones(len(t)), np.zeros(len(t), dtype=bool)
    valley = fit_valley(t, y, weight, second)
    if full is not None and len(full) >= 2:
        noise = float(np.sqrt((valley.residual**2).sum() / valley.freedom))
        t, y, weight, second = _join(t, y, full, _precision(noise, FULL_NOISE))
        valley = fit_valley(t, y, weight, second)
        # How far the whole-file measurements really lie from the curve: training itself may jump about.
        seen = float(np.sqrt((valley.residual[second] ** 2).sum() / (second.sum() - 1)))
        if seen > FULL_NOISE:
            weight = np.where(second, _precision(noise, seen), 1.0)
            valley = fit_valley(t, y, weight, second)
    uneven = _uneven(valley.residual * np.sqrt(weight))
    if uneven is not None:
        weight = weight * uneven
        valley = fit_valley(t, y, weight, second)
    return t, y, weight, second, valley


def draw_few(signal: Signal, noise: float, rng: np.random.Generator, *, draws: int) -> Curve:
    """The curve through two or more measurements of the whole validation file, each known to within its noise.

    That is `noise`, but at least `_WOBBLE`, before looking, then also what the measurements themselves scatter by
    around straight lines. What lasts of a rise is judged by the last one, two or three after the lowest, whichever
    shows it best.
    """
    t, fit = signal.step, signal.y
    bends = np.diff(fit, 2) ** 2 / 6
    seen = float(np.median(bends)) / 0.455 if len(bends) else 0.0  # the median of a square is .455 of its mean
    noise = math.sqrt((_BELIEF * max(noise, _WOBBLE) ** 2 + len(bends) / 2 * seen) / (_BELIEF + len(bends) / 2))
    drawn = fit + rng.normal(0, noise, size=(draws, len(fit)))
    low = int(np.argmin(fit))
    tails = range(1, min(3, len(fit) - 1 - low) + 1) or (1,)
    tail = max(tails, key=lambda k: (fit[-k:].mean() - fit[low] - _LEAST) / math.sqrt(1 / k + 1))
    gains = signal.rise(drawn[:, -2], drawn[:, -1])
    return Curve(
        t=t,
        fit=fit,
        draws=drawn,
        rises=signal.rise(drawn[:, -1], drawn[:, low]),
        lasting=signal.rise(drawn[:, -tail:].mean(axis=1), drawn[:, low]),
        gains=gains,
        left=gains,
        lowest=_spread(t, drawn.argmin(axis=1), rng),
        noise=noise,
        best=float(t[low]),
    )


def _rises(signal: Signal, view: Smooth | Valley, drawn: np.ndarray, tail: int) -> np.ndarray:
    """Rises of the draws to the end, or to the mean of the last `tail` points where that is lower.

    A free curve's are less what looking for a minimum in its noise adds.
    """

    def rise(curves: np.ndarray) -> np.ndarray:
        last = np.minimum(curves[:, -1], curves[:, -tail:].mean(axis=1))
        return signal.rise(last, curves.min(axis=1))

    rises = rise(drawn)
    return rises - (rises.mean() - rise(view.fit[None, :])[0]) if isinstance(view, Smooth) else rises


def _spread(t: np.ndarray, index: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Steps around measured ones: what lies between two measurements was not seen."""
    times = np.unique(t)
    at = np.searchsorted(times, t[index])
    around = np.concatenate([[0.0], times, times[-1:]])  # before the first measurement there was the start
    before, after = around[at], around[at + 2]
    return rng.triangular(before - 1e-9, times[at], after + 1e-9)


def _blur(t: np.ndarray, measured: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """What a turning point may lie off because only some are tried, and true shapes are not all among those assumed."""
    return rng.uniform(-1, 1, draws) * max(_TURN_ERROR - 1 / measured, 0.0) * (t[-1] - t[0])


def _is_smooth(y: np.ndarray, residual: np.ndarray) -> bool:
    """Whether what the valley leaves is a smooth curve that it could not follow, not noise that neighbours share."""
    return len(y) > 5 and roughness(y) < _SMOOTH * float(np.sqrt((residual**2).mean()))


def _uneven(standard: np.ndarray) -> np.ndarray | None:
    """Precisions along the run, mean one, when its thirds are unevenly noisy; None when chance explains that."""
    n = len(standard)
    if n < 30:
        return None
    thirds = np.array([np.sqrt((part**2).mean()) for part in np.array_split(standard, 3)])
    if thirds.min() <= 0 or thirds.max() < _UNEVEN * thirds.min():
        return None
    spread = np.interp(np.arange(n), (np.arange(3) + 0.5) * n / 3, thirds)
    precision = np.clip((spread.mean() / spread) ** 2, 0.1, 10.0)
    return precision / precision.mean()


def _after(t: np.ndarray, share: float) -> int:
    """The first point after a share of the run; never the last point."""
    return min(int(np.searchsorted(t, t[0] + share * (t[-1] - t[0]))), len(t) - 2)


def _left(signal: Signal, t: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """The fall that half as long again would bring if it slows down as it did from the third to the last quarter."""
    half, late = _after(t, 0.5), _after(t, 0.75)
    last = np.maximum(signal.rise(drawn[:, late], drawn[:, -1]), 0.0)
    before = np.maximum(signal.rise(drawn[:, half], drawn[:, late]), 1e-9)
    slowing = np.minimum(last / before, 1.0)
    return last * (slowing + slowing**2)


def _bin(signal: Signal, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Means of runs of neighbours on the scale they were measured on, and how many measurements a run has."""
    t, n = signal.step, len(y)
    rough = n > 3 and roughness(y) > _NOISY
    bins = _NOISY_BINS if rough else _BINS
    if n <= bins:
        return t, y, 1.0
    edges = np.linspace(0, n, bins + 1).astype(int)[:-1]
    count = np.diff(np.append(edges, n))
    level = y if signal.kind == "reward" else np.exp(y)
    mean = np.add.reduceat(level, edges) / count
    return np.add.reduceat(t, edges) / count, mean if signal.kind == "reward" else np.log(mean), n / bins


def _precision(noise: float, full_noise: float) -> float:
    """What one whole-file measurement weighs against one of the batch curve."""
    return float(np.clip((noise / full_noise) ** 2, 1.0, 100.0))


def _join(
    t: np.ndarray, y: np.ndarray, full: Signal, precision: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    times = np.concatenate([t, full.step])
    order = np.argsort(times, kind="stable")
    second = np.concatenate([np.zeros(len(t), dtype=bool), np.ones(len(full), dtype=bool)])[order]
    weight = np.where(second, precision, 1.0)
    return times[order], np.concatenate([y, full.y])[order], weight, second
