"""The evaluation part of a report: base against tuned on held-out examples, read from whatever made it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tunebook.errors import RequestError


@dataclass(frozen=True)
class Score:
    """What one model scored: `value`, `low` and `high` are fractions (or whatever unit the score has), or None."""

    model: str
    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Example:
    """One held-out example on which the models differ."""

    prompt: str
    expected: str
    base: str
    tuned: str


@dataclass(frozen=True)
class Evaluation:
    """Base against tuned on the same held-out examples.

    `gain` is the score of the tuned model minus that of the base, `gain_low` and `gain_high` its interval, `p` the
    probability of a difference at least as large when there is none; None where not known. `better` and `worse` are
    examples that changed, `n_better` and `n_worse` how many there are.
    """

    sentence: str
    score: str
    n: int | None
    scores: tuple[Score, ...]
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    p: float | None = None
    better: tuple[Example, ...] = ()
    worse: tuple[Example, ...] = ()
    n_better: int | None = None
    n_worse: int | None = None

    @property
    def shows_a_gain(self) -> bool | None:
        """Whether the interval of the gain lies above nought; None when there is no interval."""
        return None if self.gain_low is None else self.gain_low > 0


def read_evaluation(source: Any, *, most_examples: int = 8) -> Evaluation | None:
    """An `Evaluation` from one, from a mapping of its fields, or from anything whose `to_json()` gives such a mapping.

    `scores` may be a list of `{"model", "value", "low", "high"}` or a mapping from model to value. At most
    `most_examples` of each kind are kept. Raises RequestError for anything else.
    """
    if source is None or isinstance(source, Evaluation):
        return source
    found = source.to_json() if hasattr(source, "to_json") else source
    if not isinstance(found, Mapping):
        raise RequestError(
            f"evaluation: cannot read one from {type(source).__name__}. "
            "Give what the evaluation returned, or a mapping with 'sentence', 'scores' and 'gain'."
        )
    better, worse = (list(found.get(key) or ()) for key in ("better", "worse"))
    interval = found.get("gain_interval") or (found.get("gain_low"), found.get("gain_high"))
    return Evaluation(
        sentence=str(found.get("sentence") or ""),
        score=str(found.get("score") or "score"),
        n=found.get("n"),
        scores=tuple(_scores(found.get("scores") or ())),
        gain=found.get("gain"),
        gain_low=interval[0],
        gain_high=interval[1],
        p=found.get("p"),
        better=_examples(better[:most_examples]),
        worse=_examples(worse[:most_examples]),
        n_better=found.get("n_better", len(better) or None),
        n_worse=found.get("n_worse", len(worse) or None),
    )


def _scores(source: Any) -> Iterable[Score]:
    if isinstance(source, Mapping):
        yield from (Score(str(model), value) for model, value in source.items())
        return
    for row in source:
        yield Score(str(row.get("model", "")), row.get("value"), row.get("low"), row.get("high"))


def _examples(rows: Sequence[Any]) -> tuple[Example, ...]:
    keys = ("prompt", "expected", "base", "tuned")
    return tuple(Example(*(str(row.get(key) if row.get(key) is not None else "") for key in keys)) for row in rows)
