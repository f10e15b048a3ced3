"""Supervised fine-tuning: the mean token loss of the answers, and how many tokens were right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunebook_local.model.answers import Answer, AnswerSet, read_answers
from tunebook_local.model.language_model import WINDOW, Adam, Gradients, LanguageModel, add_gradients

Row = dict[str, float | None]


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


def columns(has_validation: bool) -> tuple[str, ...]:
    """Today's Foundry header; preference jobs have the same."""
    kinds = ("train", "valid", "full_valid") if has_validation else ("train",)
    metrics = ("loss", "mean_token_accuracy", "error_rate")
    return ("step", *(f"{kind}_{metric}" for kind in kinds for metric in metrics), "timestamp")


class Supervised:
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
        """One step on a batch of examples; the figures are those before it."""
        data, (answers, _) = self.train.answers, self.train.of(chosen)
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
        return _row("train", total, right, tokens)

    def validate(self, kind: str, chosen: NDArray[np.int64], _seed: list[int]) -> Row:
        """The figures of some examples of the validation file; `kind` is "valid" or "full_valid"."""
        data, (answers, _) = self.valid.answers, self.valid.of(chosen)
        total, right = 0.0, 0
        for batch in data.batches(answers):
            forward = self.model.forward(batch)
            total -= float(forward.log_p.sum(dtype=np.float64))
            right += int(forward.right.sum())
        return _row(kind, total, right, data.tokens_of(answers))

    def validates_all(self, _step: int) -> bool:
        return False  # at the end of each epoch only

    def state(self) -> dict[str, NDArray]:
        return {}

    def restore(self, state: Mapping[str, NDArray]) -> None:
        pass


def _row(kind: str, total: float, right: int, tokens: int) -> Row:
    if not tokens:  # only messages of weight 0: nothing was learnt, nothing measured
        return {}
    return {f"{kind}_loss": total / tokens, f"{kind}_mean_token_accuracy": right / tokens}
