"""What a guard costs and saves: simulated runs shown to it bit by bit, as they would be while training."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import simulator

from tunebook.analysis import Results, diagnose
from tunebook.analysis.curves.standing import Standing, look
from tunebook.experiments.sweeps.guard import Guard

_LOOKS = 25


@dataclass(frozen=True)
class Guarded:
    """One run under guard: `stopped` is the share of the run at which it was stopped (NaN: never).

    `lost` is what the best model before the stop is worse than the best of the whole run, by the truth.
    """

    kind: str
    strong: bool
    stopped: float
    lost: float


def guard_run(case: simulator.Case, guard: Guard) -> Guarded:
    """Show a run to the guard at 25 moments; stop at its alarm."""
    n = len(case.frame)
    for k in np.unique(np.linspace(0, n, _LOOKS + 1).astype(int)[1:-1]):
        alarm = guard.decide(f"{case.family} {id(case)}", Results.from_frame(case.frame.iloc[:k]))
        if alarm is not None:
            return Guarded(case.kind, case.rise >= 0.3, k / n, float(case.true[:k].min() / case.true.min() - 1))
    return Guarded(case.kind, case.rise >= 0.3, np.nan, 0.0)


def measure(cases: Iterable[simulator.Case], **settings) -> dict[str, object]:
    """False stops, what is stopped of overfitting runs, and the steps that saves."""
    found = [guard_run(case, Guard("cancel", **settings)) for case in cases]
    stopped = np.array([not np.isnan(g.stopped) for g in found])
    kind, strong = np.array([g.kind for g in found]), np.array([g.strong for g in found])
    saved = np.array([0.0 if np.isnan(g.stopped) else 1 - g.stopped for g in found])
    over, well = kind == "overfitting", np.isin(kind, ("healthy", "not_converged"))
    return {
        "guard": ", ".join(f"{k} {v}" for k, v in settings.items()) or "as it comes",
        "runs": len(found),
        "false stops": stopped[well].mean(),
        "loss by false stops": np.array([g.lost for g in found])[well].mean(),
        "stopped strong": stopped[over & strong].mean(),
        "stopped overfitting": stopped[over].mean(),
        "steps saved of those": saved[over].sum() / max(over.sum(), 1),
        "best model lost": float(np.mean([g.lost for g in found if g.kind == "overfitting"])),
        "diverged stopped": stopped[kind == "diverged"].mean(),
    }


def flips(cases: Iterable[simulator.Case]) -> str:
    """How often the verdict shown of a running job changes: as each look finds it, and as `standing` lets it."""
    found, shown = [], []
    for case in cases:
        standing, verdicts, stood = Standing(), [], []
        for k in np.unique(np.linspace(1, len(case.frame), 2 * _LOOKS).astype(int)):
            results = Results.from_frame(case.frame.iloc[:k])
            now = diagnose(results)
            standing = look(standing, results, lambda now=now: now)
            verdicts.append(now.verdict)
            stood.append(standing.diagnosis.verdict)
        found.append(_changes(verdicts))
        shown.append(_changes(stood))
    often = [np.mean(np.array(changes) > 3) for changes in (found, shown)]
    return (
        f"changes of verdict in a run of {2 * _LOOKS} looks: {np.mean(found):.2f} as found, {np.mean(shown):.2f} as "
        f"shown; more than three: {often[0]:.2f} of {len(found)} runs, {often[1]:.2f}"
    )


def _changes(verdicts: list[str]) -> int:
    return sum(before != after for before, after in pairwise(verdicts))
