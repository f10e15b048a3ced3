"""Supervised fine-tuning: the mean token loss of the answers, and how many tokens were right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunebook.local.answers import AnswerSet, read_answers
from tunebook.local.language_model import WINDOW, Adam, Gradients, LanguageModel, add_gradients

METRICS = ("loss", "mean_token_accuracy", "error_rate")
Metrics = dict[str, float | None]


class ExampleSet:
    """Examples, each with the answers it holds (a conversation may have several, or none to learn)."""

    def __init__(self, examples: Sequence[Mapping[str, Any]], model: LanguageModel) -> None:
        per_example = [read_answers(example, model.tokenizer) for example in examples]
        self.answers = AnswerSet([answer for answers in per_example for answer in answers], WINDOW)
        self._edges = np.concatenate(([0], np.cumsum([len(answers) for answers in per_example])))

    def __len__(self) -> int:
        return len(self._edges) - 1

    def answers_of(self, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers of all answers of the chosen examples."""
        ranges = [np.arange(self._edges[i], self._edges[i + 1]) for i in chosen]
        return np.concatenate(ranges) if ranges else np.array([], np.int64)


class Supervised:
    """The objective of supervised fine-tuning. Metrics: `loss` (nats per token), `mean_token_accuracy`;
    `error_rate` stays blank, as in today's result files."""

    def __init__(
        self,
        model: LanguageModel,
        examples: Sequence[Mapping[str, Any]],
        validation: Sequence[Mapping[str, Any]],
    ) -> None:
        self.model = model
        self.train = ExampleSet(examples, model)
        self.valid = ExampleSet(validation, model)

    def train_on(self, chosen: NDArray[np.int64], optimiser: Adam, learning_rate: float) -> Metrics:
        """One step on a batch of examples; the metrics are those before it."""
        data, answers = self.train.answers, self.train.answers_of(chosen)
        tokens = data.tokens_of(answers)
        gradients: Gradients | None = None
        total, right = 0.0, 0
        for batch in data.batches(answers):
            forward = self.model.forward(batch)
            total -= float(forward.log_p.sum(dtype=np.float64))
            right += int(forward.right.sum())
            part = self.model.gradients(forward, np.full(len(batch), 1 / tokens, np.float32))
            gradients = part if gradients is None else add_gradients(gradients, part)
        if gradients is not None:
            optimiser.update(self.model.weights, gradients, learning_rate)
        return _metrics(total, right, tokens)

    def validate(self, chosen: NDArray[np.int64]) -> Metrics:
        """The metrics of some examples of the validation file."""
        data, answers = self.valid.answers, self.valid.answers_of(chosen)
        total, right = 0.0, 0
        for batch in data.batches(answers):
            forward = self.model.forward(batch)
            total -= float(forward.log_p.sum(dtype=np.float64))
            right += int(forward.right.sum())
        return _metrics(total, right, data.tokens_of(answers))

    def state(self) -> dict[str, NDArray]:
        return {}

    def restore(self, state: Mapping[str, NDArray]) -> None:
        pass


def _metrics(total: float, right: int, tokens: int) -> Metrics:
    if not tokens:  # only messages of weight 0: nothing was learnt, nothing measured
        return dict.fromkeys(METRICS)
    return {"loss": total / tokens, "mean_token_accuracy": right / tokens, "error_rate": None}
