"""The evaluation part of a report: base against tuned on held-out examples, read from whatever made it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tunebook.errors import RequestError
from tunebook.words import missing, number, percent

# Of a prompt or an answer: a page is read, the file with all answers is searched.
MOST_CHARACTERS = 1500


@dataclass(frozen=True)
class Score:
    """What one model scored: `value`, `low` and `high` are fractions (or whatever unit the score has), or None."""

    model: str
    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Gain:
    """What a model gains over the first one, with its interval and p-value; None where not known."""

    model: str
    value: float
    low: float | None = None
    high: float | None = None
    p: float | None = None


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
    examples that changed, `n_better` and `n_worse` how many there are. `gains` has one entry a tuned model when there
    are several. `notes` say what to beware of, and whether the examples were held out. `unit`: scores are fractions
    and are told as per cent, gains in points.
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
    gains: tuple[Gain, ...] = ()
    notes: tuple[str, ...] = ()
    unit: bool = True

    @property
    def shows_a_gain(self) -> bool | None:
        """Whether the interval of the gain lies above nought; None when there is no interval."""
        return None if self.gain_low is None else self.gain_low > 0

    def points(self, gain: float) -> str:
        """A gain as people say it: +22.6 points; in the score's own unit where that is no fraction."""
        return f"{gain * 100:+.1f} points" if self.unit else f"{gain:+.4g}"

    def shown(self, score: float | None) -> str:
        """A score as people say it: 61.7 %; in its own unit where that is no fraction."""
        return percent(score, 1) if self.unit else number(score)


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
    changed = {key: found.get(key) for key in ("better", "worse")}
    better, worse = (value if isinstance(value, list | tuple) else () for value in changed.values())
    counts = {key: value if isinstance(value, int) else len(value or ()) or None for key, value in changed.items()}
    interval = found.get("gain_interval") or (
        found.get("gain_low", found.get("low")),
        found.get("gain_high", found.get("high")),
    )
    scores = tuple(_scores(found.get("scores") or ()))
    return Evaluation(
        sentence=str(found.get("sentence") or getattr(source, "sentence", "")),
        score=str(found.get("score") or "score"),
        n=found.get("n"),
        scores=scores,
        gain=found.get("gain"),
        gain_low=interval[0],
        gain_high=interval[1],
        p=found.get("p", found.get("p_value")),
        gains=tuple(_gains(found.get("gains") or {})),
        notes=tuple(str(note) for note in (found.get("held_out"), *(found.get("notes") or ())) if note),
        unit=bool(found.get("unit", all(missing(s.value) or -1 <= (s.value or 0) <= 1 for s in scores))),
        better=_examples(better[:most_examples]),
        worse=_examples(worse[:most_examples]),
        n_better=found.get("n_better", counts["better"]),
        n_worse=found.get("n_worse", counts["worse"]),
    )


def _scores(source: Any) -> Iterable[Score]:
    if isinstance(source, Mapping):
        yield from (Score(str(model), value) for model, value in source.items())
        return
    for row in source:
        yield Score(str(row.get("model", "")), row.get("value"), row.get("low"), row.get("high"))


def _gains(source: Mapping[str, Any]) -> Iterable[Gain]:
    for model, told in source.items():
        yield Gain(str(model), told["gain"], told.get("low"), told.get("high"), told.get("p_value"))


def _examples(rows: Sequence[Any]) -> tuple[Example, ...]:
    keys = ("prompt", "expected", "base", "tuned")
    return tuple(Example(*(_shortened(row.get(key)) for key in keys)) for row in rows)


def _shortened(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]} …"
