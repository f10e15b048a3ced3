"""What you hand to others: one self-contained page, and doors to the tools they use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebook.lazy import lazy_names

_HOME = {
    "figure_names": "export",
    "frames": "export",
    "log_to_mlflow": "trackers",
    "log_to_wandb": "trackers",
    "summarise": "writing",
    "write_excel": "export",
    "write_figures": "export",
    "write_parquet": "export",
    "write_report": "writing",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = lazy_names(__name__, _HOME)

if TYPE_CHECKING:
    from tunebook.report.export import figure_names, frames, write_excel, write_figures, write_parquet
    from tunebook.report.trackers import log_to_mlflow, log_to_wandb
    from tunebook.report.writing import summarise, write_report
