"""What runs over time and survives restarts: sweeps, evaluations, the archive of runs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "Evaluation": "evaluation",
    "ModelGrader": "scores",
    "Sweep": "sweep",
    "archive": "run_folders",
    "evaluate": "evaluating",
    "read_run": "run_folders",
    "read_runs": "run_folders",
}
__all__ = sorted(_HOME)

if TYPE_CHECKING:
    from tunebook.experiments.evaluating import evaluate
    from tunebook.experiments.evaluation import Evaluation
    from tunebook.experiments.run_folders import archive, read_run, read_runs
    from tunebook.experiments.scores import ModelGrader
    from tunebook.experiments.sweep import Sweep


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
