"""The base model's field: a list of all models of the catalogue, and a line for a name that is none of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from tunebook.catalogue import Catalogue

_OTHER = "another model …"


class ModelField:
    """`known` lists the models, `text` holds the name and shows itself while that is not one of them."""

    def __init__(
        self, text: Any, catalogue: Catalogue, guard: Callable[[Callable[..., Any]], Callable[..., None]]
    ) -> None:
        self.text, self._catalogue = text, catalogue
        self.known = ipywidgets.Dropdown(
            description=text.description, options=[*(model.id for model in catalogue.models), _OTHER]
        )
        text.description, text.placeholder = f"name of {text.description}", "gpt-4.1-mini-2025-04-14.ft-…"
        self.widget = ipywidgets.VBox([self.known, text])
        self._follow()
        text.observe(guard(lambda _: self._follow()), "value")
        self.known.observe(guard(lambda _: self._picked()), "value")

    def _listed(self) -> str:
        """The model that is named, as it stands in the list."""
        model = self._catalogue.model(self.text.value)
        return model.id if model is not None else _OTHER

    def _follow(self) -> None:
        self.known.value = self._listed()
        self.text.layout.display = "none" if self.known.value != _OTHER else ""

    def _picked(self) -> None:
        if self.known.value != self._listed():
            self.text.value = "" if self.known.value == _OTHER else self.known.value
