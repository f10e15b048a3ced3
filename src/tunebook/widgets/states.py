"""The state of a job as the widgets show it: which buttons make sense, a chip, a badge."""

from __future__ import annotations

from tunebook.palette import TONES
from tunebook.service.states import state
from tunebook.show import escape


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
