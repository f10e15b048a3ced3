"""`comparison_table`: a comparison to look around in. It sorts, filters, and draws the curves of what is picked.

It reads the comparison and nothing else: no service, no thread, and the comparison is never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import ipywidgets
import pandas as pd

from tunebook.show import Card, Span, Table, Text
from tunebook.widgets.clicks import Clicks
from tunebook.widgets.outputs import free_from_cell
from tunebook.widgets.panel import Panel
from tunebook.widgets.pieces import note, place, put, rendered
from tunebook.widgets.tables.comparison_view import arrange, choices, columns, id_of, shows, sorts, table
from tunebook.widgets.tables.pick_table import PickTable, overlay_html
from tunebook.words import plural

if TYPE_CHECKING:
    from tunebook.analysis import Comparison, Run
    from tunebook.analysis.sweeps.rows import ComparedJob

_MOST_CURVES = 12  # more lines over each other cannot be followed


def comparison_table(comparison: Comparison) -> ComparisonTable:
    """The jobs of a comparison in one table: sort, filter, pick rows to see their curves over each other.

    Shown when it is the last line of a cell; where cells run unattended, and in a saved notebook, it is a picture.

    >>> table = tb.comparison_table(tb.compare(tb.read_runs("runs")))
    >>> table.find.value = "n_epochs=2"
    >>> table
    <ComparisonTable of 4 jobs>
    """
    return ComparisonTable(comparison)


class ComparisonTable(Panel):
    """The table. `rows` is what is shown, in order; `picked` the ids of the chosen jobs, `runs` their runs."""

    def __init__(self, comparison: Comparison) -> None:
        from tunebook.analysis.sweeps.comparison import run_ids

        super().__init__()
        self.comparison = comparison
        self._runs: Mapping[str, Run] = dict(zip(run_ids(comparison.runs), comparison.runs, strict=True))
        self._make_widgets()
        self._make_layout()
        self._connect()
        self.draw()

    # ---- widgets

    def _make_widgets(self) -> None:
        self._chart, self._message = ipywidgets.HTML(), ipywidgets.HTML()
        self._look = PickTable(
            placeholder="id, suffix, verdict, n_epochs=2",
            shows=shows(self.comparison),
            sort=next(iter(sorts(self.comparison))),
        )
        self.find, self.show_only, self.grid = self._look.find, self._look.show_only, self._look.grid
        self._verdict = ipywidgets.HTML()

    # ---- layout

    def _make_layout(self) -> None:
        for part in (self._verdict, self._chart, self._message):
            place(part, margin="0", width="auto")
        self._frame([self._verdict, self._look.filters(), self.grid, self._chart, self._message])

    # ---- connections

    def _connect(self) -> None:
        guard: Callable[..., Any] = Clicks(self._message, lambda _: None).guard
        self._look.connect(guard, draw=self.draw, picked=self._overlay)

    # ---- what is seen

    @property
    def rows(self) -> pd.DataFrame:
        """The rows of `comparison.frame` that are shown now, in order."""
        frame = self.comparison.frame
        places = {job_id: place for place, job_id in enumerate(frame["id"])}
        return frame.iloc[[places[job.id] for job in self._jobs]]

    @property
    def _jobs(self) -> list[ComparedJob]:
        return arrange(self.comparison, **self._look.asked)

    @property
    def picked(self) -> tuple[str, ...]:
        """The ids of the jobs whose curves are drawn."""
        return tuple(self.grid.picked)

    @property
    def runs(self) -> tuple[Run, ...]:
        """The picked runs, for instance for a comparison of these alone: `tb.compare(table.runs)`."""
        return tuple(self._runs[job_id] for job_id in self.picked)

    def draw(self) -> None:
        """Show the rows as they are filtered and sorted now."""
        if self._closed:
            return
        jobs = self._jobs
        shown = table(self.comparison, jobs)
        caption = shown.caption if isinstance(shown, Table) else ""
        put(self._verdict, rendered(Text(self.comparison.sentence), None if caption else shown))
        if self._look.draw(jobs, columns(self.comparison), id_of, caption):
            self._overlay()
        free_from_cell(self.widget)
        self._keep()

    def _overlay(self) -> None:
        labels = choices(self.comparison)
        results = {
            labels[job_id]: run.results.frame
            for job_id, run in zip(self.picked, self.runs, strict=True)
            if run.results is not None
        }
        frames = dict(list(results.items())[:_MOST_CURVES])
        drawn = overlay_html(frames, empty="No curves for what is picked.")
        more = note(f"The first {len(frames)} of {len(results)} are drawn.") if len(results) > len(frames) else ""
        put(self._chart, drawn + more if self.picked else "")

    # ---- display

    def _static(self) -> tuple[Card, str]:
        card = Card(Text(self.comparison.sentence), table(self.comparison, self._jobs))
        again = "Saved picture. comparison_table(comparison) sorts, filters and draws curves again."
        return Card(*card.parts, Text(Span(again, "muted"))), card.text()

    def __repr__(self) -> str:
        return f"<ComparisonTable of {plural(len(self.comparison.frame), 'job')}>"
