"""What a training method makes of examples, which are named by their numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tunebook_local.model.language_model import Adam

Row = dict[str, float | None]


class Objective(ABC):
    """A method on its examples; `columns` is the header of the result file.

    `train_on` takes one step on a batch, `validate` measures rows of the validation file (kind "valid": a
    batch, "full_valid": all); both return columns of the result file. `seed` is a fresh one for each call.
    """

    columns: tuple[str, ...]

    @abstractmethod
    def train_on(self, chosen: NDArray[np.int64], optimiser: Adam, learning_rate: float, seed: list[int]) -> Row:
        """One step on a batch of examples; the figures are those before it."""

    @abstractmethod
    def validate(self, kind: str, chosen: NDArray[np.int64], seed: list[int]) -> Row:
        """The figures of some examples of the validation file."""

    def validates_all(self, step: int) -> bool:  # noqa: ARG002
        """Whether to measure the whole validation file also here, inside an epoch."""
        return False

    def state(self) -> dict[str, NDArray]:
        """What it needs to go on after a restart, beside weights and optimiser."""
        return {}

    def restore(self, state: Mapping[str, NDArray]) -> None:  # noqa: B027 - most have none
        """Go on from what `state` gave."""
