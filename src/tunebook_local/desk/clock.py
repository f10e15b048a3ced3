"""The service's time: one clock for timestamps, expiry and pace, the same in the server and its workers.

`pace_s` is the least time a stage or a training step takes: 0 is as fast as the machine can, 1.0 lets a person
watch a step a second. A test that must decide when things happen gives a file that holds the time (unix
seconds) and moves it on itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_POLL_S = 0.02


@dataclass(frozen=True)
class Clock:
    """`now()` in unix seconds; `wait(seconds)` on this clock."""

    pace_s: float = 0.0
    file: Path | None = None

    def now(self) -> float:
        """Unix seconds: of the machine, or as the file says."""
        if self.file is None:
            return time.time()
        return float(self.file.read_text("ascii"))  # replaced whole by whoever moves the time, never half there

    def wait_until(self, moment: float, *, unless: Callable[[], bool]) -> None:
        """Return at `moment`, or as soon as `unless()` is true (asked every few hundredths of a second)."""
        while self.now() < moment and not unless():
            left = moment - self.now() if self.file is None else _POLL_S
            time.sleep(max(0.0, min(left, _POLL_S)))
