"""tunebook: fine-tuning on Azure OpenAI from a Jupyter notebook.

Check the data, start the jobs, watch them live, see which one overfits, pick the checkpoint, tell the others.

    import tunebook as tb

    ws = tb.connect()                       # Azure from the environment; nothing set: the embedded service
    ds = tb.read_dataset("data/support_tickets.jsonl")
    train, valid = ds.split(valid=0.2, seed=0)

The rooms: `tunebook.data` (training files), `tunebook.analysis` (what the numbers say), `tunebook.service`
(the door to Azure), `tunebook.experiments` (what runs over time), `tunebook.plots`, `tunebook.widgets`,
`tunebook.report`, `tunebook.local` (the embedded service, reached over HTTP alone).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Public name -> the module it lives in, loaded on first use: `import tunebook` itself loads nothing heavy.
_HOME = {
    "Comparison": "tunebook.analysis",
    "DataError": "tunebook.errors",
    "Dataset": "tunebook.data",
    "Diagnosis": "tunebook.analysis",
    "Guard": "tunebook.experiments",
    "JobRequest": "tunebook.service",
    "RequestError": "tunebook.errors",
    "Results": "tunebook.analysis",
    "ResultsError": "tunebook.errors",
    "Run": "tunebook.analysis",
    "ServiceError": "tunebook.errors",
    "Sweep": "tunebook.experiments",
    "TunebookError": "tunebook.errors",
    "archive": "tunebook.experiments",
    "board": "tunebook.widgets",
    "cleanup": "tunebook.widgets",
    "compare": "tunebook.analysis",
    "comparison_table": "tunebook.widgets",
    "connect": "tunebook.service",
    "connect_form": "tunebook.widgets",
    "diagnose": "tunebook.analysis",
    "evaluate": "tunebook.experiments",
    "job_form": "tunebook.widgets",
    "lineage": "tunebook.experiments",
    "load_results": "tunebook.analysis",
    "playground": "tunebook.widgets",
    "read_dataset": "tunebook.data",
    "read_run": "tunebook.experiments",
    "read_runs": "tunebook.experiments",
    "suggest": "tunebook.analysis",
    "watch": "tunebook.widgets",
    "write_report": "tunebook.report",
}
_ROOMS = ("analysis", "data", "errors", "experiments", "plots", "report", "service", "widgets")

__all__ = sorted([*_HOME, *_ROOMS])

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
    if name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    elif name in _ROOMS:
        value = import_module(f"tunebook.{name}")
    elif name == "__version__":
        from importlib.metadata import version

        value = version("tunebook")
    else:
        raise AttributeError(f"module 'tunebook' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
