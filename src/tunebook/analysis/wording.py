"""Judgements in words: one sentence of evidence for a stakeholder, and advice in the service's own terms."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tunebook.analysis.evidence import ENOUGH, Evidence

_TITLES = {
    "overfitting": "Overfitting",
    "healthy": "Healthy",
    "not_converged": "Not converged",
    "diverged": "Diverged",
    "inconclusive": "Inconclusive",
}
# A shape for each verdict, so that it reads without colour.
SYMBOLS = {"overfitting": "▲", "healthy": "✓", "not_converged": "↘", "diverged": "✕", "inconclusive": "?"}


@dataclass(frozen=True)
class Facts:
    """The numbers a sentence about a run may name, in people's units."""

    verdict: str
    p: float
    confidence: float
    measure: str
    train_measure: str
    measured: int
    rise: float | None
    rise_interval: tuple[float, float] | None
    effect: float | None
    best_step: int | None
    onset_step: int | None
    onset_epoch: float | None
    onset_interval: tuple[int, int] | None
    n_epochs: int | None
    lost_at: float
    train_from: float
    train_to: float
    train_steps: int
    improving: float
    p_train_up: float
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls,
        e: Evidence,
        verdict: str,
        p: float,
        per_epoch: float | None,
        n_epochs: int | None,
        confidence: float,
    ) -> Facts:
        main = e.main
        known = not math.isnan(e.rise)
        step = None if math.isnan(e.onset) else round(e.onset)
        train = e.train_curve
        levels = e.train.to_units(train.fit[[0, -1]]) if train is not None else (math.nan, math.nan)
        noise = e.curve.noise if e.curve is not None else math.nan
        return cls(
            verdict=verdict,
            p=p,
            confidence=confidence,
            measure=measure_name(main.name, len(main)),
            train_measure=measure_name(e.train.name, len(e.train)),
            measured=len(main),
            rise=main.as_fraction(e.rise) if known else None,
            rise_interval=(
                tuple(main.as_fraction(max(float(q), 0.0)) for q in np.quantile(e.curve.rises, (0.05, 0.95)))  # type: ignore[arg-type]
                if e.curve is not None
                else None
            ),
            effect=e.rise / noise if known and noise > 1e-9 else None,
            best_step=None if e.curve is None else round(e.curve.best),
            onset_step=step,
            onset_epoch=round(e.onset / per_epoch, 2) if per_epoch and step is not None else None,
            onset_interval=None if step is None else (round(e.onset_low), round(e.onset_high)),
            n_epochs=n_epochs,
            lost_at=e.lost_at,
            train_from=float(levels[0]),
            train_to=float(levels[1]),
            train_steps=len(e.train),
            improving=e.p_improving,
            p_train_up=e.p_train_up,
            notes=_notes(e),
        )


def title(verdict: str) -> str:
    """The verdict as a heading."""
    return _TITLES.get(verdict, verdict)


def measure_name(column: str, measured: int = 1) -> str:
    """A column's name as a person says it; `measured` 0 still names it."""
    del measured
    words = {
        "train_loss": "training loss",
        "valid_loss": "validation loss",
        "full_valid_loss": "full validation loss",
        "train_mean_token_accuracy": "training token error",
        "valid_mean_token_accuracy": "validation token error",
        "full_valid_mean_token_accuracy": "full validation token error",
        "train_mean_reward": "training reward",
        "valid_mean_reward": "validation reward",
        "full_valid_mean_reward": "full validation reward",
    }
    return words.get(column, column)


def several_jobs(count: int) -> str:
    """Why a file of several jobs has no verdict."""
    return f"The file holds {count} jobs (each step occurs {count} times): diagnose each of results.parts."


def reason(f: Facts) -> str:
    """The evidence in one sentence."""
    if f.verdict == "diverged":
        if not math.isnan(f.lost_at):
            return f"The loss was lost (infinite or not a number) at step {f.lost_at:,.0f} and did not come back."
        return (
            f"{_capital(f.train_measure)} went back up to {f.train_to:.3g} and lost at least half of what it had "
            "gained: the training itself broke down."
        )
    if f.rise is None:
        return _unmeasured(f)
    reward = f.measure.endswith("reward")
    moved = "fell" if reward else "rose"
    best = "highest" if reward else "lowest"
    size = _percent(f.rise)
    between = (
        f" (90 % interval {_percent(f.rise_interval[0])} to {_percent(f.rise_interval[1])})" if f.rise_interval else ""
    )
    where = f"step {f.onset_step:,}" + (f" (epoch {f.onset_epoch:.1f})" if f.onset_epoch is not None else "")
    measure = _capital(f.measure)
    if f.verdict == "overfitting":
        train = f" while {f.train_measure} did not get worse" if f.train_steps else ""
        return f"{measure} {moved} {size}{between} after its {best} point near {where}{train}."
    if f.verdict == "healthy":
        within = _percent(f.rise_interval[1] if f.rise_interval else f.rise)
        return f"{measure} settled: at the end it is within {within} of its {best} point."
    if f.verdict == "not_converged":
        return f"{measure} was still getting better at the end, by more than 5 % in the last fifth of the run."
    if f.p_train_up > 0.5 and f.p < 0.5 and f.rise > 0.05:
        return f"{measure} and {f.train_measure} both got worse after {where}: unstable training, not overfitting."
    return (
        f"{measure} seems to have {'fallen' if reward else 'risen'} {size}{between} since {where}, "
        f"but {f.measured} noisy measurements cannot tell whether that is real (probability {f.p:.2f})."
    )


def _unmeasured(f: Facts) -> str:
    if f.measured:
        text = f"Only {f.measured} validation measurements: too few to judge ({ENOUGH} are needed)."
    else:
        text = "No validation measurements, so overfitting cannot be seen."
    if math.isnan(f.train_from):
        return text + (
            " Too few training measurements to say more." if f.train_steps else " No training measurements either."
        )
    change = "fell" if f.train_to < f.train_from else "did not fall"
    return f"{text} {_capital(f.train_measure)} {change} ({f.train_from:.3g} → {f.train_to:.3g})."


def advice(f: Facts) -> tuple[str, ...]:
    """What to try next, most useful first."""
    if f.verdict == "overfitting":
        lines = []
        if f.onset_epoch is not None and f.onset_epoch < 1:
            lines.append(
                "The rise begins within the first epoch: add training data, or lower learning_rate_multiplier."
            )
        elif f.onset_epoch is not None:
            epochs = max(1, round(f.onset_epoch))
            if f.n_epochs is None or epochs < f.n_epochs:
                lines.append(f"Train fewer epochs: n_epochs = {epochs}.")
        else:
            lines.append("Train fewer epochs: stop near the onset.")
        lines.append("Or halve learning_rate_multiplier.")
        lines.append("More, and more varied, training examples help most in the long run.")
        return tuple(lines)
    if f.verdict == "diverged":
        return (
            "Divide learning_rate_multiplier by 4.",
            "Or double batch_size.",
            "Look for broken examples in the training file.",
        )
    if f.verdict == "not_converged":
        more = f"n_epochs = {f.n_epochs + max(1, f.n_epochs // 2)}" if f.n_epochs else "one or two epochs more"
        return (f"Train longer: {more}.", "Or double learning_rate_multiplier.")
    if f.verdict == "healthy":
        return ("Nothing to change: use the recommended checkpoint, and judge the model on examples of its own.",)
    if f.rise is None:
        return ("Give the job a validation_file: 100 to 500 examples that are not in the training file.",)
    return (
        "A larger validation file makes the curve steadier (100 to 500 examples).",
        "Compare the kept checkpoints on a held-out file before choosing.",
    )


def _notes(e: Evidence) -> tuple[str, ...]:
    notes = []
    if e.period:
        notes.append(
            f"{_capital(measure_name(e.batch.name))} repeats every {e.period} measurements: "
            "batches in a fixed order, taken out."
        )
    return tuple(notes)


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.0f} %" if abs(fraction) >= 0.1 else f"{100 * fraction:.1f} %"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
