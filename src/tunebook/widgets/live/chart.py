"""Curves of several jobs over each other with their key: what `tunebook.plots` draws, and the numbers beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tunebook.plots.chart import Chart
from tunebook.plots.curves import overlay_chart
from tunebook.plots.svg import inline, sample
from tunebook.widgets.markup import esc, number, table


def overlay_html(frames: Mapping[str, Any], *, empty: str) -> str:
    """Curves of several jobs over each other and their key; the words `empty` where there are none."""
    chart = overlay_chart(frames)
    key = key_table(chart) if chart.lines else ""
    return inline(chart, width=860, height=300, empty=empty, legend=False) + key


def key_table(chart: Chart) -> str:
    """The lines of a chart as a table: sample, name, last and lowest value. The chart in numbers."""
    rows = []
    for line in chart.lines:
        lowest = int(np.argmin(line.y))
        values = (number(line.y[-1]), number(line.y[lowest]), f"{line.x[lowest]:.0f}")
        rows.append((sample(line), esc(line.label), *values))
    return table(
        f"Overlaid curves: {chart.y_label}, smoothed", ("", "job", "last", "lowest", "at step"), rows, numbers=(2, 3, 4)
    )
