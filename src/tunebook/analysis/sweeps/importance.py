"""Which hyperparameters mattered: Sobol total indices of the response surface, or the reason there is no number.

A total index is the share of the surface's variance over the box that was tried that involves the hyperparameter,
alone or together with others: 0 for one that does nothing; with interactions they sum to over 1. Two questions have
two answers. `importance`: what matters among settings that are worth having? There the variance is that of the loss's
logarithm compressed beyond twice the best loss (`ranking.LOST`), as it was modelled. `overall`: what made the
difference over everything that was tried, lost jobs among it? There it is that of the plain logarithm. (Of rewards it
is that of the reward.)

Sources: Jansen 1999 and Saltelli et al. 2010 (estimator of the total index); Liu & Owen 2006 (the variance that
two hyperparameters share, here "interaction").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import qmc

from tunebook.analysis.sweeps.ranking import Measure
from tunebook.analysis.sweeps.scales import Array, Scale
from tunebook.analysis.sweeps.surface import Surface
from tunebook.show import Card, Inline, Share, Shown, Span, Table, Text
from tunebook.words import percent, plural, setting

# Under 12 jobs no method found the most important of four hyperparameters in more than two sweeps of three
# (simulated; Gaussian process, forests, fANOVA and correlations alike).
FEWEST_JOBS = 12
# Two columns of the design correlated beyond this move together: no data can tell their effects apart.
CONFOUNDED = 0.9
PATH_POINTS = 32


@dataclass(frozen=True)
class Importance(Shown):
    """What each hyperparameter did to the loss.

    `frame` has one row a hyperparameter (index): `importance` (near the best: Sobol total index, 0-1, of log loss
    compressed beyond twice the best), `low`, `high` (90 % interval), `overall`, `overall_low`, `overall_high` (over
    everything tried: the same of plain log loss; the two agree where no loss is beyond twice the best), `effect` (how
    much higher the loss is at the worst than at the best value of this hyperparameter, others averaged, a fraction),
    `best` (the value there; None with too few jobs), `note` ("" or why there is no number: "not varied",
    "confounded with …", "too few jobs …"). `interactions` has one row a pair: `first`, `second`, `share`.
    """

    frame: pd.DataFrame
    interactions: pd.DataFrame
    jobs: int
    notes: tuple[str, ...] = field(default=())

    @property
    def questions(self) -> Mapping[str, tuple[str, str, str]]:
        """Heading -> the columns of a number and its interval; one question where both have the same answer."""
        near, overall = ("importance", "low", "high"), ("overall", "overall_low", "overall_high")
        if np.allclose(self.frame["importance"], self.frame["overall"], atol=0.01, equal_nan=True):
            return {"Importance": near}
        return {"Importance near the best": near, "Importance over everything tried": overall}

    @property
    def measured(self) -> tuple[str, ...]:
        """The hyperparameters that have a number, most important first."""
        return tuple(self.frame.index[self.frame["importance"].notna()])

    def to_json(self) -> dict[str, Any]:
        rows = self.frame.reset_index(names="hyperparameter").astype(object)
        pairs = self.interactions.astype(object)
        return {
            "rows": rows.where(rows.notna(), None).to_dict("records"),
            "interactions": pairs.where(pairs.notna(), None).to_dict("records"),
            "jobs": self.jobs,
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        parts = [
            f"{name} {row.importance:.2f}" if pd.notna(row.importance) else f"{name} {row.note}"
            for name, row in self.frame.iterrows()
        ]
        return f"Importance({plural(self.jobs, 'job')}: {'; '.join(parts) or 'no hyperparameters'})"

    def _card(self) -> Card:
        return Card(*self.parts())

    def parts(self) -> tuple[Table | Text, ...]:
        """What a card shows of it: the table, and the notes."""
        rows: list[Sequence[Inline]] = []
        for name, row in self.frame.iterrows():
            best = f", best on average at {setting(row.best)}" if row.best is not None else ""
            effect = f"{percent(row.effect, 1)}{best}" if pd.notna(row.effect) else ""
            rows.append((str(name), *(share_cell(row, columns) for columns in self.questions.values()), effect))
        head = ("Hyperparameter", *self.questions, "Effect on the loss")
        table = Table(head, rows, f"What mattered ({plural(self.jobs, 'job')})", labelled=True)
        return (table, *(Text(note) for note in self.notes))


def share_cell(row: Any, columns: tuple[str, str, str]) -> Inline:
    """One of `Importance.questions` for a row of its frame: the number with its interval, or why there is none."""
    value, low, high = (row[column] for column in columns)
    if pd.isna(value):
        return Span(str(row["note"] or ""), "muted")
    return Share(f"{value:.2f} ({low:.2f} to {high:.2f})", share=float(value))


def importance(
    jobs: pd.DataFrame,
    hyperparameters: Sequence[str],
    surface: Surface,
    measure: Measure,
    *,
    fewest_jobs: int = FEWEST_JOBS,
    confounded: float = CONFOUNDED,
    points: int = 256,
    draws: int = 32,
    seed: int = 0,
) -> Importance:
    """Importance of each of `hyperparameters` in `jobs` (the frame that was ranked) on its fitted `surface`, whose
    values are on the scale of `measure`.

    The number is the mean over the surface's settings; the interval is that of whole surfaces that fit the data.
    Under `fewest_jobs` jobs there is an effect but no importance; columns of the design correlated beyond
    `confounded` share one note instead of getting two numbers.
    """
    scales = surface.scales
    near, overall, pairs = _sobol(surface, measure, points, draws, seed)
    effects = [_effect(surface, measure, axis) for axis in range(len(scales))]
    notes_of = _confounding(surface, confounded)
    few = len(jobs) < fewest_jobs
    rows = {}
    for name in hyperparameters:
        place = next((i for i, scale in enumerate(scales) if scale.name == name), None)
        if place is None:
            note = "not varied" if jobs[name].notna().all() else "value not told by the service"
            rows[name] = (*(np.nan,) * 7, None, note)
            continue
        note = notes_of.get(name, "")
        if few:
            note = "; ".join(filter(None, [f"too few jobs ({len(jobs)} < {fewest_jobs})", note]))
        number = (np.nan,) * 6 if note else (*near[:, place], *overall[:, place])
        effect, best = (np.nan, None) if name in notes_of else effects[place]
        rows[name] = (*number, effect, None if few else best, note)
    numbers = ["importance", "low", "high", "overall", "overall_low", "overall_high", "effect"]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=[*numbers, "best", "note"])
    frame = frame.astype(dict.fromkeys(numbers, float))
    frame = frame.sort_values("importance", ascending=False, kind="stable", na_position="last")
    shared = [] if few else [pair for pair in pairs if not {pair[0], pair[1]} & set(notes_of)]
    notes = _cautions(len(jobs), surface, fewest_jobs) if scales else ()
    return Importance(frame, pd.DataFrame(shared, columns=["first", "second", "share"]), len(jobs), notes)


def _cautions(jobs: int, surface: Surface, fewest_jobs: int) -> tuple[str, ...]:
    if jobs < fewest_jobs:
        return (
            f"To say what mattered, about {fewest_jobs} jobs are needed; with {plural(jobs, 'job')} "
            "the effects are what the surface suggests, not a finding.",
        )
    if len(surface.values) < fewest_jobs:
        different = plural(len(surface.values), "configuration")
        return (f"{jobs} jobs, but only {different}: mind how wide the intervals are.",)
    return ()


def _sobol(
    surface: Surface, measure: Measure, points: int, draws: int, seed: int
) -> tuple[Array, Array, list[tuple[str, str, float]]]:
    """Total indices (number, low, high: 3 x d) of the modelled and of the plain loss, and the share of each pair."""
    depth = len(surface.scales)
    if not depth:
        return np.zeros((3, 0)), np.zeros((3, 0)), []
    base = qmc.Sobol(2 * depth, seed=seed).random(points)
    first, second = _to_levels(base[:, :depth], surface.scales), _to_levels(base[:, depth:], surface.scales)
    duos = list(combinations(range(depth), 2))
    blocks = [first, *(_mixed(first, second, (axis,)) for axis in range(depth))]
    blocks += [_mixed(first, second, pair) for pair in duos]
    means = surface.means(np.concatenate(blocks)).reshape(-1, len(blocks), points)
    # The interval: the same index of whole surfaces that fit the data, on fewer points (each costs a factorisation).
    few = [block[:PATH_POINTS] for block in blocks[: depth + 1]]
    paths = surface.paths(np.concatenate(few), np.random.default_rng([seed, 2]), draws=draws)
    paths = paths.reshape(-1, depth + 1, PATH_POINTS)
    names = [scale.name for scale in surface.scales]
    shares = _indices(means, depth, duos)[1].mean(0)
    pairs = [(names[i], names[j], float(share)) for (i, j), share in zip(duos, shares, strict=True)]
    # Beyond what was seen a surface that is stretched again would know no bounds.
    most = float(surface.values.max())
    plain = _with_interval(*(measure.plain(np.minimum(values, most)) for values in (means, paths)), depth=depth)
    return _with_interval(means, paths, depth=depth), plain, pairs


def _with_interval(means: Array, paths: Array, *, depth: int) -> Array:
    """Total indices of the mean surfaces, and their interval from whole surfaces at the first of the same points."""
    totals = _indices(means, depth, [])[0]
    smooth = means[: len(paths), : depth + 1, : paths.shape[2]]
    # Path against mean on the same few points, added to the mean on all points: the error of few points cancels.
    off = _indices(paths, depth, [])[0] - _indices(smooth, depth, [])[0]
    low, high = np.quantile(np.clip(totals[: len(paths)] + off, 0.0, 1.0), [0.05, 0.95], axis=0)
    center = np.minimum(totals.mean(0), 1.0)
    return np.stack([center, np.minimum(low, center), np.maximum(high, center)])


def _indices(values: Array, depth: int, duos: Sequence[tuple[int, int]]) -> tuple[Array, Array]:
    """`values` (S x blocks x points: A, A with axis j from B, A with pair ij from B) -> (S x d, S x pairs)."""
    base, single, double = values[:, 0], values[:, 1 : depth + 1], values[:, depth + 1 :]
    variance = np.maximum(base.var(axis=1), 1e-12)[:, None]
    totals = ((base[:, None] - single) ** 2).mean(2) / (2 * variance)
    both = [base - single[:, i] - single[:, j] + double[:, at] for at, (i, j) in enumerate(duos)]
    shares = np.array([(part**2).mean(1) / 4 for part in both]).T.reshape(len(values), len(duos)) / variance
    return totals, shares


def _mixed(first: Array, second: Array, axes: tuple[int, ...]) -> Array:
    mixed = first.copy()
    mixed[:, list(axes)] = second[:, list(axes)]
    return mixed


def _to_levels(unit: Array, scales: Sequence[Scale]) -> Array:
    """Uniform numbers -> points of the box; a category gets one of its codes."""
    placed = unit.copy()
    for axis, scale in enumerate(scales):
        if scale.kind == "category":
            placed[:, axis] = np.minimum(np.floor(unit[:, axis] * len(scale.levels)), len(scale.levels) - 1)
    return placed


def _effect(surface: Surface, measure: Measure, axis: int, *, others: int = 64) -> tuple[float, Any]:
    """(how much higher the loss is at the worst tried value than at the best, the best value); others averaged."""
    scale = surface.scales[axis]
    places = scale.unit(scale.levels)
    rest = _to_levels(qmc.Sobol(len(surface.scales), seed=axis).random(others), surface.scales)
    grid = np.repeat(rest[None], len(places), axis=0)
    grid[:, :, axis] = places[:, None]
    mean = surface.means(grid.reshape(-1, len(surface.scales))).mean(0).reshape(len(places), others).mean(1)
    low, high = measure.plain(np.array([mean.min(), mean.max()]))
    return float(np.expm1(high - low) if measure.name == "loss" else high - low), scale.levels[int(mean.argmin())]


def _confounding(surface: Surface, limit: float) -> dict[str, str]:
    """Hyperparameter -> "confounded with …" where columns of the design move together."""
    depth = len(surface.scales)
    found: dict[str, list[str]] = {}
    if depth > 1 and len(surface.points) > 2:
        together = np.abs(np.corrcoef(surface.points.T))
        for i, j in combinations(range(depth), 2):
            if together[i, j] > limit:
                left, right = surface.scales[i].name, surface.scales[j].name
                found.setdefault(left, []).append(right)
                found.setdefault(right, []).append(left)
    return {name: f"confounded with {', '.join(others)}" for name, others in found.items()}
