"""What goes wrong, on standard error: the same fault once a minute, however often it happens."""

from __future__ import annotations

import logging
import sys
import time
import traceback

_SILENCE_S = 60.0
_said: dict[object, float] = {}  # kind and place of a fault -> when it was last told


def complain(error: BaseException) -> None:
    """Print the traceback of an error, unless the same one was printed within the last minute."""
    place = traceback.extract_tb(error.__traceback__)[-1:]
    kind = (type(error).__name__, place[0].filename if place else "", (place[0].lineno or 0) if place else 0)
    if _is_new(kind):
        print("".join(traceback.format_exception(error)), end="", file=sys.stderr, flush=True)


def quieten(*loggers: str) -> None:
    """Let these loggers of other people's say the same only once a minute too."""
    for name in loggers:
        logging.getLogger(name).addFilter(lambda record: _is_new((record.name, record.msg)))


def _is_new(kind: object) -> bool:
    now = time.monotonic()
    if now - _said.get(kind, -_SILENCE_S) < _SILENCE_S:
        return False
    _said[kind] = now
    return True
