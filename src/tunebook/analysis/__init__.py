"""What the numbers say: result files read, runs diagnosed, runs compared. Frames in, frozen records out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebook.lazy import lazy_names

# Public name -> its module, loaded on first use, so that a name costs only what it needs.
_HOME = {
    "Comparison": "sweeps.comparison",
    "Diagnosis": "curves.diagnosis",
    "Results": "results",
    "Run": "run",
    "compare": "sweeps.comparison",
    "diagnose": "curves.diagnosis",
    "load_results": "results",
    "suggest": "sweeps.suggestions",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = lazy_names(__name__, _HOME)

if TYPE_CHECKING:
    from tunebook.analysis.curves.diagnosis import Diagnosis, diagnose
    from tunebook.analysis.results import Results, load_results
    from tunebook.analysis.run import Run
    from tunebook.analysis.sweeps.comparison import Comparison, compare
    from tunebook.analysis.sweeps.suggestions import suggest
