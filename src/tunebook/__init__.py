"""tunebook: fine-tuning on Azure OpenAI from a Jupyter notebook.

Check the data, start the jobs, watch them live, see which one overfits, pick the checkpoint, tell the others.

    import tunebook as tb

    ws = tb.connect()                       # Azure from the environment; nothing set: the embedded service
    ds = tb.read_dataset("data/support_tickets.jsonl")
    train, valid = ds.split(valid=0.2, seed=0)

The rooms: `tunebook.data` (training files), `tunebook.analysis` (what the numbers say), `tunebook.service`
(the door to Azure), `tunebook.experiments` (what runs over time), `tunebook.plots`, `tunebook.widgets`,
`tunebook.report`, `tunebook_local` (the embedded service, reached over HTTP alone).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tunebook.lazy import lazy_names

# Public name -> the module it lives in, loaded on first use: `import tunebook` itself loads nothing heavy.
_HOME = {
    "Comparison": "analysis",
    "DataError": "errors",
    "Dataset": "data",
    "Diagnosis": "analysis",
    "Guard": "experiments",
    "JobRequest": "service",
    "RequestError": "errors",
    "Results": "analysis",
    "ResultsError": "errors",
    "Run": "analysis",
    "ServiceError": "errors",
    "Sweep": "experiments",
    "TunebookError": "errors",
    "archive": "experiments",
    "board": "widgets",
    "cleanup": "widgets",
    "compare": "analysis",
    "comparison_table": "widgets",
    "connect": "service",
    "connect_form": "widgets",
    "diagnose": "analysis",
    "evaluate": "experiments",
    "job_form": "widgets",
    "lineage": "experiments",
    "load_results": "analysis",
    "playground": "widgets",
    "read_dataset": "data",
    "read_run": "experiments",
    "read_runs": "experiments",
    "suggest": "analysis",
    "watch": "widgets",
    "write_report": "report",
}
_ROOMS = ("analysis", "data", "errors", "experiments", "plots", "report", "service", "widgets")

__all__ = sorted([*_HOME, *_ROOMS])
_load, _ = lazy_names(__name__, _HOME)

if TYPE_CHECKING:
    from tunebook import analysis, data, errors, experiments, plots, report, service, widgets
    from tunebook.analysis import Comparison, Diagnosis, Results, Run, compare, diagnose, load_results, suggest
    from tunebook.data import Dataset, read_dataset
    from tunebook.errors import DataError, RequestError, ResultsError, ServiceError, TunebookError
    from tunebook.experiments import Guard, Sweep, archive, evaluate, lineage, read_run, read_runs
    from tunebook.report import write_report
    from tunebook.service import JobRequest, connect
    from tunebook.widgets import board, cleanup, comparison_table, connect_form, job_form, playground, watch


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"tunebook.{name}")
    if name == "__version__":
        from importlib.metadata import version

        return version("tunebook")
    return _load(name)


def __dir__() -> list[str]:
    return __all__
