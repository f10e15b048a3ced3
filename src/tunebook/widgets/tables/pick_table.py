"""A table to look around in: filter, sort, pick rows. The board and the table of a comparison are made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import ipywidgets
import numpy as np
import pandas as pd

from tunebook import words
from tunebook.analysis.sweeps.rows import Column
from tunebook.plots import svg
from tunebook.plots.curves import overlay_chart
from tunebook.show import Table
from tunebook.widgets.pieces import Offering, described, place, rendered

R = TypeVar("R")


def overlay_html(frames: Mapping[str, pd.DataFrame], *, empty: str) -> str:
    """Curves of several jobs over each other and their key in numbers; the words `empty` where there are none."""
    chart = overlay_chart(frames)
    rows = []
    for line in chart.lines:
        lowest = int(np.argmin(line.y))
        values = (words.number(line.y[-1]), words.number(line.y[lowest]), words.count(line.x[lowest]))
        rows.append((svg.sample(line), line.label, *values))
    caption = f"Overlaid curves: {chart.y_label}, smoothed"
    key = Table(("", "job", "last", "lowest", "at step"), rows, caption, numeric=(2, 3, 4)) if rows else None
    return svg.inline(chart, width=860, height=300, empty=empty, legend=False) + rendered(key)


def in_order(rows: Iterable[R], column: Column[R], *, turn: bool = False) -> list[R]:
    """The rows sorted by a column, with `turn` the other way round; those without a value there come last."""
    known: list[tuple[Any, R]] = []
    unknown: list[tuple[Any, R]] = []
    for row in rows:
        value = column.value_of(row)
        (unknown if value == "" or words.missing(value) else known).append((value, row))
    if any(isinstance(value, str) for value, _ in known):
        known = [(str(value), row) for value, row in known]
    known.sort(key=lambda pair: pair[0], reverse=column.highest_first != turn)
    return [row for _, row in (*known, *unknown)]


class PickTable:
    """The fields, the table in a frame that scrolls, and the list that rows are picked from. Its owner draws.

    `fields` are find, show_only, sort, turn and pick; `asked` is what the first four say, by the names `arrange` takes.
    """

    def __init__(
        self,
        *,
        placeholder: str,
        shows: Sequence[str],
        sorts: Sequence[str],
        picks: str,
        widths: tuple[str, str, str],
        label_widths: tuple[str, str],
    ) -> None:
        self.find = ipywidgets.Text(description="find", placeholder=placeholder)
        self.show_only = ipywidgets.Dropdown(description="show", options=list(shows), value=shows[0])
        self.sort = ipywidgets.Dropdown(description="sort by", options=list(sorts))
        self.turn = ipywidgets.Checkbox(description="reverse", indent=False)
        self.pick = ipywidgets.SelectMultiple(description=picks, rows=6)
        self.table = ipywidgets.HTML()
        for control, width in zip((self.find, self.show_only, self.sort), widths, strict=True):
            described(control, label_widths[0])
            place(control, width=width, margin="2px 12px 2px 0")
        place(self.turn, width="90px")
        described(self.pick, label_widths[1])
        place(self.pick, width="100%", max_width="900px")
        place(self.table, margin="0", width="auto")
        # The frame scrolls, not the HTML inside it: a redrawn table stays where someone has scrolled to.
        self.frame = ipywidgets.VBox([self.table])
        place(self.frame, max_height="440px", overflow="auto", margin="4px 0")
        self._offering = Offering()

    @property
    def fields(self) -> tuple[Any, ...]:
        return self.find, self.show_only, self.sort, self.turn, self.pick

    @property
    def asked(self) -> dict[str, Any]:
        return {
            "find": self.find.value,
            "show": self.show_only.value,
            "sort": self.sort.value,
            "turn": self.turn.value,
        }

    def filters(self, *more: Any) -> Any:
        """The fields that say what is shown, in a line, with `more` behind them."""
        line = ipywidgets.Layout(flex_flow="row wrap", align_items="center")
        return ipywidgets.HBox([self.find, self.show_only, self.sort, self.turn, *more], layout=line)

    def connect(
        self,
        guard: Callable[[Callable[..., Any]], Callable[..., None]],
        *,
        draw: Callable[[], None],
        picked: Callable[[], None],
    ) -> None:
        """Have `draw` called when something else is asked for, and `picked` when someone picks."""
        for control in (self.find, self.show_only, self.sort, self.turn):
            control.observe(guard(lambda _: draw()), "value")
        self.pick.observe(guard(lambda _: None if self._offering else picked()), "value")

    def offer(self, options: list[tuple[str, str]]) -> bool:
        """Offer (label, key) of the rows that are shown; what is picked stays picked while it is. True when new."""
        if options == list(self.pick.options):
            return False
        shown = {key for _, key in options}
        kept = tuple(key for key in self.pick.value if key in shown)
        with self._offering.new_options():
            self.pick.options = options
            self.pick.value = kept
        return True
