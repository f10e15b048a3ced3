"""How the loss answers to one hyperparameter, or to two together, with the others averaged over what was tried."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tunebook.analysis.sweeps.ranking import Ranking
from tunebook.analysis.sweeps.scales import Array, Scale

# Tried configurations the others are averaged over: more change the curve by less than its band.
MOST_BACKGROUND = 12


def response_curve(ranking: Ranking, name: str, *, steps: int = 25, draws: int = 48, seed: int = 0) -> pd.DataFrame:
    """Partial dependence of the loss on `name`: columns `value`, `loss`, `low`, `high` (90 % band), `tried`.

    Computed on whole surfaces that fit the data, averaged over the other hyperparameters' tried combinations.
    `tried` says whether the value was run. Raises KeyError for a hyperparameter that was not varied.
    """
    axis, scale = _axis(ranking, name)
    if scale.kind == "category":
        places = np.arange(len(scale.levels), dtype=float)
    else:
        places = np.union1d(np.linspace(0, 1, steps), scale.unit(scale.levels))
    rest = _background(ranking, seed)
    points = np.repeat(rest[None], len(places), axis=0)
    points[:, :, axis] = places[:, None]
    surface, measure = ranking.surface, ranking.measure
    flat = points.reshape(-1, rest.shape[1])
    paths = surface.paths(flat, np.random.default_rng([seed, 5]), draws=draws).reshape(-1, len(places), len(rest))
    mean = surface.means(flat).mean(0).reshape(len(places), len(rest)).mean(1)
    low, high = np.quantile(paths.mean(2), [0.05, 0.95], axis=0)
    ends = np.sort(np.stack([measure.own(np.minimum(low, mean)), measure.own(np.maximum(high, mean))]), axis=0)
    tried = np.abs(places[:, None] - scale.unit(scale.levels)[None]).min(1) < 1e-9
    return pd.DataFrame(
        {"value": scale.own(places), "loss": measure.own(mean), "low": ends[0], "high": ends[1], "tried": tried}
    )


def response_grid(
    ranking: Ranking, first: str, second: str, *, steps: int = 30, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, Array]:
    """(values of `first`, values of `second`, mean loss at each pair: rows follow `second`), others averaged."""
    (i, across), (j, up) = _axis(ranking, first), _axis(ranking, second)
    rest = _background(ranking, seed)
    x, y = _places(across, steps), _places(up, steps)
    points = np.repeat(rest[None], len(x) * len(y), axis=0)
    points[:, :, i] = np.tile(x, len(y))[:, None]
    points[:, :, j] = np.repeat(y, len(x))[:, None]
    mean = ranking.surface.means(points.reshape(-1, rest.shape[1])).mean(0).reshape(len(y), len(x), len(rest)).mean(2)
    return across.own(x), up.own(y), ranking.measure.own(mean)


def _places(scale: Scale, steps: int) -> Array:
    return np.arange(len(scale.levels), dtype=float) if scale.kind == "category" else np.linspace(0, 1, steps)


def _axis(ranking: Ranking, name: str) -> tuple[int, Scale]:
    for axis, scale in enumerate(ranking.surface.scales):
        if scale.name == name:
            return axis, scale
    varied = ", ".join(scale.name for scale in ranking.surface.scales) or "nothing"
    raise KeyError(f"{name!r} was not varied among the ranked jobs; varied: {varied}.")


def _background(ranking: Ranking, seed: int) -> Any:
    points = ranking.surface.points
    if len(points) <= MOST_BACKGROUND:
        return points
    return points[np.random.default_rng([seed, 6]).choice(len(points), MOST_BACKGROUND, replace=False)]
