"""What goes wrong, on standard error: the same fault once a minute, however often it happens."""

from __future__ import annotations

import sys
import time
import traceback

_SILENCE_S = 60.0
_said: dict[tuple[str, str, int], float] = {}  # kind and place of a fault -> when it was last told


def complain(error: BaseException) -> None:
    """Print the traceback of an error, unless the same one was printed within the last minute."""
    place = traceback.extract_tb(error.__traceback__)[-1:]
    kind = (type(error).__name__, place[0].filename if place else "", (place[0].lineno or 0) if place else 0)
    now = time.monotonic()
    if now - _said.get(kind, -_SILENCE_S) >= _SILENCE_S:
        _said[kind] = now
        print("".join(traceback.format_exception(error)), end="", file=sys.stderr, flush=True)
