"""What the curves of one run show, in numbers: the measurements behind a diagnosis, before any verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tunebook.analysis.curves.curve import FULL_NOISE, Curve, draw_curve, draw_few, smooth_curve
from tunebook.analysis.curves.cycles import whole_cycles, without_batches
from tunebook.analysis.curves.signals import Signal, choose, roughness, series

# Fewer measurements than this, or fewer than two of the whole validation file, carry no verdict.
ENOUGH = 6
ENOUGH_FULL = 2
# So many measurements of the whole validation file show a rise without its batches.
DECISIVE = 4
# Up to so many of them are taken one by one: a curve through them has too few to know its own noise by.
FEW_FULL = 12
# Before looking at training loss: the share of runs whose validation loss rises because training itself got worse.
# Training loss is measured on single batches; without this its noise alone would throw doubt on every rise.
_DRIFT = 0.04
# Before looking, a rise that counts is this much less likely than none. The draws of a curve know no such thing;
# without it what they call even odds came true in one case of five (simulated runs): calibrated there.
_ODDS = 0.25
# An improvement of 1 % is none, whatever the noise.
_NO_GAIN = 0.01
# Student's t of the best of all points to split a series at: chance reaches it in 1 of 100 series of 10 to 300 values.
_BEYOND_NOISE = 3.7


@dataclass(frozen=True, eq=False)
class Evidence:
    """Numbers of one run; a rise is a difference on the scale of comparison (see `signals`), probabilities 0 to 1.

    `batch`, `full`, `train` are the series, `curve` and `train_curve` their smooth versions (None when too short),
    `period` the number of batches in the validation file when it shows. `p_improving` is that of a gain that counts in
    the last fifth of the run, or in half as long again; `learned` whether a curve improved beyond its noise (None when
    that cannot be said). NaN stands for what cannot be said.
    """

    kind: str
    batch: Signal
    full: Signal
    train: Signal
    curve: Curve | None
    train_curve: Curve | None
    period: int | None
    p_rise: float
    p_improving: float
    learned: bool | None
    p_diverged: float
    p_train_up: float
    onset: float
    onset_low: float
    onset_high: float
    lost_at: float
    first: float
    last: float

    @property
    def main(self) -> Signal:
        """The series the curve was drawn through."""
        return self.full if by_full(self.batch, self.full) else self.batch

    @property
    def p_overfitting(self) -> float:
        """P(validation got worse while training did not)."""
        few = self.main is self.full and len(self.full) <= FEW_FULL
        odds = 1.0 if few else _ODDS
        return self.p_rise * odds / (self.p_rise * odds + 1 - self.p_rise) * (1 - self.p_train_up)

    @property
    def rise(self) -> float:
        """The rise from the lowest point to the end: the median of its draws, never below none."""
        return math.nan if self.curve is None else max(float(np.median(self.curve.rises)), 0.0)


def gather(frame: pd.DataFrame, *, rise: float, period: int | None, draws: int, rng: np.random.Generator) -> Evidence:
    """Measure one run. `frame` as in `Results.frame`; `rise` the log rise that counts; `period` when known."""
    kind, train_name, batch_name, full_name = choose(frame)
    batch, full = series(frame, batch_name, kind), series(frame, full_name, kind)
    train = series(frame, train_name, kind)
    curve, found = None, None
    full_only = by_full(batch, full)
    if len(batch) >= ENOUGH and not full_only:
        index = counted(batch.step)
        y, found = without_batches(batch.calm, index, logarithmic=kind != "reward", period=period)
        curve = draw_curve(batch, y, full, rng, draws=draws)
        if whole := whole_cycles(batch, y, index, found):
            means = draw_few(*whole, rng, draws=draws)
            curve = replace(curve, rises=means.rises, lasting=means.lasting, lowest=means.lowest)
    elif full_only and len(full) > FEW_FULL:
        curve = draw_curve(full, full.calm, None, rng, draws=draws)
    elif full_only:
        curve = draw_few(full, 0.0, rng, draws=draws)
    train_curve = draw_curve(train, train.calm, None, rng, draws=draws // 2) if len(train) >= ENOUGH else None
    nan = math.nan
    onset, low, high = nan, nan, nan
    if curve is not None:
        low, onset, high = (float(q) for q in np.quantile(curve.lowest, (0.03, 0.5, 0.97)))
        onset = float(np.clip(onset, curve.t[0], curve.t[-1]))
    step = frame["step"].to_numpy(dtype=float)
    return Evidence(
        kind=kind,
        batch=batch,
        full=full,
        train=train,
        curve=curve,
        train_curve=train_curve,
        period=found,
        p_rise=float((curve.lasting > rise).mean()) if curve is not None else nan,
        p_improving=float(max((curve.gains > rise).mean(), (curve.left > rise).mean())) if curve is not None else nan,
        learned=_learned(batch if len(batch) >= len(full) else full, train),
        p_diverged=_p_diverged(train, train_curve),
        p_train_up=_p_train_up(train, train_curve, onset, rise),
        onset=onset,
        onset_low=low,
        onset_high=high,
        lost_at=_lost_at(frame, train_name, batch_name, full_name),
        first=float(step[0]) if len(step) else nan,
        last=float(step[-1]) if len(step) else nan,
    )


def by_full(batch: Signal, full: Signal) -> bool:
    """Whether measurements of the whole validation file alone tell more than those of its batches."""
    if len(full) < ENOUGH_FULL:
        return False
    if len(batch) < ENOUGH or len(full) > len(batch):
        return True
    # What the mean of the batches since the last whole-file measurement is known to.
    return len(full) >= DECISIVE and roughness(batch.y) > FULL_NOISE * math.sqrt(len(batch) / len(full))


def trend(frame: pd.DataFrame, column: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Steps and a smooth curve through any column in its own units, without batch effects; None when too short."""
    kind = "reward" if column.endswith("reward") else "accuracy" if column.endswith("accuracy") else "loss"
    signal = series(frame, column, kind)
    if len(signal) < ENOUGH:
        return None
    y, _ = without_batches(signal.calm, counted(signal.step), logarithmic=kind != "reward")
    t, fit = smooth_curve(signal, y)
    return t, signal.to_units(fit)


def counted(step: np.ndarray) -> np.ndarray:
    """The number of each measurement, counting those that are missing between."""
    if len(step) < 2:
        return np.zeros(len(step), dtype=int)
    every = float(np.median(np.diff(step)))
    return np.round((step - step[0]) / (every or 1.0)).astype(int)


def _learned(valid: Signal, train: Signal) -> bool | None:
    """Whether validation or training improved beyond its noise; None when neither is shown.

    Training is measured on other examples at each step, so less is asked of the proof that it stood still.
    """
    found = [_improved(valid, 0.1), _improved(train, 0.5)]
    if any(found):
        return True
    return False if found[0] is False and (found[1] is False or not len(train)) else None


def _improved(signal: Signal, excluded: float) -> bool | None:
    """Whether a series lies lower after some point than before it, by Student's t of the best such point.

    False when it does not, and an improvement of more than `excluded` (logarithm of a ratio) is excluded, or when none
    of more than `_NO_GAIN` was seen; None for too few or too noisy values.
    """
    n = len(signal)
    if n < 4:
        return None
    y = signal.calm
    k = np.arange(1, n)
    before, after = np.cumsum(y)[:-1] / k, np.cumsum(y[::-1])[::-1][1:] / (n - k)
    squares = float((y**2).sum()) - k * before**2 - (n - k) * after**2
    error = np.sqrt(np.maximum(squares, 0.0) / max(n - 2, 1) * (1 / k + 1 / (n - k))) + 1e-12
    gain = signal.rise(before, after)
    if gain.max() <= _NO_GAIN:
        return False
    if ((before - after) / error).max() > _BEYOND_NOISE:
        return True
    middle = slice(n // 4, max(3 * n // 4, n // 4 + 1))
    return False if (gain + 1.64 * error)[middle].max() <= excluded else None


def _p_diverged(signal: Signal, train: Curve | None) -> float:
    """P(training loss ends 30 % above its lowest and has lost half of what it had gained)."""
    if train is None:
        return math.nan
    lowest = train.draws.min(axis=1)
    up = signal.rise(train.draws[:, -1], lowest)
    gain = signal.rise(train.draws[:, 0], lowest)
    return float(((up > math.log(1.3)) & (up > 0.5 * gain)).mean())


def _p_train_up(signal: Signal, train: Curve | None, onset: float, rise: float) -> float:
    """P(training loss rises after the onset as validation does: drift, not overfitting), before it `_DRIFT`.

    It is compared with the last level at or before the onset: after it a jump may have taken training along.
    """
    if train is None or math.isnan(onset):
        return 0.0
    at = max(int(np.searchsorted(train.t, onset, side="right")) - 1, 0)
    p = float((signal.rise(train.draws[:, -1], train.draws[:, at]) > rise).mean())
    return p * _DRIFT / (p * _DRIFT + (1 - p) * (1 - _DRIFT))


def _lost_at(frame: pd.DataFrame, *columns: str) -> float:
    """The first step whose loss is infinite with no finite one after it, NaN when there is none."""
    found = [math.nan]
    for column in columns:
        if column not in frame:
            continue
        value = frame[column].to_numpy(dtype=float)
        infinite, finite = np.flatnonzero(np.isinf(value)), np.flatnonzero(np.isfinite(value))
        after = infinite[infinite > (finite[-1] if len(finite) else -1)]
        if len(after):
            found.append(float(frame["step"].iloc[after[0]]))
    return float(np.nanmin(found)) if len(found) > 1 else math.nan
