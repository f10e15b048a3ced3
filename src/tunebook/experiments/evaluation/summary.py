"""The record of an evaluation from its numbers: means with intervals, paired gains, and what they say in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tunebook.experiments.evaluation.held_out import HeldOut
from tunebook.experiments.evaluation.paired import PairedResult, bootstrap_t, compare_scores, holm, prompts_needed
from tunebook.experiments.evaluation.record import Evaluation, ModelScore, points_text, score_text
from tunebook.words import p_value, percent, plural

if TYPE_CHECKING:
    import pandas as pd

_SMALL_GAIN = 0.05  # the gain for which the sample size is told when none is shown


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

    frame = pd.DataFrame(dict(scores)).rename_axis("example")
    n = int(frame.notna().all(axis=1).sum())
    gains = _gains(frame, clusters, seed) if n >= 2 else {}
    if n < 2 and len(models) > 1:
        notes = (*notes, f"{plural(n, 'example')} with answers of all models: too few to compare them.")
    # How many examples would show a gain is told in the sentence, where none is shown.
    of_gains = dict.fromkeys(note for gain in gains.values() for note in gain.notes if "would show" not in note)
    values = frame.to_numpy()[~np.isnan(frame.to_numpy())]
    unit = bool(len(values) == 0 or (values.min() >= 0 and values.max() <= 1))
    model_scores = tuple(_model_score(name, frame[name].to_numpy(), models[name], seed) for name in models)
    p_values = holm({name: gain.p_value for name, gain in gains.items()})
    held = held_out is not None and held_out.state == "held out"
    wording = _Wording(score, unit, f"{n} {'held-out ' if held else ''}examples")
    return Evaluation(
        score=score,
        sentences=wording.sentences(model_scores, gains, p_values),
        n=n,
        models=model_scores,
        gains=gains,
        p_values=p_values,
        frame=frame,
        better={name: changed[name][0] for name in gains},
        worse={name: changed[name][1] for name in gains},
        dataset=dataset,
        path=path,
        held_out=held_out,
        notes=(*notes, *of_gains),
        unit=unit,
    )


def _gains(frame: pd.DataFrame, clusters: list[Any] | None, seed: int) -> dict[str, PairedResult]:
    """What each model gains over the first, on the examples that all have a score for."""
    whole = frame.notna().all(axis=1)
    own = None if clusters is None else [label for label, there in zip(clusters, whole, strict=True) if there]
    base, *others = (scores.to_numpy() for _, scores in frame[whole].items())
    results = (compare_scores(base, tuned, clusters=own, seed=seed) for tuned in others)
    return dict(zip(map(str, list(frame)[1:]), results, strict=True))


def _model_score(name: str, values: np.ndarray, more: Mapping[str, Any], seed: int) -> ModelScore:
    from scipy.stats import binomtest

    there = values[~np.isnan(values)]
    missing = len(values) - len(there)
    if not len(there):
        return ModelScore(model=name, mean=float("nan"), missing=missing, **more)
    if np.isin(there, (0, 1)).all():
        interval = binomtest(int(there.sum()), len(there)).proportion_ci(method="wilson")
        low, high = float(interval.low), float(interval.high)
    elif len(there) > 1:
        low, high, _ = bootstrap_t(there, seed=seed)
    else:
        low = high = float(there[0])
    return ModelScore(model=name, mean=float(there.mean()), low=low, high=high, n=len(there), missing=missing, **more)


@dataclass(frozen=True)
class _Wording:
    """How the results of one evaluation are said. `examples`: `200 held-out examples`; the word `held-out` is used
    only when it was shown to be true."""

    score: str
    unit: bool
    examples: str

    def sentences(
        self, models: Sequence[ModelScore], gains: Mapping[str, PairedResult], p_values: Mapping[str, float]
    ) -> tuple[str, ...]:
        """What was found, one sentence for each model after the first."""
        if not gains:
            return tuple(
                f"{m.model} scores {score_text(m.mean, unit=self.unit)} by {self.score} on {plural(m.n, 'example')}."
                for m in models
            )
        by_name = {m.model: m for m in models}
        return tuple(self._sentence(models[0], by_name[name], gains[name], p_values[name]) for name in gains)

    def _sentence(self, base: ModelScore, tuned: ModelScore, result: PairedResult, p: float) -> str:
        verdict = {
            "better": f"{tuned.model} is better than {base.model} on {self.examples}",
            "worse": f"{tuned.model} is worse than {base.model} on {self.examples}",
            "no difference shown": f"No improvement of {tuned.model} over {base.model} is shown on {self.examples}",
        }[result.verdict]
        means = [score_text(m.mean, unit=self.unit) for m in (tuned, base)]
        low, high = (points_text(bound, unit=self.unit, named=False) for bound in (result.low, result.high))
        return (
            f"{verdict}: {self.score} {means[0]} against {means[1]}, a gain of "
            f"{points_text(result.gain, unit=self.unit)} ({percent(result.level)} interval {low} to {high}, "
            f"{p_value(p)}); {result.better} got better, {result.worse} worse. {self._advice(result)}".rstrip()
        )

    def _advice(self, result: PairedResult) -> str:
        """How many examples would show a small gain, where none is shown."""
        if result.verdict != "no difference shown" or not self.unit:
            return ""
        differing = max((result.better + result.worse) / result.n, _SMALL_GAIN)
        needed = prompts_needed(_SMALL_GAIN, discordant=differing)
        if result.method.startswith("bootstrap"):
            spread = (result.high - result.low) / (2 * 1.96) * np.sqrt(result.n)
            needed = prompts_needed(_SMALL_GAIN, sd=max(float(spread), 0.01))
        return f"A true gain of 5 points would be seen with about {max(needed, 2):,} examples."
