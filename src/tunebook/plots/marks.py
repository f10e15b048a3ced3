"""What the pictures of a sweep share: names of jobs and settings, and a look for every level of a hyperparameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tunebook import palette, words
from tunebook.fields import short_names
from tunebook.plots.chart import Style

if TYPE_CHECKING:
    import pandas as pd

    from tunebook.analysis.sweeps.comparison import Comparison

_MOST_SETTINGS = 3  # more would not fit beside a chart


@dataclass(frozen=True)
class Look:
    """How one level of a hyperparameter is drawn: apart by colour, marker and line style."""

    label: str
    colour: str
    marker: str
    style: Style


def measured(comparison: Comparison, column: str = "valid") -> str:
    """The label of an axis of losses or rewards."""
    part = "training" if column == "train" else "validation"
    return f"{part} loss (nats per token)" if comparison.measure == "loss" else f"{part} reward"


def ranked_jobs(comparison: Comparison) -> pd.DataFrame:
    """The rows of the main group of a comparison, best first."""
    frame = comparison.frame
    return frame[frame["group"] == comparison.group.label] if comparison.group else frame.head(0)


def few(values: Sequence[Any], most: int) -> list[Any]:
    """At most `most` of the values, evenly picked, first and last among them."""
    if len(values) <= most:
        return list(values)
    return [values[place] for place in np.linspace(0, len(values) - 1, most).round().astype(int)]


def pretty(name: str) -> str:
    return name.removeprefix("n_").replace("_", " ")


def name_of(row: pd.Series) -> str:
    """The job's suffix, or its id; `row` is one of a comparison's frame, named by id."""
    suffix = row["suffix"]
    return suffix if isinstance(suffix, str) and suffix else words.short_id(str(row.name))


def settings_of(comparison: Comparison, row: pd.Series) -> str:
    """The job's configuration in few words, as "epochs 4, rate 0.3"; its name where nothing or too much was varied."""
    group = comparison.group
    names = [scale.name for scale in group.ranking.surface.scales] if group else []
    if not 0 < len(names) <= _MOST_SETTINGS:
        return name_of(row)
    return ", ".join(f"{short_names().get(name, pretty(name))} {words.setting(row[name])}" for name in names)


def level_of(value: Any) -> Any:
    """One key for 2, 2.0 and numpy's 2; None for what the service did not tell."""
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        return None if np.isnan(value) else float(value)
    return value


def looks_of(values: Sequence[Any]) -> dict[Any, Look]:
    """Level -> look, in rising order; colours rise with the level, markers and styles take turns."""
    keys = [level_of(value) for value in values]
    levels = sorted({key for key in keys if key is not None}, key=lambda key: (isinstance(key, str), key))
    looks = {
        level: Look(
            words.setting(level),
            palette.shade(place / max(len(levels) - 1, 1)),
            palette.MARKERS[place % len(palette.MARKERS)],
            palette.STYLES[place % len(palette.STYLES)],
        )
        for place, level in enumerate(levels)
    }
    if None in keys:
        looks[None] = Look("not told", palette.NEUTRAL, "X", ":")
    return looks
