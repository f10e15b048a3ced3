"""What runs over time and survives restarts: sweeps and the archive of runs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "Sweep": "sweep",
    "archive": "archive",
    "read_run": "archive",
    "read_runs": "archive",
}
__all__ = sorted(_HOME)

if TYPE_CHECKING:
    from tunebook.experiments.sweep import Sweep
    from tunebook.experiments.archive import archive, read_run, read_runs


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
