"""Where output goes: which kind of place this is, which cell runs, and how clicks get through while one runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, Literal

from tunebook.show import Card

Mode = Literal["notebook", "batch", "script"]


def mode(shell: Any = None, environ: Mapping[str, str] | None = None) -> Mode:
    """notebook: a person sees the cells and can click. batch: a notebook runs unattended. script: no cells at all.

    A kernel is driven unattended when the request to execute forbids input (`allow_stdin` false): nbclient, papermill
    and nbval do so. Voilà does too, and its pages are live, so it is asked first.
    """
    shell = shell or _shell()
    kernel = getattr(shell, "kernel", None)
    if type(shell).__name__ == "Shell" and type(shell).__module__.startswith("google.colab"):
        return "notebook"
    if kernel is None:
        return "script"
    if any(name.startswith("VOILA_") for name in (os.environ if environ is None else environ)):
        return "notebook"
    try:
        content = kernel.get_parent().get("content", {})
    except (AttributeError, LookupError):
        return "notebook"
    return "notebook" if content.get("allow_stdin", True) else "batch"


def cell_and_count(shell: Any = None) -> tuple[str | None, int | None]:
    """The id of the notebook cell that runs now (None where the front end gives none) and its execution count."""
    shell = shell or _shell()
    if shell is None:
        return None, None
    try:
        cell = shell.kernel.get_parent().get("metadata", {}).get("cellId")
    except (AttributeError, LookupError):
        cell = None
    return cell, getattr(shell, "execution_count", None)


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def name_of(value: Any) -> str:
    """What the notebook calls this value: the variable that holds it, or `_12`, the output of its cell."""
    names = [name for name, each in getattr(_shell(), "user_ns", {}).items() if each is value]
    return min(names, key=lambda name: (name.startswith("_"), name in ("_", "__", "___")), default="form")


def all_widgets(root: Any) -> list[Any]:
    """`root` and everything inside it, with layouts and styles, so that none stays in the widget register."""
    found = [root]
    for child in getattr(root, "children", ()):
        found += all_widgets(child)
    for extra in ("layout", "style"):
        if (part := getattr(root, extra, None)) is not None and hasattr(part, "close"):
            found.append(part)
    return found


def free_from_cell(root: Any) -> None:
    """Let clicks be answered while another cell runs, where the kernel has subshells.

    A front end sends clicks to a subshell of its own (JupyterLab 4.4), but ipykernel 7.4 hands a widget's messages to
    the shell that wrote to the widget last; for what a cell made that is the main one, which waits for the running
    cell. Forgetting who wrote last leaves the front end's choice. Elsewhere there is nothing to forget.
    """
    for widget in all_widgets(root):
        comm = getattr(widget, "comm", None)
        if comm is not None and hasattr(comm, "__dict__"):
            comm.__dict__.pop("_reply_subshell_id", None)


def picture(card: Card, plain: str) -> dict[str, str]:
    """What is left when the kernel is gone, as a MIME bundle: a card, and the same as plain text."""
    return {"text/html": str(card.html()), "text/plain": plain}
