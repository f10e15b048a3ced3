"""What all widgets here have in common: one cell output that stays right when the kernel is gone.

A panel is two outputs. The first is its picture (text/html and text/plain) behind a display handle: it is what a
saved, exported or GitHub-rendered notebook shows, and what is left where a notebook is not trusted. The second is the
widget. While the widget lives, one CSS rule inside it hides the picture; when the notebook is opened without a kernel
the widget is not there, the picture is, and a rule of the picture hides the front end's "model not found" line. After
a restart of the kernel, which leaves the widget behind as broken links, another rule puts the picture in its place.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from typing import Any, ClassVar

import ipywidgets

from tunebook.show import Card
from tunebook.widgets.outputs import all_widgets, free_from_cell, mode, picture
from tunebook.widgets.pieces import place
from tunebook.widgets.style import style_tag


class Panel:
    """A widget with a picture. It makes its `widget` by `_frame`, and says in `_static` what its picture is.

    `_lock` is held while a panel is being displayed: a picture that came in between would have no display to go to.
    """

    widget: ipywidgets.VBox
    # Where cells run unattended, nobody can click: only the picture is left, of what `_read_once` has read.
    _picture_alone_unattended: ClassVar[bool] = True

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._closed = False
        self._mark = f"tb-{uuid.uuid4().hex[:10]}"
        self._handle: Any = None
        self._displayed: dict[str, str] = {}

    # ---- what a panel says of itself

    def _static(self) -> tuple[Card, str]:
        """The picture, and the same as plain text."""
        raise NotImplementedError

    def _read_once(self) -> None:
        """Read what the picture is to show, where cells run unattended."""

    def _begin(self) -> None:
        """What begins once somebody sees the panel: reading, watching."""

    # ---- display

    def _frame(self, parts: Sequence[Any], **layout: str) -> None:
        style = ipywidgets.HTML(style_tag() + f"<style>.{self._mark}{{display:none}}</style>")
        place(style, display="none")
        self.widget = ipywidgets.VBox([style, *parts], layout=ipywidgets.Layout(overflow="hidden", **layout))

    def show(self) -> None:
        """Display the panel in the notebook cell that runs now; an earlier showing keeps its last picture."""
        from IPython.display import display

        if self._picture_alone_unattended and mode() != "notebook":
            self._read_once()
            display(picture(*self._static()), raw=True)
            return
        with self._lock:
            self._displayed = self._marked(*self._static())
            self._handle = display(self._displayed, raw=True, display_id=uuid.uuid4().hex)
            display(self._view() | {"text/plain": ""}, raw=True)
            free_from_cell(self.widget)
        self._begin()

    def _keep(self) -> None:
        if self._handle is not None:
            self._keep_picture(*self._static())

    def _keep_picture(self, card: Card, plain: str) -> None:
        """Replace the picture, if it changed. Safe from any thread: touches this panel's own display handle only."""
        if self._handle is not None and (bundle := self._marked(card, plain)) != self._displayed:
            self._displayed = bundle
            self._handle.update(bundle, raw=True)

    def _marked(self, card: Card, plain: str) -> dict[str, str]:
        # An output whose widget is missing holds nothing but the front end's words: no element.
        output, dead = ".jp-OutputArea-child", ".jupyter-widgets-disconnected"
        mine = f"{output}:has(.{self._mark})"
        rules = (
            f"{mine}+{output} .jp-OutputArea-output.jupyter-widgets:not(:has(*)),{mine}+{output}:has({dead})"
            f"{{display:none}}{output}:has(+{output} {dead}) .{self._mark}{{display:block!important}}"
        )
        bundle = picture(card, plain)
        return bundle | {"text/html": f'<style>{rules}</style><div class="{self._mark}">{bundle["text/html"]}</div>'}

    def _view(self) -> dict[str, Any]:
        """The widget itself, as a MIME bundle; nothing once it is closed."""
        if self._closed:
            return {}
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        return {"application/vnd.jupyter.widget-view+json": view}

    def close(self) -> None:
        """Free the widgets; the saved picture stays."""
        self._closed = True
        for widget in all_widgets(self.widget):
            widget.close()

    def _ipython_display_(self) -> None:
        self.show()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return picture(*self._static()) | self._view()
