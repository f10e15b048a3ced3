"""What to expect of settings nobody has run: the jobs' surface over the shape that is believed before them.

A surface alone expects the same everywhere and looks for the best in the corners first. What is believed instead: the
ranges hold the best, so the loss rises from their middle; or, with an archive, what earlier sweeps found, each as far
as it ranks the jobs seen so far as these came out (compare Feurer, Letham & Bakshy 2018, ranking-weighted ensembles).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tunebook.analysis.run import Run
from tunebook.analysis.sweeps.comparison import Comparison, compare, run_ids
from tunebook.analysis.sweeps.ranking import Measure
from tunebook.analysis.sweeps.scales import Array, Scale, scale_for
from tunebook.analysis.sweeps.space import varied
from tunebook.analysis.sweeps.surface import Surface, condition, fit_surface
from tunebook.errors import RequestError
from tunebook.words import plural

# What is expected before anything was run: at the ends of a range the loss is this much (log) above its middle.
RISE = 0.1
# An earlier sweep is believed as if so many pairs of jobs had already come out in its order.
DOUBT = 3.0
# Widths by which an earlier sweep's box may be left before its edge speaks for what lies outside.
BEYOND = 0.2
# Fewer jobs of an earlier sweep draw no surface.
FEWEST_JOBS = 4

# Points of a box (P x d) -> log loss.
Shape = Callable[[Array], Array]


@dataclass(frozen=True)
class Landscape:
    """What the jobs and what was known before them say together: a `shape` that is expected, and a surface over it.

    `shape` maps points of the box (P x d) to log loss; `counts` and `error` are the jobs behind each point of the
    surface and the variance of having measured one.
    """

    surface: Surface
    shape: Shape
    counts: Array
    error: Array

    def predict(self, points: Array) -> tuple[Array, Array]:
        """Mean and sd of what one job's settings give at `points`, S x P each."""
        mean, variance = self.surface.predict(points)
        return mean + self.shape(points), np.sqrt(variance + self.surface.settings.misfit[:, None] ** 2)

    def best(self) -> Array:
        """The lowest of the settings tried, by draw of the surface's own settings (S)."""
        return (self.surface.theta_mean + self.surface.center + self.shape(self.surface.points)).min(axis=1)

    def believing(self, point: Array) -> Landscape:
        """As if a job at `point` had come out as expected, so that the next choice looks elsewhere."""
        surface = self.surface
        counts, error = np.append(self.counts, 1.0), np.append(self.error, 0.0)
        grown = condition(
            surface.scales,
            np.vstack([surface.points, point]),
            np.append(surface.values, surface.means(point[None]).mean()),
            surface.settings,
            counts=counts,
            evaluation_variance=error,
            center=surface.center,
        )
        return Landscape(grown, self.shape, counts, error)


def landscape(
    known: pd.DataFrame,
    tried: Array,
    scales: Sequence[Scale],
    measure: Measure,
    archive: Sequence[Landscape] = (),
    seed: int = 0,
) -> Landscape:
    """The landscape over the space's own box from jobs (`observed`, `observed_sd`) at `tried` (n x d)."""
    y = measure.model(known["observed"].to_numpy(float))
    points, member = np.unique(tried.round(9), axis=0, return_inverse=True)
    member = member.reshape(-1)
    counts = np.bincount(member).astype(float)
    means = np.bincount(member, y) / counts
    within = (float(((y - means[member]) ** 2).sum()), len(y) - len(counts))
    sd = known["observed_sd"].fillna(0.0).to_numpy(float) if "observed_sd" in known else np.zeros(len(y))
    error = np.bincount(member, sd**2) / counts
    shape = expected_shape(scales, points, means, archive)
    surface = fit_surface(
        scales, points, means - shape(points), counts=counts, within=within, evaluation_variance=error, seed=seed
    )
    return Landscape(surface, shape, counts, error)


def expected_shape(scales: Sequence[Scale], points: Array, means: Array, archive: Sequence[Landscape]) -> Shape:
    """What the log loss is expected to look like before the surface is fitted.

    Ranges are chosen to hold the best: without an archive the loss rises from their middle. With one, its sweeps'
    landscapes, as far as they rank the jobs seen so far as these came out.
    """
    bowed = np.array([scale.kind != "category" and len(scale.levels) > 2 for scale in scales])

    def bowl(at: Array) -> Array:
        return RISE * 4 * ((at[:, bowed] - 0.5) ** 2).sum(1)

    trusts = [_trust(_carried(earlier, scales, points), means) for earlier in archive]
    held = max(trusts, default=0.0)

    def shape(at: Array) -> Array:
        told = (1 - held) * bowl(at)
        for earlier, trust in zip(archive, trusts, strict=True):
            told = told + held * trust / max(sum(trusts), 1e-9) * _carried(earlier, scales, at)
        return told

    return shape


def _carried(earlier: Landscape, scales: Sequence[Scale], at: Array) -> Array:
    """Log loss that an earlier sweep expects at points of another space, above its best."""
    own = {scale.name: scale.own(at[:, axis]) for axis, scale in enumerate(scales)}
    mean, _ = earlier.predict(earlier.surface.points)
    best = earlier.surface.points[int(mean.mean(0).argmin())]
    columns = [
        scale.unit(own[scale.name]) if scale.name in own else np.full(len(at), best[axis])
        for axis, scale in enumerate(earlier.surface.scales)
    ]
    there = np.clip(np.column_stack(columns), -BEYOND, 1 + BEYOND)
    return earlier.predict(there)[0].mean(0) - mean.mean(0).min()


def _trust(expected: Array, seen: Array) -> float:
    """0 to 1: how far an earlier sweep ranks the settings as they came out; DOUBT pairs stand for what is not seen."""
    first, second = np.triu_indices(len(seen), 1)
    agree = float((np.sign(expected[first] - expected[second]) == np.sign(seen[first] - seen[second])).sum())
    share = (agree + DOUBT) / (len(first) + DOUBT)
    return max(0.0, 2 * share - 1)


def places(rows: Sequence[Mapping[Any, Any]], scales: Sequence[Scale]) -> Array:
    """Points of the box, one a row of settings."""
    columns = [scale.unit([row[scale.name] for row in rows]) for scale in scales]
    return np.column_stack(columns) if columns else np.zeros((len(rows), 0))


def earlier_sweeps(
    archive: Iterable[Run | Comparison], comparison: Comparison, names: Sequence[str]
) -> tuple[list[Landscape], tuple[str, ...]]:
    """The landscapes of an archive's sweeps that say something of the settings in `names`, and a note on the others.

    A sweep counts when it has the method and measure of the comparison's winner, at least FEWEST_JOBS jobs, and varied
    one of the settings. Runs that the comparison holds itself are left out.
    """
    given = list(archive)
    if wrong := next((each for each in given if not isinstance(each, Run | Comparison)), None):
        raise RequestError(
            f"The archive holds {type(wrong).__name__} {str(wrong)[:60]!r}: give runs (tb.read_runs) or comparisons."
        )
    here, group = set(run_ids(comparison.runs)), comparison.group
    loose = [each for each in given if isinstance(each, Run) and each.id not in here]
    whole = [each for each in given if isinstance(each, Comparison)]
    found, foreign = [], 0
    for each in (*([compare(loose)] if loose else []), *whole):
        for sweep in each.groups:
            jobs = each.frame[(each.frame["group"] == sweep.label) & ~each.frame["id"].isin(here)]
            scales = [scale_for(name, jobs[name].tolist()) for name in varied(sweep)]
            scales = [scale for scale in scales if scale.varied]
            alike = group is None or (sweep.method, sweep.ranking.measure.name) == (group.method, comparison.measure)
            if not alike or len(jobs) < FEWEST_JOBS or not {scale.name for scale in scales} & set(names):
                foreign += bool(len(jobs))
                continue
            points = places(jobs.to_dict("records"), scales)
            found.append(landscape(jobs, points, scales, sweep.ranking.measure))
    notes = [f"{plural(len(found), 'earlier sweep')} of the archive taken into account."] if found else []
    if foreign:
        notes.append(
            f"{plural(foreign, 'group')} of the archive left out: another method or measure, fewer than "
            f"{FEWEST_JOBS} jobs, or none of these settings varied."
        )
    return found, tuple(notes)
