"""The small language model that the embedded service trains: exact forward pass, gradients and Adam.

A next-token step sees the vectors of the answer's last `WINDOW` tokens side by side, and one vector for
the prompt (the weighted sum of its words' vectors); one hidden layer of rectified units; a softmax over the
vocabulary (Bengio et al. 2003, "A neural probabilistic language model", plus the prompt). Plain numpy in
float32: the loss, the token accuracies and the gradients come from one forward pass, and the complete
state is a handful of plain arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunebook_local.model.answers import BUCKETS, Batch, Prompt
from tunebook_local.model.tokenizer import Tokenizer

BASE_MODEL = Path(__file__).with_name("base_model.npz")

WINDOW = 10  # tokens of the answer so far
TOKEN_WIDTH = 32  # numbers in a token's vector
PROMPT_WIDTH = 48  # numbers in a prompt's vector
HIDDEN = 192  # rectified units

# A word's vector moves only at the few steps that mention the word, so each time it moves further. Measured
# on 600 examples of two classification files: with 1 the answers stay near the majority class, from 10 to
# 100 they come near what logistic regression on the same words reaches.
FASTER = {"prompt_vectors": 25.0}

Floats = NDArray[np.floating[Any]]  # float32; the tests check the gradients in float64
Weights = dict[str, Floats]


@dataclass(frozen=True)
class RowGradient:
    """The gradient of a table of vectors, for the rows (unique, ascending) it touches; the rest is 0."""

    rows: NDArray[np.int64]
    values: Floats


@dataclass(frozen=True)
class Gradients:
    """Of the matrices whole, of the tables of vectors by row; names as in the weights."""

    dense: Mapping[str, Floats]
    tables: Mapping[str, RowGradient]


@dataclass(frozen=True)
class Forward:
    """One pass over a batch of N steps: log p of each target, whether it was the first choice, and what
    the backward pass needs."""

    batch: Batch
    log_p: Floats  # (N,)
    right: NDArray[np.bool_]  # (N,)
    probabilities: Floats  # (N, vocabulary)
    hidden: Floats  # (N, HIDDEN)
    context: Floats  # (N, WINDOW * TOKEN_WIDTH)
    prompts: Floats  # (answers, PROMPT_WIDTH)


class LanguageModel:
    """Weights and vocabulary together; `forward` a batch, take `gradients`, say the next token."""

    def __init__(self, weights: Weights, tokenizer: Tokenizer) -> None:
        self.weights = weights
        self.tokenizer = tokenizer

    @classmethod
    def fresh(cls, tokenizer: Tokenizer, seed: int) -> LanguageModel:
        """Random weights (He et al. 2015 for the hidden layer), for `make_base_model.py` and tests."""
        rng = np.random.default_rng(seed)

        def normal(rows: int, columns: int, scale: float) -> Floats:
            return (rng.standard_normal((rows, columns)) * scale).astype(np.float32)

        vocabulary = len(tokenizer)
        context = WINDOW * TOKEN_WIDTH
        weights = {
            "token_vectors": normal(vocabulary, TOKEN_WIDTH, 0.5),
            "prompt_vectors": normal(BUCKETS, PROMPT_WIDTH, 0.5),
            "context_weights": normal(context, HIDDEN, (2 / context) ** 0.5),
            "prompt_weights": normal(PROMPT_WIDTH, HIDDEN, (1 / PROMPT_WIDTH) ** 0.5),
            "hidden_bias": np.zeros(HIDDEN, np.float32),
            "output_weights": normal(HIDDEN, vocabulary, 0.02),
            "output_bias": np.zeros(vocabulary, np.float32),
        }
        return cls(weights, tokenizer)

    @classmethod
    def load(cls, path: Path | None = None) -> LanguageModel:
        """The weights in a file (the base model when None), as float32 copies of their own.

        A file may hold more, such as the state of a training, under names with a dot.
        """
        with np.load(path or BASE_MODEL, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files if "." not in name}
        tokenizer = Tokenizer.from_arrays(arrays.pop("piece_bytes"), arrays.pop("piece_ends"))
        return cls({name: array.astype(np.float32) for name, array in arrays.items()}, tokenizer)

    def to_arrays(self) -> dict[str, NDArray]:
        return {**self.weights, **self.tokenizer.to_arrays()}

    # ---- forward ----

    def prompt_vectors(self, batch: Batch) -> Floats:
        """(answers, PROMPT_WIDTH): the weighted sum of each prompt's word vectors."""
        vectors = self.weights["prompt_vectors"][batch.buckets] * batch.bucket_weights[:, None]
        return np.add.reduceat(vectors, batch.bag_firsts, axis=0)

    def from_prompt(self, prompt: Prompt) -> Floats:
        """(HIDDEN,): what a prompt adds to the hidden layer at every step of its answer."""
        vector = self.weights["prompt_vectors"][prompt.buckets].T @ prompt.weights
        return vector @ self.weights["prompt_weights"]

    def hidden_from(self, windows: NDArray[np.int32], from_prompt: Floats) -> tuple[Floats, Floats]:
        """Hidden layer (N, HIDDEN) and context (N, WINDOW * TOKEN_WIDTH) of N windows.

        `from_prompt` (N, HIDDEN) is what the prompt adds, `prompts @ prompt_weights`.
        """
        context = self.weights["token_vectors"][windows].reshape(len(windows), -1)
        hidden = context @ self.weights["context_weights"]
        hidden += from_prompt
        hidden += self.weights["hidden_bias"]
        np.maximum(hidden, 0, out=hidden)
        return hidden, context

    def logits(self, hidden: Floats) -> Floats:
        """(N, vocabulary), before the softmax."""
        out = hidden @ self.weights["output_weights"]
        out += self.weights["output_bias"]
        return out

    def forward(self, batch: Batch) -> Forward:
        prompts = self.prompt_vectors(batch)
        from_prompt = np.repeat(prompts @ self.weights["prompt_weights"], batch.lengths, axis=0)
        hidden, context = self.hidden_from(batch.windows, from_prompt)
        scores = self.logits(hidden)
        steps = np.arange(len(scores))
        right = scores.argmax(axis=1) == batch.targets
        scores -= scores.max(axis=1, keepdims=True)
        log_p = scores[steps, batch.targets]
        np.exp(scores, out=scores)
        totals = scores.sum(axis=1, keepdims=True)
        scores /= totals
        log_p -= np.log(totals[:, 0])
        return Forward(batch, log_p, right, scores, hidden, context, prompts)

    # ---- backward ----

    def gradients(self, forward: Forward, coefficients: Floats) -> Gradients:
        """Gradients of `-(coefficients * log_p).sum()`, coefficients (N,) one a step.

        Uses up `forward.probabilities`.
        """
        batch, weights = forward.batch, self.weights
        by_score = forward.probabilities
        by_score[np.arange(len(by_score)), batch.targets] -= 1
        by_score *= coefficients[:, None]
        by_hidden = by_score @ weights["output_weights"].T
        by_hidden *= forward.hidden > 0
        by_answer = np.add.reduceat(by_hidden, batch.firsts, axis=0)
        by_context = by_hidden @ weights["context_weights"].T
        by_prompt = by_answer @ weights["prompt_weights"].T
        by_bucket = np.repeat(by_prompt, _sizes(batch.bag_firsts, len(batch.buckets)), axis=0)
        by_bucket *= batch.bucket_weights[:, None]
        return Gradients(
            dense={
                "context_weights": forward.context.T @ by_hidden,
                "prompt_weights": forward.prompts.T @ by_answer,
                "hidden_bias": by_hidden.sum(axis=0),
                "output_weights": forward.hidden.T @ by_score,
                "output_bias": by_score.sum(axis=0),
            },
            tables={
                "token_vectors": _sum_rows(batch.windows.ravel(), by_context.reshape(-1, TOKEN_WIDTH)),
                "prompt_vectors": _sum_rows(batch.buckets, by_bucket),
            },
        )


def add_gradients(one: Gradients, other: Gradients) -> Gradients:
    """The sum of two, as when a batch was too large for one pass."""
    return Gradients(
        {name: gradient + other.dense[name] for name, gradient in one.dense.items()},
        {name: _add_rows(gradient, other.tables[name]) for name, gradient in one.tables.items()},
    )


def sum_gradients(parts: Iterable[Gradients]) -> Gradients | None:
    """The sum of all, taken as they come; None when there are none."""
    total: Gradients | None = None
    for part in parts:
        total = part if total is None else add_gradients(total, part)
    return total


def _add_rows(one: RowGradient, other: RowGradient) -> RowGradient:
    return _sum_rows(np.concatenate([one.rows, other.rows]), np.concatenate([one.values, other.values]))


def _sizes(firsts: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    return np.diff(firsts, append=total)


def _sum_rows(rows: NDArray[np.int32] | NDArray[np.int64], values: Floats) -> RowGradient:
    """Add up the values of equal rows, in the order they stand in (so the sum is always the same)."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    firsts = np.flatnonzero(np.diff(ordered, prepend=-1))
    return RowGradient(ordered[firsts].astype(np.int64), np.add.reduceat(values[order], firsts, axis=0))


class Adam:
    """Adam (Kingma & Ba 2015), its state in plain arrays; of a table only the touched rows move."""

    def __init__(self, weights: Weights, *, beta1: float = 0.9, beta2: float = 0.999) -> None:
        self.beta1, self.beta2 = beta1, beta2
        self.step = 0
        self.first = {name: np.zeros_like(array) for name, array in weights.items()}
        self.second = {name: np.zeros_like(array) for name, array in weights.items()}

    def update(self, weights: Weights, gradients: Gradients, learning_rate: float) -> None:
        """Move `weights` in place against `gradients`."""
        self.step += 1
        corrected = learning_rate * (1 - self.beta2**self.step) ** 0.5 / (1 - self.beta1**self.step)
        for name, gradient in gradients.dense.items():
            weights[name] -= self._move(self.first[name], self.second[name], gradient, np.float32(corrected))
        for name, table in gradients.tables.items():
            rows, rate = table.rows, np.float32(corrected * FASTER.get(name, 1.0))
            first, second = self.first[name][rows], self.second[name][rows]
            weights[name][rows] -= self._move(first, second, table.values, rate)
            self.first[name][rows], self.second[name][rows] = first, second

    def _move(self, first: Floats, second: Floats, gradient: Floats, rate: np.float32) -> Floats:
        """The step to subtract; updates both moments in place. `gradient` is used up."""
        first *= np.float32(self.beta1)
        first += np.float32(1 - self.beta1) * gradient
        second *= np.float32(self.beta2)
        gradient *= gradient
        gradient *= np.float32(1 - self.beta2)
        second += gradient
        move = np.sqrt(second, out=gradient)
        move += np.float32(1e-8)
        np.divide(first, move, out=move)
        move *= rate
        return move


@lru_cache(maxsize=4)
def _load_cached(path: Path, modified_ns: int, size: int) -> LanguageModel:  # noqa: ARG001 - the key
    return LanguageModel.load(path)


def load_for_reading(path: Path | None = None) -> LanguageModel:
    """A model that is only read, kept in memory until its file changes."""
    path = Path(path or BASE_MODEL)
    status = path.stat()
    return _load_cached(path, status.st_mtime_ns, status.st_size)
