"""Fine-tuning as the embedded service does it: hand in examples and hyperparameters, take out steps.

No HTTP and no database here. One thread does the arithmetic in a fixed order, so the same request gives the
same rows, byte for byte, also when it was interrupted and resumed on the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tunebook.local.answers import count_tokens
from tunebook.local.language_model import Adam, LanguageModel
from tunebook.local.sampling import generate
from tunebook.local.supervised import Supervised

__all__ = [
    "Step",
    "Training",
    "format_row",
    "generate",
    "resolve_hyperparameters",
    "result_columns",
]

Example = Mapping[str, Any]
Row = dict[str, float | None]

# Adam's learning rate at a multiplier of 1. With it 0.02-0.2, the range Azure advises, runs from careful to
# brisk, and 2 overfits or diverges.
BASE_LEARNING_RATE = 0.01
AUTO_LEARNING_RATE_MULTIPLIER = 0.1


def resolve_hyperparameters(requested: Mapping[str, Any], n_train: int, method: str) -> dict[str, Any]:
    """Numbers for what was left to the service ("auto", None, -1 or missing); the rest as it was asked.

    n_epochs follows the advice Microsoft publishes by number of rows (< 100: 3-5, 100-500: 2-3, 500-2000:
    1-2, more: 1), batch_size is about 1/150 of the rows as a power of two between 1 and 32.
    """
    resolved = {name: value for name, value in requested.items() if not is_auto(value)}
    if not is_auto(requested.get("n_epochs")):
        resolved["n_epochs"] = int(requested["n_epochs"])
    else:
        resolved["n_epochs"] = 4 if n_train < 100 else 3 if n_train < 500 else 2 if n_train < 2000 else 1
    if is_auto(requested.get("batch_size")):
        resolved["batch_size"] = 2 ** int(np.clip(np.round(np.log2(max(n_train, 1) / 150)), 0, 5))
    resolved["batch_size"] = max(1, min(int(resolved["batch_size"]), n_train))
    resolved.setdefault("learning_rate_multiplier", AUTO_LEARNING_RATE_MULTIPLIER)
    if method == "dpo":
        resolved.setdefault("beta", 0.1)
    return resolved


def is_auto(value: Any) -> bool:
    return value is None or value == "auto" or value == -1


def result_columns(method: str, has_validation: bool) -> tuple[str, ...]:
    """The header of a result file, as today's Foundry writes it."""
    if method != "supervised":
        raise ValueError(f"method {method!r} cannot be trained yet; use 'supervised'")
    metrics = ("loss", "mean_token_accuracy", "error_rate")
    kinds = ("train", "valid", "full_valid") if has_validation else ("train",)
    return ("step", *(f"{kind}_{metric}" for kind in kinds for metric in metrics), "timestamp")


def format_row(row: Mapping[str, float | None]) -> str:
    """One line of a result file, without its line end; what was not measured is blank."""
    return ",".join("" if value is None else repr(value) for value in row.values())


@dataclass(frozen=True)
class Step:
    """One step done: its number (from 1), its epoch (from 1), its line of the result file."""

    step: int
    epoch: int
    row: Row
    ends_epoch: bool


class Objective(Protocol):
    """What a method makes of batches of examples; metrics are named without `train_`, `valid_`, …"""

    model: LanguageModel

    def train_on(self, chosen: NDArray[np.int64], optimiser: Adam, learning_rate: float) -> Row: ...
    def validate(self, chosen: NDArray[np.int64]) -> Row: ...
    def state(self) -> dict[str, NDArray]: ...
    def restore(self, state: Mapping[str, NDArray]) -> None: ...


class Training:
    """A fine-tuning job's arithmetic. Iterate `steps()`; `save` between any two, `resume` from there.

    `hyperparameters` are resolved numbers: n_epochs, batch_size (examples a step), learning_rate_multiplier.
    `weights` is a file of `save_weights` to start from, None for the base model.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        validation: Sequence[Example] | None,
        *,
        method: str = "supervised",
        hyperparameters: Mapping[str, Any],
        seed: int,
        weights: Path | None = None,
        grader: Mapping[str, Any] | None = None,
    ) -> None:
        self.method, self.seed, self.grader = method, seed, grader
        self.n_epochs = int(hyperparameters["n_epochs"])
        self.batch_size = int(hyperparameters["batch_size"])
        self.learning_rate = BASE_LEARNING_RATE * float(hyperparameters["learning_rate_multiplier"])
        self.n_train, self.n_valid = len(examples), len(validation or ())
        self.columns = result_columns(method, self.n_valid > 0)
        self.model = LanguageModel.load(weights)
        self.optimiser = Adam(self.model.weights)
        self.objective: Objective = Supervised(self.model, examples, validation or ())
        self._example_tokens = np.array(
            [
                count_tokens(example.get("messages") or (), example.get("tools"), self.model.tokenizer)
                for example in examples
            ]
        )
        self.done = 0  # steps

    # ---- where we are ----

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.n_train // self.batch_size)

    @property
    def total_steps(self) -> int:
        return self.n_epochs * self.steps_per_epoch

    @property
    def trained_tokens(self) -> int:
        """Tokens trained on so far, whole conversations counted: in the end file tokens x epochs."""
        epochs, steps = divmod(self.done, self.steps_per_epoch)
        now = self._order(epochs)[: steps * self.batch_size]
        return int(epochs * self._example_tokens.sum() + self._example_tokens[now].sum())

    def _order(self, epoch: int) -> NDArray[np.int64]:
        """The order of the examples in an epoch (from 0): drawn from seed and epoch alone."""
        return np.random.default_rng([self.seed, epoch]).permutation(self.n_train)

    # ---- training ----

    def steps(self) -> Iterator[Step]:
        """Train on, step by step, to the end."""
        with threadpool_limits(1), np.errstate(all="ignore"):  # a diverged run reports its nan, no more
            while self.done < self.total_steps:
                epoch, place = divmod(self.done, self.steps_per_epoch)
                ends_epoch = place == self.steps_per_epoch - 1
                chosen = self._order(epoch)[place * self.batch_size : (place + 1) * self.batch_size]
                row: Row = dict.fromkeys(self.columns)
                row["step"] = self.done + 1
                trained = self.objective.train_on(chosen, self.optimiser, self.learning_rate)
                self._enter(row, "train", trained)
                if self.n_valid:
                    self._enter(row, "valid", self.objective.validate(self._validation_batch()))
                    if ends_epoch:
                        everything = np.arange(self.n_valid)
                        self._enter(row, "full_valid", self.objective.validate(everything))
                self.done += 1
                yield Step(self.done, epoch + 1, row, ends_epoch)

    def _validation_batch(self) -> NDArray[np.int64]:
        """As many rows as a training batch has, in the file's order, beginning again at its end.

        The first of every period of ceil(rows / batch size) steps starts the file anew, so that the same
        batches come back, as the real service's do.
        """
        period = -(-self.n_valid // self.batch_size)
        start = self.done % period * self.batch_size
        return np.arange(start, min(start + self.batch_size, self.n_valid))

    @staticmethod
    def _enter(row: Row, kind: str, metrics: Row) -> None:
        for name, value in metrics.items():
            row[f"{kind}_{name}"] = value

    # ---- state ----

    def save(self, path: Path) -> None:
        """Everything needed to go on from here, written at once or not at all."""
        arrays: dict[str, NDArray] = {"done": np.array(self.done), "adam_step": np.array(self.optimiser.step)}
        groups = (
            ("model", self.model.to_arrays()),
            ("first", self.optimiser.first),
            ("second", self.optimiser.second),
            ("objective", self.objective.state()),
        )
        for group, members in groups:
            arrays |= {f"{group}.{name}": array for name, array in members.items()}
        _write_arrays(path, arrays)

    def save_weights(self, path: Path) -> None:
        """The model alone: a base for further training, or to `generate` with."""
        _write_arrays(path, self.model.to_arrays())

    @classmethod
    def resume(
        cls,
        path: Path,
        examples: Sequence[Example],
        validation: Sequence[Example] | None,
        **arguments: Any,
    ) -> Training:
        """The training whose `save` is in `path`; the arguments are those it was made with."""
        training = cls(examples, validation, **{**arguments, "weights": None})
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        training.done = int(arrays["done"])
        training.optimiser.step = int(arrays["adam_step"])
        for group, members in (
            ("model", training.model.weights),
            ("first", training.optimiser.first),
            ("second", training.optimiser.second),
        ):
            for name, member in members.items():
                member[...] = arrays[f"{group}.{name}"]
        training.objective.restore(
            {name.removeprefix("objective."): a for name, a in arrays.items() if name.startswith("objective.")}
        )
        return training


def _write_arrays(path: Path, arrays: Mapping[str, NDArray]) -> None:
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    partial.replace(path)
