"""What you click: the job form, the live cell, the board of jobs, the connect form.

Everything here reads values and writes values; what a widget does can be done in a cell without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebook.lazy import lazy_names

_HOME = {
    "CleanupPanel": "clearing_panel",
    "ComparisonTable": "comparing",
    "ConnectForm": "connecting",
    "Board": "job_board",
    "JobForm": "form",
    "LiveCell": "live_cell",
    "Playground": "side_by_side",
    "board": "job_board",
    "cleanup": "clearing_panel",
    "comparison_table": "comparing",
    "connect_form": "connecting",
    "job_form": "form",
    "playground": "side_by_side",
    "watch": "watching",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = lazy_names(__name__, _HOME)

if TYPE_CHECKING:
    from tunebook.widgets.clearing_panel import CleanupPanel, cleanup
    from tunebook.widgets.comparing import ComparisonTable, comparison_table
    from tunebook.widgets.connecting import ConnectForm, connect_form
    from tunebook.widgets.form import JobForm, job_form
    from tunebook.widgets.job_board import Board, board
    from tunebook.widgets.live_cell import LiveCell
    from tunebook.widgets.side_by_side import Playground, playground
    from tunebook.widgets.watching import watch
