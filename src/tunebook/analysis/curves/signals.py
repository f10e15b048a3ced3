"""Which measurements speak about generalisation, and on what scale to compare them.

Everything is turned so that less is better: losses and error rates on a logarithmic scale, where a rise is a fraction;
rewards, of which more is better, as their negative in units of their own size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.ndimage import median_filter

# Added to a loss before its logarithm, as a share of the median. Losses of small batches are skewed the other way (many
# near zero): on a pure logarithm those would outweigh the few large ones in which overfitting shows first.
_OFFSET = 0.2
# A factor of 10 million.
_FURTHEST = 16.0
# The longest result file known has 5,195 rows; of a longer series neighbours are averaged.
_MOST = 20_000
_HUGE = 1e150  # larger ones are as lost, and their sums are no numbers
# Neighbours that a single measurement is compared with, itself among them.
_REACH = 7


@dataclass(frozen=True, eq=False)
class Signal:
    """One series: `name` of its column, `kind` (loss, accuracy, reward), `step`, `value`, and `y` (less is better).

    `impossible` counts measurements left out because no such value exists: a negative loss, an accuracy outside 0 to 1.
    """

    name: str
    kind: str
    step: np.ndarray
    value: np.ndarray
    y: np.ndarray
    offset: float
    scale: float
    impossible: int = 0

    def __len__(self) -> int:
        return len(self.step)

    @cached_property
    def calm(self) -> np.ndarray:
        """`y` with single measurements far from their neighbours drawn in to four deviations.

        A rise that lasts is left alone.
        """
        y, n, ends = self.y, len(self), _REACH // 2
        if n < 8:
            return y
        middle = median_filter(y, _REACH, mode="nearest")
        away = y - middle
        # The spread of second differences keeps the steep parts of a smooth curve untouched.
        limit = 4 * max(1.4826 * float(np.median(np.abs(away))), roughness(y), 0.02)
        calm = middle + np.clip(away, -limit, limit)
        calm[:ends], calm[-ends:] = y[:ends], y[-ends:]
        # The last one has no neighbour to bear it out: as far as the slope before it carries, and four deviations.
        slope = float(np.median(np.diff(calm[-_REACH:-1])))
        ahead = float(np.median(calm[-6:-1])) + 3 * slope
        calm[-1] = np.clip(y[-1], ahead - limit, ahead + limit)
        return calm

    def of(self, value: np.ndarray) -> np.ndarray:
        """From the column's own units to the scale of comparison."""
        if self.kind == "reward":
            return -value / self.scale
        return np.log((1 - value if self.kind == "accuracy" else value) + self.offset)

    def to_units(self, y: np.ndarray) -> np.ndarray:
        """From the scale of comparison back to the column's own units."""
        if self.kind == "reward":
            return -y * self.scale
        level = np.exp(np.clip(y, -700, 700)) - self.offset
        return 1 - level if self.kind == "accuracy" else level

    def rise(self, high: np.ndarray, low: np.ndarray) -> np.ndarray:
        """How far one level is above another: the logarithm of their ratio; for rewards the difference."""
        if self.kind == "reward":
            return high - low
        # A level below a twentieth of the offset is zero for all we know.
        floor = self.offset / 20 + 1e-300
        above = np.log(np.maximum(np.exp(np.minimum(high, 700)) - self.offset, floor))
        return above - np.log(np.maximum(np.exp(np.minimum(low, 700)) - self.offset, floor))

    def as_fraction(self, rise: float) -> float:
        """A rise on the scale of comparison as a fraction of the best value."""
        return float(rise if self.kind == "reward" else np.expm1(min(rise, 50.0)))


# In order of preference: (kind, training, batch of the validation file, whole validation file).
_CHOICES = (
    ("loss", "train_loss", "valid_loss", "full_valid_loss"),
    ("reward", "train_mean_reward", "valid_mean_reward", "full_valid_mean_reward"),
    (
        "accuracy",
        "train_mean_token_accuracy",
        "valid_mean_token_accuracy",
        "full_valid_mean_token_accuracy",
    ),
)


def choose(frame: pd.DataFrame) -> tuple[str, str, str, str]:
    """The (kind, training, batch, full) columns to judge by: the first kind with validation, else with training."""
    for choice in _CHOICES:
        if any(column in frame and frame[column].notna().any() for column in choice[2:]):
            return choice
    for choice in _CHOICES:
        if choice[1] in frame and frame[choice[1]].notna().any():
            return choice
    return _CHOICES[0]


def series(frame: pd.DataFrame, column: str, kind: str) -> Signal:
    """The finite measurements of a column (means of neighbours past 20,000); empty when it has none."""
    if column not in frame or not len(frame):
        return Signal(column, kind, np.empty(0), np.empty(0), np.empty(0), 0.0, 1.0)
    value = frame[column].to_numpy(dtype=float)
    step = frame["step"].to_numpy(dtype=float)
    keep = np.isfinite(value)
    impossible = 0
    if kind != "reward":
        possible = (value >= 0) & (value <= (1 if kind == "accuracy" else np.inf))
        impossible = int(np.count_nonzero(keep & ~possible))
        keep &= possible
    value, step = np.clip(value[keep], -_HUGE, _HUGE), step[keep]
    if len(value) > _MOST:
        edges = np.linspace(0, len(value), _MOST + 1).astype(int)[:-1]
        count = np.diff(np.append(edges, len(value)))
        value, step = np.add.reduceat(value, edges) / count, np.add.reduceat(step, edges) / count
    if kind == "reward":
        low, middle, high = np.quantile(value, (0.05, 0.5, 0.95)) if len(value) else (0.0, 0.0, 1.0)
        scale = float(max(abs(middle), abs(high), high - low)) or 1.0
        return Signal(column, kind, step, value, -value / scale, 0.0, scale)
    y, offset = _logarithms(1 - value if kind == "accuracy" else value)
    return Signal(column, kind, step, value, y, offset, 1.0, impossible)


def _logarithms(level: np.ndarray) -> tuple[np.ndarray, float]:
    """The logarithms of losses or error rates, and the small offset that keeps those of zeros finite."""
    if not len(level):
        return level, 0.0
    offset = _OFFSET * float(np.median(level))
    if offset == 0:  # more than half exact zeros
        offset = _OFFSET * float(level.mean()) or 1e-12
    y = np.log(level + offset)
    # Further than this from the middle is no measurement of the same thing.
    return np.clip(y, np.median(y) - _FURTHEST, np.median(y) + _FURTHEST), offset


def roughness(y: np.ndarray) -> float:
    """Standard deviation of independent noise on a smooth curve, from second differences (Gasser et al. 1986)."""
    return 1.4826 * float(np.median(np.abs(np.diff(y, 2)))) / np.sqrt(6)
