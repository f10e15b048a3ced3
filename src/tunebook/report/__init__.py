"""What you hand to others: one self-contained page, and doors to the tools they use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "figure_names": "export",
    "frames": "export",
    "log_to_mlflow": "trackers",
    "log_to_wandb": "trackers",
    "write_excel": "export",
    "write_figures": "export",
    "write_parquet": "export",
    "write_report": "writing",
}
__all__ = sorted(_HOME)

if TYPE_CHECKING:
    from tunebook.report.export import figure_names, frames, write_excel, write_figures, write_parquet
    from tunebook.report.trackers import log_to_mlflow, log_to_wandb
    from tunebook.report.writing import write_report


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
