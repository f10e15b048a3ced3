"""Supervised fine-tuning: the mean token loss of the answers, and how many tokens were right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunebook_local.model.answers import Answer, AnswerSet, read_answers
from tunebook_local.model.language_model import WINDOW, Adam, Forward, Gradients, LanguageModel, sum_gradients
from tunebook_local.model.objective import Objective, Row


class GroupedAnswers:
    """The answers of examples, each example's together (a conversation has several, or none to learn)."""

    def __init__(self, groups: Sequence[Sequence[Answer]]) -> None:
        self.answers = AnswerSet([answer for group in groups for answer in group], WINDOW)
        self._edges = np.concatenate(([0], np.cumsum([len(group) for group in groups], dtype=np.int64)))

    def of(self, chosen: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Numbers of all answers of the chosen examples, and beside each its example's place in `chosen`."""
        counts = self._edges[chosen + 1] - self._edges[chosen]
        numbers = [np.arange(self._edges[i], self._edges[i + 1]) for i in chosen]
        return np.concatenate([*numbers, np.array([], np.int64)]), np.repeat(np.arange(len(chosen)), counts)

    def tokens_of(self, chosen: NDArray[np.int64]) -> int:
        return self.answers.tokens_of(self.of(chosen)[0])

    def forwards(self, model: LanguageModel, chosen: NDArray[np.int64]) -> Iterator[Forward]:
        """The forward passes over all answers of the chosen examples."""
        return map(model.forward, self.answers.batches(self.of(chosen)[0]))


def columns(has_validation: bool) -> tuple[str, ...]:
    """Today's Foundry header; preference jobs have the same."""
    kinds = ("train", "valid", "full_valid") if has_validation else ("train",)
    metrics = ("loss", "mean_token_accuracy", "error_rate")
    return ("step", *(f"{kind}_{metric}" for kind in kinds for metric in metrics), "timestamp")


class Supervised(Objective):
    """The objective of supervised fine-tuning.

    Its columns: `…_loss` (nats per token) and `…_mean_token_accuracy`; `…_error_rate` stays blank, as in
    today's result files.
    """

    def __init__(
        self,
        model: LanguageModel,
        examples: Sequence[Mapping[str, Any]],
        validation: Sequence[Mapping[str, Any]],
    ) -> None:
        self.model = model
        self.train = GroupedAnswers([read_answers(example, model.tokenizer) for example in examples])
        self.valid = GroupedAnswers([read_answers(example, model.tokenizer) for example in validation])
        self.columns = columns(bool(validation))

    def train_on(self, chosen: NDArray[np.int64], optimiser: Adam, learning_rate: float, _seed: list[int]) -> Row:
        figures = _Figures()

        def gradients() -> Iterator[Gradients]:
            tokens = self.train.tokens_of(chosen)
            for forward in self.train.forwards(self.model, chosen):
                figures.add(forward)
                yield self.model.gradients(forward, np.full(len(forward.log_p), 1 / tokens, np.float32))

        total = sum_gradients(gradients())
        if total is not None:
            optimiser.update(self.model.weights, total, learning_rate)
        return figures.row("train")

    def validate(self, kind: str, chosen: NDArray[np.int64], _seed: list[int]) -> Row:
        figures = _Figures()
        for forward in self.valid.forwards(self.model, chosen):
            figures.add(forward)
        return figures.row(kind)


@dataclass
class _Figures:
    """Loss in nats and right tokens, summed up."""

    loss: float = 0.0
    right: int = 0
    tokens: int = 0

    def add(self, forward: Forward) -> None:
        self.loss -= float(forward.log_p.sum(dtype=np.float64))
        self.right += int(forward.right.sum())
        self.tokens += len(forward.log_p)

    def row(self, kind: str) -> Row:
        if not self.tokens:  # only messages of weight 0: nothing was learnt, nothing measured
            return {}
        return {f"{kind}_loss": self.loss / self.tokens, f"{kind}_mean_token_accuracy": self.right / self.tokens}
