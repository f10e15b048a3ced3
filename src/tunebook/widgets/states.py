"""How each state of a job is shown: a word, a symbol and a tone. What it means stands in `service.watching.STATES`.

The vocabulary is open: a state that is not known here is shown as the service wrote it and never taken for an end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tunebook.analysis.run import TERMINAL
from tunebook.palette import TONES
from tunebook.show import escape


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


def may(action: str, name: str | None) -> bool:
    """Whether `action` (pause, resume, cancel) makes sense in this state; the service has the last word."""
    if action == "pause":
        return name == "running"
    if action == "resume":
        return name == "paused"
    return not state(name).ended


def chip(name: str | None) -> str:
    """The state as a small framed label: symbol, word, and a tone that only repeats them."""
    shown = state(name)
    return (
        f'<span class="tb-chip tb-{shown.tone}">'
        f'<span class="tb-sign" aria-hidden="true">{shown.symbol}</span> {escape(shown.word)}</span>'
    )


def badge(name: str | None) -> dict[str, str]:
    """The state as the badge of a card: its tone, where it is one of a card's, brings its sign along."""
    shown = state(name)
    if shown.tone in TONES:
        return {"badge": shown.word, "tone": shown.tone}
    return {"badge": f"{shown.symbol} {shown.word}"}
