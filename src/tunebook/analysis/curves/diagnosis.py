"""Does a run overfit, from when, and which checkpoint to keep: the verdict on one run's curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import ThreadpoolController

from tunebook import show
from tunebook.analysis.curves import wording
from tunebook.analysis.curves.evidence import Evidence, gather
from tunebook.analysis.curves.reward import RewardFinding, reward_findings
from tunebook.analysis.results import Results, load_results
from tunebook.analysis.run import Run, run_of
from tunebook.money import paid, per_million, tier_of
from tunebook.palette import VERDICTS
from tunebook.show import Card, Fold, Inline, Items, Shown, Span, Text
from tunebook.words import number, percent, probability

# Checkpoints the service keeps: one an epoch, the three newest (Azure OpenAI, "Checkpoints").
KEPT = 3
# A kept checkpoint that is this much worse than the end of another epoch came too late: more than the loss of a
# healthy run may rise (`healthy_rise`).
TOO_FAR = 0.15
# So much less is asked of a rise, whose probability holds what is not seen of it (`evidence._ODDS`): at .85 three of
# 1,000 simulated healthy runs are called overfitting by their batches, none of 473 by the whole validation file.
_SURER = 0.10
# With more than this share of impossible values (negative losses) the rest is not believed either.
_IMPOSSIBLE = 0.05
# Matrices of 120 × 120 are slower on several threads than on one (twice, measured). The limit is the process's, so one
# diagnosis at a time sets it and puts it back.
_BLAS = ThreadpoolController()
_ALONE = Lock()


@dataclass(frozen=True, eq=False)
class Diagnosis(Shown):
    """What the curves of one run say.

    `verdict` is one of overfitting, healthy, not_converged, not_learning, diverged, inconclusive; `p_overfitting` the
    probability of the first (0 to 1; NaN when nothing can be said). `rise` is the rise of validation loss from its
    lowest point to the end as a fraction, `rise_interval` its 90 % interval, `effect` the rise in standard deviations
    of one measurement's noise. `onset_step` and `onset_epoch` say where the rise began, `onset_interval` the steps it
    may have begun at (`onset_coverage` of such intervals contain the truth). `recommended_step` is the step with the
    lowest expected validation loss, `best` that point (step, epoch, loss: the value of `metric`), `checkpoint` the best
    one kept: step, epoch, name, `above_best`, the fraction by which it is expected to be worse than the best point, and
    `excess_of_last`, the fraction by which the last one is worse than it. When the end of an epoch that was not kept is
    more than `TOO_FAR` better, `train_again` says with how many epochs (`n_epochs`). `curve` has step, epoch,
    valid_smooth, valid_low, valid_high, train_smooth in the units of the columns `metric` and `train_metric`. None
    stands for what cannot be said. `findings` warn of a reinforcement run gone wrong (`curves.reward`).

    >>> d = tb.diagnose(tb.read_run("runs/ftjob-long"))
    >>> d.verdict, d.checkpoint["name"]
    ('overfitting', 'gpt-4.1-nano-2025-04-14.ft-long:ckpt-step-80')
    """

    verdict: str
    p_overfitting: float | None
    rise: float | None
    rise_interval: tuple[float, float] | None
    effect: float | None
    onset_step: int | None
    onset_epoch: float | None
    onset_interval: tuple[int, int] | None
    recommended_step: int | None
    best: Mapping[str, Any] | None
    checkpoint: Mapping[str, Any] | None
    train_again: Mapping[str, int] | None
    reason: str
    advice: tuple[str, ...]
    curve: pd.DataFrame = field(repr=False)
    notes: tuple[str, ...] = ()
    name: str = "results"
    metric: str = "valid_loss"
    train_metric: str = "train_loss"
    period: int | None = None
    onset_coverage: float = 0.9  # measured on simulated runs, by length: `tests/benchmarks/diagnosis.py`
    findings: tuple[RewardFinding, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The judgement as plain values (no curve), ready for `json.dumps`.

        >>> tb.diagnose("results.csv").to_json()["verdict"]
        'overfitting'
        """
        return {
            "verdict": self.verdict,
            "p_overfitting": self.p_overfitting,
            "rise": self.rise,
            "rise_interval": None if self.rise_interval is None else list(self.rise_interval),
            "effect": self.effect,
            "onset_step": self.onset_step,
            "onset_epoch": self.onset_epoch,
            "onset_interval": None if self.onset_interval is None else list(self.onset_interval),
            "onset_coverage": self.onset_coverage,
            "recommended_step": self.recommended_step,
            "best": None if self.best is None else dict(self.best),
            "checkpoint": None if self.checkpoint is None else dict(self.checkpoint),
            "train_again": None if self.train_again is None else dict(self.train_again),
            "reason": self.reason,
            "advice": list(self.advice),
            "findings": [asdict(finding) for finding in self.findings],
            "metric": self.metric,
            "notes": list(self.notes),
        }

    @property
    def choice(self) -> str:
        """What can be deployed, in one sentence; "" when nothing was measured.

        >>> tb.diagnose(tb.read_run("runs/ftjob-calm")).choice
        'Use the checkpoint of step ...'
        """
        if self.checkpoint is None:
            return ""
        kept = _place(self.checkpoint["step"], self.checkpoint["epoch"])
        if self.train_again is None or self.best is None:
            return f"Use the checkpoint of {kept}."
        return (
            f"Train again with n_epochs = {self.train_again['n_epochs']}: the best checkpoint kept, of {kept}, is "
            f"{percent(self.checkpoint['above_best'])} worse than the best point, "
            f"{_place(self.best['step'], self.best['epoch'])}."
        )

    @property
    def told(self) -> str:
        """The reason, and what the rewards warn of."""
        return " ".join([self.reason, *map(str, self.findings)])

    def __repr__(self) -> str:
        return f"Diagnosis({self.name!r}: {wording.title(self.verdict)}. {self.told})"

    def _card(self) -> Card:
        rows: list[tuple[str, Inline]] = [("Probability of overfitting", probability(self.p_overfitting))]
        if self.rise is not None and self.rise_interval is not None:
            low, high = map(percent, self.rise_interval)
            rows.append(("Worse than at best by", f"{percent(self.rise)} (90 % interval {low} to {high})"))
        if self.onset_step is not None and self.onset_interval is not None:
            low_step, high_step = self.onset_interval
            sure = f"{low_step:,} to {high_step:,} with about {percent(self.onset_coverage)} certainty"
            rows.append(("Began", f"{_place(self.onset_step, self.onset_epoch)} ({sure})"))
        if self.checkpoint is not None:
            kept = self.checkpoint
            excess = kept["excess_of_last"]
            cost = f"; the last one is expected to be {percent(excess)} worse" if excess > 0.0005 else ""
            where = f"{_place(kept['step'], kept['epoch'])}{cost}"
            name = kept["name"]
            what = "Best checkpoint kept" if self.train_again else "Checkpoint to use" if name else "Best step"
            rows.append((what, (where, ": ", Span(name, "code")) if name else where))
        return Card(
            Text(self.reason),
            *(Text(str(finding), "warning") for finding in self.findings),
            Text(self.choice, "warning") if self.train_again else None,
            show.facts(rows),
            Items(self.advice, "What to do") if self.advice else None,
            Fold("Notes", [Items(self.notes)]) if self.notes else None,
            badge=wording.title(self.verdict),
            tone=self.verdict if self.verdict in VERDICTS else "",
            aside=self.name,
        )


def _place(step: float, epoch: float | None) -> str:
    return f"step {step:,}" + ("" if epoch is None else f", epoch {number(epoch, 3)}")


def diagnose(
    results: Any,
    *,
    checkpoints: Sequence[Any] = (),
    n_epochs: int | None = None,
    batch_size: int | None = None,
    n_valid: int | None = None,
    min_rise: float = 0.05,
    confidence: float = 0.95,
    healthy_rise: float = 0.15,
    draws: int = 300,
    seed: int = 0,
) -> Diagnosis:
    """Judge one run by its validation curve, de-cycled, smoothed and bootstrapped.

    `results` is a `Results`, a `Run`, a table, a path, or a job. `checkpoints` are the ones the service kept (mappings
    or objects with `step_number` and `fine_tuned_model_checkpoint`); they, `n_epochs` and `batch_size` are taken from
    a `Run` when not given. With `n_valid`, the rows of the validation file, the period of its batches is known.

    `min_rise` is the rise that counts, as a fraction (smaller ones vary from seed to seed); `confidence` is the
    probability a verdict must reach (overfitting one of .10 less; chosen by `tests/benchmarks/diagnosis.py` for at most
    .3 % false alarms); a run is healthy only when its rise is below `healthy_rise` at the upper end of its
    interval. The same input always gives the same answer: `seed` draws the bootstrap.

    >>> d = tb.diagnose("results.csv", n_epochs=6)
    >>> d.verdict, round(d.onset_epoch)
    ('overfitting', 2)
    >>> d.reason
    'Validation loss rose ... % (90 % interval ... %) from its lowest point near step ...'
    >>> tb.diagnose(tb.read_run("runs/ftjob-calm")).verdict
    'healthy'
    """
    results = run_of(results)
    settings: dict[str, Any] = {}
    total_steps = None
    if isinstance(results, Run):
        run, results = results, results.results
        settings = run.hyperparameters
        n_epochs = n_epochs or settings["n_epochs"]
        batch_size = batch_size or settings["batch_size"]
        checkpoints = checkpoints or run.checkpoints
        total_steps = run.total_steps
        usd = paid(run.trained_tokens, per_million(run.model, tier_of(run.job)))
        settings |= {"trained_tokens": run.trained_tokens, "cost_usd": usd}
    results = Results.from_frame(pd.DataFrame({"step": []})) if results is None else load_results(results)
    if len(results.parts) > 1:
        return _nothing(results, wording.several_jobs(len(results.parts)))
    period = math.ceil(n_valid / batch_size) if n_valid and batch_size else None
    rng = np.random.default_rng(seed)
    with _ALONE, _BLAS.limit(limits=1, user_api="blas"):
        evidence = gather(results.frame, rise=math.log1p(min_rise), period=period, draws=draws, rng=rng)
    per_epoch = _steps_per_epoch(evidence, n_epochs, total_steps)
    verdict, p = _verdict(evidence, confidence, math.log1p(healthy_rise))
    kept, again = _checkpoint(evidence, checkpoints, per_epoch)
    shown = verdict == "overfitting"
    found = reward_findings(results.frame)
    known = settings | {"n_epochs": n_epochs, "batch_size": batch_size}
    facts = wording.Facts(evidence, verdict, p, per_epoch, known)
    return Diagnosis(
        verdict=verdict,
        p_overfitting=None if math.isnan(p) else p,
        rise=facts.rise,
        rise_interval=facts.rise_interval,
        effect=facts.effect,
        onset_step=facts.onset_step if shown else None,
        onset_epoch=facts.onset_epoch if shown else None,
        onset_interval=facts.onset_interval if shown else None,
        recommended_step=facts.best_step,
        best=_best(evidence, per_epoch),
        checkpoint=kept,
        train_again=again,
        reason=wording.reason(facts),
        # What goes wrong with the rewards is mended before anything is trained longer, or another way.
        advice=tuple(finding.advice for finding in found) or wording.advice(facts),
        findings=found,
        curve=_curve(evidence, per_epoch),
        notes=(*results.notes, *wording.notes(evidence, verdict)),
        name=results.name,
        metric=evidence.main.name,
        train_metric=evidence.train.name,
        period=evidence.period,
    )


def _verdict(e: Evidence, confidence: float, healthy_rise: float) -> tuple[str, float]:
    """The verdict and P(overfitting). Healthy has to be shown, as overfitting has: what is neither is inconclusive."""
    if e.main.impossible > _IMPOSSIBLE * len(e.main):
        return "inconclusive", math.nan
    if not math.isnan(e.lost_at) or e.p_diverged >= confidence:
        return "diverged", math.nan if math.isnan(e.p_rise) else e.p_overfitting * 0.5
    if math.isnan(e.p_rise):
        return "inconclusive", math.nan
    p = e.p_overfitting
    risen = e.curve is not None and float(np.quantile(e.curve.rises, 0.05)) > 0
    if risen and p >= confidence - _SURER:
        return "overfitting", p
    if e.learned is False and e.p_rise < 0.5 and e.p_improving < confidence:
        return "not_learning", p
    if e.p_improving >= confidence:
        return "not_converged", p
    at_most = float(np.quantile(e.curve.rises, 0.95)) if e.curve is not None else math.inf
    if e.p_rise < 0.5 and e.p_improving < 0.5 and at_most <= healthy_rise:
        return "healthy", p
    return "inconclusive", p


def _steps_per_epoch(e: Evidence, n_epochs: int | None, total_steps: int | None) -> float | None:
    """Steps an epoch has, from the number of epochs; else from whole-file measurements, which come once an epoch."""
    if n_epochs and not math.isnan(e.last):
        return (total_steps or e.last) / n_epochs
    gaps = np.diff(np.append(0.0, e.full.step))
    if len(gaps) >= 2 and e.main is not e.full and np.ptp(gaps) <= 1 and e.full.step[-1] == e.last:
        return float(e.last / len(gaps))
    return None


def _best(e: Evidence, per_epoch: float | None) -> dict[str, Any] | None:
    """The point with the lowest expected validation loss."""
    if e.curve is None:
        return None
    loss = float(e.main.to_units(e.curve.at(np.array([e.curve.best])))[0])
    return {"step": round(e.curve.best), "epoch": _epoch(e.curve.best, per_epoch), "loss": loss}


def _checkpoint(
    e: Evidence, checkpoints: Sequence[Any], per_epoch: float | None
) -> tuple[dict[str, Any] | None, dict[str, int] | None]:
    """The checkpoint with the lowest expected validation loss among those kept, and the epochs to train again with.

    With it go what it costs against the best point, and what the last one costs against it.
    """
    kept = sorted((_read_checkpoint(c) for c in checkpoints), key=lambda c: c[0])
    if not kept and per_epoch:
        ends = np.round(np.arange(1, round(e.last / per_epoch) + 1) * per_epoch).astype(int)
        kept = [(int(step), None) for step in ends[-KEPT:]]
    if not kept and e.curve is not None:
        kept = [(round(e.curve.best), None), (round(e.last), None)]
    steps = np.array([step for step, _ in kept], dtype=float)
    level = _expected(e, steps)
    if level is None or e.curve is None or not kept:
        return None, None
    best = int(np.argmin(level))
    step, name = kept[best]
    here = e.curve.at(np.array([step], dtype=float))[0]
    chosen = {
        "step": step,
        "epoch": _epoch(step, per_epoch),
        "name": name,
        "above_best": max(e.main.as_fraction(float(e.main.rise(here, e.curve.at(np.array(e.curve.best))))), 0.0),
        "excess_of_last": e.main.as_fraction(float(e.main.rise(level[-1], level[best]))),
    }
    if not per_epoch:
        return chosen, None
    ends = e.curve.at(np.arange(1, max(1, round(e.last / per_epoch)) + 1) * per_epoch)
    missed = e.main.as_fraction(float(e.main.rise(here, ends.min()))) > TOO_FAR
    return chosen, {"n_epochs": int(np.argmin(ends)) + 1} if missed else None


def _epoch(step: float, per_epoch: float | None) -> float | None:
    """The epoch of a step; whole when it ends there but for rounding of steps."""
    if per_epoch is None:
        return None
    epoch = step / per_epoch
    return round(epoch) if abs(epoch - round(epoch)) < 0.05 else round(epoch, 2)


def _expected(e: Evidence, steps: np.ndarray) -> np.ndarray | None:
    """Expected level at some steps on the scale of comparison.

    Where every step has a measurement of the whole file, the mean of those and the curve.
    """
    if e.curve is None:
        return None
    curve = e.curve.at(steps)
    at = {float(s): float(y) for s, y in zip(e.full.step, e.full.y, strict=True)}
    if e.main is e.full or any(step not in at for step in steps):
        return curve
    whole = np.array([at[step] for step in steps])
    return (curve + whole - whole.mean() + curve.mean()) / 2


def _read_checkpoint(checkpoint: Any) -> tuple[int, str | None]:
    get = checkpoint.get if isinstance(checkpoint, Mapping) else lambda key: getattr(checkpoint, key, None)
    step = get("step_number")
    step = get("step") if step is None else step
    name = get("fine_tuned_model_checkpoint") or get("name")
    return int(step or 0), None if name is None else str(name)


def _curve(e: Evidence, per_epoch: float | None) -> pd.DataFrame:
    nan = np.empty(0)
    step = valid = low = high = train = nan
    if e.curve is not None:
        step = e.curve.t
        valid = e.main.to_units(e.curve.fit)
        low, high = (e.main.to_units(q) for q in np.quantile(e.curve.draws, (0.05, 0.95), axis=0))
        if e.kind != "loss":
            low, high = np.minimum(low, high), np.maximum(low, high)
        train = np.full(len(step), math.nan)
        if e.train_curve is not None:
            train = e.train.to_units(np.interp(step, e.train_curve.t, e.train_curve.fit))
    elif e.train_curve is not None:
        step, train = e.train_curve.t, e.train.to_units(e.train_curve.fit)
        valid = low = high = np.full(len(step), math.nan)
    epoch = step / per_epoch if per_epoch else np.full(len(step), math.nan)
    return pd.DataFrame(
        {
            "step": step,
            "epoch": epoch,
            "valid_smooth": valid,
            "valid_low": low,
            "valid_high": high,
            "train_smooth": train,
        }
    )


def undiagnosed(run: Run, reason: str) -> Diagnosis:
    """What stands for the diagnosis of a run that has none: inconclusive, for that reason."""
    return _nothing(Results.from_frame(pd.DataFrame({"step": []})) if run.results is None else run.results, reason)


def _nothing(results: Results, reason: str) -> Diagnosis:
    empty = pd.DataFrame(
        {c: [] for c in ("step", "epoch", "valid_smooth", "valid_low", "valid_high", "train_smooth")}, dtype=float
    )
    return Diagnosis(
        verdict="inconclusive",
        p_overfitting=None,
        rise=None,
        rise_interval=None,
        effect=None,
        onset_step=None,
        onset_epoch=None,
        onset_interval=None,
        recommended_step=None,
        best=None,
        checkpoint=None,
        train_again=None,
        reason=reason,
        advice=(),
        curve=empty,
        notes=results.notes,
        name=results.name,
    )
