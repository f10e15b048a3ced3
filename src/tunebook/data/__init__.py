"""Training data: formats, checks, tokens, splits, overlap. Every name loads its module on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "CheckReport": "tunebook.data.report",
    "Dataset": "tunebook.data.dataset",
    "Problem": "tunebook.data.problem",
    "check_lines": "tunebook.data.rules",
    "read_dataset": "tunebook.data.dataset",
}

__all__ = ["CheckReport", "Dataset", "Problem", "check_lines", "read_dataset"]

if TYPE_CHECKING:
    from tunebook.data.dataset import Dataset, read_dataset
    from tunebook.data.problem import Problem
    from tunebook.data.report import CheckReport
    from tunebook.data.rules import check_lines


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tunebook.data' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
