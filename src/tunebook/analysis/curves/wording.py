"""Judgements in words: one sentence of evidence for a stakeholder, and advice in the service's own terms."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tunebook.analysis.curves.evidence import ENOUGH, Evidence
from tunebook.analysis.curves.signals import Signal

_TITLES = {
    "overfitting": "Overfitting",
    "healthy": "Healthy",
    "not_converged": "Not converged",
    "diverged": "Diverged",
    "inconclusive": "Inconclusive",
}
# A shape for each verdict, so that it reads without colour.
SYMBOLS = {"overfitting": "▲", "healthy": "✓", "not_converged": "↘", "diverged": "✕", "inconclusive": "?"}
_MEASURES = {
    "train_loss": "training loss",
    "valid_loss": "validation loss",
    "full_valid_loss": "full validation loss",
    "train_mean_token_accuracy": "training token error rate",
    "valid_mean_token_accuracy": "validation token error rate",
    "full_valid_mean_token_accuracy": "full validation token error rate",
    "train_mean_reward": "training reward",
    "valid_mean_reward": "validation reward",
    "full_valid_mean_reward": "full validation reward",
}
# Fewer training examples than this are too few to learn from without memorising (Azure OpenAI: "hundreds, if not
# thousands, of examples").
_FEW_EXAMPLES = 200
# A rise that begins before this part of the first epoch cannot be avoided by training fewer epochs.
_FIRST_EPOCH = 0.9


@dataclass(frozen=True)
class Facts:
    """The numbers a sentence about a run may name, in people's units; None or NaN where unknown."""

    verdict: str
    kind: str
    p: float
    measure: str
    train_measure: str
    measured: int
    impossible: int
    rise: float | None
    rise_interval: tuple[float, float] | None
    effect: float | None
    best_step: int | None
    onset_step: int | None
    onset_epoch: float | None
    onset_interval: tuple[int, int] | None
    first: float
    best: float
    gain: float
    p_improving: float
    p_train_up: float
    train_from: float
    train_to: float
    train_after: float
    train_measured: int
    train_improving: float
    lost_at: float
    best_epochs: int | None
    examples: int | None
    settings: Mapping[str, Any]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, e: Evidence, verdict: str, p: float, per_epoch: float | None, settings: Mapping[str, Any]) -> Facts:
        """The facts of some evidence; `settings` are hyperparameters by name, where known."""
        main, curve, nan = e.main, e.curve, math.nan
        rise = interval = effect = best_step = onset = onset_interval = None
        first = best = gain = nan
        if curve is not None:
            rise = main.as_fraction(e.rise)
            low, high = (max(float(q), 0.0) for q in np.quantile(curve.rises, (0.05, 0.95)))
            interval = (main.as_fraction(low), main.as_fraction(high))
            effect = e.rise / curve.noise if curve.noise > 1e-9 else None
            best_step, onset = round(curve.best), round(e.onset)
            onset_interval = (round(e.onset_low), round(e.onset_high))
            first, best = _levels(main, np.array([curve.fit[0], curve.fit.min()]))
            gain = main.as_fraction(float(np.median(curve.gains)))
        train = _train(e)
        batch_size = settings.get("batch_size")
        return cls(
            verdict=verdict,
            kind=e.kind,
            p=p,
            measure=measure_name(main.name),
            train_measure=measure_name(e.train.name),
            measured=len(main),
            impossible=main.impossible,
            rise=rise,
            rise_interval=interval,
            effect=effect,
            best_step=best_step,
            onset_step=onset,
            onset_epoch=round(e.onset / per_epoch, 2) if per_epoch and onset is not None else None,
            onset_interval=onset_interval,
            first=first,
            best=best,
            gain=gain,
            p_improving=e.p_improving,
            p_train_up=e.p_train_up,
            train_measured=len(e.train),
            lost_at=e.lost_at,
            best_epochs=_best_epochs(e, per_epoch),
            examples=round(per_epoch * batch_size) if per_epoch and batch_size else None,
            settings=settings,
            notes=_notes(e, verdict),
            **train,
        )


def title(verdict: str) -> str:
    """The verdict as a heading."""
    return _TITLES.get(verdict, verdict)


def measure_name(column: str) -> str:
    """What is judged by a column, as a person says it; of an accuracy its error rate, because fractions are of that."""
    return _MEASURES.get(column, column)


def several_jobs(count: int) -> str:
    """Why a file of several jobs has no verdict."""
    return f"The file holds {count} jobs (each step occurs {count} times): diagnose each of results.parts."


def reason(f: Facts) -> str:
    """The evidence in one sentence."""
    if f.verdict == "diverged":
        return _diverged(f)
    if math.isnan(f.p) and f.impossible:
        where = "outside 0 to 1" if f.kind == "accuracy" else "below 0"
        return (
            f"{f.impossible} of {f.impossible + f.measured} measurements of {f.measure} lie {where}, which cannot be."
        )
    if f.rise is None or f.rise_interval is None:
        return _unmeasured(f)
    measure, worse = _capital(f.measure), "rose" if f.kind != "reward" else "fell"
    extreme = "lowest" if f.kind != "reward" else "highest"
    low, high = f.rise_interval
    size = f"{_share(f)} (90 % interval {percent(low)} to {percent(high)})"
    where = f"step {f.onset_step:,}" + (f" (epoch {f.onset_epoch:.1f})" if f.onset_epoch is not None else "")
    if f.verdict == "overfitting":
        return f"{measure} {worse} {size} from its {extreme} point near {where}{_meanwhile(f)}."
    if f.verdict == "healthy":
        return (
            f"{measure} went from {f.first:.3g} to {f.best:.3g} and stayed there: "
            f"it ends {percent(f.rise)} off its {extreme} point, at most {percent(high)}."
        )
    if f.verdict == "not_converged":
        return f"{measure} was still getting better at the end: by {percent(f.gain)} in the last fifth of the run."
    if f.p_train_up > 0.5 and f.rise > 0.05:
        return f"{measure} and {f.train_measure} both got worse after {where}: unstable training, not overfitting."
    if f.p_improving > 0.5:
        return (
            f"{measure} seems to have been getting better at the end, but {f.measured} measurements are too noisy to "
            f"be sure (probability {f.p_improving:.2f})."
        )
    if f.rise < 0.01:
        return (
            f"{measure} shows no clear change for the worse, but {f.measured} measurements are too noisy to exclude "
            f"one of up to {percent(high)} (probability of overfitting {f.p:.2f})."
        )
    return (
        f"{measure} may have got worse by {_share(f)} since {where}, but {f.measured} measurements are too noisy to "
        f"tell: {percent(low)} to {percent(high)} is possible (probability of overfitting {f.p:.2f})."
    )


def advice(f: Facts) -> tuple[str, ...]:
    """What to try next, most useful first."""
    if f.verdict == "overfitting":
        return tuple(_against_overfitting(f))
    if f.verdict == "diverged":
        return (
            f"Lower the learning rate: {_rate(f, 0.25, 'divide learning_rate_multiplier by 4')}.",
            "Or double batch_size.",
            "Look for broken or contradictory examples in the training file.",
        )
    epochs = f.settings.get("n_epochs")
    if f.verdict == "not_converged":
        longer = f"n_epochs = {epochs + max(1, epochs // 2)}" if epochs else "one or two epochs more"
        return (f"Train longer: {longer}.", f"Or {_rate(f, 2.0, 'double learning_rate_multiplier')}.")
    if f.verdict == "healthy":
        return ("Nothing to change: take the recommended checkpoint and judge its answers on examples kept apart.",)
    if f.impossible and math.isnan(f.p):
        return ("Look at what wrote the file: the columns may be swapped or hold something else.",)
    if f.rise is None:
        return ("Give the job a validation_file: 100 to 500 examples that are not in the training file.",)
    if f.p_train_up > 0.5:
        return (f"Lower the learning rate: {_rate(f, 0.5, 'halve learning_rate_multiplier')}.", "Or double batch_size.")
    return (
        "Use a larger validation file (100 to 500 examples): the curve becomes steadier.",
        "Before choosing, compare the kept checkpoints on examples kept apart.",
    )


def _against_overfitting(f: Facts) -> list[str]:
    epochs = f.settings.get("n_epochs")
    slower = _rate(f, 0.5, "halve learning_rate_multiplier")
    more = "add training examples, and more varied ones"
    lines = []
    if f.onset_epoch is not None and f.onset_epoch < _FIRST_EPOCH:
        # No example was seen twice yet, so nothing was memorised: training loss there is loss on new examples, too.
        lines += [
            f"It begins within the first epoch, so fewer epochs alone will not help: {slower}.",
            "Compare the files with train.check(validation=valid): before an example is seen twice, a gap between the "
            "curves is a difference between the files (topic, format).",
        ]
    elif f.best_epochs and (epochs is None or f.best_epochs < epochs):
        lines += [f"Train fewer epochs: n_epochs = {f.best_epochs}.", f"Or {slower}."]
    else:
        lines += ["Train fewer epochs, and use an earlier checkpoint.", f"Or {slower}."]
    if f.examples is not None and f.examples < _FEW_EXAMPLES:
        lines.append(f"About {f.examples} training examples are few: {more}.")
    else:
        lines.append(f"In the long run {more}.")
    return lines


def _rate(f: Facts, factor: float, words: str) -> str:
    rate = f.settings.get("learning_rate_multiplier")
    return f"learning_rate_multiplier = {rate * factor:.3g}" if isinstance(rate, int | float) else words


def _diverged(f: Facts) -> str:
    if not math.isnan(f.lost_at):
        return f"The loss was lost (infinite or not a number) at step {f.lost_at:,.0f} and did not come back."
    return (
        f"{_capital(f.train_measure)} got worse again, to {f.train_to:.3g}, and lost at least half of what it had "
        "gained: the training itself broke down."
    )


def _meanwhile(f: Facts) -> str:
    if math.isnan(f.train_after):
        return ""
    if f.train_after > 0.01:
        return f", while {f.train_measure} went on improving by {percent(f.train_after)}"
    return f", while {f.train_measure} did not get worse" if f.p_train_up < 0.5 else ""


def _unmeasured(f: Facts) -> str:
    if f.measured:
        text = f"Only {f.measured} validation measurements: too few to judge ({ENOUGH} are needed)."
    else:
        text = "No validation measurements, so overfitting cannot be seen."
    if math.isnan(f.train_from):
        few = "Too few training measurements to say more." if f.train_measured else "No training measurements either."
        return f"{text} {few}"
    better = f.train_to < f.train_from if f.kind != "reward" else f.train_to > f.train_from
    still = " and was still improving" if f.train_improving > 0.9 else ""
    moved = ("fell" if better else "did not fall") if f.kind != "reward" else ("rose" if better else "did not rise")
    return (
        f"{text} {_capital(f.train_measure)} {moved} ({f.train_from:.3g} → {f.train_to:.3g}){still if better else ''}."
    )


def _levels(signal: Signal, y: np.ndarray) -> tuple[float, float]:
    """Two values on the scale of comparison as the words speak of them: losses, error rates, rewards."""
    first, second = (float(v) for v in signal.to_units(y))
    return (1 - first, 1 - second) if signal.kind == "accuracy" else (first, second)


def _train(e: Evidence) -> dict[str, float]:
    """Where training began and ended, and by which fraction it improved after the onset."""
    nan = math.nan
    if e.train_curve is None:
        return {"train_from": nan, "train_to": nan, "train_after": nan, "train_improving": nan}
    fit = e.train_curve.fit
    begin, end = _levels(e.train, fit[[0, -1]])
    after = nan
    if not math.isnan(e.onset):
        after = 1 - math.exp(-float(e.train.rise(e.train_curve.at(np.array([e.onset]))[0], fit[-1])))
    improving = float((e.train_curve.gains > 0.05).mean())
    return {"train_from": begin, "train_to": end, "train_after": after, "train_improving": improving}


def _best_epochs(e: Evidence, per_epoch: float | None) -> int | None:
    """The number of epochs after which the curve is lowest."""
    if e.curve is None or not per_epoch:
        return None
    ends = np.arange(1, max(1, round(e.last / per_epoch)) + 1) * per_epoch
    return int(np.argmin(e.curve.at(ends))) + 1


def _notes(e: Evidence, verdict: str) -> tuple[str, ...]:
    notes = []
    if e.period:
        notes.append(
            f"{_capital(measure_name(e.batch.name))} repeats every {e.period} measurements: "
            "batches in a fixed order, taken out."
        )
    if e.main.impossible and e.curve is not None:
        notes.append(f"Left out {e.main.impossible} impossible values of {e.main.name}.")
    if verdict == "healthy" and e.kind == "loss" and e.curve is not None and e.train_curve is not None:
        ratio = float(e.main.to_units(e.curve.fit[-1:])[0] / max(e.train.to_units(e.train_curve.fit[-1:])[0], 1e-12))
        if ratio > 1.2:
            notes.append(
                f"Validation loss ends at {ratio:.2g} times training loss. The gap alone is no overfitting: "
                "what counts is whether validation loss rises."
            )
    return tuple(notes)


def _share(f: Facts) -> str:
    return "-" if f.rise is None else percent(f.rise)


def probability(p: float) -> str:
    """A probability in two digits, never certainty."""
    return "> 0.99" if p > 0.99 else "< 0.01" if p < 0.01 else f"{p:.2f}"


def percent(fraction: float) -> str:
    """A fraction as percent, with a decimal when small; as a multiple when huge."""
    if fraction >= 10:
        return f"{fraction + 1:,.0f}-fold"
    return f"{100 * fraction:.0f} %" if abs(fraction) >= 0.1 else f"{100 * fraction:.1f} %"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
