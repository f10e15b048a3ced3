"""The grader's field: its JSON, and above it a list of types that fills in one to begin with."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any

import ipywidgets

from tunebook.graders import KINDS, starter

_FIRST = ("as it stands below", "")


class GraderField:
    """`starters` fills `text` with a whole grader of the type picked, for the items whose names `names` gives."""

    def __init__(
        self,
        text: Any,
        names: Callable[[], Collection[str]],
        guard: Callable[[Callable[..., Any]], Callable[..., None]],
    ) -> None:
        self.text, self._names = text, names
        self.starters = ipywidgets.Dropdown(
            description="begin with", options=[_FIRST, *((kind, kind) for kind in KINDS)]
        )
        self.starters.observe(guard(self._picked), "value")
        self.widget = ipywidgets.VBox([self.starters, text])

    def _picked(self, change: Any) -> None:
        if change["new"]:
            self.text.value = json.dumps(starter(change["new"], self._names()), indent=2, ensure_ascii=False)
            self.starters.value = ""  # the same type can be picked again
