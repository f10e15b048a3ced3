"""Which jobs to run next: expected improvement of the response surface, over the values that are allowed.

Source: Jones, Schonlau & Welch 1998, Efficient global optimization; Ginsbourger, Le Riche & Carraro 2010 (several
at once: each is believed to come out as expected before the next is chosen).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, product
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.special import ndtr

from tunebook.analysis.run import Run
from tunebook.analysis.sweeps.comparison import Comparison
from tunebook.analysis.sweeps.landscape import Landscape, earlier_sweeps, expected_shape, landscape, places
from tunebook.analysis.sweeps.ranking import Measure
from tunebook.analysis.sweeps.scales import Array, Scale, scale_for, squares
from tunebook.analysis.sweeps.space import space_of, varied
from tunebook.errors import RequestError
from tunebook.show import Card, Share, Shown, Table, Text
from tunebook.words import aligned, between, probability, setting

# More combinations than this are sampled: the surface is smooth, so neighbours say the same.
MOST_CANDIDATES = 2000
# Where every run diverged, nothing within this share of the space's width of one is suggested.
NEAR_LOST = 0.35


@dataclass(frozen=True)
class Suggestions(Shown):
    """Settings to try next, most promising first; iterate to get plain dictionaries.

    `frame` has one row a suggestion: the hyperparameters, `expected` (loss, or reward), `low`, `high` (90 % interval
    of what the configuration would give), `improvement` (expected gain over the best so far, fraction of its loss)
    and `chance` (probability of beating it). `means` and `spreads` (draws x suggestions, on the modelled scale) are
    what the surface holds of each under each draw of its own settings; empty where no job was ranked.
    """

    settings: tuple[dict[str, Any], ...]
    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    means: Array = field(default_factory=lambda: np.zeros((1, 0)), repr=False)
    spreads: Array = field(default_factory=lambda: np.zeros((1, 0)), repr=False)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.settings)

    def __len__(self) -> int:
        return len(self.settings)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return self.settings[place]

    def __repr__(self) -> str:
        lines = [", ".join(f"{name} {setting(value)}" for name, value in row.items()) for row in self.settings]
        return f"Suggestions({len(self)}: {'; '.join(lines)})"

    def _card(self) -> Card:
        names = list(self.settings[0]) if self.settings else []
        rows = []
        for settings, row in zip(self.settings, self.frame.to_dict("records"), strict=True):
            expected, low, high = aligned(row["expected"], row["low"], row["high"])
            chance = Share(probability(row["chance"]), share=row["chance"]) if expected else ""
            rows.append((*map(setting, settings.values()), expected, between(low, high), chance))
        head = (*names, "Expected", "90 % interval", "Chance to beat the best")
        numeric = range(len(names), len(head))
        table = Table(head, rows, f"To try next: {len(self)}", numeric=numeric)
        return Card(table, *(Text(note) for note in self.notes))


def suggest(
    comparison: Comparison,
    space: Mapping[str, Any] | None = None,
    n: int = 3,
    *,
    archive: Iterable[Run | Comparison] = (),
    seed: int = 0,
) -> Suggestions:
    """The next `n` settings worth a job, from `space` (`{name: [values]}` or scipy.stats distributions).

    Without a space it is what the jobs varied, between and around their values, with the ranges that the documentation
    advises. Learns from the ranked jobs of the comparison's largest group; what those varied and `space` does not name
    stays at the winner's value. `archive` are earlier runs or comparisons: their sweeps say what to expect, each as far
    as it ranks the jobs as they came out; without one the best is expected inside the ranges. Nothing is suggested
    nearer to a run that diverged than to one that held. With no ranked job it spreads the first jobs over the space.
    Settings that were run already are not suggested again. Raises RequestError for an empty space and for an archive
    that holds anything else.

    >>> comparison = tb.compare(tb.read_runs("runs"))
    >>> tb.suggest(comparison, {"n_epochs": [2, 3, 4], "learning_rate_multiplier": [0.05, 0.1, 0.2]}, n=2)
    Suggestions(2: n_epochs ..., learning_rate_multiplier ...; n_epochs ..., learning_rate_multiplier ...)
    >>> len(tb.suggest(comparison))
    3
    """
    group, frame = comparison.group, comparison.frame
    space = space_of(comparison) if space is None else space
    lost = frame[frame["verdict"] == "diverged"] if len(frame) else None
    earlier, notes = earlier_sweeps(archive, comparison, tuple(space))
    if group is None:
        nothing = pd.DataFrame(columns=["observed"])
        found = suggest_from(nothing, space, n, lost=lost, archive=earlier, seed=seed)
    else:
        jobs = frame[frame["group"] == group.label]
        kept = {name: jobs[name].iloc[0] for name in varied(group) if name not in space}
        measure = comparison.measure
        found = suggest_from(jobs, space, n, kept=kept, lost=lost, measure=measure, archive=earlier, seed=seed)
    return replace(found, notes=(*found.notes, *notes))


def suggest_from(
    jobs: pd.DataFrame,
    space: Mapping[str, Any],
    n: int = 3,
    *,
    kept: Mapping[str, Any] | None = None,
    lost: pd.DataFrame | None = None,
    measure: Literal["loss", "reward"] = "loss",
    archive: Sequence[Landscape] = (),
    seed: int = 0,
) -> Suggestions:
    """`suggest` from a frame: one row a job, `observed` (and `observed_sd`), a column a hyperparameter.

    `kept` (name -> value) is added to every suggestion. `lost` are jobs that diverged, with the same columns: what lies
    nearer to one of them than to a job that held is not suggested.
    """
    rng = np.random.default_rng([seed, 7])
    candidates = _candidates(space, rng)
    candidates = [{**row, **(kept or {})} for row in candidates]
    names = [*space, *(kept or {})]
    known, lost = _told(jobs, names), _told(jobs.iloc[:0] if lost is None else lost, names)
    scales = [
        scale_for(name, [*known.get(name, ()), *lost.get(name, ()), *(row[name] for row in candidates)])
        for name in names
    ]
    points = places(candidates, scales)
    if known.empty and len(lost):
        safe = _away(points, places(lost.to_dict("records"), scales), scales) > NEAR_LOST**2
        candidates = [row for row, fine in zip(candidates, safe, strict=True) if fine]
        points = points[safe]
    if known.empty and not candidates:
        return Suggestions((), pd.DataFrame(columns=names), ("Every run diverged, and the space lies near them.",))
    if known.empty:
        expected = expected_shape(scales, points[:0], np.zeros(0), archive)(points)
        chosen = _spread(points, n, int(expected.argmin()) if archive else _nearest(points, _at_center(scales)))
        frame = pd.DataFrame([candidates[place] for place in chosen], columns=names)
        unknown = frame.assign(expected=np.nan, low=np.nan, high=np.nan, improvement=np.nan, chance=np.nan)
        return Suggestions(
            tuple(candidates[p] for p in chosen), unknown, ("No job has been ranked: these spread out.",)
        )
    tried = places(known.to_dict("records"), scales)
    open_to = _away(points, tried, scales) > 1e-18
    if not open_to.any():
        return Suggestions((), pd.DataFrame(columns=names), ("Every setting of the space has been run.",))
    if len(lost):
        open_to &= _away(points, tried, scales) < _away(points, places(lost.to_dict("records"), scales), scales)
    if not open_to.any():
        return Suggestions((), pd.DataFrame(columns=names), ("What has not been run lies where runs diverged.",))
    candidates = [row for row, fresh in zip(candidates, open_to, strict=True) if fresh]
    yardstick = Measure.of(measure, known["observed"].to_numpy(float))
    over = landscape(known, tried, scales, yardstick, archive, seed)
    frame = _most_promising(candidates, points[open_to], n, yardstick, over)
    means, spreads = over.predict(points[open_to][list(frame.index)])
    settings = tuple(candidates[place] for place in frame.index)
    return Suggestions(settings, frame.reset_index(drop=True), means=means, spreads=spreads)


def _most_promising(
    candidates: Sequence[Mapping[str, Any]], points: Array, n: int, yardstick: Measure, over: Landscape
) -> pd.DataFrame:
    """The `n` candidates with the highest expected improvement and what to expect of them; index: their places."""
    rows: dict[int, dict[str, Any]] = {}
    for _ in range(min(n, len(candidates))):
        gain, row = _improvement(over, points, yardstick)
        gain[list(rows)] = -1.0
        best = int(np.argmax(gain))
        rows[best] = {**candidates[best], **{key: values[best] for key, values in row.items()}}
        over = over.believing(points[best])
    return pd.DataFrame(list(rows.values()), index=list(rows))


def _candidates(space: Mapping[str, Any], rng: np.random.Generator) -> list[dict[str, Any]]:
    """All combinations, or MOST_CANDIDATES random ones where there are more or a distribution is among them."""
    listed = _listed(space)
    if all(values is not None for values in listed.values()):
        rows = [*islice(product(*(values or () for values in listed.values())), MOST_CANDIDATES + 1)]
        if len(rows) <= MOST_CANDIDATES:
            return [dict(zip(space, row, strict=True)) for row in rows]
    drawn = {name: _drawn(space[name], allowed, rng) for name, allowed in listed.items()}
    return [dict(zip(drawn, row, strict=True)) for row in zip(*drawn.values(), strict=True)]


def _listed(space: Mapping[str, Any]) -> dict[str, list[Any] | None]:
    """The values of each hyperparameter, None for a distribution; RequestError for a space that is none."""
    if not space:
        raise RequestError("The space is empty: give {name: [values]}, for instance {'n_epochs': [1, 2, 3]}.")
    for name, values in space.items():
        if not hasattr(values, "rvs") and (isinstance(values, str) or not len(list(values))):
            raise RequestError(f"space[{name!r}] = {values!r}: give a list of at least one value, or a distribution.")
    return {name: None if hasattr(values, "rvs") else list(values) for name, values in space.items()}


def _drawn(values: Any, allowed: list[Any] | None, rng: np.random.Generator) -> list[Any]:
    if allowed is None:
        sample = values.rvs(size=MOST_CANDIDATES, random_state=rng)
        return [value.item() if isinstance(value, np.generic) else value for value in sample]
    return [allowed[place] for place in rng.integers(0, len(allowed), MOST_CANDIDATES)]


def _told(jobs: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The jobs of which every one of the settings is known."""
    return jobs[jobs[list(names)].notna().all(axis=1)] if set(names) <= set(jobs.columns) else jobs.iloc[:0]


def _away(points: Array, others: Array, scales: Sequence[Scale]) -> Array:
    """Squared distance of each point to the nearest of the others."""
    return squares(points, others, scales).sum(0).min(1)


def _at_center(scales: Sequence[Scale]) -> Array:
    return np.array([0.0 if scale.kind == "category" else 0.5 for scale in scales])


def _nearest(points: Array, center: Array) -> int:
    return int(((points - center) ** 2).sum(1).argmin())


def _spread(points: Array, n: int, start: int) -> list[int]:
    """`n` points far from each other, from the place `start` on (a greedy maximin design)."""
    chosen = [start]
    while len(chosen) < min(n, len(points)):
        distance = ((points[:, None, :] - points[chosen][None]) ** 2).sum(2).min(1)
        chosen.append(int(distance.argmax()))
    return chosen


def _improvement(over: Landscape, points: Array, measure: Measure) -> tuple[Array, dict[str, Array]]:
    """Expected improvement at each point (on the modelled scale) and what to tell of it."""
    mean, spread = over.predict(points)
    best = over.best()[:, None]
    z = (best - mean) / spread
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    gain = ((best - mean) * ndtr(z) + spread * density).mean(0)
    middle = mean.mean(0)
    wide = np.sqrt((spread**2).mean(0) + mean.var(0))
    ends = np.sort(np.stack([measure.own(middle - 1.645 * wide), measure.own(middle + 1.645 * wide)]), axis=0)
    told = {
        "expected": measure.own(middle),
        "low": ends[0],
        "high": ends[1],
        "improvement": gain,
        "chance": ndtr(z).mean(0),
    }
    return gain, told
