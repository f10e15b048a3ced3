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
    found the verdict `latest`, which is not yet the one shown while it waits, `ended` whether the job had ended."""

    diagnosis: Diagnosis | None = None
    measured: int = 0
    latest: str = ""
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

    `judge` diagnoses the `results` known now. What nothing could be said of, and the same verdict, are replaced at once.
    """
    measured = 0 if results is None else _measured(results)
    new = measured >= max(before.measured * (1 + fresh), before.measured + 1)
    if results is None or not (new or (ended and (not before.ended or measured != before.measured))):
        return before
    now, shown = judge(), before.diagnosis
    looks = before.looks + 1 if now.verdict == before.latest else 1
    at_once = ended or shown is None or shown.p_overfitting is None or shown.verdict == now.verdict
    return Standing(now if at_once or looks >= patience else shown, measured, now.verdict, looks, ended)


def _measured(results: Results) -> int:
    """Measurements a verdict can rest on: of validation, else (for divergence) of training."""
    frame = results.frame
    validation = [c for c in frame if str(c).startswith(("valid_", "full_valid_"))]
    counts = [int(frame[c].notna().sum()) for c in validation]
    return max(counts, default=0) or len(frame)
