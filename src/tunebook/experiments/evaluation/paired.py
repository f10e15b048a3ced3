"""Two models answer the same prompts: is one better, by how much, and how many prompts would it take to see?

Everything here is paired by prompt: the difference per prompt is judged, which removes how hard each prompt is.
Arrays in, frozen records out; gains are "second minus first" (tuned minus base), as fractions or in the score's
own unit.

Sources: Agresti & Min 2005 (interval for paired proportions); Fagerland, Lydersen & Laake 2013 (mid-p McNemar);
Hall 1988, Efron & Tibshirani 1993, chapter 12 (bootstrap-t); Miller 2024, arXiv 2411.00640 (clustered errors);
Holm 1979; Connor 1987 (sample size for McNemar).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom, norm

from tunebook import words
from tunebook.show import Card, Shown, Span, Text

Array = NDArray[np.floating[Any]]

# Below this many prompts intervals of skewed scores cover too little (bootstrap-t .89 of nominal .95 at 20).
EXPLORATORY = 50


@dataclass(frozen=True)
class PairedResult(Shown):
    """The gain of the second model over the first on the same prompts.

    `gain` with its `level` interval `low`-`high`; `p_value` (two-sided) against no gain; `n` prompts, of which
    `better` and `worse` differ (ties are the rest); `clusters` is how many independent sources the prompts have
    (`n` when each is its own). `method` names interval and test, `notes` say what to beware of.
    """

    gain: float
    low: float
    high: float
    p_value: float
    level: float
    n: int
    better: int
    worse: int
    clusters: int
    method: str
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """What the interval shows: "better", "worse" or "no difference shown"."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "no difference shown"

    @property
    def sentence(self) -> str:
        verdict = {
            "better": "The second model is better",
            "worse": "The second model is worse",
            "no difference shown": "No difference was shown",
        }[self.verdict]
        interval = f"{words.percent(self.level)} interval {self.low:+.3f} to {self.high:+.3f}"
        return (
            f"{verdict}: gain {self.gain:+.3f} ({interval}, {words.p_value(self.p_value)}) "
            f"on {self.n} prompts, {self.better} better and {self.worse} worse."
        )

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict, "notes": list(self.notes)}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> PairedResult:
        """The result that `to_json` gave, or one made elsewhere: only `gain` is needed, the rest is NaN or 0."""
        known = {field.name: saved[field.name] for field in fields(cls) if saved.get(field.name) is not None}
        unknown = {"low": math.nan, "high": math.nan, "p_value": math.nan, "level": 0.95}
        counts = {"n": 0, "better": 0, "worse": 0, "clusters": known.get("n", 0)}
        return cls(**{**unknown, **counts, "method": "", **known, "notes": tuple(known.get("notes", ()))})

    def __repr__(self) -> str:
        return f"PairedResult({self.sentence})"

    def _card(self) -> Card:
        tone = {"better": "good", "worse": "bad"}.get(self.verdict, "note")
        notes = (*self.notes, f"Method: {self.method}.")
        return Card(Text(Span(self.sentence, "strong"), tone), *(Text(note) for note in notes))


def compare_scores(
    first: ArrayLike,
    second: ArrayLike,
    *,
    clusters: Sequence[Any] | None = None,
    level: float = 0.95,
    resamples: int = 4000,
    seed: int = 0,
) -> PairedResult:
    """Gain of `second` over `first`: scores of the same n prompts, in the same order, higher is better.

    Scores that are all 0 or 1 (or bool) get the Agresti-Min interval and the mid-p McNemar test; others get the
    bootstrap-t interval and its test. `clusters` (n labels) says which prompts come from one conversation or
    source; then whole clusters are resampled. Raises ValueError for unequal lengths, missing values or fewer than
    two prompts.
    """
    left, right = _scores(first), _scores(second)
    if len(left) != len(right):
        raise ValueError(f"Scores must be paired: {len(left)} of the first model, {len(right)} of the second.")
    if len(left) < 2:
        raise ValueError(f"{len(left)} prompt is too few: give at least two.")
    gain = right - left
    groups = _group_numbers(clusters, len(gain))
    independent = len(gain) if groups is None else len(np.unique(groups))
    own = independent == len(gain)
    better, worse = int((gain > 0).sum()), int((gain < 0).sum())
    binary = bool(np.isin(left, (0, 1)).all() and np.isin(right, (0, 1)).all())
    if binary and own:
        low, high = agresti_min_interval(better, worse, len(gain), level=level)
        p_value, method = midp_mcnemar(better, worse), "Agresti-Min interval, mid-p McNemar test"
    else:
        sums, sizes = _by_cluster(gain, None if own else groups)
        low, high, p_value = bootstrap_t(sums, sizes=sizes, level=level, resamples=resamples, seed=seed)
        method = "bootstrap-t" if own else "bootstrap-t over clusters"
    return PairedResult(
        gain=float(gain.mean()),
        low=low,
        high=high,
        p_value=p_value,
        level=level,
        n=len(gain),
        better=better,
        worse=worse,
        clusters=independent,
        method=method,
        notes=_notes(gain, binary, independent, better + worse),
    )


def midp_mcnemar(better: int, worse: int) -> float:
    """Two-sided mid-p McNemar test: `better` and `worse` are the prompts on which the models differ."""
    differing = better + worse
    if differing == 0:
        return 1.0
    fewer = min(better, worse)
    if better == worse:
        return float(1.0 - 0.5 * binom.pmf(fewer, differing, 0.5))
    return float(2 * binom.cdf(fewer, differing, 0.5) - binom.pmf(fewer, differing, 0.5))


def agresti_min_interval(better: int, worse: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Interval for the gain in a paired proportion: Wald after adding one half to each of the four cells."""
    if n < 1 or min(better, worse) < 0 or better + worse > n:
        raise ValueError(f"better {better} and worse {worse} must be counts within n = {n}.")
    total, up, down = n + 2, better + 0.5, worse + 0.5
    gain = (up - down) / total
    spread = math.sqrt((up + down) - (up - down) ** 2 / total) / total
    reach = float(norm.ppf(0.5 + level / 2)) * spread
    return max(gain - reach, -1.0), min(gain + reach, 1.0)


def bootstrap_t(
    values: ArrayLike,
    *,
    sizes: ArrayLike | None = None,
    level: float = 0.95,
    resamples: int = 4000,
    seed: int = 0,
) -> tuple[float, float, float]:
    """(low, high, p) for the mean by the studentised bootstrap.

    `values` are differences, or with `sizes` the sums of differences of clusters of so many prompts: the mean is
    then sum(values) / sum(sizes), with the error of a ratio. p is two-sided against a mean of 0.
    """
    sums = np.asarray(values, float)
    counts = np.ones(len(sums)) if sizes is None else np.asarray(sizes, float)
    rng = np.random.default_rng(seed)
    mean = sums.sum() / counts.sum()
    error = _ratio_error(sums[None], counts[None], np.array([mean]))[0]
    if error == 0:
        return float(mean), float(mean), 1.0 if mean == 0 else 0.0
    block = max(1, 4_000_000 // len(sums))  # resamples at once: bounds the memory to about 100 MB
    studentised = np.concatenate(
        [_studentised(sums, counts, mean, rng, min(block, resamples - start)) for start in range(0, resamples, block)]
    )
    tail = (1 - level) / 2
    low, high = mean - error * np.quantile(studentised, [1 - tail, tail])
    against = mean / error
    one_side = min((studentised >= against).mean(), (studentised <= against).mean())
    p_value = min(1.0, 2 * (one_side * resamples + 1) / (resamples + 1))
    return float(low), float(high), float(p_value)


def _studentised(sums: Array, counts: Array, mean: float, rng: np.random.Generator, draws: int) -> Array:
    chosen = rng.integers(0, len(sums), (draws, len(sums)))
    s, c = sums[chosen], counts[chosen]
    means = s.sum(1) / c.sum(1)
    errors = _ratio_error(s, c, means)
    # A resample of equal values has no error of its own; the smallest seen stands in for it.
    floor = errors[errors > 0].min() if (errors > 0).any() else 1.0
    return (means - mean) / np.maximum(errors, floor)


def _ratio_error(sums: Array, counts: Array, means: Array) -> Array:
    """Standard error of sum(sums) / sum(counts), row by row."""
    k = sums.shape[1]
    residual = sums - means[:, None] * counts
    return np.sqrt(k / max(k - 1, 1) * (residual**2).sum(1)) / counts.sum(1)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's adjusted p-values of several comparisons, in the order given."""
    rising = sorted(p_values, key=lambda name: p_values[name])
    adjusted, highest = {}, 0.0
    for place, name in enumerate(rising):
        highest = max(highest, min(1.0, (len(rising) - place) * p_values[name]))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}


def prompts_needed(
    gain: float, *, discordant: float | None = None, sd: float | None = None, power: float = 0.8, alpha: float = 0.05
) -> int:
    """How many prompts show a true `gain` with probability `power` at two-sided level `alpha`.

    Right/wrong scores: `discordant` is the share of prompts on which the models differ (default gain + 0.1).
    Graded scores: `sd` is the standard deviation of the differences per prompt.
    """
    gain = abs(gain)
    if gain == 0:
        raise ValueError("No number of prompts shows a gain of 0: give the smallest gain that would matter.")
    z_alpha, z_power = float(norm.ppf(1 - alpha / 2)), float(norm.ppf(power))
    if sd is not None:
        return math.ceil(((z_alpha + z_power) * sd / gain) ** 2)
    share = min(1.0, gain + 0.1) if discordant is None else discordant
    if not gain <= share <= 1:
        raise ValueError(f"discordant = {share} must lie between the gain, {gain}, and 1.")
    return math.ceil((z_alpha * math.sqrt(share) + z_power * math.sqrt(share - gain**2)) ** 2 / gain**2)


def _scores(values: ArrayLike) -> Array:
    scores = np.asarray(values, float).reshape(-1)
    missing = np.flatnonzero(~np.isfinite(scores))
    if len(missing):
        raise ValueError(f"Score {missing[0]} is {scores[missing[0]]}: leave out such prompts for both models first.")
    return scores


def _group_numbers(clusters: Sequence[Any] | None, n: int) -> NDArray[np.intp] | None:
    if clusters is None:
        return None
    if len(clusters) != n:
        raise ValueError(f"clusters has {len(clusters)} labels for {n} prompts: give one a prompt.")
    numbers = {label: place for place, label in enumerate(dict.fromkeys(clusters))}
    return np.array([numbers[label] for label in clusters])


def _by_cluster(gain: Array, groups: NDArray[np.intp] | None) -> tuple[Array, Array]:
    if groups is None:
        return gain, np.ones(len(gain))
    return np.asarray(np.bincount(groups, gain), float), np.bincount(groups).astype(float)


def _notes(gain: Array, binary: bool, independent: int, differing: int) -> tuple[str, ...]:
    notes = []
    if independent < EXPLORATORY:
        notes.append(
            f"{independent} independent prompts: exploratory, intervals may be too narrow below {EXPLORATORY}."
        )
    if differing == 0:
        notes.append("The models score the same on every prompt.")
    elif binary:
        share = differing / len(gain)
        need = prompts_needed(0.05, discordant=max(share, 0.05))
        notes.append(
            f"They differ on {words.percent(share)} of the prompts: "
            f"about {need:,} prompts would show a gain of 5 points."
        )
    return tuple(notes)
