"""A table to look around in: filter while typing, sort by the headers, tick rows.

The board, the table of a comparison and the clean-up are made of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import anywidget
import ipywidgets
import numpy as np
import pandas as pd
import traitlets

from tunebook import words
from tunebook.analysis.sweeps.rows import Column
from tunebook.plots import svg
from tunebook.plots.curves import overlay_chart
from tunebook.show import Table, inline_html
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


class Grid(anywidget.AnyWidget):
    """A table whose headers sort and whose rows are ticked; `rows` and `head` as `PickTable.draw` lays them out."""

    _esm, _css = Path(__file__).with_name("grid.js"), Path(__file__).with_name("grid.css")
    head = traitlets.List(traitlets.Dict()).tag(sync=True)
    rows = traitlets.List(traitlets.Dict()).tag(sync=True)
    caption = traitlets.Unicode().tag(sync=True)
    sort = traitlets.Unicode().tag(sync=True)
    turn = traitlets.Bool().tag(sync=True)
    picked = traitlets.List(traitlets.Unicode()).tag(sync=True)
    disabled = traitlets.Bool().tag(sync=True)


class PickTable:
    """The fields that say which rows are shown, and the `grid` that sorts and picks them. Its owner draws.

    `find` and `show_only` are fields; `asked` is what they and the headers say, by the names `arrange` takes.
    """

    def __init__(self, *, placeholder: str, shows: Sequence[str], sort: str = "") -> None:
        self.find = ipywidgets.Text(description="find", placeholder=placeholder)
        self.show_only = ipywidgets.Dropdown(description="show", options=list(shows), value=shows[0])
        self.grid = Grid(sort=sort)
        for control in (self.find, self.show_only):
            described(control, "initial")
            place(control, width="290px", margin="2px 12px 2px 0")
        self._drawing = Offering()
        self._lines: dict[str, tuple[Any, dict[str, Any]]] = {}

    @property
    def asked(self) -> dict[str, Any]:
        return {
            "find": self.find.value,
            "show": self.show_only.value,
            "sort": self.grid.sort,
            "turn": self.grid.turn,
        }

    def filters(self, *more: Any) -> Any:
        """The fields that say what is shown, in a line, with `more` behind them."""
        line = ipywidgets.Layout(flex_flow="row wrap", align_items="center")
        return ipywidgets.HBox([self.find, self.show_only, *more], layout=line)

    def connect(
        self,
        guard: Callable[[Callable[..., Any]], Callable[..., None]],
        *,
        draw: Callable[[], None],
        picked: Callable[[], None],
    ) -> None:
        """Have `draw` called when something else is asked for, and `picked` when someone picks."""
        for control in (self.find, self.show_only):
            control.observe(guard(lambda _: draw()), "value")
        self.grid.observe(guard(lambda _: draw()), ["sort", "turn"])
        self.grid.observe(guard(lambda _: None if self._drawing else picked()), "picked")

    def draw(self, rows: Sequence[R], columns: Sequence[Column[R]], key: Callable[[R], str], caption: str) -> bool:
        """Show these rows; what is picked stays picked while it is shown. True when something picked has gone."""
        head = [
            {"heading": c.heading, "numeric": c.numeric, "sort": c.sort, "highest_first": c.highest_first}
            for c in columns
        ]
        if head != self.grid.head:
            self._lines.clear()
        lines = [self._line(row, key(row), columns) for row in rows]
        shown = {line["key"] for line in lines}
        kept = [each for each in self.grid.picked if each in shown]
        gone = kept != self.grid.picked
        with self._drawing.new_options(), self.grid.hold_sync():
            self.grid.head, self.grid.rows, self.grid.caption, self.grid.picked = head, lines, caption, kept
        return gone

    def _line(self, row: R, key: str, columns: Sequence[Column[R]]) -> dict[str, Any]:
        """A row as the grid takes it; one that is the same as before is not laid out anew."""
        if key not in self._lines or self._lines[key][0] is not row:
            self._lines[key] = (row, {"key": key, "label": key, "cells": [_cell(c, row) for c in columns]})
        return self._lines[key][1]


def _cell(column: Column[R], row: R) -> str:
    said = inline_html(column.cell(row))
    return str(said or ("–" if column.numeric else ""))
