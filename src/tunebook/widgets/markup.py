"""Small pieces of the living widgets' HTML. Every piece escapes what it is given: texts come from outside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunebook.palette import TONES
from tunebook.show import Part, escape


def field(record: Any, name: str, default: Any = None) -> Any:
    """One field of a record that may be an SDK object, a mapping, or None."""
    if isinstance(record, Mapping):
        return record.get(name, default)
    return getattr(record, name, default)


def rendered(*parts: Part | None) -> str:
    """Parts of a card as HTML that stands in a widget; those that are None are left out."""
    return "".join(str(part.html()) for part in parts if part is not None)


def notice(text: str, tone: str = "warning") -> str:
    """A framed sentence. tone: warning (worth knowing), bad (went wrong), good (done), go (under way)."""
    return f'<div class="tb-notice tb-{tone}">{_sign(tone)}{escape(text)}</div>'


def note(text: str, tone: str = "") -> str:
    """A small line under a field; `tone` as in `notice`, empty for plain advice."""
    return f'<p class="tb-note tb-{tone or "plain"}">{_sign(tone)}{escape(text)}</p>'


def _sign(tone: str) -> str:
    return f'<span class="tb-sign" aria-hidden="true">{TONES[tone].sign}</span> ' if tone in TONES else ""
