"""Judgements in words: one sentence of evidence for a stakeholder, and advice in the service's own terms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tunebook.analysis.curves.evidence import ENOUGH, Evidence
from tunebook.analysis.curves.signals import Signal
from tunebook.palette import VERDICTS
from tunebook.show import Span
from tunebook.words import count, money, number, percent, plural, probability

_TITLES = {
    "overfitting": "Overfitting",
    "healthy": "Healthy",
    "not_converged": "Not converged",
    "not_learning": "Not learning",
    "diverged": "Diverged",
    "inconclusive": "Inconclusive",
}
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
# A curve that falls by less over the last fifth of a run stays where it is.
_SETTLED = 0.02


@dataclass(frozen=True, eq=False)
class Facts:
    """The evidence of a run in people's units, as sentences name it; None or NaN where unknown.

    `per_epoch` are the steps of an epoch, `settings` the hyperparameters by name, where known.
    """

    evidence: Evidence
    verdict: str
    p: float
    per_epoch: float | None
    settings: Mapping[str, Any]

    @property
    def measure(self) -> str:
        return measure_name(self.evidence.main.name)

    @property
    def train_measure(self) -> str:
        return measure_name(self.evidence.train.name)

    @property
    def measured(self) -> int:
        return len(self.evidence.main)

    @property
    def rise(self) -> float | None:
        e = self.evidence
        return None if e.curve is None else e.main.as_fraction(e.rise)

    @cached_property
    def rise_interval(self) -> tuple[float, float] | None:
        e = self.evidence
        if e.curve is None:
            return None
        low, high = (max(float(q), 0.0) for q in np.quantile(e.curve.rises, (0.05, 0.95)))
        return e.main.as_fraction(low), e.main.as_fraction(high)

    @property
    def effect(self) -> float | None:
        e = self.evidence
        return None if e.curve is None or e.curve.noise <= 1e-9 else e.rise / e.curve.noise

    @property
    def best_step(self) -> int | None:
        curve = self.evidence.curve
        return None if curve is None else round(curve.best)

    @property
    def onset_step(self) -> int | None:
        e = self.evidence
        return None if e.curve is None else round(e.onset)

    @property
    def onset_epoch(self) -> float | None:
        e = self.evidence
        return None if e.curve is None or not self.per_epoch else round(e.onset / self.per_epoch, 2)

    @property
    def onset_interval(self) -> tuple[int, int] | None:
        e = self.evidence
        return None if e.curve is None else (round(e.onset_low), round(e.onset_high))

    @property
    def first_and_best(self) -> tuple[float, float]:
        """Where validation began and its best point."""
        e = self.evidence
        return (math.nan, math.nan) if e.curve is None else _levels(e.main, [e.curve.fit[0], e.curve.fit.min()])

    @property
    def gain(self) -> float:
        """The fraction by which validation got better in the last fifth of the run."""
        e = self.evidence
        return math.nan if e.curve is None else e.main.as_fraction(float(np.median(e.curve.gains)))

    @property
    def train_ends(self) -> tuple[float, float]:
        """Where training began and ended."""
        e = self.evidence
        return (math.nan, math.nan) if e.train_curve is None else _levels(e.train, e.train_curve.fit[[0, -1]])

    @property
    def train_after(self) -> float:
        """The fraction by which training improved after the onset."""
        e = self.evidence
        if e.train_curve is None or math.isnan(e.onset):
            return math.nan
        return 1 - math.exp(-float(e.train.rise(e.train_curve.at(np.array([e.onset]))[0], e.train_curve.fit[-1])))

    @property
    def train_improving(self) -> bool:
        """Whether training was still improving at the end, with more than 90 % probability."""
        curve = self.evidence.train_curve
        return curve is not None and float((curve.gains > 0.05).mean()) > 0.9

    @property
    def best_epochs(self) -> int | None:
        """The number of epochs after which the curve is lowest."""
        e = self.evidence
        if e.curve is None or not self.per_epoch:
            return None
        ends = np.arange(1, max(1, round(e.last / self.per_epoch)) + 1) * self.per_epoch
        return int(np.argmin(e.curve.at(ends))) + 1

    @property
    def examples(self) -> int | None:
        """The number of training examples, from the steps of an epoch and the batch size."""
        batch_size = self.settings.get("batch_size")
        return round(self.per_epoch * batch_size) if self.per_epoch and batch_size else None


def title(verdict: str) -> str:
    """The verdict as a heading."""
    return _TITLES.get(verdict, verdict)


def verdict_span(verdict: str | None, hint: str = "") -> Span:
    """The verdict after its sign and in its colour, for a table; nothing where there is none."""
    if verdict not in VERDICTS:
        return Span(f"? {verdict}" if verdict else "")
    return Span(f"{VERDICTS[verdict].sign} {title(verdict)}", "short", verdict, hint=hint)


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
    if math.isnan(f.p) and f.evidence.main.impossible:
        where = "outside 0 to 1" if f.evidence.kind == "accuracy" else "below 0"
        lost = f.evidence.main.impossible
        return f"{lost} of {lost + f.measured} measurements of {f.measure} lie {where}, which cannot be."
    if f.rise is None or f.rise_interval is None:
        return _unmeasured(f)
    measure, worse = _capital(f.measure), "rose" if f.evidence.kind != "reward" else "fell"
    extreme = "lowest" if f.evidence.kind != "reward" else "highest"
    low, high = f.rise_interval
    size = f"{percent(f.rise)} (90 % interval {percent(low)} to {percent(high)})"
    where = f"step {f.onset_step:,}" + (f" (epoch {f.onset_epoch:.1f})" if f.onset_epoch is not None else "")
    if f.verdict == "overfitting":
        return f"{measure} {worse} {size} from its {extreme} point near {where}{_meanwhile(f)}."
    if f.verdict == "healthy":
        first, best = f.first_and_best
        after = "stayed there" if f.gain < _SETTLED else f"fell by {percent(f.gain)} in the last fifth of the run"
        return (
            f"{measure} went from {first:.3g} to {best:.3g} and {after}: "
            f"it ends {percent(f.rise)} off its {extreme} point, at most {percent(high)}."
        )
    if f.verdict == "not_converged":
        return f"{measure} was still getting better at the end: by {percent(f.gain)} in the last fifth of the run."
    if f.verdict == "not_learning":
        return _not_learning(f)
    return _undecided(f, where)


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
    if f.verdict == "not_learning":
        return tuple(_against_not_learning(f))
    epochs = f.settings.get("n_epochs")
    if f.verdict == "not_converged":
        longer = f"n_epochs = {epochs + max(1, epochs // 2)}" if epochs else "one or two epochs more"
        return (f"Train longer: {longer}.", f"Or {_rate(f, 2.0, 'double learning_rate_multiplier')}.")
    if f.verdict == "healthy":
        return ("Nothing to change: take the recommended checkpoint and judge its answers on examples kept apart.",)
    if f.evidence.main.impossible and math.isnan(f.p):
        return ("Look at what wrote the file: the columns may be swapped or hold something else.",)
    if f.rise is None:
        return ("Give the job a validation_file: 100 to 500 examples that are not in the training file.",)
    if f.evidence.p_train_up > 0.5:
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


def _against_not_learning(f: Facts) -> list[str]:
    lines = [
        f"Raise the learning rate: {_rate(f, 4.0, 'multiply learning_rate_multiplier by 4')}.",
        "Read some lines of the training file: answers that contradict each other or do not depend on the prompt teach "
        "nothing, nor do answers with weight 0.",
        "Compare the base model on the same examples: perhaps it knows all this already.",
    ]
    tokens, usd = f.settings.get("trained_tokens"), f.settings.get("cost_usd")
    if tokens:
        price = f", about {money(usd)}" if usd is not None else ""
        lines.append(f"It cost {count(tokens)} trained tokens{price}: try the next attempt on fewer examples first.")
    return lines


def _rate(f: Facts, factor: float, words: str) -> str:
    rate = f.settings.get("learning_rate_multiplier")
    return f"learning_rate_multiplier = {rate * factor:.3g}" if isinstance(rate, int | float) else words


def _diverged(f: Facts) -> str:
    if not math.isnan(f.evidence.lost_at):
        return f"The loss was lost (infinite or not a number) at step {f.evidence.lost_at:,.0f} and did not come back."
    return (
        f"{_capital(f.train_measure)} got worse again, to {f.train_ends[1]:.3g}, and lost at least half of what it had "
        "gained: the training itself broke down."
    )


def _not_learning(f: Facts) -> str:
    e = f.evidence
    first, last = _levels(e.main, e.curve.fit[[0, -1]]) if e.curve is not None else (math.nan, math.nan)
    moved = f"{_capital(f.measure)} ({number(first, 4)} → {number(last, 4)})"
    start, end = f.train_ends
    if math.isnan(start):
        return f"{moved} did not improve beyond its noise: nothing was learned."
    train = f"{f.train_measure} ({number(start, 4)} → {number(end, 4)})"
    return f"Neither {moved[:1].lower()}{moved[1:]} nor {train} improved beyond its noise: nothing was learned."


def _meanwhile(f: Facts) -> str:
    if math.isnan(f.train_after):
        return ""
    if f.train_after > 0.01:
        return f", while {f.train_measure} went on improving by {percent(f.train_after)}"
    return f", while {f.train_measure} did not get worse" if f.evidence.p_train_up < 0.5 else ""


def _undecided(f: Facts, where: str) -> str:
    """Why a curve that was measured shows neither."""
    measure, rise, (low, high) = _capital(f.measure), f.rise or 0.0, f.rise_interval or (0.0, 0.0)
    if f.evidence.p_train_up > 0.5 and rise > 0.05:
        return f"{measure} and {f.train_measure} both got worse after {where}: unstable training, not overfitting."
    if f.evidence.p_improving > 0.5:
        return (
            f"{measure} seems to have been getting better at the end, but {f.measured} measurements are too noisy to "
            f"be sure (probability {probability(f.evidence.p_improving)})."
        )
    if rise < 0.01:
        return (
            f"{measure} shows no clear change for the worse, but {f.measured} measurements are too noisy to exclude "
            f"one of up to {percent(high)} (probability of overfitting {probability(f.p)})."
        )
    if low > 0.05:
        doubt = f"{f.train_measure} perhaps did as well" if f.evidence.p_train_up > 0.02 else "not all of it may last"
        return (
            f"{measure} got worse by {percent(rise)} ({percent(low)} to {percent(high)}) since {where}, but "
            f"{doubt} (probability of overfitting {probability(f.p)})."
        )
    return (
        f"{measure} may have got worse by {percent(rise)} since {where}, but {f.measured} measurements are too noisy "
        f"to tell: {percent(low)} to {percent(high)} is possible (probability of overfitting {probability(f.p)})."
    )


def _unmeasured(f: Facts) -> str:
    if f.measured:
        text = f"Only {plural(f.measured, 'validation measurement')}: too few to judge ({ENOUGH} are needed)."
    else:
        text = "No validation measurements, so overfitting cannot be seen."
    first, last = f.train_ends
    if math.isnan(first):
        few = (
            "Too few training measurements to say more."
            if len(f.evidence.train)
            else "No training measurements either."
        )
        return f"{text} {few}"
    loss = f.evidence.kind != "reward"
    better = last < first if loss else last > first
    moved = ("fell" if better else "did not fall") if loss else ("rose" if better else "did not rise")
    still = " and was still improving" if better and f.train_improving else ""
    return f"{text} {_capital(f.train_measure)} {moved} ({first:.3g} → {last:.3g}){still}."


def _levels(signal: Signal, y: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Two values on the scale of comparison as the words speak of them: losses, error rates, rewards."""
    first, second = (float(v) for v in signal.to_units(np.asarray(y)))
    return (1 - first, 1 - second) if signal.kind == "accuracy" else (first, second)


def notes(e: Evidence, verdict: str) -> tuple[str, ...]:
    """What was done to the curves before they were judged, and what must not be read into them."""
    lines = []
    if e.period:
        lines.append(
            f"{_capital(measure_name(e.batch.name))} repeats every {e.period} measurements: "
            "batches in a fixed order, taken out."
        )
    if e.main.impossible and e.curve is not None:
        lines.append(f"Left out {e.main.impossible} impossible values of {e.main.name}.")
    if verdict == "healthy" and e.kind == "loss" and e.curve is not None and e.train_curve is not None:
        ratio = float(e.main.to_units(e.curve.fit[-1:])[0] / max(e.train.to_units(e.train_curve.fit[-1:])[0], 1e-12))
        if ratio > 1.2:
            lines.append(
                f"Validation loss ends at {ratio:.2g} times training loss. The gap alone is no overfitting: "
                "what counts is whether validation loss rises."
            )
    return tuple(lines)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
