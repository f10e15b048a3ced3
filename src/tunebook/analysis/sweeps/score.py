"""What one run is worth: its loss, or reward, at the checkpoint a user would deploy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from tunebook.analysis.curves.diagnosis import Diagnosis
from tunebook.analysis.run import Run
from tunebook.analysis.sweeps.scales import Array

# A loss that a file rounds to nought still has a logarithm.
SMALLEST_LOSS = 1e-5
# Standard deviation of the logarithm of one loss of the whole validation file: training moves it from step to step, and
# other examples would give another.
WHOLE_ERROR = 0.012
# A checkpoint is no point of a smooth curve: this share of what its neighbours scatter by is its own, up to the above.
OFF_CURVE, NEIGHBOURS = 0.4, 9
LEAST_ERROR = 0.0015


@dataclass(frozen=True)
class RunScore:
    """One job's value at its recommended checkpoint.

    `value` is the loss (or, for `measure` "reward", the reward) and `sd` the sd of its logarithm (of the reward
    itself) from having been measured; `source` is the column it comes from.
    """

    value: float
    sd: float
    step: float
    accuracy: float
    measure: Literal["loss", "reward"]
    source: str


def score_run(run: Run, diagnosis: Diagnosis) -> RunScore | None:
    """The run's value at the checkpoint the diagnosis recommends; None when nothing was measured on validation rows.

    The smoothed curve there with its error and what a checkpoint lies off it; where that is less sure than three
    measurements are, their median. Beside a curve of batches the loss of the whole validation file, if it was measured
    at that step (or within 5 % of the job's steps). Never outside what was measured. Rewards of reinforcement runs are
    taken as they are: more is better.
    """
    if run.results is None:
        return None
    table = run.results.frame
    step = _deployable_step(diagnosis)
    reward = run.method == "reinforcement" and any(
        run.results.has(c) for c in ("full_valid_mean_reward", "valid_mean_reward")
    )
    measure: Literal["loss", "reward"] = "reward" if reward else "loss"
    names = ("full_valid_mean_reward", "valid_mean_reward") if reward else ("full_valid_loss", "valid_loss")
    whole = _at(table, names[0], step)
    near = max(2.0, 0.05 * float(table["step"].iloc[-1]))
    there = whole is not None and (step is None or abs(whole[0] - step) <= near)
    found, source = None, diagnosis.metric
    if source in names and not (there and source == names[1]):
        found = _curve_at(diagnosis, table, step, measure)
    if found is None and whole is not None:
        found, source = (*whole, WHOLE_ERROR * (abs(whole[1]) if reward else 1.0)), names[0]
    if found is None:
        found, source = _last_batches(table, names[1], measure), names[1]
    if found is None:
        return None
    at, value, sd = found
    return RunScore(_positive(value, measure), sd, at, _accuracy(table, at, whole=source == names[0]), measure, source)


def _positive(value: float, measure: str) -> float:
    return max(value, SMALLEST_LOSS) if measure == "loss" else value


def _at(table: pd.DataFrame, column: str, step: float | None) -> tuple[float, float] | None:
    """(step, value) of the finite value of `column` nearest to `step` (the last one when that is not known)."""
    steps, values = _finite(table, column)
    if not len(values):
        return None
    place = int(np.abs(steps - step).argmin()) if step is not None else -1
    return float(steps[place]), float(values[place])


def _finite(table: pd.DataFrame, column: str) -> tuple[Array, Array]:
    """(steps, values) where `column` was measured; plain arrays, because a sweep asks this thousands of times."""
    if column not in table:
        return np.zeros(0), np.zeros(0)
    values = table[column].to_numpy(float)
    measured = np.isfinite(values)
    return table["step"].to_numpy(float)[measured], values[measured]


def _curve_at(
    diagnosis: Diagnosis, table: pd.DataFrame, step: float | None, measure: str
) -> tuple[float, float, float] | None:
    """(step, value, sd on the modelled scale) from the diagnosis's curve with its 90 % band, or the values there."""
    curve = diagnosis.curve
    if curve is None or "valid_smooth" not in curve:
        return None
    steps, smooth = _finite(curve, "valid_smooth")
    if not len(smooth):
        return None
    at = float(steps[int(np.abs(steps - step).argmin()) if step is not None else -1])
    row = int(np.flatnonzero(curve["step"].to_numpy(float) == at)[0])
    value, low, high = (float(curve[name].to_numpy(float)[row]) for name in ("valid_smooth", "valid_low", "valid_high"))
    at_steps, measured = _finite(table, diagnosis.metric)
    # Averages of batches are averages of losses; logarithms only say how far these scatter.
    scale = (lambda v: np.log(np.maximum(v, SMALLEST_LOSS))) if measure == "loss" else np.asarray
    width = float(scale(high) - scale(low)) / 3.29
    sd = width if np.isfinite(width) else np.inf
    if len(measured) >= 3:
        value = float(np.clip(value, measured.min(), measured.max()))
        away = scale(measured) - scale(np.interp(at_steps, steps, smooth))
        near = np.argsort(np.abs(at_steps - at), kind="stable")
        noise = 1.4826 * float(np.median(np.abs(away - np.median(away)))) / np.sqrt(3)
        if sd > noise > 0:
            value, sd = float(np.median(measured[near[:3]])), noise
        moved = min(OFF_CURVE * float(np.sqrt((away[near[:NEIGHBOURS]] ** 2).mean())), WHOLE_ERROR)
        sd = math.hypot(sd, moved, LEAST_ERROR)
    return at, value, sd if np.isfinite(sd) else 0.0


def _last_batches(
    table: pd.DataFrame, column: str, measure: str, *, last: int = 8
) -> tuple[float, float, float] | None:
    """(step, mean, sd on the modelled scale) of the last batch values, for curves too short to be smoothed."""
    steps, values = _finite(table, column)
    if not len(values):
        return None
    values = values[-last:]
    modelled = np.log(np.maximum(values, SMALLEST_LOSS)) if measure == "loss" else values
    # One or two batches say little of their spread; a batch value scatters by about 20 % (public result files).
    spread = float(np.std(modelled, ddof=1)) if len(values) > 2 else 0.2
    return float(steps[-1]), float(values.mean()), spread / np.sqrt(len(values))


def _accuracy(table: pd.DataFrame, step: float, *, whole: bool, batches: int = 8) -> float:
    """Token accuracy there: on the whole file, or the mean of the `batches` nearest ones; NaN when not measured."""
    found = _at(table, "full_valid_mean_token_accuracy", step) if whole else None
    if found is not None:
        return found[1]
    steps, values = _finite(table, "valid_mean_token_accuracy")
    nearest = np.argsort(np.abs(steps - step), kind="stable")[:batches]
    return float(values[nearest].mean()) if len(nearest) else float("nan")


def _deployable_step(diagnosis: Diagnosis) -> float | None:
    """The step a user gets: the recommended checkpoint's; where none was kept, the best of the curve."""
    kept = diagnosis.checkpoint
    return kept["step"] if kept else diagnosis.recommended_step
