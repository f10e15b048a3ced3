"""What to search for the next job where nobody says: the settings that were varied, and how far each may go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tunebook.analysis.sweeps.comparison import Comparison, Group
from tunebook.analysis.sweeps.scales import LOG_SCALED, scale_for
from tunebook.catalogue import load_catalogue
from tunebook.fields import Number, settings

# What is searched where the jobs varied nothing, and how far where the documentation advises no range.
FIRST_VARIED = ("n_epochs", "learning_rate_multiplier")
USUAL_REACH = {"n_epochs": (1, 5)}
# Values of a number to look at, and the factor past the edge that the winner stands at.
MOST_VALUES, STRETCH = 7, 2.0


def varied(group: Group) -> list[str]:
    """The hyperparameters that the ranked jobs of a group differ in."""
    return [scale.name for scale in group.ranking.surface.scales]


def space_of(comparison: Comparison) -> dict[str, list[Any]]:
    """The values to search of each hyperparameter that the jobs varied; of epochs and rate where they varied none.

    Numbers reach from the lowest to the highest of what was tried and what the documentation advises to begin with, a
    step further where the winner stands at the edge of what was tried, and never beyond what the service takes;
    anything else keeps the values tried.
    """
    group = comparison.group
    if group is None:
        return {name: values_of(name, []) for name in FIRST_VARIED}
    jobs = comparison.frame[comparison.frame["group"] == group.label]
    names = varied(group) or FIRST_VARIED
    return {name: values_of(name, jobs[name].dropna().tolist() if name in jobs else []) for name in names}


def values_of(name: str, tried: Sequence[Any]) -> list[Any]:
    """The values of one hyperparameter to search, from those tried (the winner's first)."""
    scale = scale_for(name, tried)
    if scale.kind == "category":
        return list(scale.levels)
    row = settings().get(name)
    kind = row.kind if row else None
    advised = [load_catalogue().limits[limit].value for limit in row.advised or ()] if row else []
    reach = sorted({float(value) for value in (*tried, *advised, *USUAL_REACH.get(name, ()))})
    low, high = reach[0], reach[-1]
    if scale.varied:
        low = min(low, scale.low / STRETCH) if tried[0] == scale.low > 0 else low
        high = max(high, scale.high * STRETCH) if tried[0] == scale.high > 0 else high
    whole = kind.whole if isinstance(kind, Number) else all(isinstance(value, int) for value in tried)
    if isinstance(kind, Number):
        low, high = max(low, kind.low), min(high, kind.high) if isinstance(kind.high, int | float) else high
    factors = low > 0 and (name in LOG_SCALED or scale.kind == "log")
    spaced = np.geomspace(low, high, MOST_VALUES) if factors else np.linspace(low, high, MOST_VALUES)
    found = {float(f"{value:.2g}") for value in spaced} | set(reach)
    return sorted({round(value) for value in found} if whole else found)
