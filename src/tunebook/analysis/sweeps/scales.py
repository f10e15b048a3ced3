"""How hyperparameters map to the unit box that a surface is drawn over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunebook.fields import log_scaled

Array = NDArray[np.floating[Any]]

# Swept over factors, so their effect is even on a log scale (doubling, not adding).
LOG_SCALED = log_scaled() | {"learning_rate"}
# A positive number that spans this factor within a sweep was chosen by factors.
LOG_FACTOR = 8.0
# A span below this fraction of the values is that of their rounding: no box can be made of it.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Scale:
    """How one hyperparameter maps to the unit interval.

    `kind` is "linear", "log" or "category"; `low` and `high` are in the hyperparameter's own unit; `levels` are
    the distinct values tried, sorted (for a category: the codes are the positions).
    """

    name: str
    kind: str
    low: float
    high: float
    levels: tuple[Any, ...]

    @property
    def varied(self) -> bool:
        return len(self.levels) > 1

    def unit(self, values: Sequence[Any] | NDArray[Any]) -> Array:
        """Values in the hyperparameter's own unit -> position in the box (0 and 1 are the tried extremes)."""
        if self.kind == "category":
            places = {level: place for place, level in enumerate(self.levels)}
            return np.array([places.get(value, len(places)) for value in values], float)
        numbers = np.asarray(values, float)
        if self.kind == "log":
            numbers, low, high = np.log(numbers), np.log(self.low), np.log(self.high)
        else:
            low, high = self.low, self.high
        return (numbers - low) / (high - low) if high > low else np.zeros(len(numbers))

    def own(self, unit: Array) -> NDArray[Any]:
        """Position in the box -> value in the hyperparameter's own unit (the inverse of `unit`)."""
        if self.kind == "category":
            return np.array(self.levels, object)[np.clip(np.rint(unit).astype(int), 0, len(self.levels) - 1)]
        if self.kind == "log":
            return np.exp(np.log(self.low) + unit * (np.log(self.high) - np.log(self.low)))
        return self.low + unit * (self.high - self.low)


def scale_for(name: str, values: Sequence[Any]) -> Scale:
    """The scale of one hyperparameter from the values tried.

    Text and booleans are categories; positive numbers are logarithmic when the hyperparameter is one that is
    swept by factors (`LOG_SCALED`) or when the values span a factor of 8; other numbers are linear. Numbers that only
    rounding sets apart are one value.
    """
    if any(isinstance(value, str | bool) for value in values):
        levels = tuple(sorted(set(values), key=str))
        return Scale(name, "category", 0.0, float(len(levels) - 1), levels)
    numbers = tuple(sorted({float(value) for value in values}))
    low, high = (numbers[0], numbers[-1]) if numbers else (0.0, 0.0)
    if high - low <= ROUNDING * max(abs(low), abs(high)):
        numbers, high = numbers[:1], low
    by_factors = low > 0 and (name in LOG_SCALED or high / low >= LOG_FACTOR)
    return Scale(name, "log" if by_factors else "linear", low, high, numbers)


def squares(left: Array, right: Array, scales: Sequence[Scale]) -> Array:
    """Squared distance along each axis, d x P x K; two different categories are one apart."""
    apart = left.T[:, :, None] - right.T[:, None, :]
    for axis, scale in enumerate(scales):
        if scale.kind == "category":
            apart[axis] = apart[axis] != 0
    return apart**2
