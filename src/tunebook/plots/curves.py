"""The curves of one run: loss and token accuracy, raw and smooth, with the diagnosis drawn in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from tunebook.analysis.diagnosis import Diagnosis, diagnose
from tunebook.analysis.results import Results, load_results
from tunebook.analysis.run import Run
from tunebook.analysis.wording import title as verdict_title
from tunebook.plots import palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# A logarithmic axis when the shown values span more than this factor (then the late part would lie flat on the floor).
_LOG_SPAN = 20.0
_LABELS = {"loss": "loss (nats per token)", "accuracy": "token accuracy (fraction)", "reward": "mean reward"}


def plot_loss(results: Any, *, diagnosis: Diagnosis | None = None, ax: Axes | None = None) -> Axes:
    """Training and validation loss over steps (mean reward for a reinforcement run).

    Raw measurements faint, smooth curves strong, the 90 % band of the validation curve, epochs as thin lines, the
    onset interval shaded and the recommended checkpoint marked. `results` is what `diagnose` takes; the diagnosis is
    made when not given. Returns the Axes.
    """
    results, diagnosis = _both(results, diagnosis)
    kind = "reward" if diagnosis.metric.endswith("reward") and not results.has("train_loss") else "loss"
    names = (
        ("train_mean_reward", "valid_mean_reward", "full_valid_mean_reward")
        if kind == "reward"
        else ("train_loss", "valid_loss", "full_valid_loss")
    )
    ax = _axes(ax)
    _series(ax, results, diagnosis, names, kind)
    _marks(ax, results, diagnosis, names)
    ax.set_title(f"{results.name}: {verdict_title(diagnosis.verdict)}", loc="left", fontsize="medium")
    return ax


def plot_accuracy(results: Any, *, diagnosis: Diagnosis | None = None, ax: Axes | None = None) -> Axes:
    """Training and validation token accuracy over steps, drawn like `plot_loss`. Returns the Axes."""
    results, diagnosis = _both(results, diagnosis)
    names = ("train_mean_token_accuracy", "valid_mean_token_accuracy", "full_valid_mean_token_accuracy")
    ax = _axes(ax)
    _series(ax, results, diagnosis, names, "accuracy")
    _marks(ax, results, diagnosis, names)
    ax.set_title(f"{results.name}: token accuracy", loc="left", fontsize="medium")
    return ax


def plot_results(results: Any, *, diagnosis: Diagnosis | None = None, figure: Figure | None = None) -> Figure:
    """The three charts of the Foundry portal in one figure: loss, mean token accuracy, error rate or reward."""
    results, diagnosis = _both(results, diagnosis)
    figure = figure or Figure(figsize=(13, 3.8), layout="constrained")
    loss, accuracy, third = figure.subplots(1, 3)
    plot_loss(results, diagnosis=diagnosis, ax=loss)
    plot_accuracy(results, diagnosis=diagnosis, ax=accuracy)
    names = ("train_error_rate", "valid_error_rate", "full_valid_error_rate")
    _series(third, results, diagnosis, names, "error")
    third.set_title(f"{results.name}: error rate", loc="left", fontsize="medium")
    return figure


def _both(results: Any, diagnosis: Diagnosis | None) -> tuple[Results, Diagnosis]:
    diagnosis = diagnosis or diagnose(results)
    if not isinstance(results, Results | Run) and hasattr(results, "run"):
        results = results.run()
    if isinstance(results, Run):
        results = results.results or Results.from_events(())
    return load_results(results), diagnosis


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    from matplotlib import pyplot  # only when a figure of the session's is wanted

    return pyplot.subplots(figsize=(7, 4), layout="constrained")[1]


def _series(ax: Axes, results: Results, diagnosis: Diagnosis, names: tuple[str, str, str], kind: str) -> None:
    train, batch, full = names
    shown: list[np.ndarray] = []
    for name, colour, marker, style, label in (
        (train, palette.TRAIN, ".", "--", "training"),
        (batch, palette.VALID, "x", "-", "validation batch"),
    ):
        if not results.has(name):
            continue
        rows = results.frame[["step", name]].dropna()
        values = rows[name].replace([np.inf, -np.inf], np.nan)
        shown.append(values.to_numpy())
        smooth = {diagnosis.train_metric: "train_smooth", diagnosis.metric: "valid_smooth"}.get(name)
        curve = diagnosis.curve if smooth and diagnosis.curve[smooth].notna().any() else None
        faint = curve is not None
        ax.plot(
            rows["step"],
            values,
            marker,
            color=colour,
            alpha=0.35 if faint else 0.8,
            markersize=3.5,
            label=None if faint else label,
        )
        if curve is not None:
            ax.plot(curve["step"], curve[smooth], style, color=colour, linewidth=2, label=label)
            if smooth == "valid_smooth":
                ax.fill_between(
                    curve["step"], curve["valid_low"], curve["valid_high"], color=colour, alpha=0.2, linewidth=0
                )
    if results.has(full):
        rows = results.frame[["step", full]].dropna()
        shown.append(rows[full].to_numpy())
        ax.plot(
            rows["step"],
            rows[full],
            "D-.",
            color=palette.FULL,
            markersize=6,
            linewidth=1,
            label="whole validation file",
        )
    ax.set_xlabel("step")
    ax.set_ylabel(_LABELS.get(kind, "error rate (fraction)"))
    ax.grid(alpha=0.25, color=palette.NEUTRAL, linewidth=0.5)
    if kind == "loss" and shown and _wants_log(np.concatenate(shown)):
        ax.set_yscale("log")
    if not shown:
        ax.text(0.5, 0.5, "not measured", ha="center", va="center", transform=ax.transAxes, color=palette.NEUTRAL)


def _wants_log(values: np.ndarray) -> bool:
    values = values[np.isfinite(values) & (values > 0)]
    if len(values) < 4:
        return False
    low, high = np.quantile(values, (0.02, 0.98))
    return bool(high > _LOG_SPAN * low)


def _marks(ax: Axes, results: Results, diagnosis: Diagnosis, names: tuple[str, ...]) -> None:
    if not any(results.has(name) for name in names):
        return
    _epochs(ax, diagnosis)
    if diagnosis.onset_interval is not None:
        low, high = diagnosis.onset_interval
        ax.axvspan(
            low, high, color=palette.ONSET, alpha=0.18, linewidth=0, label="onset of overfitting", hatch="//", fill=True
        )
    best = diagnosis.checkpoint["step"] if diagnosis.checkpoint else None
    label = "recommended checkpoint"
    if best is None and any(results.has(n) for n in names[1:]):
        best, label = diagnosis.recommended_step, "best step"
    if best is not None:
        ax.axvline(best, color=palette.NEUTRAL, linestyle=(0, (4, 2)), linewidth=1.4, label=label)
    ax.legend(loc="best", fontsize="small", framealpha=0.6)


def _epochs(ax: Axes, diagnosis: Diagnosis) -> None:
    epoch, step = diagnosis.curve["epoch"].to_numpy(), diagnosis.curve["step"].to_numpy()
    if not len(epoch) or not np.isfinite(epoch).all():
        return
    per_epoch = step[-1] / epoch[-1]
    ends = round(epoch[-1])
    if ends <= 20:
        for k in range(1, ends + 1):
            ax.axvline(k * per_epoch, color=palette.NEUTRAL, alpha=0.5, linewidth=0.7, linestyle=":")
