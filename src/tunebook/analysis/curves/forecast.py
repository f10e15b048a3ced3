"""What a job that still trains will become: its loss at the planned end, with intervals that hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr

from tunebook import show
from tunebook.analysis.curves.ahead import BESIDE, EARLIER, Shape, draw_ahead, p_rise_before_looking
from tunebook.analysis.curves.curve import smooth_curve, weighed
from tunebook.analysis.curves.cycles import without_batches
from tunebook.analysis.curves.diagnosis import KEPT
from tunebook.analysis.curves.evidence import by_full, counted
from tunebook.analysis.curves.signals import Signal, choose, series
from tunebook.analysis.results import Results, load_results
from tunebook.analysis.run import Run, run_of
from tunebook.errors import RequestError
from tunebook.show import Card, Inline, Shown, Text
from tunebook.words import between, is_number, number, percent, plural, probability

CANNOT = "Cannot be said yet"
_GRID, _DRAWS = 25, 1000
# A loss below this is none.
_ZERO = 1e-4
# With fewer measurements of validation, or less of the way, any end is possible.
_FEWEST, _EARLIEST = 5, 0.04
# A rise that counts (as `diagnose`'s `min_rise`).
_RISE = math.log1p(0.05)
# How much of what is not foreseen of two runs of one sweep is the same, and how many pairs of draws tell it.
_ALIKE, _PAIRS = 0.8, 4000
_QUANTILES = {"low90": 0.05, "low50": 0.25, "expected": 0.5, "high50": 0.75, "high90": 0.95}


@dataclass(frozen=True, eq=False)
class Forecast(Shown):
    """The validation loss a job is expected to have at its planned end.

    `expected` is the median, `interval50` and `interval90` what it lies in with that probability, in the units of the
    column `metric`. `p_overfits` is the probability that it ends more than 5 % above its lowest point, `best_step`
    where its lowest point is expected, `p_beats` the probability that it ends better than the incumbent, whose level is
    `incumbent`. `checkpoints` are the ones that will be kept: step, expected, low50, high50, low90, high90. `curve` has
    the same columns over the whole way; `lowest` (B,) are draws of the lowest level of the way, which is what a
    checkpoint can be had of, as a logarithm (a reward with its sign turned), as is the incumbent's `level`.
    `reason` is the forecast as a sentence; when nothing can be said it says why, and the numbers are None.

    >>> f = tb.forecast(tb.load_results("results.csv").frame.head(90), total_steps=120)
    >>> low, high = f.interval90
    >>> low < f.expected < high, f.best_step < 60
    (True, True)
    """

    expected: float | None
    interval50: tuple[float, float] | None
    interval90: tuple[float, float] | None
    p_overfits: float | None
    best_step: int | None
    p_beats: float | None
    reason: str
    step: int | None = None
    total_steps: int | None = None
    metric: str = ""
    incumbent: float | None = None
    checkpoints: tuple[Mapping[str, float], ...] = ()
    name: str = ""
    curve: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    lowest: np.ndarray | None = field(default=None, repr=False)
    level: float | None = field(default=None, repr=False)

    @property
    def told(self) -> str:
        """One line: "expected to end at 0.151 (0.144 to 0.163)"."""
        if self.expected is None or self.interval90 is None:
            return self.reason
        ends = between(*map(_short, self.interval90))
        beats = "" if self.p_beats is None else f"; {probability(self.p_beats)} to beat {_short(self.incumbent)}"
        return f"expected to end at {_short(self.expected)} ({ends}){beats}"

    def to_json(self) -> dict[str, Any]:
        """What `tunebook forecast --json` prints of it."""
        names = ("expected", "interval50", "interval90", "p_overfits", "best_step", "p_beats", "reason")
        more = ("step", "total_steps", "metric", "incumbent")
        return {n: getattr(self, n) for n in names + more} | {"checkpoints": [dict(c) for c in self.checkpoints]}

    def __repr__(self) -> str:
        return f"Forecast({self.told})"

    def _card(self) -> Card:
        rows: list[tuple[str, Inline]] = []
        if self.expected is not None and self.interval50 is not None and self.interval90 is not None:
            rows.append(("With 50 % probability", between(*map(_short, self.interval50))))
            rows.append(("With 90 % probability", between(*map(_short, self.interval90))))
            rows.append(("Ends overfitted", probability(self.p_overfits)))
            rows.append(("Best expected at", f"step {self.best_step:,}"))
        rows += [(f"Checkpoint at step {c['step']:,}", _checkpoint_told(c)) for c in self.checkpoints[:-1]]
        if self.p_beats is not None:
            rows.append((f"Beats {_short(self.incumbent)}", probability(self.p_beats)))
        return Card(Text(self.reason), show.facts(rows), badge="Forecast", aside=self.name)


def forecast(
    source: Any,
    *,
    total_steps: int | None = None,
    incumbent: Any = None,
    beside: Any = None,
    archive: Any = None,
    n_epochs: int | None = None,
    seed: int = 0,
) -> Forecast:
    """What a running job, or the first part of an ended one, will become.

    source: a `Results`, a `Run`, a table, a path, or a job. total_steps: where it is planned to end, taken from a `Run`
    when its events tell it. incumbent: what it should beat, a number in the metric's units, or a run by the
    best it had, or a comparison by its winner. beside: runs (or a comparison) of the same sweep that went further:
    their shape is the best guess at this one's. archive: earlier runs of similar work, believed less.
    n_epochs says which checkpoints will be kept.
    Raises `RequestError` for a total or an incumbent that is no number.

    >>> f = tb.forecast(tb.load_results("results.csv").frame.head(60), total_steps=120, incumbent=0.62)
    >>> f.told
    'expected to end at ... (... to ...); ... to beat 0.62'
    """
    source = run_of(source)
    if isinstance(source, Run):
        total_steps = total_steps or source.total_steps
        n_epochs = n_epochs or source.hyperparameters["n_epochs"]
        source = source.results
    if total_steps is not None and not (is_number(total_steps) and total_steps >= 1):
        raise RequestError(f"total_steps is {total_steps!r}; a whole number of steps from 1 is asked for.")
    results = Results.from_frame(pd.DataFrame({"step": []})) if source is None else load_results(source)
    kind, train, signal, full = _signals(results.frame)
    level = _level(incumbent)
    why = _why_not(results, signal, kind, total_steps)
    if why or total_steps is None:
        return _nothing(why, results, signal, total_steps, level)
    t, y, sd = _seen(signal, full)
    now = float(results.frame["step"].iloc[-1]) / total_steps
    shapes = [*_shapes(beside, BESIDE, results, kind), *_shapes(archive, EARLIER, results, kind)]
    p_rise = p_rise_before_looking(_gap(train, signal), now)
    kept = _kept(n_epochs, total_steps)
    steps = np.unique([*np.round(np.linspace(t[0], total_steps, _GRID)), *kept])
    rng = np.random.default_rng(seed)
    curves = draw_ahead(
        t / total_steps, y, sd, steps / total_steps, p_rise=p_rise, shapes=shapes, draws=_DRAWS, rng=rng
    )
    return _said(curves, steps, signal, results, total_steps, level, kept)


def ended(results: Results) -> Forecast:
    """Where a run that has ended stands: its best level as a distribution."""
    return forecast(results, total_steps=int(results.frame["step"].iloc[-1]) if len(results) else None)


def _signals(frame: pd.DataFrame) -> tuple[str, Signal, Signal, Signal | None]:
    """The kind, training, the validation to go by, and the whole file's beside it."""
    kind, train_name, batch_name, full_name = choose(frame)
    train, batch, full = (series(frame, name, kind) for name in (train_name, batch_name, full_name))
    if len(full) >= _FEWEST and (by_full(batch, full) or len(batch) < _FEWEST):
        return kind, train, full, None
    return kind, train, batch, full


def _seen(signal: Signal, full: Signal | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if full is None:
        return weighed(signal, signal.calm, None)
    y, _ = without_batches(signal.calm, counted(signal.step), logarithmic=signal.kind != "reward")
    return weighed(signal, y, full)


def _why_not(results: Results, signal: Signal, kind: str, total: int | None) -> str:
    if len(results.parts) > 1:
        return "The file holds the measurements of several jobs: forecast each of them."
    if len(signal) < _FEWEST:
        seen = f"{plural(len(signal), 'measurement')} of validation {kind}"
        return f"{CANNOT}: there {'is' if len(signal) == 1 else 'are'} {seen}, and {_FEWEST} are needed."
    last = float(results.frame["step"].iloc[-1])
    if total is None:
        return f"{CANNOT}: it is not known how many steps the job will have; say total_steps."
    if last > total:
        return f"{CANNOT}: step {last:,.0f} is beyond the planned end, step {total:,}."
    if last < _EARLIEST * total:
        return f"{CANNOT}: step {last:,.0f} of {total:,} is less than {percent(_EARLIEST, 0)} of the way."
    return ""


def _level(incumbent: Any) -> float | None:
    """The incumbent's level in the units of the metric: what was given, or the best a run had."""
    if incumbent is None:
        return None
    if isinstance(incumbent, int | float | np.number):
        if not is_number(incumbent):
            raise RequestError(f"The incumbent's level is {incumbent}; a finite number is asked for.")
        return float(incumbent)
    if hasattr(incumbent, "winner"):
        if incumbent.winner is None:
            return None
        frame = incumbent.frame
        return float(frame.loc[frame["id"] == incumbent.winner, "loss"].iloc[0])
    run = run_of(incumbent)
    results = run.results if isinstance(run, Run) else load_results(run)
    other = None if results is None else _signals(results.frame)
    if other is None or len(other[2]) == 0:
        return None
    _, _, curve, _ = other
    _, y = smooth_curve(curve, curve.calm) if len(curve) >= _FEWEST else (None, curve.y)
    return float(curve.to_units(np.array([y.min()]))[0])


def _shapes(others: Any, worth: float, mine: Results, kind: str) -> list[Shape]:
    """The curves of other runs; those without enough of the same measure, and this run itself, are left out."""
    runs: Iterable[Any] = () if others is None else getattr(others, "runs", others)
    found = []
    for run in [runs] if isinstance(runs, Run | Results) else runs() if callable(runs) else runs:
        results = run.results if isinstance(run, Run) else load_results(run)
        if results is None or results is mine or (isinstance(run, Run) and run.status not in ("succeeded", "")):
            continue
        other, _, signal, _ = _signals(results.frame)
        if other == kind and len(signal) >= _FEWEST:
            t, y = smooth_curve(signal, signal.calm)
            found.append((t / results.frame["step"].iloc[-1], np.exp(y)))
    return [Shape(u, level, worth / len(found)) for u, level in found]


def _gap(train: Signal, valid: Signal) -> float | None:
    """How far validation lies above training in the last third of the way so far."""
    since = 0.7 * valid.step[-1]
    late_train, late_valid = train.y[train.step > since], valid.y[valid.step > since]
    return float(np.median(late_valid) - np.median(late_train)) if len(late_train) and len(late_valid) else None


def _kept(n_epochs: Any, total: int) -> list[int]:
    """The steps of the checkpoints that will be kept: the ends of the last epochs."""
    if not is_number(n_epochs) or n_epochs < 1:
        return []
    epochs = range(max(1, int(n_epochs) - KEPT + 1), int(n_epochs) + 1)
    return [round(total * epoch / int(n_epochs)) for epoch in epochs]


def _said(
    curves: np.ndarray,
    steps: np.ndarray,
    signal: Signal,
    results: Results,
    total: int,
    incumbent: float | None,
    kept: list[int],
) -> Forecast:
    quantiles = np.quantile(curves, list(_QUANTILES.values()), axis=0)
    # Where more is better, the low end of the scale of comparison is the high one in the column's units.
    rows = quantiles if signal.kind == "loss" else quantiles[::-1]
    units = {name: signal.to_units(row) for name, row in zip(_QUANTILES, rows, strict=True)}
    if signal.kind == "loss":
        units = {name: np.maximum(row, 0.0) for name, row in units.items()}
    curve = pd.DataFrame({"step": steps.astype(int)} | units)
    end = curve.iloc[-1]
    level = None if incumbent is None else float(signal.of(np.array([incumbent]))[0])
    p_beats = None if level is None else float((curves[:, -1] < level).mean())
    p_overfits = float((signal.rise(curves[:, -1], curves.min(axis=1)) > _RISE).mean())
    best = int(steps[int(np.argmin(quantiles[2]))])
    last = int(results.frame["step"].iloc[-1])
    ends = between(_short(end["low90"]), _short(end["high90"]))
    beats = "" if p_beats is None else f" The probability that it beats {_short(incumbent)} is {probability(p_beats)}."
    reason = (
        f"At step {total:,} validation {signal.kind} is expected to be {_short(end['expected'])} ({ends} with 90 % "
        f"probability), seen from step {last:,}. It ends overfitted with probability {probability(p_overfits)}.{beats}"
    )
    return Forecast(
        expected=float(end["expected"]),
        interval50=(float(end["low50"]), float(end["high50"])),
        interval90=(float(end["low90"]), float(end["high90"])),
        p_overfits=p_overfits,
        best_step=best,
        p_beats=p_beats,
        reason=reason,
        step=last,
        total_steps=total,
        metric=signal.name,
        incumbent=incumbent,
        checkpoints=tuple(
            {str(n): v for n, v in row.items()} for row in curve[curve["step"].isin(kept)].to_dict("records")
        ),
        name=results.name,
        curve=curve,
        lowest=_plain(signal.kind, signal.to_units(curves.min(axis=1))),
        level=None if incumbent is None else float(_plain(signal.kind, np.array([incumbent]))[0]),
    )


def behind(mine: Forecast, other: Forecast | None = None) -> np.ndarray | None:
    """Draws of how far a job's lowest level will lie above another's, or above its own incumbent: logarithms of a
    ratio (of rewards differences), less than 0 where it wins.

    What is not foreseen strikes runs of one sweep alike, so their draws are paired with a correlation of `_ALIKE`.
    None where one of them cannot be said yet, or they are not of the same measure.
    """
    if mine.lowest is None:
        return None
    if other is None:
        return None if mine.level is None else mine.lowest - mine.level
    if other.lowest is None or other.metric.removeprefix("full_") != mine.metric.removeprefix("full_"):
        return None
    here, there = _pairs()
    return np.asarray(np.quantile(mine.lowest, here) - np.quantile(other.lowest, there))


@cache
def _pairs() -> tuple[np.ndarray, np.ndarray]:
    """The same pairs of places in two distributions for every comparison."""
    rng = np.random.default_rng(0)
    common, own = rng.normal(size=_PAIRS), rng.normal(size=(2, _PAIRS))
    here, there = ndtr(math.sqrt(_ALIKE) * common + math.sqrt(1 - _ALIKE) * own)
    return here, there


def _plain(kind: str, value: np.ndarray) -> np.ndarray:
    """Logarithms of losses (of accuracies: of what is missing to 1), rewards with their sign turned: alike of every
    run, unlike the scale of comparison, which is each run's own."""
    if kind == "reward":
        return -value
    return np.asarray(np.log(np.maximum(1 - value if kind == "accuracy" else value, _ZERO)))


def _nothing(why: str, results: Results, signal: Signal, total: int | None, incumbent: float | None) -> Forecast:
    last = int(results.frame["step"].iloc[-1]) if len(results) else None
    more: dict[str, Any] = {"step": last, "total_steps": total, "metric": signal.name, "incumbent": incumbent}
    return Forecast(None, None, None, None, None, None, why, **more, name=results.name)


def _short(value: Any) -> str:
    return number(value, 3)


def _checkpoint_told(c: Mapping[str, float]) -> str:
    return f"{_short(c['expected'])} ({between(_short(c['low90']), _short(c['high90']))})"
