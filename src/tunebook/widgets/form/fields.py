"""The widgets of a job form's fields, and how they stand beside their notes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ipywidgets

from tunebook.fields import METHODS, BaseModel, Choice, Json, MethodName, Pairs, Setting, Tier, settings
from tunebook.widgets.form.values import PRICE, TYPED, field_of
from tunebook.widgets.pieces import place, wrap

DESCRIBED = "160px"  # the longest label is learning_rate_multiplier
# Fields that only some methods have; all others belong to every method.
METHOD_ROWS = {name: s.methods for name, s in settings().items() if s.methods != METHODS}
PRICE_UNITS = {"reinforcement": "$ an hour"}
PRICE_UNIT = "$ a million tokens"


def make_fields() -> dict[str, Any]:
    """One input for each field that is typed or chosen, by name."""
    price = ipywidgets.Text(description=PRICE_UNIT, placeholder="price of the catalogue", continuous_update=False)
    return {name: price if name == PRICE else _input(settings()[name]) for name in TYPED}


def _input(setting: Setting) -> Any:
    kind = setting.kind
    if isinstance(kind, BaseModel):
        return ipywidgets.Text(description=setting.label, continuous_update=False)
    if isinstance(kind, MethodName | Tier):  # the form offers those of the model
        return ipywidgets.Dropdown(description=setting.label)
    if isinstance(kind, Choice):
        options = [("left to the service", ""), *((option, option) for option in kind.options)]
        return ipywidgets.Dropdown(description=setting.label, options=options)
    words = {"description": setting.label, "placeholder": setting.placeholder}
    if isinstance(kind, Json | Pairs):
        return ipywidgets.Textarea(**words, rows=5 if isinstance(kind, Json) else 2, continuous_update=False)
    return ipywidgets.Text(**words)


def row(control: Any, beside: Any) -> Any:
    """A field with its notes beside it; below it where the cell is narrow, by a rule of the style sheet."""
    box = ipywidgets.VBox([control], layout=ipywidgets.Layout(flex="1 1 400px", max_width="470px", overflow="hidden"))
    place(beside, flex="1 1 300px", margin="7px 0 0 0", min_height="23px")  # as far down as the label of the field
    beside.add_class("tb-beside")
    row = ipywidgets.Layout(flex_flow="row wrap", align_items="flex-start", grid_gap="0 16px")
    return ipywidgets.HBox([box, beside], layout=row)


def grouped(rows: Mapping[str, Any]) -> list[Any]:
    """The rows under the headings of their groups."""
    laid: list[Any] = []
    for heading, names in _groups().items():
        title = ipywidgets.HTML(wrap(f'<h4 class="tb-group">{heading}</h4>'))
        place(title, margin="0", width="auto")
        laid += [title, *(rows[name] for name in names)]
    return laid


def _groups() -> dict[str, list[str]]:
    """The names of the fields by the headings they stand under; the price at the end."""
    groups: dict[str, list[str]] = {}
    for setting in settings().values():
        groups.setdefault(setting.group, []).append(field_of(setting))
    groups[setting.group].append(PRICE)
    return groups
