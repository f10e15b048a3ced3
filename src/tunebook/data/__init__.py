"""Training data: formats, checks, tokens, splits, overlap. Every name loads its module on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "Changes": "tunebook.data.repair",
    "CheckReport": "tunebook.data.report",
    "Comparability": "tunebook.data.comparability",
    "Cost": "tunebook.data.cost",
    "Dataset": "tunebook.data.dataset",
    "Overlap": "tunebook.data.overlap",
    "Problem": "tunebook.data.problem",
    "Split": "tunebook.data.split",
    "TokenSummary": "tunebook.data.tokens",
    "check_lines": "tunebook.data.rules",
    "compare_parts": "tunebook.data.comparability",
    "read_dataset": "tunebook.data.dataset",
}

__all__ = [
    "Changes",
    "CheckReport",
    "Comparability",
    "Cost",
    "Dataset",
    "Overlap",
    "Problem",
    "Split",
    "TokenSummary",
    "check_lines",
    "compare_parts",
    "read_dataset",
]

if TYPE_CHECKING:
    from tunebook.data.comparability import Comparability, compare_parts
    from tunebook.data.cost import Cost
    from tunebook.data.dataset import Dataset, read_dataset
    from tunebook.data.overlap import Overlap
    from tunebook.data.problem import Problem
    from tunebook.data.repair import Changes
    from tunebook.data.report import CheckReport
    from tunebook.data.rules import check_lines
    from tunebook.data.split import Split
    from tunebook.data.tokens import TokenSummary


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tunebook.data' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
