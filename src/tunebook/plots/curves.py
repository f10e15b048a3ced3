"""The curves of one run: loss and token accuracy, raw and smooth, with the diagnosis drawn in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from tunebook import palette
from tunebook.analysis.curves.diagnosis import Diagnosis, diagnose
from tunebook.analysis.curves.evidence import trend
from tunebook.analysis.curves.wording import title as verdict_title
from tunebook.analysis.results import Results, load_results
from tunebook.analysis.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# A logarithmic axis when the shown values span more than this factor (then the late part would lie flat on the floor).
_LOG_SPAN = 20.0
# A highest value beyond this multiple of the axis that shows 98 % of the others leaves the picture.
_PEAK = 1.6
# More epoch lines than this are a hatching, and more labels than this collide.
_MOST_EPOCHS, _MOST_LABELS = 20, 8
_LOSS = ("train_loss", "valid_loss", "full_valid_loss")
_ACCURACY = ("train_mean_token_accuracy", "valid_mean_token_accuracy", "full_valid_mean_token_accuracy")
_REWARD = ("train_mean_reward", "valid_mean_reward", "full_valid_mean_reward")
_ERRORS = ("train_error_rate", "valid_error_rate", "full_valid_error_rate")
_SEQUENCES = ("train_sequence_accuracy", "valid_sequence_accuracy", "")
_UNITS = {
    _LOSS: "loss (nats per token)",
    _ACCURACY: "token accuracy (fraction)",
    _REWARD: "mean reward",
    _ERRORS: "error rate (fraction)",
    _SEQUENCES: "sequence accuracy (fraction)",
}
_ROLES = (
    ("training", palette.TRAIN, ".", "--"),
    ("validation, by batch", palette.VALID, "x", "-"),
    ("validation, whole file", palette.FULL, "D", "-."),
)


def plot_loss(results: Any, *, diagnosis: Diagnosis | None = None, ax: Axes | None = None) -> Axes:
    """Training and validation loss over steps; mean reward, or token accuracy, of a run that has no loss.

    Raw measurements faint, smooth curves strong, the 90 % band of the validation curve, epochs as thin lines, the
    onset interval shaded and the recommended checkpoint marked. `results` is what `diagnose` takes; the diagnosis is
    made when not given. Returns the Axes.

    >>> run = tb.read_run("runs/ftjob-long")
    >>> ax = tb.plots.plot_loss(run, diagnosis=tb.diagnose(run))
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('step', 'loss (nats per token)')
    """
    results, diagnosis = _both(results, diagnosis)
    names = next((n for n in (_LOSS, _REWARD, _ACCURACY) if any(results.has(c) for c in n)), _LOSS)
    return _chart(results, diagnosis, names, ax, f"{verdict_title(diagnosis.verdict)}: {results.name}")


def plot_accuracy(results: Any, *, diagnosis: Diagnosis | None = None, ax: Axes | None = None) -> Axes:
    """Training and validation token accuracy over steps, drawn like `plot_loss`. Returns the Axes.

    >>> ax = tb.plots.plot_accuracy("results.csv")
    >>> ax.get_ylabel()
    'token accuracy (fraction)'
    """
    results, diagnosis = _both(results, diagnosis)
    return _chart(results, diagnosis, _ACCURACY, ax, f"Token accuracy: {results.name}")


def plot_results(results: Any, *, diagnosis: Diagnosis | None = None, figure: Figure | None = None) -> Figure:
    """The three charts of the Foundry portal in one figure: loss, mean token accuracy, token accuracy.

    The third shows what the file has beside the second: accuracy on the whole validation file, else sequence accuracy,
    else the error rate. Returns the Figure; draws into `figure` when given.

    >>> figure = tb.plots.plot_results("results.csv")
    >>> len(figure.axes)
    3
    """
    results, diagnosis = _both(results, diagnosis)
    figure = figure or Figure(figsize=(13, 3.8), layout="constrained")
    loss, mean, third = figure.subplots(1, 3)
    plot_loss(results, diagnosis=diagnosis, ax=loss)
    _chart(
        results, diagnosis, (_ACCURACY[0], _ACCURACY[1], ""), mean, "Mean token accuracy, by batch", _UNITS[_ACCURACY]
    )
    whole = ("", "", _ACCURACY[2])
    if results.has(_ACCURACY[2]):
        _chart(results, diagnosis, whole, third, "Token accuracy, whole validation file", _UNITS[_ACCURACY])
    elif any(results.has(c) for c in _SEQUENCES):
        _chart(results, diagnosis, _SEQUENCES, third, "Sequence accuracy")
    elif any(results.has(c) for c in _ERRORS):
        _chart(results, diagnosis, _ERRORS, third, "Error rate")
    else:
        _chart(results, diagnosis, whole, third, "Token accuracy, whole validation file", _UNITS[_ACCURACY])
    return figure


def _both(results: Any, diagnosis: Diagnosis | None) -> tuple[Results, Diagnosis]:
    if not isinstance(results, Results | Run) and hasattr(results, "run"):
        results = results.run()
    diagnosis = diagnosis or diagnose(results)
    if isinstance(results, Run):
        results = results.results or Results.from_events(())
    return load_results(results), diagnosis


def _chart(results: Results, d: Diagnosis, names: tuple[str, ...], ax: Axes | None, title: str, unit: str = "") -> Axes:
    if ax is None:
        from matplotlib import pyplot  # only when a figure of the session's is wanted

        ax = pyplot.subplots(figsize=(7, 4), layout="constrained")[1]
    ax.set_title(title, loc="left", fontsize="medium")
    ax.set_xlabel("step")
    ax.set_ylabel(unit or _UNITS[names])  # type: ignore[index]
    shown = [
        _series(ax, results, d, name, role) for name, role in zip(names, range(3), strict=True) if results.has(name)
    ]
    if not shown:
        ax.text(0.5, 0.5, "not measured", ha="center", va="center", transform=ax.transAxes, color=palette.NEUTRAL)
        ax.set_xticks([])
        ax.set_yticks([])
        return ax
    ax.grid(alpha=0.25, color=palette.NEUTRAL, linewidth=0.5)
    first, last = float(results.frame["step"].iloc[0]), float(results.frame["step"].iloc[-1])
    margin = 0.03 * (last - first) or 1.0
    ax.set_xlim(first - margin, last + margin)
    if names == _LOSS and _wants_log(np.concatenate(shown)):
        ax.set_yscale("log")
    elif names == _LOSS:
        _leave_out_peaks(ax, shown)
    _marks(ax, results, d, names)
    ax.legend(loc="best", fontsize="small", framealpha=0.6)
    return ax


def _series(ax: Axes, results: Results, d: Diagnosis, name: str, role: int) -> np.ndarray:
    """Draw one column: points, and the curve through them. Returns the values drawn."""
    label, colour, marker, style = _ROLES[role]
    rows = results.frame[["step", name]].replace([np.inf, -np.inf], np.nan).dropna()
    step, values = rows["step"].to_numpy(), rows[name].to_numpy(dtype=float)
    curve = _curve(results, d, name)
    if role == 2 and name != d.metric:  # few and exact: joined, not smoothed
        ax.plot(step, values, marker=marker, linestyle=style, color=colour, markersize=6, linewidth=1, label=label)
    elif curve is None:
        ax.plot(step, values, marker, color=colour, alpha=0.8, markersize=4, label=label)
    else:
        ax.plot(step, values, marker, color=colour, alpha=0.35, markersize=4 if role else 3)
        ax.plot(*curve, linestyle=style, color=colour, linewidth=2, label=label)
    if name == d.metric and curve is not None:
        ax.fill_between(
            d.curve["step"], d.curve["valid_low"], d.curve["valid_high"], color=colour, alpha=0.2, linewidth=0
        )
    return values


def _curve(results: Results, d: Diagnosis, name: str) -> tuple[np.ndarray, np.ndarray] | None:
    """The curve the diagnosis judged by, else a smooth one for the eye; None when there are too few points."""
    judged = {d.train_metric: "train_smooth", d.metric: "valid_smooth"}.get(name)
    if judged and d.curve[judged].notna().any():
        return d.curve["step"].to_numpy(), d.curve[judged].to_numpy()
    return trend(results.frame, name)


def _wants_log(values: np.ndarray) -> bool:
    values = values[np.isfinite(values) & (values > 0)]
    if len(values) < 4:
        return False
    low, high = np.quantile(values, (0.02, 0.98))
    return bool(high > _LOG_SPAN * low)


def _leave_out_peaks(ax: Axes, shown: list[np.ndarray]) -> None:
    """A few measurements far above all others would press the rest flat: they leave the picture, and it says so."""
    values = np.concatenate(shown)
    top = 1.25 * max(float(np.quantile(part, 0.98)) for part in shown if len(part))
    if values.max() <= _PEAK * top:
        return
    ax.set_ylim(min(0.0, float(values.min())), top)
    ax.annotate(
        f"▲ {int((values > top).sum())} higher, up to {values.max():.3g}",
        (0.01, 0.93),
        xycoords="axes fraction",
        va="top",
        fontsize="x-small",
        color=palette.NEUTRAL,
    )


def _marks(ax: Axes, results: Results, d: Diagnosis, names: tuple[str, ...]) -> None:
    """Epochs, onset and recommended checkpoint."""
    _epochs(ax, d)
    if d.onset_interval is not None:
        low, high = d.onset_interval
        ax.axvspan(
            low,
            high,
            facecolor=palette.faint(palette.ONSET, 0.2),
            edgecolor=palette.faint(palette.ONSET, 0.6),
            linewidth=0,
            hatch="//",
            label="overfitting begins",
        )
    if d.checkpoint is None or not any(results.has(n) for n in names[1:]):
        return
    step = d.checkpoint["step"]
    label = f"recommended: step {step:,}"
    ax.axvline(step, color=palette.NEUTRAL, linestyle=(0, (4, 2)), linewidth=1.4)
    on_curve = d.metric in names and bool(d.curve["valid_smooth"].notna().any())
    height = float(np.interp(step, d.curve["step"], d.curve["valid_smooth"])) if on_curve else 0.03
    ax.plot(
        [step],
        [height],
        "*",
        color=palette.BEST,
        markeredgecolor=palette.NEUTRAL,
        markersize=13,
        label=label,
        zorder=5,
        transform=ax.transData if on_curve else ax.get_xaxis_transform(),
    )


def _epochs(ax: Axes, d: Diagnosis) -> None:
    epoch, step = d.curve["epoch"].to_numpy(), d.curve["step"].to_numpy()
    if not len(epoch) or not np.isfinite(epoch[-1]) or epoch[-1] <= 0:
        return
    per_epoch = step[-1] / epoch[-1]
    ends = round(float(epoch[-1]))
    if not 1 <= ends <= _MOST_EPOCHS:
        return
    for k in range(1, ends + 1):
        ax.axvline(k * per_epoch, color=palette.NEUTRAL, alpha=0.6, linewidth=0.8, linestyle=":")
        if ends <= _MOST_LABELS:
            ax.annotate(
                f"epoch {k}" if k == 1 else str(k),
                (k * per_epoch, 1),
                xycoords=("data", "axes fraction"),
                xytext=(-2, -2),
                textcoords="offset points",
                ha="right",
                va="top",
                fontsize="x-small",
                color=palette.NEUTRAL,
            )
