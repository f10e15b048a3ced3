"""What is said of a job while it runs: a verdict changes only when the evidence does, not with every measurement.

The one rule for the live cell, the board and the guard. A look counts when it has enough new measurements; another
verdict than the one shown has to come out of several looks in a row before it is shown. The end of a job is judged at
once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tunebook.analysis.curves.diagnosis import Diagnosis
from tunebook.analysis.results import Results

# The share of new measurements that makes a look a new one, and the looks in a row that change what is shown.
FRESH, PATIENCE = 0.05, 3


@dataclass(frozen=True, eq=False)
class Standing:
    """`diagnosis` is shown (None before the first), `measured` what the last look saw, `looks` the looks in a row that
    found what `latest` says, which is not yet the one shown while it waits, `ended` whether the job had ended."""

    diagnosis: Diagnosis | None = None
    measured: int = 0
    latest: Diagnosis | None = None
    looks: int = 0
    ended: bool = False


def look(
    before: Standing,
    results: Results | None,
    judge: Callable[[], Diagnosis],
    *,
    ended: bool = False,
    fresh: float = FRESH,
    patience: int = PATIENCE,
) -> Standing:
    """What stands after another look at a job; `before` itself when there is too little new for one.

    `judge` diagnoses the `results` known now. The same verdict, and none at all, are replaced at once.
    """
    measured = 0 if results is None else _measured(results)
    new = measured >= max(before.measured * (1 + fresh), before.measured + 1)
    if results is None or not (new or (ended and (not before.ended or measured != before.measured))):
        return before
    now, shown = judge(), before.diagnosis
    looks = before.looks + 1 if before.latest is not None and _found(before.latest) == _found(now) else 1
    at_once = ended or shown is None or shown.p_overfitting is None or _found(shown) == _found(now)
    return Standing(now if at_once or looks >= patience else shown, measured, now, looks, ended)


def _found(diagnosis: Diagnosis) -> tuple[str, ...]:
    return diagnosis.verdict, *(finding.kind for finding in diagnosis.findings)


def _measured(results: Results) -> int:
    """Measurements a verdict can rest on: of validation, else (for divergence) of training."""
    frame = results.frame
    validation = [c for c in frame if str(c).startswith(("valid_", "full_valid_"))]
    counts = [int(frame[c].notna().sum()) for c in validation]
    return max(counts, default=0) or len(frame)
