"""What runs over time and survives restarts: sweeps, evaluations, the archive of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebook.lazy import lazy_names

_HOME = {
    "Evaluation": "evaluation.evaluation",
    "Guard": "sweeps.guard",
    "Inventory": "stock.inventory",
    "Lineage": "stock.ancestry",
    "ModelGrader": "evaluation.scores",
    "Sweep": "sweeps.sweep",
    "archive": "run_folders",
    "ask_study": "sweeps.studies",
    "cleanup_plan": "stock.clearing",
    "clear": "stock.clearing",
    "evaluate": "evaluation.evaluating",
    "lineage": "stock.ancestry",
    "read_run": "run_folders",
    "read_runs": "run_folders",
    "take_inventory": "stock.stocktaking",
    "tell_study": "sweeps.studies",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = lazy_names(__name__, _HOME)

if TYPE_CHECKING:
    from tunebook.experiments.evaluation.evaluating import evaluate
    from tunebook.experiments.evaluation.evaluation import Evaluation
    from tunebook.experiments.evaluation.scores import ModelGrader
    from tunebook.experiments.run_folders import archive, read_run, read_runs
    from tunebook.experiments.stock.ancestry import Lineage, lineage
    from tunebook.experiments.stock.clearing import cleanup_plan, clear
    from tunebook.experiments.stock.inventory import Inventory
    from tunebook.experiments.stock.stocktaking import take_inventory
    from tunebook.experiments.sweeps.guard import Guard
    from tunebook.experiments.sweeps.studies import ask_study, tell_study
    from tunebook.experiments.sweeps.sweep import Sweep
