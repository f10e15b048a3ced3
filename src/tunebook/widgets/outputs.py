"""Where output goes: which kind of place this is, and a cell output that stays right when the kernel is gone.

A live cell is two outputs. The first is a static picture (text/html and text/plain) behind a display handle: it is
what a saved, exported or GitHub-rendered notebook shows. The second is the widget. While the widget lives, one CSS
rule inside it hides the picture; when the notebook is opened without a kernel the widget is not there, the picture
is, and a rule of the picture hides the front end's "model not found" line.
"""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Mapping
from typing import Any, Literal

from tunebook.widgets.style import style_tag

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


def static_picture(html: str, plain: str) -> dict[str, str]:
    """The static picture of a widget, as a MIME bundle: what is left when the kernel is gone."""
    return {"text/html": f'{style_tag()}<div class="tb">{html}</div>', "text/plain": plain}


def show_picture(html: str, plain: str) -> None:
    """Display the static picture alone, where cells run unattended."""
    from IPython.display import display

    display(static_picture(html, plain), raw=True)


def widget_view(widget: Any) -> dict[str, Any]:
    """The widget itself, as a MIME bundle."""
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    return {"application/vnd.jupyter.widget-view+json": view}


class Shown:
    """One live output: a static picture and, while the kernel lives, a widget in its place."""

    def __init__(self, widget: Any) -> None:
        self.widget = widget
        self._mark = f"tb-{uuid.uuid4().hex[:10]}"
        self._handle: Any = None
        self._last: tuple[str, str] | None = None

    def show(self, html: str, plain: str) -> None:
        """Display picture and widget in the cell that runs now; an earlier showing keeps its last picture."""
        from IPython.display import display

        self._last = (html, plain)
        self._handle = display(self._picture(html, plain), raw=True, display_id=uuid.uuid4().hex)
        display(widget_view(self.widget) | {"text/plain": ""}, raw=True)
        free_from_cell(self.widget)

    def keep(self, html: str, plain: str) -> None:
        """Replace the static picture, if it changed. Safe from any thread: touches its own display handle only."""
        if self._handle is not None and (html, plain) != self._last:
            self._last = (html, plain)
            self._handle.update(self._picture(html, plain), raw=True)

    @property
    def hiding_style(self) -> str:
        """The rule that hides the picture; it has to stand in an HTML widget inside `widget`."""
        return f"<style>.{self._mark}{{display:none}}</style>"

    def _picture(self, html: str, plain: str) -> dict[str, str]:
        # An output whose widget is missing holds nothing but the front end's words: no element.
        mine, next_output = f".jp-OutputArea-child:has(.{self._mark})", ".jp-OutputArea-child"
        orphan = f"{mine}+{next_output} .jp-OutputArea-output.jupyter-widgets:not(:has(*)){{display:none}}"
        body = f'{style_tag()}<style>{orphan}</style><div class="tb {self._mark}">{html}</div>'
        return {"text/html": body, "text/plain": plain}
