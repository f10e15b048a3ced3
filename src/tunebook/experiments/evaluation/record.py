"""What an evaluation found: who scored what, whether the difference is shown, and on which examples it lies."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunebook.errors import RequestError
from tunebook.experiments.evaluation.paired import PairedResult
from tunebook.show import Card, Fold, Shown, Span, Table, Text
from tunebook.words import between, count, missing, number, percent

if TYPE_CHECKING:
    import pandas as pd

    from tunebook.experiments.evaluation.held_out import HeldOut

COLUMNS = ("example", "prompt", "expected", "base", "tuned", "base_score", "tuned_score")
VERDICT_TONES = {"better": "good", "worse": "bad", "no difference shown": "note"}
_TEXT = 300  # characters of a text in the notebook's table; the frame has them whole
_ROWS = 8


@dataclass(frozen=True)
class ModelScore:
    """One model on all examples: mean score with a 95 % interval, and what its answers took.

    `n` examples with a score; `refused` of them refused by the service's content rules (scored 0), `missing` not
    answered because calls failed. latency_s is the mean of a call; tokens are totals.
    """

    model: str
    mean: float
    low: float = math.nan
    high: float = math.nan
    n: int = 0
    served: str = ""
    refused: int = 0
    missing: int = 0
    cut_off: int = 0
    latency_s: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, eq=False)
class Evaluation(Shown):
    """Models on the same examples; the first model is what the others are compared with.

    sentences: what was found, one for each model after the first. n: examples that all models have a score for.
    frame: one row an example (its number), one column a model with its score, NaN where there is none.
    gains: model -> what it gains over the first. p_values: model -> Holm's adjusted p-value, for several models.
    better, worse: model -> the examples that changed most (example, prompt, expected, base, tuned, base_score,
    tuned_score). path: the file with all answers. unit: scores lie between 0 and 1 and are told as per cent.

    >>> found = tb.evaluate(ws, "valid.jsonl", [base, tuned], score="token_f1", held_out=False, progress=False)
    >>> found.frame.shape, list(found.gains) == [tuned]
    ((10, 2), True)
    """

    score: str
    sentences: tuple[str, ...]
    n: int
    models: tuple[ModelScore, ...]
    gains: Mapping[str, PairedResult]
    p_values: Mapping[str, float]
    frame: pd.DataFrame
    better: Mapping[str, pd.DataFrame]
    worse: Mapping[str, pd.DataFrame]
    dataset: str = ""
    path: Path | None = None
    held_out: HeldOut | None = None
    notes: tuple[str, ...] = ()
    unit: bool = True

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        return " ".join(self.sentences)

    @property
    def caveats(self) -> tuple[str, ...]:
        """Whether the examples were held out, and what else to beware of."""
        return (*([str(self.held_out)] if self.held_out else []), *self.notes)

    @property
    def tuned(self) -> str | None:
        """The first model that was compared with the baseline; the attributes below are of this comparison."""
        return next(iter(self.gains), None)

    @property
    def gain(self) -> float | None:
        """The score of `tuned` minus that of the baseline; None when nothing was compared."""
        return self.gains[self.tuned].gain if self.tuned is not None else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Lower and upper bound of the gain; None where they are not known."""
        result = self.gains[self.tuned] if self.tuned is not None else None
        return None if result is None or missing(result.low) or missing(result.high) else (result.low, result.high)

    @property
    def p(self) -> float | None:
        """How likely a difference at least as large is when there is none; None where it is not known."""
        return self.p_values.get(self.tuned) if self.tuned is not None else None

    @property
    def shows_a_gain(self) -> bool | None:
        """Whether the interval of the gain lies above nought; None when there is no interval."""
        return None if self.interval is None else self.interval[0] > 0

    @property
    def n_better(self) -> int:
        """How many examples `tuned` scores higher on."""
        return self.gains[self.tuned].better if self.tuned is not None else 0

    @property
    def n_worse(self) -> int:
        """How many examples `tuned` scores lower on."""
        return self.gains[self.tuned].worse if self.tuned is not None else 0

    @property
    def cases_better(self) -> list[dict[str, Any]]:
        """Of those that got better the ones that changed most, as the columns of `better`, the largest change first."""
        return _records(self.better[self.tuned]) if self.tuned is not None else []

    @property
    def cases_worse(self) -> list[dict[str, Any]]:
        """Of those that got worse the ones that changed most, likewise."""
        return _records(self.worse[self.tuned]) if self.tuned is not None else []

    def score_text(self, score: float | None) -> str:
        """A score as people say it: 61.7 %; in its own unit where that is no fraction."""
        return score_text(score, unit=self.unit)

    def points_text(self, gain: float | None) -> str:
        """A gain as people say it: +22.6 points; in the score's own unit where that is no fraction."""
        return points_text(gain, unit=self.unit)

    def to_json(self) -> dict[str, Any]:
        """Plain values, from which `from_json` makes the same evaluation; gain, p and counts are of the first one."""
        return {
            "sentence": self.sentence,
            "sentences": list(self.sentences),
            "score": self.score,
            "dataset": self.dataset,
            "n": self.n,
            "unit": self.unit,
            "scores": [_without_nan({"value": score.mean, **asdict(score)}) for score in self.models],
            "held_out": str(self.held_out) if self.held_out else None,
            "held_out_files": self.held_out.to_json() if self.held_out else None,
            "notes": list(self.notes),
            "answers": None if self.path is None else str(self.path),
            "examples": {name: [None if missing(v) else v for v in self.frame[name]] for name in self.frame},
            **self._comparisons(),
        }

    def _comparisons(self) -> dict[str, Any]:
        if self.tuned is None:
            return {}
        low, high = self.interval or (None, None)
        return {
            "gain": self.gain,
            "gain_low": low,
            "gain_high": high,
            "p": self.p,
            "n_better": self.n_better,
            "n_worse": self.n_worse,
            "gains": {model: _without_nan(result.to_json()) for model, result in self.gains.items()},
            "p_values": dict(self.p_values),
            "better": [{"model": model, **row} for model, frame in self.better.items() for row in _records(frame)],
            "worse": [{"model": model, **row} for model, frame in self.worse.items() for row in _records(frame)],
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Evaluation:
        """The evaluation that `to_json` gave, or one made elsewhere: only `sentence` and `score` are needed.

        Made elsewhere, `gain` (with `gain_low`, `gain_high`, `p`, `n_better`, `n_worse`) may stand for `gains`, and
        `scores` may be `{model: value}`. Raises RequestError for what is no evaluation.
        """
        if not isinstance(saved, Mapping) or "sentence" not in saved or "score" not in saved:
            raise RequestError(
                f"evaluation: cannot read one from {type(saved).__name__}. "
                "Give what tb.evaluate returned, its to_json(), or a mapping with 'sentence', 'score' and 'gain'."
            )
        given = {key: value for key, value in saved.items() if value is not None}
        models = tuple(_model_scores(given.get("scores", ())))
        gains = _gains(given)
        p_values = {model: result.p_value for model, result in gains.items() if not missing(result.p_value)}
        path = given.get("answers")
        held_out, held_out_note = _held_out(given)
        return cls(
            score=str(given["score"]),
            sentences=tuple(given.get("sentences", [str(given["sentence"])])),
            n=int(given.get("n", 0)),
            models=models,
            gains=gains,
            p_values=given.get("p_values", p_values),
            frame=_scores_frame(given.get("examples", {})),
            better=_changed_frames(given.get("better", ()), gains),
            worse=_changed_frames(given.get("worse", ()), gains),
            dataset=str(given.get("dataset", "")),
            path=Path(path) if path else None,
            held_out=held_out,
            notes=(*held_out_note, *map(str, given.get("notes", ()))),
            unit=bool(given.get("unit", all(missing(m.mean) or -1 <= m.mean <= 1 for m in models))),
        )

    def __repr__(self) -> str:
        lines = [self.sentence]
        lines += [
            f"  {m.model}: {self.score_text(m.mean)} ({self.score_text(m.low)} to {self.score_text(m.high)})"
            for m in self.models
        ]
        lines += [f"  {caveat}" for caveat in self.caveats]
        return "\n".join([*lines, *([f"  Answers: {self.path}"] if self.path else [])])

    def _card(self) -> Card:
        tones = [VERDICT_TONES[result.verdict] for result in self.gains.values()] or [""] * len(self.sentences)
        changes = [
            self._changes(f"{model}: {len(frames[model])} of {number} that got {kind}", frames[model])
            for model, result in self.gains.items()
            for kind, frames, number in (("better", self.better, result.better), ("worse", self.worse, result.worse))
        ]
        return Card(
            *(Text(Span(line, "strong"), tone) for line, tone in zip(self.sentences, tones, strict=False)),
            Text(str(self.held_out)) if self.held_out else None,
            *(Text(note, "warning") for note in self.notes),
            self._scores() if self.models else None,
            *(change for change in changes if change is not None),
            Text(Span(f"All answers: {self.path}", "muted")) if self.path else None,
        )

    def _scores(self) -> Table:
        head = ("model", "serves", self.score, "95 % interval", "answered", "refused", "cut off", "s a call")
        rows = [
            (
                score.model,
                score.served,
                self.score_text(score.mean),
                between(self.score_text(score.low), self.score_text(score.high)),
                *(count(value) for value in (score.n, score.refused, score.cut_off)),
                "" if score.latency_s is None else f"{score.latency_s:.2f}",
                *(count(value) for value in (score.prompt_tokens, score.completion_tokens)),
            )
            for score in self.models
        ]
        caption = f"{self.dataset}, scored by {self.score}".lstrip(", ")
        return Table((*head, "tokens in", "tokens out"), rows, caption, numeric=range(2, 10), labelled=True)

    def _changes(self, summary: str, frame: pd.DataFrame) -> Fold | None:
        rows: list[tuple[str | Span, ...]] = [
            (
                str(row["example"]),
                Span(_shortened(row["prompt"]), "excerpt"),
                *(Span(_shortened(row[name]), "words") for name in ("expected", "base", "tuned")),
                *(number(row[name], 3) for name in COLUMNS[5:]),
            )
            for row in _records(frame.head(_ROWS))
        ]
        head = (*COLUMNS[:5], "base score", "tuned score")
        return Fold(summary, [Table(head, rows, numeric=(0, 5, 6))]) if rows else None


def read_evaluation(source: Any) -> Evaluation | None:
    """An evaluation from one, from the paired result of two models, from its `to_json()`; None stays None.

    Raises RequestError for anything else.
    """
    if source is None or isinstance(source, Evaluation):
        return source
    if isinstance(source, PairedResult):
        saved = {"sentence": source.sentence, "n": source.n, "notes": source.notes, "gains": {"": source.to_json()}}
        return Evaluation.from_json({"score": "score", **saved})
    return Evaluation.from_json(source.to_json() if hasattr(source, "to_json") else source)


def score_text(score: float | None, *, unit: bool) -> str:
    """A score as people say it: a fraction as per cent, another unit as it is."""
    return percent(score, 1) if unit else number(score)


def points_text(gain: float | None, *, unit: bool, named: bool = True) -> str:
    """A gain as people say it, with its sign: points where scores are fractions."""
    if gain is None or missing(gain):
        return ""
    return f"{100 * gain:+.1f}{' points' if named else ''}" if unit else f"{gain:+.4g}"


def _gains(saved: Mapping[str, Any]) -> dict[str, PairedResult]:
    gains = saved.get("gains", {})
    if not gains and "gain" in saved:
        keys = {"low": "gain_low", "high": "gain_high", "p_value": "p", "better": "n_better", "worse": "n_worse"}
        counted = {f"n_{kind}": len(saved.get(kind, ())) for kind in ("better", "worse")} | dict(saved)
        gains = {"": {**saved, **{key: counted.get(name) for key, name in keys.items()}}}
    return {str(model): PairedResult.from_json(result) for model, result in gains.items()}


def _model_scores(saved: Any) -> Iterator[ModelScore]:
    rows = [{"model": model, "value": value} for model, value in saved.items()] if isinstance(saved, Mapping) else saved
    for row in rows:
        known = {f.name: row[f.name] for f in fields(ModelScore) if row.get(f.name) is not None}
        yield ModelScore(**known | {"model": str(row.get("model", "")), "mean": _nan(row.get("value"))})


def _scores_frame(examples: Mapping[str, list[float | None]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(examples, dtype=float).rename_axis("example")


def _changed_frames(rows: Iterable[Mapping[str, Any]], models: Iterable[str]) -> dict[str, pd.DataFrame]:
    """By model the examples that changed; rows that name none belong to the first."""
    import pandas as pd

    empty = {name: "" if name in COLUMNS[1:5] else math.nan for name in COLUMNS}
    of: dict[str, list[list[Any]]] = {model: [] for model in models}
    first = next(iter(of), None)
    for row in rows:
        if (model := row.get("model", first)) in of:
            of[model].append([row.get(name, empty[name]) for name in COLUMNS])
    return {model: pd.DataFrame(values, columns=list(COLUMNS)) for model, values in of.items()}


def _held_out(saved: Mapping[str, Any]) -> tuple[HeldOut | None, list[str]]:
    """What is known of the examples' origin; where only a sentence was saved, that as a note."""
    from tunebook.experiments.evaluation.held_out import HeldOut

    if "held_out_files" in saved:
        return HeldOut.from_json(saved["held_out_files"]), []
    return None, [str(saved["held_out"])] if saved.get("held_out") else []


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _nan(value: Any) -> float:
    return math.nan if value is None else float(value)


def _without_nan(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON knows no NaN: None stands for it."""
    return {name: None if missing(value) else value for name, value in values.items()}


def _shortened(text: Any) -> str:
    whole = str(text)
    return whole if len(whole) <= _TEXT else whole[:_TEXT] + " …"
