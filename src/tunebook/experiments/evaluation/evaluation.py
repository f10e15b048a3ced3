"""What an evaluation found: who scored what, whether the difference is shown, and on which examples it lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tunebook.experiments.evaluation.held_out import HeldOut
from tunebook.experiments.evaluation.paired import PairedResult, bootstrap_t, compare_scores, holm, prompts_needed

if TYPE_CHECKING:
    import pandas as pd

_TEXT = 300  # characters of a text in the notebook's table; the frame has them whole
_ROWS = 8
_SMALL_GAIN = 0.05  # the gain for which the sample size is told when none is shown


@dataclass(frozen=True)
class ModelScore:
    """One model on all examples: mean score with a 95 % interval, and what its answers took.

    `n` examples with a score; `refused` of them refused by the service's content rules (scored 0), `missing` not
    answered because calls failed. latency_s is the mean of a call; tokens are totals.
    """

    model: str
    served: str
    mean: float
    low: float
    high: float
    n: int
    refused: int = 0
    missing: int = 0
    cut_off: int = 0
    latency_s: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Models on the same examples; the first model is what the others are compared with.

    frame: one row an example (its number), one column a model with its score, NaN where there is none.
    gains: model -> what it gains over the first. p_values: model -> Holm's adjusted p-value, for several models.
    better, worse: model -> the examples that changed most (example, prompt, expected, base, tuned, base_score,
    tuned_score). path: the file with all answers.

    >>> found = tb.evaluate(ws, "valid.jsonl", [base, tuned], score="token_f1", held_out=False, progress=False)
    >>> found.frame.shape, list(found.gains) == [tuned]
    ((10, 2), True)
    """

    score: str
    dataset: str
    models: tuple[ModelScore, ...]
    frame: pd.DataFrame
    gains: Mapping[str, PairedResult]
    p_values: Mapping[str, float]
    better: Mapping[str, pd.DataFrame]
    worse: Mapping[str, pd.DataFrame]
    path: Path
    held_out: HeldOut | None = None
    notes: tuple[str, ...] = ()
    unit: bool = field(default=True, repr=False)  # whether scores lie between 0 and 1 and are told as per cent

    @property
    def n(self) -> int:
        """Examples that all models have a score for."""
        return int(self.frame.notna().all(axis=1).sum())

    @property
    def examples(self) -> str:
        """`200 held-out examples`; the word is used only when it was shown to be true."""
        held = self.held_out is not None and self.held_out.state == "held out"
        return f"{self.n} {'held-out ' if held else ''}examples"

    @property
    def sentences(self) -> tuple[str, ...]:
        """What was found, one sentence for each model after the first."""
        if not self.gains:
            return tuple(
                f"{m.model} scores {self._shown(m.mean)} by {self.score} on {m.n} examples." for m in self.models
            )
        return tuple(self._sentence(model, gain) for model, gain in self.gains.items())

    @property
    def sentence(self) -> str:
        return " ".join(self.sentences)

    def _sentence(self, model: str, gain: PairedResult) -> str:
        base, tuned = self.models[0], next(m for m in self.models if m.model == model)
        said = {
            "better": f"{model} is better than {base.model} on {self.examples}",
            "worse": f"{model} is worse than {base.model} on {self.examples}",
            "no difference shown": f"No improvement of {model} over {base.model} is shown on {self.examples}",
        }[gain.verdict]
        p = self.p_values[model]
        return (
            f"{said}: {self.score} {self._shown(tuned.mean)} against {self._shown(base.mean)}, a gain of "
            f"{self._points(gain.gain)} ({gain.level:.0%} interval {self._points(gain.low, unit=False)} to "
            f"{self._points(gain.high, unit=False)}, p {'< 0.001' if p < 0.001 else f'= {p:.2g}'}); "
            f"{gain.better} got better, {gain.worse} worse. {self._advice(gain)}".rstrip()
        )

    def _advice(self, gain: PairedResult) -> str:
        if gain.verdict != "no difference shown" or not self.unit:
            return ""
        differing = max((gain.better + gain.worse) / gain.n, _SMALL_GAIN)
        needed = prompts_needed(_SMALL_GAIN, discordant=differing)
        if gain.method.startswith("bootstrap"):
            spread = (gain.high - gain.low) / (2 * 1.96) * np.sqrt(gain.n)
            needed = prompts_needed(_SMALL_GAIN, sd=max(float(spread), 0.01))
        return f"A true gain of 5 points would be seen with about {max(needed, 2):,} examples."

    def _shown(self, value: float) -> str:
        return f"{value:.1%}" if self.unit else f"{value:.4g}"

    def _points(self, value: float, *, unit: bool = True) -> str:
        return f"{100 * value:+.1f}{' points' if unit else ''}" if self.unit else f"{value:+.4g}"

    def to_json(self) -> dict[str, Any]:
        """The figures, and of the first comparison the examples that changed, for a report."""
        model = next(iter(self.gains), None)
        gain = self.gains[model] if model else None
        told: dict[str, Any] = {
            "sentence": self.sentence,
            "score": self.score,
            "dataset": self.dataset,
            "n": self.n,
            "scores": [{"model": m.model, "value": m.mean, "low": m.low, "high": m.high} for m in self.models],
            "held_out": str(self.held_out) if self.held_out else None,
            "notes": list(self.notes),
        }
        if gain is not None and model is not None:
            told |= {"gain": gain.gain, "gain_low": gain.low, "gain_high": gain.high, "p": self.p_values[model]}
            told |= {"n_better": gain.better, "n_worse": gain.worse}
            told |= {"better": self.better[model].to_dict("records"), "worse": self.worse[model].to_dict("records")}
            told["gains"] = {name: each.to_json() for name, each in self.gains.items()}
        return told

    def __repr__(self) -> str:
        lines = [self.sentence]
        lines += [
            f"  {m.model}: {self._shown(m.mean)} ({self._shown(m.low)} to {self._shown(m.high)})" for m in self.models
        ]
        lines += [f"  {line}" for line in (*([str(self.held_out)] if self.held_out else []), *self.notes)]
        return "\n".join([*lines, f"  Answers: {self.path}"])

    def _repr_html_(self) -> str:
        mark = {"better": "▲", "worse": "▼", "no difference shown": "≈"}
        marks = [mark[gain.verdict] for gain in self.gains.values()] or ["●"] * len(self.models)
        said = "".join(
            f"<p><span aria-hidden='true'>{sign}</span> <strong>{escape(line)}</strong></p>"
            for sign, line in zip(marks, self.sentences, strict=True)
        )
        held = f"<p>{escape(str(self.held_out))}</p>" if self.held_out else ""
        notes = "".join(f"<p>△ {escape(note)}</p>" for note in self.notes)
        tables = "".join(
            self._changes(f"{model}: {len(frame)} of {number} that got {kind}", frame)
            for model, gain in self.gains.items()
            for kind, frame, number in (
                ("better", self.better[model], gain.better),
                ("worse", self.worse[model], gain.worse),
            )
        )
        return (
            f'<div style="color:var(--jp-ui-font-color1, currentColor)">{said}{held}{notes}{self._models()}{tables}'
            f"<p><small>All answers: {escape(str(self.path))}</small></p></div>"
        )

    def _models(self) -> str:
        head = ("model", "serves", self.score, "95 % interval", "answered", "refused", "cut off", "s a call")
        left = "style='text-align:left'"
        rows = "".join(
            f"<tr><th scope='row' {left}>{escape(m.model)}</th><td {left}>{escape(m.served)}</td>"
            f"<td>{self._shown(m.mean)}</td><td>{self._shown(m.low)} to {self._shown(m.high)}</td><td>{m.n}</td>"
            f"<td>{m.refused}</td><td>{m.cut_off}</td><td>{'–' if m.latency_s is None else f'{m.latency_s:.2f}'}</td>"
            f"<td>{m.prompt_tokens:,}</td><td>{m.completion_tokens:,}</td></tr>"
            for m in self.models
        )
        return _table(f"{self.dataset}, scored by {self.score}", (*head, "tokens in", "tokens out"), rows)

    def _changes(self, caption: str, frame: pd.DataFrame) -> str:
        if not len(frame):
            return ""
        texts = ("prompt", "expected", "base", "tuned")
        rows = "".join(
            f"<tr><th scope='row'>{row['example']}</th>"
            + "".join(f"<td style='text-align:left;vertical-align:top'>{_shortened(row[name])}</td>" for name in texts)
            + f"<td>{row['base_score']:.3g}</td><td>{row['tuned_score']:.3g}</td></tr>"
            for row in frame.head(_ROWS).to_dict("records")
        )
        head = ("example", *texts, "base score", "tuned score")
        return f"<details><summary>{escape(caption)}</summary>{_table(caption, head, rows)}</details>"


def summarise(
    *,
    score: str,
    dataset: str,
    models: Mapping[str, Mapping[str, Any]],
    scores: Mapping[str, np.ndarray],
    changed: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]],
    path: Path,
    clusters: list[Any] | None = None,
    held_out: HeldOut | None = None,
    notes: tuple[str, ...] = (),
    seed: int = 0,
) -> Evaluation:
    """The record of an evaluation from its numbers.

    models: name -> the further fields of ModelScore, the baseline first. scores: name -> one value an example, NaN
    where there is none; changed: name -> (better, worse). clusters: one label an example, equal for one source.
    """
    import pandas as pd

    frame = pd.DataFrame(dict(scores))
    frame.index.name = "example"
    whole = frame.notna().all(axis=1).to_numpy()
    names = list(models)
    own = None if clusters is None else [label for label, there in zip(clusters, whole, strict=True) if there]
    gains = {}
    if whole.sum() >= 2:
        first = frame[names[0]].to_numpy()[whole]
        gains = {
            name: compare_scores(first, frame[name].to_numpy()[whole], clusters=own, seed=seed) for name in names[1:]
        }
    elif len(names) > 1:
        notes = (*notes, f"{int(whole.sum())} examples have answers of all models: too few to compare them.")
    values = frame.to_numpy()[~np.isnan(frame.to_numpy())]
    # How many examples would show a gain is told in the sentence, where none is shown.
    said = tuple(n for n in dict.fromkeys(n for g in gains.values() for n in g.notes) if "would show" not in n)
    return Evaluation(
        score=score,
        dataset=dataset,
        models=tuple(_model_score(name, frame[name].to_numpy(), models[name], seed) for name in names),
        frame=frame,
        gains=gains,
        p_values=holm({name: gain.p_value for name, gain in gains.items()}),
        better={name: changed[name][0] for name in gains},
        worse={name: changed[name][1] for name in gains},
        path=path,
        held_out=held_out,
        notes=(*notes, *said),
        unit=bool(len(values) == 0 or (values.min() >= 0 and values.max() <= 1)),
    )


def _model_score(name: str, values: np.ndarray, more: Mapping[str, Any], seed: int) -> ModelScore:
    from scipy.stats import binomtest

    there = values[~np.isnan(values)]
    missing = len(values) - len(there)
    if not len(there):
        nothing = float("nan")
        return ModelScore(model=name, mean=nothing, low=nothing, high=nothing, n=0, missing=missing, **more)
    if np.isin(there, (0, 1)).all():
        interval = binomtest(int(there.sum()), len(there)).proportion_ci(method="wilson")
        low, high = float(interval.low), float(interval.high)
    elif len(there) > 1:
        low, high, _ = bootstrap_t(there, seed=seed)
    else:
        low = high = float(there[0])
    return ModelScore(model=name, mean=float(there.mean()), low=low, high=high, n=len(there), missing=missing, **more)


def _shortened(text: Any) -> str:
    whole = str(text)
    return escape(whole if len(whole) <= _TEXT else whole[:_TEXT] + " …")


def _table(caption: str, head: tuple[str, ...], rows: str) -> str:
    cells = "".join(f"<th scope='col'>{escape(name)}</th>" for name in head)
    return (
        f"<table><caption style='text-align:left'>{escape(caption)}</caption>"
        f"<thead><tr>{cells}</tr></thead><tbody>{rows}</tbody></table>"
    )
