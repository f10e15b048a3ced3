"""The few things every widget here is made with. What makes HTML escapes what it is given: texts come from outside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ipywidgets

from tunebook.palette import TONES
from tunebook.show import Code, Part, escape

# By the page itself, so that it works without a kernel as well.
_COPY = (
    "const told=this,text=told.nextElementSibling,select=()=>getSelection().selectAllChildren(text);"
    "navigator.clipboard?navigator.clipboard.writeText(text.textContent)"
    ".then(()=>told.textContent='Copied',select):select()"
)


class Offering:
    """Whether new options are being put into a list: what it picks meanwhile by itself, nobody has asked for."""

    def __init__(self) -> None:
        self._now = False

    def __bool__(self) -> bool:
        return self._now

    @contextmanager
    def new_options(self) -> Iterator[None]:
        self._now = True
        try:
            yield
        finally:
            self._now = False


def wrap(html: str) -> str:
    """HTML inside the element the style sheet is for; nothing stays nothing."""
    return f'<div class="tb">{html}</div>' if html else ""


def rendered(*parts: Part | None) -> str:
    """Parts of a card as HTML that stands in a widget; those that are None are left out."""
    return "".join(str(part.html()) for part in parts if part is not None)


def notice(text: str, tone: str = "warning") -> str:
    """A framed sentence. tone: warning (worth knowing), bad (went wrong), good (done), go (under way)."""
    return f'<div class="tb-notice tb-{tone}">{_sign(tone)}{escape(text)}</div>'


def note(text: str, tone: str = "") -> str:
    """A small line under a field; `tone` as in `notice`, empty for plain advice."""
    return f'<p class="tb-note tb-{tone or "plain"}">{_sign(tone)}{escape(text)}</p>'


def code(source: str) -> str:
    """Text in which every space counts, with a button that copies it; where it may not, it is selected instead."""
    return f'<div class="tb-code"><button type="button" onclick="{_COPY}">Copy</button>{Code(source).html()}</div>'


def _sign(tone: str) -> str:
    return f'<span class="tb-sign" aria-hidden="true">{TONES[tone].sign}</span> ' if tone in TONES else ""


def put(widget: Any, html: str) -> None:
    """Show `html` in an HTML widget, sending it only when it is new."""
    value = wrap(html)
    if widget.value != value:
        widget.value = value


def place(widget: Any, **settings: str) -> None:
    """Set the layout a widget has. (Giving it a new one would leave the old one in the register of widgets.)"""
    with widget.layout.hold_sync():
        for name, value in settings.items():
            setattr(widget.layout, name, value)


def described(widget: Any, width: str) -> None:
    """Give the label of a field this width, so that fields stand in a column."""
    widget.style.description_width = width


def button(words: str, tooltip: str, style: str = "", **settings: str) -> ipywidgets.Button:
    """A button as wide as its words. Words, not icons: they are what a screen reader says."""
    made = ipywidgets.Button(description=words, tooltip=tooltip, button_style=style)
    place(made, **({"width": "auto"} | settings))
    return made
