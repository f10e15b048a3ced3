"""Direct preference optimisation (Rafailov et al. 2023), exactly: the loss of the paper, its gradient, and as
reference the model as it was when the job began."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunebook_local.model.answers import STEPS_AT_ONCE, read_answers
from tunebook_local.model.language_model import Adam, Forward, Gradients, LanguageModel, sum_gradients
from tunebook_local.model.messages import tools_of
from tunebook_local.model.objective import Objective, Row
from tunebook_local.model.supervised import GroupedAnswers, columns
from tunebook_local.model.tokenizer import Tokenizer

# Below it two answers count as equally likely: the rounding of sums of some hundred float32 logarithms.
_TIE = 1e-3  # nats

# Forward passes over so many steps are held for the gradients: 134 MB of probabilities at most.
_HELD_STEPS = 16 * STEPS_AT_ONCE

Pass = tuple[Forward, NDArray[np.int64]]  # and the completion (0, 1 of the first pair, 2, 3 …) of each stretch


class _Again:
    """An iterable that begins anew each time, for what is too large to be held."""

    def __init__(self, begin: Callable[[], Iterator[Pass]]) -> None:
        self._begin = begin

    def __iter__(self) -> Iterator[Pass]:
        return self._begin()


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

    def passes(self, model: LanguageModel, chosen: NDArray[np.int64]) -> Iterable[Pass]:
        """The forward passes over both completions of the chosen pairs; held, unless they are too many, so
        that the gradients need not go forward again."""
        answers, places = self.groups.of(np.stack([2 * chosen, 2 * chosen + 1], axis=1).ravel())
        if self.groups.answers.tokens_of(answers) <= _HELD_STEPS:
            return list(self._go(model, answers, places))
        return _Again(lambda: self._go(model, answers, places))

    def _go(self, model: LanguageModel, answers: NDArray[np.int64], places: NDArray[np.int64]) -> Iterator[Pass]:
        for batch in self.groups.answers.batches(answers):
            yield model.forward(batch), places[batch.owners]

    def log_p(self, passes: Iterable[Pass], pairs: int) -> NDArray[np.float64]:
        """(pairs, 2): log p of the whole preferred and the whole other completion."""
        sums = np.zeros(2 * pairs)
        for forward, completions in passes:
            by_stretch = np.add.reduceat(forward.log_p, forward.batch.firsts, dtype=np.float64)
            np.add.at(sums, completions, by_stretch)
        return sums.reshape(-1, 2)


def _gradients(model: LanguageModel, passes: Iterable[Pass], coefficients: NDArray[np.float64]) -> Gradients | None:
    """Gradients of `-(coefficients * log_p).sum()`, coefficients (pairs, 2)."""
    flat = coefficients.ravel().astype(np.float32)
    return sum_gradients(
        model.gradients(forward, np.repeat(flat[completions], forward.batch.lengths)) for forward, completions in passes
    )


def completion(example: Mapping[str, Any], key: str, tokenizer: Tokenizer) -> list:
    """The answers of one completion; the prompt of each is the input and what the completion said before."""
    given = example.get("input") or {}
    messages = list(given.get("messages") or [])
    whole = {"messages": messages + list(example.get(key) or []), "tools": tools_of(given)}
    return read_answers(whole, tokenizer, first=len(messages))


class Preference(Objective):
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
        self._fix_reference()
        passes = self.train.passes(self.model, chosen)
        margins = self._margins(self.train, chosen, passes)
        pull = self.beta * _sigmoid(-self.beta * margins) / len(chosen)
        gradients = _gradients(self.model, passes, np.stack([pull, -pull], axis=1))
        if gradients is not None:
            optimiser.update(self.model.weights, gradients, learning_rate)
        return self._row("train", margins)

    def validate(self, kind: str, chosen: NDArray[np.int64], _seed: list[int]) -> Row:
        return self._row(kind, self._margins(self.valid, chosen, self.valid.passes(self.model, chosen)))

    def _fix_reference(self) -> None:
        """What the model thinks before the first step is the reference from then on."""
        for pairs in (self.train, self.valid):
            if pairs.reference is None:
                everything = np.arange(pairs.size)
                pairs.reference = pairs.log_p(pairs.passes(self.model, everything), pairs.size)

    def _margins(self, pairs: Pairs, chosen: NDArray[np.int64], passes: Iterable[Pass]) -> NDArray[np.float64]:
        assert pairs.reference is not None  # noqa: S101 - fixed at the first step
        gained = pairs.log_p(passes, len(chosen)) - pairs.reference[chosen]
        return gained[:, 0] - gained[:, 1]

    def _row(self, kind: str, margins: NDArray[np.float64]) -> Row:
        errors = np.where(np.abs(margins) < _TIE, 0.5, ~(margins > 0))
        return {
            f"{kind}_loss": float(np.logaddexp(0, -self.beta * margins).mean()),
            f"{kind}_error_rate": float(errors.mean()),
        }

    def state(self) -> dict[str, NDArray]:
        fixed = {"train": self.train.reference, "valid": self.valid.reference}
        return {name: reference for name, reference in fixed.items() if reference is not None}

    def restore(self, state: Mapping[str, NDArray]) -> None:
        self.train.reference, self.valid.reference = state.get("train"), state.get("valid")


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-np.logaddexp(0, -x))
