"""The widgets of a job form's fields, and how they stand beside their notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets

from tunebook.service.request import EFFORTS
from tunebook.widgets.pieces import place, wrap

DESCRIBED = "160px"  # the longest label is learning_rate_multiplier
# Fields that only some methods have; all others belong to every method.
METHOD_ROWS = {
    "beta": ("dpo",),
    "l2_multiplier": ("dpo",),
    "grader": ("reinforcement",),
    "reasoning_effort": ("reinforcement",),
    "compute_multiplier": ("reinforcement",),
    "eval_interval": ("reinforcement",),
    "eval_samples": ("reinforcement",),
    "price": ("supervised", "dpo"),
}
GROUPS = (
    ("Model", ("model", "method", "training_type")),
    ("Files", ("training", "validation")),
    (
        "Hyperparameters",
        ("n_epochs", "batch_size", "learning_rate_multiplier", "beta", "l2_multiplier", "grader",
         "reasoning_effort", "compute_multiplier", "eval_interval", "eval_samples", "seed"),
    ),
    ("Name and notes", ("suffix", "metadata", "price")),
)  # fmt: skip


def make_fields(models: Sequence[str]) -> dict[str, Any]:
    """One input for each field that is typed or chosen, by name; `models` are offered, others can be typed."""
    text, choice = ipywidgets.Text, ipywidgets.Dropdown
    return {
        "model": ipywidgets.Combobox(description="base model", options=models, continuous_update=False),
        "method": choice(description="method"),
        "training_type": choice(description="training type"),
        "n_epochs": text(description="n_epochs", placeholder="auto"),
        "batch_size": text(description="batch_size", placeholder="auto"),
        "learning_rate_multiplier": text(description="learning_rate_multiplier", placeholder="auto"),
        "beta": text(description="beta", placeholder="auto"),
        "l2_multiplier": text(description="l2_multiplier", placeholder="auto"),
        "grader": ipywidgets.Textarea(
            description="grader", placeholder='{"type": "string_check", …}', rows=5, continuous_update=False
        ),
        "reasoning_effort": choice(
            description="reasoning_effort",
            options=[("left to the service", ""), *((e, e) for e in EFFORTS)],
        ),
        "compute_multiplier": text(description="compute_multiplier", placeholder="auto"),
        "eval_interval": text(description="eval_interval", placeholder="auto"),
        "eval_samples": text(description="eval_samples", placeholder="auto"),
        "seed": text(description="seed", placeholder="chosen by the service"),
        "suffix": text(description="suffix", placeholder="e.g. support-v1"),
        "metadata": ipywidgets.Textarea(
            description="metadata", placeholder="team = support", rows=2, continuous_update=False
        ),
        "price": text(description="$ a million", placeholder="price of the catalogue"),
    }


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
    for heading, names in GROUPS:
        title = ipywidgets.HTML(wrap(f'<h4 class="tb-group">{heading}</h4>'))
        place(title, margin="0", width="auto")
        laid += [title, *(rows[name] for name in names)]
    return laid
