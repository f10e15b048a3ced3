"""Scoring the answers of an evaluation: examples and answers are read side by side, one example at a time."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tunebook.data import Dataset
from tunebook.experiments.evaluation.answers import AnswerLog
from tunebook.experiments.evaluation.asking import grader_key
from tunebook.experiments.evaluation.cases import Case, read_cases
from tunebook.experiments.evaluation.record import COLUMNS
from tunebook.experiments.evaluation.scores import ModelGrader, Score

if TYPE_CHECKING:
    import pandas as pd

_CHANGED = 50  # examples kept of those that got better, and of those that got worse


class ModelTally:
    """What the answers of one model to n examples add up to; `scores` are NaN where an answer or a grade is missing."""

    def __init__(self, n: int) -> None:
        self.scores = np.full(n, np.nan)
        self.ungraded = self.refused = self.cut_off = self.prompt_tokens = self.completion_tokens = 0
        self.without: set[str] = set()
        self._timed, self._seconds = 0, 0.0

    @property
    def facts(self) -> dict[str, Any]:
        """The further fields of `ModelScore`."""
        return {
            "refused": self.refused,
            "cut_off": self.cut_off,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "latency_s": self._seconds / self._timed if self._timed else None,
        }

    def add(self, index: int, answers: Sequence[Mapping[str, Any]], scores: list[float | None], samples: int) -> str:
        """Count the answers to one example, with the score of each; the text of the first."""
        for answer in answers:
            self.refused += "refused" in answer
            self.without.update(answer.get("without") or ())
            self.cut_off += answer.get("finish_reason") == "length"
            self.prompt_tokens += answer.get("prompt_tokens") or 0
            self.completion_tokens += answer.get("completion_tokens") or 0
            if answer.get("latency_s") is not None:
                self._timed += 1
                self._seconds += answer["latency_s"]
        graded = [score for score in scores if score is not None]
        self.ungraded += len(scores) - len(graded)
        if len(graded) == samples:
            self.scores[index] = np.mean(graded)
        texts = (answer.get("answer") or f"[refused: {answer.get('refused')}]" for answer in answers)
        return next(texts, "")


class Changes:
    """The examples whose score changed most, at most `_CHANGED` each way."""

    def __init__(self) -> None:
        self._heaps: tuple[list[tuple[float, int, dict[str, Any]]], ...] = ([], [])

    def add(self, case: Case, base: tuple[float, str], tuned: tuple[float, str]) -> None:
        """(score, answer) of both models on a case."""
        gain = tuned[0] - base[0]
        if gain == 0 or np.isnan(gain):
            return
        heap = self._heaps[0 if gain > 0 else 1]
        values = (case.index, case.prompt, case.reference or "", base[1], tuned[1], float(base[0]), float(tuned[0]))
        item = (abs(gain), -case.index, dict(zip(COLUMNS, values, strict=True)))  # of equal ones the earlier
        if len(heap) < _CHANGED:
            heapq.heappush(heap, item)
        else:
            heapq.heappushpop(heap, item)

    def frames(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """(better, worse), the largest change first."""
        import pandas as pd

        largest_first = (sorted(heap, key=lambda item: item[:2], reverse=True) for heap in self._heaps)
        better, worse = (pd.DataFrame([row for *_, row in heap], columns=list(COLUMNS)) for heap in largest_first)
        return better, worse


@dataclass(frozen=True)
class Tally:
    """By model what its answers add up to, and of each model after the first what changed against that."""

    models: dict[str, ModelTally]
    changes: dict[str, Changes]


def tally(
    data: Dataset, log: AnswerLog, scoring: Score | ModelGrader, names: Sequence[str], *, samples: int, n: int
) -> Tally:
    """Score the answers in the log, `samples` by each model to each of n examples."""
    models = {name: ModelTally(n) for name in names}
    changes = {name: Changes() for name in names[1:]}
    for case in read_cases(data):
        answered: dict[str, tuple[float, str]] = {}
        for name, model in models.items():
            records = (log.get(case.index, name, sample) for sample in range(samples))
            answers = [record for record in records if record is not None]
            text = model.add(case.index, answers, [_score(each, case, scoring, log) for each in answers], samples)
            answered[name] = (model.scores[case.index], text)
        for name, change in changes.items():
            change.add(case, answered[names[0]], answered[name])
    return Tally(models, changes)


def _score(answer: Mapping[str, Any], case: Case, scoring: Score | ModelGrader, log: AnswerLog) -> float | None:
    """The score of one answer; 0 for one that the service refused; None when the grader gave none."""
    if "answer" not in answer:
        return 0.0
    if isinstance(scoring, Score):
        return scoring(answer["answer"], case)
    graded = log.get(case.index, answer["model"], answer["sample"], grader_key(scoring))
    return graded["grade"] if graded else None
