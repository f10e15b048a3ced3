"""What the numbers say: result files read, runs diagnosed, runs compared. Frames in, frozen records out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Public name -> its module, loaded on first use, so that a name costs only what it needs.
_HOME = {
    "Comparison": "comparison",
    "Diagnosis": "diagnosis",
    "Results": "results",
    "Run": "run",
    "compare": "comparison",
    "diagnose": "diagnosis",
    "load_results": "results",
    "suggest": "suggestions",
}

__all__ = sorted(_HOME)

if TYPE_CHECKING:
    from tunebook.analysis.comparison import Comparison, compare
    from tunebook.analysis.diagnosis import Diagnosis, diagnose
    from tunebook.analysis.results import Results, load_results
    from tunebook.analysis.run import Run
    from tunebook.analysis.suggestions import suggest


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tunebook.analysis' has no attribute {name!r}")
    return getattr(import_module(f"tunebook.analysis.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
