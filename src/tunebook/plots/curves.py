"""The curves of runs: loss and token accuracy over steps, raw and smooth, with what the diagnosis says drawn in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tunebook import palette, words
from tunebook.analysis.curves.diagnosis import Diagnosis, diagnose
from tunebook.analysis.curves.evidence import trend
from tunebook.analysis.curves.wording import title as verdict_title
from tunebook.analysis.results import Results, load_results
from tunebook.analysis.run import Run, run_of
from tunebook.plots import axes
from tunebook.plots.chart import Band, Chart, Line, Mark, Numbers, numbers, scale_of
from tunebook.plots.svg import sparkline
from tunebook.show import Picture

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tunebook.analysis.curves.forecast import Forecast

# More epoch lines than this are a hatching.
_MOST_EPOCHS = 20
# Fewer measurements than this are joined, not smoothed.
_FEWEST = 6
# A mark this far along in a job that still trains would move with every step.
_NEWEST = 0.97


class Measure(NamedTuple):
    """What is measured over the steps: its columns for training, validation by batch, the whole validation file."""

    columns: tuple[str, str, str]
    unit: str


LOSS = Measure(("train_loss", "valid_loss", "full_valid_loss"), "loss (nats per token)")
REWARD = Measure(("train_mean_reward", "valid_mean_reward", "full_valid_mean_reward"), "mean reward")
ACCURACY = Measure(
    ("train_mean_token_accuracy", "valid_mean_token_accuracy", "full_valid_mean_token_accuracy"),
    "token accuracy (fraction)",
)
ERRORS = Measure(("train_error_rate", "valid_error_rate", "full_valid_error_rate"), "error rate (fraction)")
SEQUENCES = Measure(("train_sequence_accuracy", "valid_sequence_accuracy", ""), "sequence accuracy (fraction)")


# ---- what the charts say


def loss_chart(
    frame: pd.DataFrame | None,
    *,
    diagnosis: Diagnosis | None = None,
    total_steps: int | None = None,
    n_epochs: float | None = None,
    forecast: Forecast | None = None,
    title: str = "",
) -> Chart:
    """Training and validation loss of one job; mean reward, or token accuracy, of one that has no loss.

    frame: measurements with `step` and the canonical columns, None before the first. diagnosis: gives the curves it
    judged by, their band, the onset and the recommended checkpoint. total_steps, n_epochs: of a job that still trains.
    forecast: of such a job, drawn as a fan from the last step to the planned end.
    """
    known = (m for m in (LOSS, REWARD, ACCURACY) if any(len(measured(frame, c)[0]) for c in m.columns))
    plan: dict[str, Any] = {"total_steps": total_steps, "n_epochs": n_epochs, "forecast": forecast}
    return run_chart(frame, next(known, LOSS), diagnosis=diagnosis, title=title, **plan)


def run_chart(
    frame: pd.DataFrame | None,
    measure: Measure,
    *,
    diagnosis: Diagnosis | None = None,
    total_steps: int | None = None,
    n_epochs: float | None = None,
    forecast: Forecast | None = None,
    title: str = "",
) -> Chart:
    """One measure of one job over its steps; see `loss_chart`."""
    looks = zip(measure.columns, palette.CURVES.values(), strict=True)
    shown = [(name, look) for name, look in looks if len(measured(frame, name)[0])]
    if frame is None or not shown:
        return Chart((), measure.unit, title=title, note="not measured")
    lines = [line for name, look in shown for line in _series(frame, name, look, diagnosis)]
    first, last, end = _way(lines, total_steps)
    ahead, fan = _fan(forecast, shown, last, end)
    seen = [line.y for line in lines if line.marker] + [values for band in fan for values in (band.low, band.high)]
    scale = scale_of(seen, log=None if measure is LOSS else False)
    marks = _recommended(diagnosis, measure, shown, until=last if end == last else _NEWEST * last)
    onset = diagnosis.onset_interval if diagnosis else None
    return Chart(
        lines=(*lines, *ahead),
        y_label=measure.unit,
        title=title,
        x_range=(first, max(end, 1.0)),
        y_range=scale,
        bands=(*_bands(diagnosis, shown), *fan),
        onset=onset and (float(onset[0]), float(onset[1])),
        marks=marks,
        epochs=_epochs(diagnosis, total_steps, n_epochs),
        note=scale.left_out,
        alt=_in_words(measure, lines, diagnosis, forecast),
    )


def overlay_chart(frames: Mapping[str, pd.DataFrame]) -> Chart:
    """One curve of several jobs over each other: the first of validation, full validation and training all have.

    frames: name -> measurements. Jobs with fewer than two values of it are left out.
    """
    for column in ("valid_loss", "full_valid_loss", "train_loss"):
        curves = {name: measured(frame, column) for name, frame in frames.items()}
        curves = {name: pair for name, pair in curves.items() if len(pair[0]) > 1}
        if len(curves) == len(frames):
            break
    label = {"valid_loss": "validation loss", "full_valid_loss": "full validation loss"}.get(column, "training loss")
    lines = []
    for place, (name, (x, y)) in enumerate(curves.items()):
        style = palette.STYLES[place // len(palette.SERIES) % len(palette.STYLES)]
        y = y if column == "full_valid_loss" else smooth(y)
        lines.append(Line(name, numbers(x), numbers(y), palette.SERIES[place % len(palette.SERIES)], style))
    if not lines:
        return Chart((), label)
    alt = "; ".join(f"{line.label}: last {label} {words.number(line.y[-1])}" for line in lines)
    scale = scale_of(line.y for line in lines)
    end = max(line.x[-1] for line in lines)
    return Chart(tuple(lines), label, x_range=(0.0, end), y_range=scale, note=scale.left_out, alt=alt)


def measured(frame: pd.DataFrame | None, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of the rows where `column` was measured; two empty arrays where there is none."""
    if frame is None or column not in frame.columns or "step" not in frame.columns:
        return np.empty(0), np.empty(0)
    step = frame["step"].to_numpy(dtype=float)
    value = frame[column].to_numpy(dtype=float)
    kept = np.isfinite(step) & np.isfinite(value)
    return step[kept], value[kept]


# Where a job has no loss: validation before training, the whole file before its batches.
REWARDS = ("full_valid_mean_reward", "valid_mean_reward", "train_mean_reward")


def newest(frame: pd.DataFrame | None) -> float:
    """The newest loss on the whole validation file, else on batches of it, else a reward; NaN where there is none."""
    measurements = (measured(frame, column)[1] for column in ("full_valid_loss", "valid_loss", *REWARDS))
    return next((float(values[-1]) for values in measurements if len(values)), math.nan)


def spark(frame: pd.DataFrame | None) -> Picture | None:
    """The small curve of training and validation: of the loss, else of the reward."""
    train, valid = measured(frame, "train_loss")[1], measured(frame, "valid_loss")[1]
    if len(train) or len(valid):
        return sparkline(train, valid)
    return sparkline(measured(frame, "train_mean_reward")[1], measured(frame, "full_valid_mean_reward")[1])


def smooth(y: np.ndarray) -> np.ndarray:
    """Centred moving mean over a fifteenth of the curve (at least 3 points): the line the eye would draw."""
    width = max(3, len(y) // 15) | 1
    if len(y) < _FEWEST:
        return y
    padded = np.pad(y, width // 2, mode="edge")
    sums = np.cumsum(np.insert(padded, 0, 0.0))
    return (sums[width:] - sums[:-width]) / width


def _way(lines: list[Line], total_steps: int | None) -> tuple[float, float, float]:
    """Where the steps begin, how far they are, and how far the axis goes: the whole way ahead from a third of it on;
    before that it would leave the curve no room."""
    first, last = min(line.x[0] for line in lines), max(line.x[-1] for line in lines)
    return min(0.0, first), last, max(last, min(float(total_steps or 0), 3 * last))


def _series(frame: pd.DataFrame, name: str, look: palette.Curve, diagnosis: Diagnosis | None) -> list[Line]:
    """One column: its measurements faint and the curve through them; few or exact ones joined."""
    step, values = (numbers(part) for part in measured(frame, name))
    exact = look is palette.CURVES["full"] and (diagnosis is None or name != diagnosis.metric)
    if exact or len(step) < _FEWEST:
        return [Line(look.label, step, values, look.colour, look.style, look.marker, width=1.2)]
    points = Line("", step, values, look.colour, "", look.marker, faint=True)
    return [points, Line(look.label, *_curve(frame, name, diagnosis), look.colour, look.style)]


def _curve(frame: pd.DataFrame, name: str, diagnosis: Diagnosis | None) -> tuple[Numbers, Numbers]:
    """The curve the diagnosis judged by, if it goes as far as the measurements; else a smooth one for the eye."""
    step, values = measured(frame, name)
    if diagnosis is not None:
        judged = {diagnosis.train_metric: "train_smooth", diagnosis.metric: "valid_smooth"}.get(name, "")
        x, y = measured(diagnosis.curve, judged)
        if len(x) > 1 and x[-1] >= step[-1]:
            return numbers(x), numbers(y)
        if not judged and (curve := trend(frame, name)) is not None:
            return numbers(curve[0]), numbers(curve[1])
    return numbers(step), numbers(smooth(values))


def _bands(diagnosis: Diagnosis | None, shown: list[tuple[str, palette.Curve]]) -> list[Band]:
    if diagnosis is None:
        return []
    curve = diagnosis.curve.dropna(subset=["valid_low", "valid_high"])
    x, low, high = (numbers(curve[column]) for column in ("step", "valid_low", "valid_high"))
    return [Band(x, low, high, look.colour) for name, look in shown if name == diagnosis.metric and len(x) > 1]


def _fan(
    forecast: Forecast | None, shown: list[tuple[str, palette.Curve]], last: float, end: float
) -> tuple[list[Line], list[Band]]:
    """What is expected from the last step on, and what it lies in with 90 and with 50 % probability."""
    look = None if forecast is None else dict(shown).get(forecast.metric)
    if forecast is None or forecast.expected is None or look is None or end <= last:
        return [], []
    steps = forecast.curve["step"]
    curve = forecast.curve[(steps >= last - (end - last) / 20) & (steps <= end)]
    at = {name: numbers(curve[name]) for name in curve}
    bands = [Band(at["step"], at[f"low{share}"], at[f"high{share}"], look.colour) for share in (90, 50)]
    return [Line("expected", at["step"], at["expected"], look.colour, ":", width=1.6)], bands


def _recommended(
    diagnosis: Diagnosis | None, measure: Measure, shown: list[tuple[str, palette.Curve]], *, until: float
) -> tuple[Mark, ...]:
    """The checkpoint to use, on the curve it was chosen by; none where nothing was validated."""
    validated = any(name != measure.columns[0] for name, _ in shown)
    if not validated or diagnosis is None or diagnosis.checkpoint is None or diagnosis.checkpoint["step"] > until:
        return ()
    step = float(diagnosis.checkpoint["step"])
    x, y = measured(diagnosis.curve, "valid_smooth")
    height = float(np.interp(step, x, y)) if len(x) and diagnosis.metric in measure.columns else None
    what = "recommended" if diagnosis.train_again is None else "best kept"
    return (Mark(step, height, f"{what}: step {step:,.0f}", across=True),)


def _epochs(diagnosis: Diagnosis | None, total_steps: int | None, n_epochs: float | None) -> Numbers:
    """The steps at which an epoch ends: as planned, else as the diagnosis counted them."""
    if not (total_steps and n_epochs) and diagnosis is not None:
        step, epoch = measured(diagnosis.curve, "epoch")
        total_steps, n_epochs = (int(step[-1]), float(epoch[-1])) if len(epoch) else (None, None)
    if not (total_steps and n_epochs and 0.5 < n_epochs < _MOST_EPOCHS + 0.5):
        return ()
    return tuple(total_steps * epoch / n_epochs for epoch in range(1, round(n_epochs) + 1))


def _in_words(measure: Measure, lines: list[Line], diagnosis: Diagnosis | None, forecast: Forecast | None) -> str:
    """The chart for readers who do not see it: from where to where, the best point, the onset, the checkpoint."""
    parts = [f"{measure.unit.capitalize()} over {words.count(max(line.x[-1] for line in lines))} steps."]
    best, where = (max, "highest") if measure in (REWARD, ACCURACY, SEQUENCES) else (min, "lowest")
    for line in lines:
        if not line.label:
            continue
        place = line.y.index(best(line.y))
        ends = f"{words.number(line.y[0])} to {words.number(line.y[-1])}"
        at = f"{where} {words.number(line.y[place])} at step {words.count(line.x[place])}"
        parts.append(f"{line.label.capitalize()}: from {ends}, {at}.")
    if diagnosis is not None and diagnosis.onset_interval is not None:
        first, last = map(words.count, diagnosis.onset_interval)
        parts.append(f"Overfitting begins between step {first} and step {last}.")
    if diagnosis is not None and diagnosis.choice:
        parts.append(diagnosis.choice)
    if forecast is not None and forecast.expected is not None:
        parts.append(forecast.reason)
    return " ".join(parts)


# ---- as figures


def plot_loss(
    results: Any, *, diagnosis: Diagnosis | None = None, forecast: Forecast | None = None, ax: Axes | None = None
) -> Axes:
    """Training and validation loss over steps; mean reward, or token accuracy, of a run that has no loss.

    Raw measurements faint, smooth curves strong, the 90 % band of the validation curve, epochs as thin lines, the
    onset interval shaded and the recommended checkpoint marked. `results` is what `diagnose` takes; the diagnosis is
    made when not given; a forecast is drawn as a fan up to the planned end. Returns the Axes.

    >>> run = tb.read_run("runs/ftjob-long")
    >>> ax = tb.plots.plot_loss(run, diagnosis=tb.diagnose(run))
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('step', 'loss (nats per token)')
    """
    results, diagnosis = _both(results, diagnosis)
    title = f"{verdict_title(diagnosis.verdict)}: {words.short_id(results.name)}"
    total = None if forecast is None else forecast.total_steps
    return axes.draw(
        loss_chart(results.frame, diagnosis=diagnosis, total_steps=total, forecast=forecast, title=title), ax
    )


def plot_accuracy(results: Any, *, diagnosis: Diagnosis | None = None, ax: Axes | None = None) -> Axes:
    """Training and validation token accuracy over steps, drawn like `plot_loss`. Returns the Axes.

    >>> ax = tb.plots.plot_accuracy("results.csv")
    >>> ax.get_ylabel()
    'token accuracy (fraction)'
    """
    results, diagnosis = _both(results, diagnosis)
    title = f"Token accuracy: {words.short_id(results.name)}"
    return axes.draw(run_chart(results.frame, ACCURACY, diagnosis=diagnosis, title=title), ax)


def plot_results(results: Any, *, diagnosis: Diagnosis | None = None, figure: Figure | None = None) -> Figure:
    """The three charts of the Foundry portal in one figure: loss, mean token accuracy, token accuracy.

    The third shows what the file has beside the second: accuracy on the whole validation file, else sequence accuracy,
    else the error rate. Returns the Figure; draws into `figure` when given.

    >>> figure = tb.plots.plot_results("results.csv")
    >>> len(figure.axes)
    3
    """
    from matplotlib.figure import Figure

    results, diagnosis = _both(results, diagnosis)
    figure = figure or Figure(figsize=(13, 3.8), layout="constrained", facecolor="none")
    loss, mean, third = figure.subplots(1, 3, subplot_kw=axes.CLEAR)
    plot_loss(results, diagnosis=diagnosis, ax=loss)
    by_batch = ACCURACY._replace(columns=(*ACCURACY.columns[:2], ""))
    whole = ACCURACY._replace(columns=("", "", ACCURACY.columns[2]))
    beside = (
        (whole, "Token accuracy, whole validation file"),
        (SEQUENCES, "Sequence accuracy"),
        (ERRORS, "Error rate"),
    )
    has = (pair for pair in beside if any(results.has(column) for column in pair[0].columns))
    for ax, (measure, title) in ((mean, (by_batch, "Mean token accuracy, by batch")), (third, next(has, beside[0]))):
        axes.draw(run_chart(results.frame, measure, diagnosis=diagnosis, title=title), ax)
    return figure


def _both(results: Any, diagnosis: Diagnosis | None) -> tuple[Results, Diagnosis]:
    results = run_of(results)
    diagnosis = diagnosis or diagnose(results)
    if isinstance(results, Run):
        results = results.results or Results.from_events(())
    return load_results(results), diagnosis
