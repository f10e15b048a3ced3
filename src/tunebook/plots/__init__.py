"""Frames to Axes: each function draws into the Axes it is given, or a new one, and returns it.

Nothing global is changed, and nothing is computed that another function has not computed before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebook.lazy import lazy_names

_HOME = {
    "plot_accuracy": "curves",
    "plot_contour": "responses",
    "plot_importance": "responses",
    "plot_loss": "curves",
    "plot_parallel": "responses",
    "plot_pareto": "sweeps",
    "plot_ranking": "sweeps",
    "plot_response": "responses",
    "plot_results": "curves",
    "plot_seeds": "sweeps",
    "plot_sweep": "sweeps",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = lazy_names(__name__, _HOME)

if TYPE_CHECKING:
    from tunebook.plots.curves import plot_accuracy, plot_loss, plot_results
    from tunebook.plots.responses import plot_contour, plot_importance, plot_parallel, plot_response
    from tunebook.plots.sweeps import plot_pareto, plot_ranking, plot_seeds, plot_sweep
