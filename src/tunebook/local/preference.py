"""Direct preference optimisation (Rafailov et al. 2023), exactly: the loss of the paper, its gradient, and as
reference the model as it was when the job began."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunebook.local.answers import read_answers, tools_of
from tunebook.local.language_model import Adam, Gradients, LanguageModel, add_gradients
from tunebook.local.supervised import GroupedAnswers, Row, columns
from tunebook.local.tokenizer import Tokenizer

# Below it two answers count as equally likely: the rounding of sums of some hundred float32 logarithms.
_TIE = 1e-3  # nats


class Pairs:
    """Preference pairs: the preferred and the other completion of each, and what the reference thinks."""

    def __init__(self, examples: Sequence[Mapping[str, Any]], tokenizer: Tokenizer) -> None:
        read = [
            [completion(example, key, tokenizer) for key in ("preferred_output", "non_preferred_output")]
            for example in examples
        ]
        self.groups = GroupedAnswers([answers for pair in read for answers in pair])
        self.reference: NDArray[np.float64] | None = None  # (pairs, 2)
        self.size = len(examples)

    def log_p(self, model: LanguageModel, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        """(chosen, 2): log p of the whole preferred and the whole other completion."""
        answers, places = self.groups.of(_completions(chosen))
        sums = np.zeros(2 * len(chosen))
        for batch in self.groups.answers.batches(answers):
            by_stretch = np.add.reduceat(model.forward(batch).log_p, batch.firsts, dtype=np.float64)
            np.add.at(sums, places[batch.owners], by_stretch)
        return sums.reshape(-1, 2)

    def gradients(
        self, model: LanguageModel, chosen: NDArray[np.int64], coefficients: NDArray[np.float64]
    ) -> Gradients | None:
        """Gradients of `-(coefficients * log_p).sum()`, coefficients (chosen, 2)."""
        answers, places = self.groups.of(_completions(chosen))
        flat, gradients = coefficients.ravel(), None
        for batch in self.groups.answers.batches(answers):
            by_step = np.repeat(flat[places[batch.owners]], batch.lengths).astype(np.float32)
            part = model.gradients(model.forward(batch), by_step)
            gradients = part if gradients is None else add_gradients(gradients, part)
        return gradients


def completion(example: Mapping[str, Any], key: str, tokenizer: Tokenizer) -> list:
    """The answers of one completion; the prompt of each is the input and what the completion said before."""
    given = example.get("input") or {}
    messages = list(given.get("messages") or [])
    whole = {"messages": messages + list(example.get(key) or []), "tools": tools_of(given)}
    return read_answers(whole, tokenizer, first=len(messages))


def _completions(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.stack([2 * pairs, 2 * pairs + 1], axis=1).ravel()


class Preference:
    """The objective of preference fine-tuning.

    Its columns: `…_loss` = mean of -log sigmoid(beta * margin) and `…_error_rate` = share of pairs whose
    margin is negative (a tie counts half, so an untrained model has 0.5); the margin is how much more than
    the reference the model prefers the preferred completion, in nats. `…_mean_token_accuracy` stays blank.
    """

    def __init__(
        self,
        model: LanguageModel,
        examples: Sequence[Mapping[str, Any]],
        validation: Sequence[Mapping[str, Any]],
        *,
        beta: float,
    ) -> None:
        self.model, self.beta = model, beta
        self.train, self.valid = Pairs(examples, model.tokenizer), Pairs(validation, model.tokenizer)
        self.columns = columns(bool(validation))

    def train_on(self, chosen: NDArray[np.int64], optimiser: Adam, learning_rate: float, _seed: list[int]) -> Row:
        """One step on a batch of pairs; the figures are those before it."""
        self._fix_reference()
        margins = self._margins(self.train, chosen)
        pull = self.beta * _sigmoid(-self.beta * margins) / len(chosen)
        gradients = self.train.gradients(self.model, chosen, np.stack([pull, -pull], axis=1))
        if gradients is not None:
            optimiser.update(self.model.weights, gradients, learning_rate)
        return self._row("train", margins)

    def validate(self, kind: str, chosen: NDArray[np.int64], _seed: list[int]) -> Row:
        return self._row(kind, self._margins(self.valid, chosen))

    def validates_all(self, _step: int) -> bool:
        return False

    def _fix_reference(self) -> None:
        """What the model thinks before the first step is the reference from then on."""
        for pairs in (self.train, self.valid):
            if pairs.reference is None:
                pairs.reference = pairs.log_p(self.model, np.arange(pairs.size))

    def _margins(self, pairs: Pairs, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        assert pairs.reference is not None  # noqa: S101 - fixed at the first step
        gained = pairs.log_p(self.model, chosen) - pairs.reference[chosen]
        return gained[:, 0] - gained[:, 1]

    def _row(self, kind: str, margins: NDArray[np.float64]) -> Row:
        wrong = np.where(np.abs(margins) < _TIE, 0.5, ~(margins > 0))
        return {
            f"{kind}_loss": float(np.logaddexp(0, -self.beta * margins).mean()),
            f"{kind}_error_rate": float(wrong.mean()),
        }

    def state(self) -> dict[str, NDArray]:
        fixed = {"train": self.train.reference, "valid": self.valid.reference}
        return {name: reference for name, reference in fixed.items() if reference is not None}

    def restore(self, state: Mapping[str, NDArray]) -> None:
        self.train.reference, self.valid.reference = state.get("train"), state.get("valid")


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-np.logaddexp(0, -x))
