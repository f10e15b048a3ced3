"""Which job is best, and how sure that is: ranking by posterior draws instead of by luckiest value.

What is ranked is a *job*: the loss that its checkpoint gives, without the error of having measured it. The luck of its
seed is part of that, for the checkpoint keeps it. The lowest of many values is partly error of measurement (the
winner's curse), so reported losses are posterior means: a job that was measured well speaks for itself, one that was
not leans on its seeds and on neighbouring configurations. What a configuration would give with another seed is a
second question, answered by `again`.

Frames in, frozen records out. Lower is better; see `Measure` for rewards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from tunebook.analysis.sweeps.scales import Array, Scale, scale_for
from tunebook.analysis.sweeps.score import WHOLE_ERROR
from tunebook.analysis.sweeps.surface import NOISE_PRIOR, Surface, fit_surface
from tunebook.words import percent, plural

NoiseSource = Literal["replicates", "surface", "assumed"]

# Degrees of freedom within configurations from which the seed noise counts as measured.
REPLICATES_NEEDED = 2
# Configurations per fitted quantity below which the scatter around a surface says nothing about seeds.
SURFACE_NEEDED = 8
# Standard deviations by which what is reported may leave what was measured.
ALLOWED = 3.0
# A loss over twice the best is lost anyway: beyond this (log loss) distances are compressed, so that one diverged
# job does not stretch the surface for all others.
LOST = float(np.log(2.0))


@dataclass(frozen=True)
class Measure:
    """How a value becomes the y that is modelled: log of a loss (lower is better), or minus a reward."""

    name: Literal["loss", "reward"] = "loss"
    best: float = 0.0

    def model(self, values: Array) -> Array:
        y = np.log(values) if self.name == "loss" else -np.asarray(values, float)
        beyond = y - self.best - LOST
        return np.where(beyond > 0, self.best + LOST * (1 + np.log1p(np.maximum(beyond, 0) / LOST)), y)

    def plain(self, y: Array) -> Array:
        """Modelled y -> log loss, or minus the reward: what was compressed is stretched again."""
        beyond = (np.asarray(y, float) - self.best) / LOST - 1
        return np.where(beyond > 0, self.best + LOST + LOST * np.expm1(np.clip(beyond, 0, 50)), y)

    def own(self, y: Array) -> Array:
        """The inverse of `model`: modelled y -> loss or reward."""
        plain = self.plain(y)
        return np.exp(np.minimum(plain, 700.0)) if self.name == "loss" else -plain

    @classmethod
    def of(cls, name: Literal["loss", "reward"], values: Array) -> Measure:
        y = np.log(values) if name == "loss" else -np.asarray(values, float)
        return cls(name, float(np.min(y)))


@dataclass(frozen=True)
class Ranking:
    """Jobs of one comparable group, ranked by what their checkpoints give.

    `frame` has one row a job, index = id: `configuration` (number), `seeds` (jobs of that configuration),
    `observed`, `loss`, `loss_low`, `loss_high` (posterior mean and interval, in the measure's own unit),
    `rank`, `rank_low`, `rank_high` (1 = best), `p_best`, `behind` (fraction of loss above the winner; for a reward the
    plain difference), `behind_low`, `behind_high`, `indistinguishable`. `again` is the probability that the winner's
    configuration has the lowest expected loss of all when each is trained again (NaN where there is only one).
    `noise_sd` is the sd of one job's log loss around its configuration and `noise_source` says how it is known:
    "replicates" (measured), "surface" (scatter around a smooth surface), "assumed" (prior only: it is *not* known).
    `measured_sd` is the median error of one job's own log loss. Differences under `resolution` (twice the two together,
    a fraction) between configurations that were run once cannot be judged. `draws` has a column for each job, in the
    order of `frame`. `settings` has one row a configuration (index: its number): `loss`, `low`, `high`, what it gives
    on average over seeds.
    """

    frame: pd.DataFrame
    winner: str
    level: float
    measure: Measure
    noise_sd: float
    noise_source: NoiseSource
    measured_sd: float
    resolution: float
    again: float
    hyperparameters: tuple[str, ...]
    surface: Surface = field(repr=False)
    draws: Array = field(repr=False)
    settings: pd.DataFrame = field(repr=False)

    @property
    def indistinguishable(self) -> tuple[str, ...]:
        """Ids of the jobs that cannot be told from the winner, best first; the winner is not among them."""
        return tuple(self.frame.index[self.frame["indistinguishable"]])

    def __repr__(self) -> str:
        return f"Ranking({plural(len(self.frame), 'job')}, winner={self.winner!r}, noise={self.noise_source})"


def rank_jobs(
    jobs: pd.DataFrame,
    hyperparameters: Sequence[str],
    *,
    measure: Literal["loss", "reward"] = "loss",
    level: float = 0.9,
    n_draws: int = 4000,
    noise_sd: float | None = None,
    seed: int = 0,
) -> Ranking:
    """Rank `jobs` (one row a job: `id`, `observed`, optional `observed_sd`, and the hyperparameter columns).

    `observed` is the job's loss at its recommended checkpoint (positive) or its reward; `observed_sd` the sd of its
    logarithm from having been measured (see `score.RunScore`; where it is not told, that of one measurement on the
    whole validation file). Intervals cover `level`. `noise_sd` replaces the prior median of the seed noise (a fraction;
    default 1.8 %, see `surface.NOISE_PRIOR`) when other sweeps have shown it. Raises ValueError for an empty frame or
    values that are not finite.
    """
    jobs = jobs.reset_index(drop=True)
    values = jobs["observed"].to_numpy(float)
    if not len(jobs) or not np.isfinite(values).all() or (measure == "loss" and (values <= 0).any()):
        raise ValueError(
            f"rank_jobs needs at least one job and finite, positive losses; got observed = {values.tolist()}. "
            "Leave out the jobs without a value first."
        )
    names = tuple(name for name in hyperparameters if jobs[name].notna().all())
    yardstick = Measure.of(measure, values)
    y = yardstick.model(values)
    scales, points, member = configurations(jobs, names)
    counts = np.bincount(member).astype(float)
    means = np.bincount(member, y) / counts
    within = (float(((y - means[member]) ** 2).sum()), len(y) - len(counts))
    own_sd = jobs.get("observed_sd", pd.Series(np.nan, jobs.index)).fillna(WHOLE_ERROR).to_numpy(float)
    known = np.bincount(member, own_sd**2) / counts
    surface = fit_surface(
        scales,
        points,
        means,
        counts=counts,
        within=within,
        evaluation_variance=known,
        seed=seed,
        priors=None if noise_sd is None else {"noise": (noise_sd, 0.3)},
    )
    theta = surface.draw(n_draws if len(y) <= 200 else n_draws // 4, np.random.default_rng([seed, 1]))
    draws = _jobs(surface, theta[:, member], y, own_sd**2, seed)
    frame = pd.concat(
        [
            jobs[["id", "observed"]],
            pd.DataFrame({"configuration": member, "seeds": counts[member].astype(int)}),
            _table(draws, yardstick, level),
        ],
        axis=1,
    ).set_index("id")
    order = frame["rank"].to_numpy().argsort()
    frame = frame.iloc[order]
    winner = str(frame.index[0])
    frame.loc[winner, "indistinguishable"] = False
    again = (theta.argmin(axis=1) == member[order[0]]).mean() if theta.shape[1] > 1 else np.nan
    measured = float(np.median(own_sd))
    return Ranking(
        frame,
        winner,
        level,
        yardstick,
        surface.noise_sd,
        _noise_source(surface, within[1] if noise_sd is None else 0),
        measured,
        float(np.expm1(2 * np.hypot(surface.noise_sd, measured))),
        float(again),
        names,
        surface,
        draws[:, order],
        _summary(theta, yardstick, level),
    )


def _jobs(surface: Surface, theta: Array, y: Array, variance: Array, seed: int) -> Array:
    """Draws (n x jobs) of what each job's checkpoint gives, on the modelled scale.

    `theta` are draws of the jobs' configurations, `y` what was measured, with error `variance`. A job is its
    configuration and the luck of its seed: between the two, each weighs by how well it is known.
    """
    per = -(-len(theta) // len(surface.settings))
    luck = np.repeat(surface.settings.noise, per)[: len(theta), None] ** 2
    trust = luck / (luck + variance)
    z = np.random.default_rng([seed, 8]).standard_normal(theta.shape)
    # Others may move a job's value by the error of its own, not beyond: its own curve has been measured.
    reach = ALLOWED * np.sqrt(variance)
    return np.clip(theta + trust * (y - theta) + np.sqrt(trust * variance) * z, y - reach, y + reach)


def _noise_source(surface: Surface, replicates: int) -> NoiseSource:
    """How the luck of a seed is known, given the degrees of freedom within configurations."""
    if replicates >= REPLICATES_NEEDED:
        return "replicates"
    varied = sum(scale.varied for scale in surface.scales)
    return "surface" if len(surface.values) >= max(SURFACE_NEEDED, 2 * varied + 4) else "assumed"


def configurations(jobs: pd.DataFrame, hyperparameters: Sequence[str]) -> tuple[tuple[Scale, ...], Array, Any]:
    """Scales of the varied hyperparameters, points (K x d in the unit box), and each job's configuration number."""
    scales = [scale_for(name, jobs[name].tolist()) for name in hyperparameters]
    varied = tuple(scale for scale in scales if scale.varied)
    if not varied:
        return (), np.zeros((1, 0)), np.zeros(len(jobs), int)
    unit = np.column_stack([scale.unit(jobs[scale.name].tolist()) for scale in varied])
    points, member = np.unique(unit.round(9), axis=0, return_inverse=True)
    return varied, points, member.reshape(-1)


def _table(draws: Array, measure: Measure, level: float) -> pd.DataFrame:
    """One row a job: the posterior summaries of `Ranking.frame`."""
    tail, center = (1 - level) / 2, draws.mean(0)
    best = int(np.argmin(center))
    own = measure.own(draws)
    reference = own[:, [best]]
    behind = own / reference - 1 if measure.name == "loss" else reference - own
    behind_low, behind_high = np.quantile(behind, [tail, 1 - tail], axis=0)
    places = draws.argsort(axis=1).argsort(axis=1) + 1
    rank_low, rank_high = np.quantile(places, [tail, 1 - tail], axis=0, method="nearest")
    expected = _summary(draws, measure, level)
    return pd.DataFrame(
        {
            "loss": expected["loss"],
            "loss_low": expected["low"],
            "loss_high": expected["high"],
            "rank": center.argsort(kind="stable").argsort(kind="stable") + 1,
            "rank_low": rank_low.astype(int),
            "rank_high": rank_high.astype(int),
            "p_best": np.bincount(draws.argmin(axis=1), minlength=len(center)) / len(draws),
            "behind": np.median(behind, axis=0),
            "behind_low": behind_low,
            "behind_high": behind_high,
            "indistinguishable": behind_low <= 0,
        }
    )


def _summary(draws: Array, measure: Measure, level: float) -> pd.DataFrame:
    """`loss` (mean on the modelled scale), `low` and `high` of each column of the draws, in the measure's own unit."""
    tail = (1 - level) / 2
    ends = np.sort(measure.own(np.quantile(draws, [tail, 1 - tail], axis=0)), axis=0)
    center = np.clip(measure.own(draws.mean(0)), *ends)
    return pd.DataFrame({"loss": center, "low": ends[0], "high": ends[1]})


def noise_sentence(ranking: Ranking) -> str:
    """What is known of the luck of a seed, and which differences it hides; one sentence."""
    if len(ranking.frame) == 1:
        return "One job alone says nothing of the luck of its seed."
    measured = f"; its loss is measured to within {percent(ranking.measured_sd, 1)}" if ranking.measured_sd else ""
    hidden = f"ifferences below {percent(ranking.resolution, 1)} between settings that were run once"
    told = f"{measured}. D{hidden}"
    share = percent(ranking.noise_sd, 1)
    if ranking.noise_source == "replicates":
        return (
            f"With another seed a job lands about {share} (sd, measured on repeated seeds) from what its settings give "
            f"on average{told} cannot be judged."
        )
    repeat = "run 2-3 seeds of the best 2-3 configurations to measure it"
    if ranking.noise_source == "surface":
        return (
            f"No settings were run with enough seeds, so the luck of a seed is only guessed from the scatter around a "
            f"smooth surface (sd {share}){told} cannot be judged; {repeat}."
        )
    return (
        f"No settings were run with enough seeds and the jobs are too few to guess the luck of a seed: it is unknown. "
        f"Were it the usual {percent(NOISE_PRIOR[0], 0)}, d{hidden} could not be judged; {repeat}."
    )
