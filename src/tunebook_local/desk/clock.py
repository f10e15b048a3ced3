"""The service's time: one clock for timestamps, expiry and pace, the same in the server and its workers.

`pace_s` is the least time a stage or a training step takes: 0 is as fast as the machine can, 1.0 lets a person
watch a step a second. A test that must decide when things happen gives a file that holds the time (unix
seconds) and moves it on itself.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_POLL_S = 0.02


@dataclass(frozen=True)
class Clock:
    """`now()` in unix seconds, and durations that a clock set back cannot stretch."""

    pace_s: float = 0.0
    file: Path | None = None

    def now(self) -> float:
        """Unix seconds: of the machine, or as the file says."""
        if self.file is None:
            return time.time()
        return float(self.file.read_text("ascii"))  # replaced whole by whoever moves the time, never half there

    def elapsed(self, since: float) -> float:
        """Seconds since a moment; for ever when it is more than a second to come: the clock was set back meanwhile."""
        passed = self.now() - since
        return passed if passed > -1 else math.inf

    def timer(self) -> Callable[[], float]:
        """What says how many seconds have passed since now, whatever becomes of the machine's clock."""
        read = time.monotonic if self.file is None else self.now
        began = read()
        return lambda: read() - began

    def wait(self, seconds: float, *, unless: Callable[[], bool]) -> None:
        """Return after so long, or as soon as `unless()` is true (asked every few hundredths of a second)."""
        passed = self.timer()
        while (left := seconds - passed()) > 0 and not unless():
            time.sleep(_POLL_S if self.file is not None else min(left, _POLL_S))
