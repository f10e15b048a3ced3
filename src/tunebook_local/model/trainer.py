"""Fine-tuning as the embedded service does it: hand in examples and hyperparameters, take out steps.

No HTTP and no database here. One thread does the arithmetic in a fixed order, so the same request gives the
same rows, byte for byte, also when it was interrupted and resumed on the way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tunebook.graders import Means
from tunebook_local.model import preference, reinforcement, supervised
from tunebook_local.model.language_model import Adam, LanguageModel
from tunebook_local.model.objective import Objective, Row

Example = Mapping[str, Any]

# Adam's learning rate at a multiplier of 1. With these 0.02-0.2, the range Azure advises, runs from careful to
# brisk, and 2 overfits or diverges. A preference job pulls whole completions apart at once; at this rate its loss
# goes from log 2 to about 0.55 in thirty steps, as a recorded job's does.
BASE_LEARNING_RATE = {"supervised": 0.01, "dpo": 0.0001, "reinforcement": 0.01}
AUTO_LEARNING_RATE_MULTIPLIER = 0.1
# What the other hyperparameters of a method are when nothing is asked.
DEFAULTS: dict[str, dict[str, Any]] = {
    "supervised": {},
    "dpo": {"beta": 0.1},
    "reinforcement": {"compute_multiplier": 1.0, "eval_samples": 1, "reasoning_effort": "default"},
}


def resolve_hyperparameters(requested: Mapping[str, Any], n_train: int, method: str) -> dict[str, Any]:
    """Numbers for what was left to the service ("auto", None, -1 or missing); the rest as it was asked.

    n_epochs follows the advice Microsoft publishes by number of rows (< 100: 3-5, 100-500: 2-3, 500-2000:
    1-2, more: 1), batch_size is about 1/150 of the rows as a power of two between 1 and 32.
    A batch is never larger than the file.
    """
    resolved = {name: value for name, value in requested.items() if not _is_auto(value)}
    resolved.setdefault("n_epochs", 4 if n_train < 100 else 3 if n_train < 500 else 2 if n_train < 2000 else 1)
    resolved["n_epochs"] = int(resolved["n_epochs"])
    resolved.setdefault("batch_size", 2 ** int(np.clip(np.round(np.log2(max(n_train, 1) / 150)), 0, 5)))
    resolved["batch_size"] = max(1, min(int(resolved["batch_size"]), n_train))
    resolved.setdefault("learning_rate_multiplier", AUTO_LEARNING_RATE_MULTIPLIER)
    if method == "reinforcement":
        steps = resolved["n_epochs"] * -(-n_train // resolved["batch_size"])
        resolved.setdefault("eval_interval", max(1, round(steps / reinforcement.EVALUATIONS)))
    return {**DEFAULTS[method], **resolved}


def _is_auto(value: Any) -> bool:
    return value is None or value == "auto" or value == -1


def result_columns(method: str, has_validation: bool, grader: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """The header of a result file, as today's Foundry writes it; `grader` names some of a reinforcement job's."""
    if method == "reinforcement":
        return reinforcement.columns(grader)
    return supervised.columns(has_validation)


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


def _objective(
    method: str,
    model: LanguageModel,
    examples: Sequence[Example],
    validation: Sequence[Example],
    hyperparameters: Mapping[str, Any],
    grader: Mapping[str, Any] | None,
    means: Means | None,
) -> Objective:
    values = {**DEFAULTS[method], **hyperparameters}
    if method == "supervised":
        return supervised.Supervised(model, examples, validation)
    if method == "dpo":
        return preference.Preference(model, examples, validation, beta=float(values["beta"]))
    return reinforcement.Reinforcement(
        model,
        examples,
        validation,
        grader=grader,
        means=means,
        compute_multiplier=float(values["compute_multiplier"]),
        eval_interval=int(values["eval_interval"]),
        eval_samples=int(values["eval_samples"]),
    )


class Training:
    """A fine-tuning job's arithmetic. Iterate `steps()`; `save` between any two, `resume` from there.

    `hyperparameters` are resolved numbers: n_epochs, batch_size (examples a step), learning_rate_multiplier
    and those of the method. `examples` and `validation` are lines of the files, parsed.
    `weights` is a file of `save_weights` to start from, None for the base model; `means` grade what the grader leaves
    to others.
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
        means: Means | None = None,
    ) -> None:
        if not examples:
            raise ValueError("there are no training examples")
        self.seed = seed
        self.n_epochs = int(hyperparameters["n_epochs"])
        self.batch_size = int(hyperparameters["batch_size"])
        self.n_train, self.n_valid = len(examples), len(validation or ())
        self.model = LanguageModel.load(weights)
        self.optimiser = Adam(self.model.weights)
        self.objective = _objective(method, self.model, examples, validation or (), hyperparameters, grader, means)
        self.learning_rate = BASE_LEARNING_RATE[method] * float(hyperparameters["learning_rate_multiplier"])
        self.columns = self.objective.columns
        self._shuffled = -1, np.array([], np.int64)  # the epoch and its order
        self.done = 0  # steps

    # ---- where we are ----

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.n_train // self.batch_size)

    @property
    def total_steps(self) -> int:
        return self.n_epochs * self.steps_per_epoch

    def _order(self, epoch: int) -> NDArray[np.int64]:
        """The order of the examples in an epoch (from 0): drawn from seed and epoch alone."""
        if self._shuffled[0] != epoch:
            rng = np.random.default_rng([self.seed, epoch])
            self._shuffled = epoch, rng.permutation(self.n_train)
        return self._shuffled[1]

    # ---- training ----

    def steps(self) -> Iterator[Step]:
        """Train on, step by step, to the end."""
        with threadpool_limits(1):
            while self.done < self.total_steps:
                yield self._step()

    @np.errstate(all="ignore")  # a diverged run reports its nan and goes on
    def _step(self) -> Step:
        epoch, place = divmod(self.done, self.steps_per_epoch)
        ends_epoch = place == self.steps_per_epoch - 1
        chosen = self._order(epoch)[place * self.batch_size : (place + 1) * self.batch_size]
        row: Row = dict.fromkeys(self.columns)
        row |= self.objective.train_on(chosen, self.optimiser, self.learning_rate, [self.seed, self.done, 1])
        if self.n_valid:
            row |= self.objective.validate("valid", self._validation_batch(), [self.seed, self.done, 2])
            if ends_epoch or self.objective.validates_all(self.done + 1):
                everything = np.arange(self.n_valid)
                row |= self.objective.validate("full_valid", everything, [self.seed, self.done, 3])
        self.done += 1
        row["step"] = self.done
        return Step(self.done, epoch + 1, row, ends_epoch)

    def _validation_batch(self) -> NDArray[np.int64]:
        """As many rows as a training batch has, in the file's order, beginning again at its end.

        The first of every period of ceil(rows / batch size) steps starts the file anew, so that the same
        batches come back, as the real service's do.
        """
        period = -(-self.n_valid // self.batch_size)
        start = self.done % period * self.batch_size
        return np.arange(start, min(start + self.batch_size, self.n_valid))

    # ---- state ----

    def save(self, path: Path) -> None:
        """Everything needed to go on from here, written at once or not at all.

        The model's arrays have the names that `save_weights` gives them, the others a group before theirs.
        """
        arrays = self.model.to_arrays()
        arrays |= {"at.done": np.array(self.done), "at.adam_step": np.array(self.optimiser.step)}
        groups = {
            "first": self.optimiser.first,
            "second": self.optimiser.second,
            "objective": self.objective.state(),
        }
        for group, members in groups.items():
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
        training = cls(examples, validation, **{**arguments, "weights": path})
        groups: dict[str, dict[str, NDArray]] = defaultdict(dict)
        with np.load(path, allow_pickle=False) as file:
            for full_name in file.files:
                group, dot, name = full_name.partition(".")
                if dot:
                    groups[group][name] = file[full_name]
        training.done = int(groups["at"]["done"])
        training.optimiser.step = int(groups["at"]["adam_step"])
        training.optimiser.first, training.optimiser.second = groups["first"], groups["second"]
        training.objective.restore(groups["objective"])
        return training


def _write_arrays(path: Path, arrays: Mapping[str, NDArray]) -> None:
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)  # on a full disk the half of it would only be in the way
        raise
