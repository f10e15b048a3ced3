"""The few things every widget here is made with."""

from __future__ import annotations

from typing import Any

import ipywidgets


def wrap(html: str) -> str:
    """HTML inside the element the style sheet is for; nothing stays nothing."""
    return f'<div class="tb">{html}</div>' if html else ""


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
