"""What you click: the job form, the live cell, the board of jobs, the connect form.

Everything here reads values and writes values; what a widget does can be done in a cell without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebook.lazy import lazy_names

_HOME = {
    "CleanupPanel": "clearing_panel",
    "ComparisonTable": "tables.comparing",
    "ConnectForm": "connecting",
    "Board": "tables.job_board",
    "JobForm": "form.form",
    "LiveCell": "live.cell",
    "Playground": "side_by_side",
    "board": "tables.job_board",
    "cleanup": "clearing_panel",
    "comparison_table": "tables.comparing",
    "connect_form": "connecting",
    "job_form": "form.form",
    "playground": "side_by_side",
    "watch": "live.watching",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = lazy_names(__name__, _HOME)

if TYPE_CHECKING:
    from tunebook.widgets.clearing_panel import CleanupPanel, cleanup
    from tunebook.widgets.connecting import ConnectForm, connect_form
    from tunebook.widgets.form.form import JobForm, job_form
    from tunebook.widgets.live.cell import LiveCell
    from tunebook.widgets.live.watching import watch
    from tunebook.widgets.side_by_side import Playground, playground
    from tunebook.widgets.tables.comparing import ComparisonTable, comparison_table
    from tunebook.widgets.tables.job_board import Board, board
