"""How each state of a job is shown: a word, a symbol and a tone. What it means stands in `service.watching.STATES`.

The vocabulary is open: a state that is not known here is shown as the service wrote it and never taken for an end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tunebook.analysis.run import TERMINAL
from tunebook.palette import TONES
from tunebook.show import Span


@dataclass(frozen=True)
class State:
    """`word` and `symbol` are always shown together; `tone` is go, wait, rest, good or bad."""

    word: str
    symbol: str
    tone: str
    ended: bool = False  # set by `state`: which states are an end is the analysis' to know


STATES = {
    "created": State("Created", "○", "wait"),
    "pending": State("Waiting", "○", "wait"),
    "validating_files": State("Checking", "○", "wait"),
    "queued": State("Queued", "○", "wait"),
    "running": State("Running", "▶\ufe0e", "go"),
    "pausing": State("Pausing", "‖", "wait"),
    "paused": State("Paused", "‖", "rest"),
    "resuming": State("Resuming", "▷\ufe0e", "wait"),
    "succeeded": State("Succeeded", "✓\ufe0e", "good"),
    "cancelled": State("Cancelled", "■\ufe0e", "rest"),
    "failed": State("Failed", "✕\ufe0e", "bad"),
}


def state(name: str | None) -> State:
    """The state called `name`; an unknown one keeps its own name and counts as still going."""
    key = str(name or "unknown")
    shown = STATES.get(key) or State(key.replace("_", " ").capitalize(), "?", "wait")
    return replace(shown, ended=key in TERMINAL)


def state_span(name: str | None) -> Span:
    """The state as a piece of a table's row."""
    shown = state(name)
    tone = {"wait": "warning"}.get(shown.tone, shown.tone)
    return Span(f"{shown.symbol} {shown.word}", "short", tone if tone in TONES else "")
