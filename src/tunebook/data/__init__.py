"""Training data: formats, checks, tokens, splits, overlap. Every name loads its module on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebook.lazy import lazy_names

_HOME = {
    "Changes": "repair",
    "CheckReport": "report",
    "Comparability": "likeness.comparability",
    "Dataset": "dataset",
    "Overlap": "likeness.overlap",
    "Problem": "rules.problem",
    "Split": "likeness.split",
    "TokenSummary": "tokens",
    "check_lines": "rules.gate",
    "compare_parts": "likeness.comparability",
    "read_dataset": "dataset",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = lazy_names(__name__, _HOME)

if TYPE_CHECKING:
    from tunebook.data.dataset import Dataset, read_dataset
    from tunebook.data.likeness.comparability import Comparability, compare_parts
    from tunebook.data.likeness.overlap import Overlap
    from tunebook.data.likeness.split import Split
    from tunebook.data.repair import Changes
    from tunebook.data.report import CheckReport
    from tunebook.data.rules.gate import check_lines
    from tunebook.data.rules.problem import Problem
    from tunebook.data.tokens import TokenSummary
