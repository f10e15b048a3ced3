"""What a step is worth before it is paid for: by how much it is expected to lower the loss of what is deployed.

For each draw of what is known, the step is played through: what the new jobs truly give, what is then measured of
them, and whether that would change the choice. A measured value is believed as far as its error allows, so a lucky
measurement alone is no gain. Source: Frazier, Powell & Dayanik 2008, the knowledge gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunebook.analysis.sweeps.ranking import Measure, Ranking
from tunebook.analysis.sweeps.scales import Array


@dataclass(frozen=True)
class Gain:
    """Of one step: `expected` lowering of the loss of what is deployed (rise of its reward), with the 90 % interval
    `low` to `high` of what it turns out as, in the measure's own unit; `share` the expected one as a fraction of the
    winner's value; `changes` the probability that another job is deployed afterwards."""

    expected: float
    low: float
    high: float
    share: float
    changes: float


@dataclass(frozen=True)
class Incumbent:
    """The winner as the draws (n) of what it truly gives, on the modelled scale; `luck` (n) is the sd of a seed in each
    draw, `error` that of measuring a job."""

    draws: Array
    luck: Array
    error: float
    measure: Measure

    @classmethod
    def of(cls, ranking: Ranking) -> Incumbent:
        draws, settings = ranking.draws[:, 0], ranking.surface.settings
        luck = np.repeat(settings.noise, -(-len(draws) // len(settings)))[: len(draws)]
        return cls(draws, luck, ranking.measured_sd, ranking.measure)


def of_jobs(now: Incumbent, truths: Array, rng: np.random.Generator) -> Gain:
    """The gain of jobs that would truly give `truths` (n draws x jobs, modelled scale), each measured once."""
    seen = _believed(truths, now.error, rng)
    best = seen.argmin(axis=1)
    taken = truths[np.arange(len(truths)), best]
    return _gain(now, taken, seen.min(axis=1) < now.draws.mean())


def of_evaluation(now: Incumbent, rival: Array, error: float, rng: np.random.Generator) -> Gain:
    """The gain of measuring the winner and a rival (n draws) again, their difference with an sd of `error`."""
    ahead = _believed((rival - now.draws)[:, None], error, rng)[:, 0]
    return _gain(now, rival, ahead < 0)


def _believed(truths: Array, error: float, rng: np.random.Generator) -> Array:
    """What would be expected of each after a measurement with that error."""
    center, variance = truths.mean(0), truths.var(0)
    weight = variance / np.maximum(variance + error**2, 1e-18)
    return center + weight * (truths + error * rng.standard_normal(truths.shape) - center)


def _gain(now: Incumbent, taken: Array, changes: NDArray[np.bool_]) -> Gain:
    own, other = now.measure.own(now.draws), now.measure.own(taken)
    better = own - other if now.measure.name == "loss" else other - own
    won = np.where(changes, better, 0.0)
    low, high = np.quantile(won, (0.05, 0.95))
    expected = float(max(won.mean(), 0.0))
    size = abs(float(np.median(own)))
    return Gain(expected, float(low), float(high), expected / size if size else 0.0, float(changes.mean()))
