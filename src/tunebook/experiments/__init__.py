"""What runs over time and survives restarts: sweeps, evaluations, the archive of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebook.lazy import lazy_names

_HOME = {
    "Evaluation": "evaluation",
    "Guard": "guard",
    "Inventory": "inventory",
    "Lineage": "ancestry",
    "ModelGrader": "scores",
    "Sweep": "sweep",
    "archive": "run_folders",
    "ask_study": "studies",
    "cleanup_plan": "clearing",
    "clear": "clearing",
    "evaluate": "evaluating",
    "lineage": "ancestry",
    "read_run": "run_folders",
    "read_runs": "run_folders",
    "take_inventory": "stocktaking",
    "tell_study": "studies",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = lazy_names(__name__, _HOME)

if TYPE_CHECKING:
    from tunebook.experiments.ancestry import Lineage, lineage
    from tunebook.experiments.clearing import cleanup_plan, clear
    from tunebook.experiments.evaluating import evaluate
    from tunebook.experiments.evaluation import Evaluation
    from tunebook.experiments.guard import Guard
    from tunebook.experiments.inventory import Inventory
    from tunebook.experiments.run_folders import archive, read_run, read_runs
    from tunebook.experiments.scores import ModelGrader
    from tunebook.experiments.stocktaking import take_inventory
    from tunebook.experiments.studies import ask_study, tell_study
    from tunebook.experiments.sweep import Sweep
