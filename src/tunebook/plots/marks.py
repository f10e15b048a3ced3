"""What the pictures of a sweep share: an Axes to draw on, labels, and a look for every level of a hyperparameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np

from tunebook import palette
from tunebook.analysis.sweeps.importance import show_value

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from tunebook.analysis.sweeps.comparison import Comparison

# The part of viridis that keeps its distance from white and from near-black.
SEQUENTIAL = (0.25, 0.85)
_SHORT = {"n_epochs": "epochs", "batch_size": "batch", "learning_rate_multiplier": "rate"}
_MOST_SETTINGS = 3  # more would not fit beside a chart


@dataclass(frozen=True)
class Look:
    """How one level of a hyperparameter is drawn: apart by colour, marker and line style."""

    label: str
    color: Any
    marker: str
    style: Any


def own_axes(ax: Axes | None) -> Axes:
    """`ax`, or the Axes of a new figure of the session's."""
    if ax is not None:
        return ax
    from matplotlib import pyplot  # only when a figure of the session's is wanted

    return pyplot.subplots(figsize=(7, 4.2), layout="constrained")[1]


def say_instead(ax: Axes, why: str) -> Axes:
    """An Axes with one line of text, where there is nothing to draw."""
    ax.text(0.5, 0.5, why, ha="center", va="center", transform=ax.transAxes, color=palette.NEUTRAL)
    ax.set_axis_off()
    return ax


def label(ax: Axes, across: str, up: str, title: str) -> None:
    ax.set_xlabel(across)
    ax.set_ylabel(up)
    ax.set_title(title, loc="left", fontsize="medium")
    ax.grid(alpha=0.25, color=palette.NEUTRAL, linewidth=0.5)


def measured(comparison: Comparison, column: str = "valid") -> str:
    """The label of an axis of losses or rewards."""
    said = "training" if column == "train" else "validation"
    return f"{said} loss (nats per token)" if comparison.measure == "loss" else f"{said} reward"


def pretty(name: str) -> str:
    return plain(name.replace("_", " "))


def plain(text: str) -> str:
    """Text as it is: a dollar sign is a dollar sign, not the start of a formula."""
    return text.replace("$", r"\$")


def job_name(by_id: pd.DataFrame, job_id: str) -> str:
    """The job's suffix, or its id; `by_id` is a comparison's frame indexed by id."""
    suffix = by_id.loc[job_id, "suffix"]
    return plain(suffix if isinstance(suffix, str) and suffix else str(job_id))


def settings_of(comparison: Comparison, by_id: pd.DataFrame, job_id: str) -> str:
    """The job's configuration in few words, as "epochs 4, rate 0.3"; its name where nothing or too much was varied."""
    group = comparison.group
    names = [scale.name for scale in group.ranking.surface.scales] if group else []
    if not 0 < len(names) <= _MOST_SETTINGS:
        return job_name(by_id, job_id)
    said = (f"{_SHORT.get(name, pretty(name))} {show_value(by_id.loc[job_id, name])}" for name in names)
    return plain(", ".join(said))


def level_of(value: Any) -> Any:
    """One key for 2, 2.0 and numpy's 2; None for what the service did not tell."""
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        return None if np.isnan(value) else float(value)
    return value


def looks_of(values: Sequence[Any]) -> dict[Any, Look]:
    """Level -> look, in rising order; colours run along a part of viridis, markers and styles take turns."""
    keys = [level_of(value) for value in values]
    levels = sorted({key for key in keys if key is not None}, key=lambda key: (isinstance(key, str), key))
    shades = matplotlib.colormaps["viridis"](np.linspace(*SEQUENTIAL, max(len(levels), 2)))
    looks = {
        level: Look(
            plain(show_value(level)),
            tuple(shades[place]),
            palette.MARKERS[place % len(palette.MARKERS)],
            palette.STYLES[place % len(palette.STYLES)],
        )
        for place, level in enumerate(levels)
    }
    if None in keys:
        looks[None] = Look("not told", palette.NEUTRAL, "X", ":")
    return looks
