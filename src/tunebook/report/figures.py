"""The report's figures: what `tunebook.plots` says of a comparison, with names and the numbers behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tunebook.analysis.curves.diagnosis import Diagnosis
from tunebook.analysis.sweeps.comparison import Comparison
from tunebook.plots import svg
from tunebook.plots.chart import Chart
from tunebook.plots.curves import ACCURACY, loss_chart, run_chart
from tunebook.plots.sweeps import sweep_chart
from tunebook.report.content import Table
from tunebook.report.names import distinct, slug
from tunebook.words import count, number

# Curves drawn one by one; a page of more is not read, and stays under its size.
MOST_CURVES = 40
# Rows of the table behind a curve: enough to follow it, few enough to listen to.
MOST_ROWS = 10


@dataclass(frozen=True)
class Figure:
    """A chart of the report: file name without ending, and its numbers. `large` ones take the width of the page;
    `keyed` ones carry their own legend, the others are explained by the page's key."""

    name: str
    chart: Chart
    large: bool = False
    keyed: bool = False
    table: Table | None = None

    def inline(self) -> str:
        """The drawing as an SVG element that takes its ink from the page."""
        width, height = (860, 340) if self.large else (440, 240)
        return svg.inline(self.chart, width=width, height=height, legend=self.keyed)

    def file(self) -> str:
        """The drawing as an SVG file that is legible on light and on dark pages."""
        return svg.file(self.chart)


@dataclass(frozen=True)
class Figures:
    """All figures of a report: the winner's curve large, all jobs on one chart, and each job's own."""

    winner: Figure | None
    sweep: Figure | None
    jobs: Mapping[str, Figure]
    not_drawn: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Figure]:
        yield from filter(None, (self.winner, self.sweep, *self.jobs.values()))


def figures_of(comparison: Comparison, *, most_curves: int = MOST_CURVES) -> Figures:
    """A comparison's figures. Where there are too many curves, the first are drawn and the rest is counted."""
    names = {job.id: job.label for job in comparison.jobs}
    curves = [job_id for job_id in names if job_id in comparison.diagnoses]
    drawn = curves[:most_curves]
    files = distinct((f"curve-{slug(job_id)}" for job_id in drawn), "{}-{}")
    jobs = {job_id: _curve(comparison, job_id, names[job_id], file) for job_id, file in zip(drawn, files, strict=True)}
    winner = jobs.pop(comparison.winner, None) if comparison.winner else None
    several = comparison.group is not None and len(comparison.group.ids) > 1
    sweep = Figure("all-jobs", sweep_chart(comparison), large=True, keyed=True) if several else None
    left_out = f"Only the first {most_curves} of {len(curves)} curves are drawn, best first."
    return Figures(winner, sweep, jobs, (left_out,) if len(curves) > most_curves else ())


def _curve(comparison: Comparison, job_id: str, label: str, file: str) -> Figure:
    diagnosis, results = comparison.diagnoses[job_id], comparison.run(job_id).results
    chart = loss_chart(None if results is None else results.frame, diagnosis=diagnosis)
    chart = replace(chart, alt=f"Line chart of {label}. {chart.alt or chart.note}")
    large = job_id == comparison.winner
    return Figure(file, chart, large=large, table=curve_table(label, diagnosis))


def accuracy_figure(comparison: Comparison, job_id: str, label: str) -> Figure | None:
    """The token accuracy of one job; None where it was not measured."""
    results = comparison.run(job_id).results
    chart = run_chart(None if results is None else results.frame, ACCURACY, diagnosis=comparison.diagnoses.get(job_id))
    if not chart.lines:
        return None
    return Figure("accuracy", replace(chart, alt=f"Line chart of {label}. {chart.alt or chart.note}"))


def curve_table(label: str, diagnosis: Diagnosis) -> Table:
    """At most ten points of the smoothed curves, first, last and lowest among them."""
    curve = diagnosis.curve
    columns = {"train_smooth": diagnosis.train_metric, "valid_smooth": diagnosis.metric}
    names = [name for name in columns if curve[name].notna().any()]
    head = ["Step", *(_spoken(columns[name]) for name in names)]
    judged = "valid_smooth" in names
    rows = []
    for place in _places(curve, diagnosis.recommended_step):
        row = curve.iloc[place]
        interval = [f"{number(row['valid_low'])} to {number(row['valid_high'])}"] if judged else []
        rows.append((count(row["step"]), *(number(row[name]) for name in names), *interval))
    head += ["90 % interval"] if judged else []
    return Table(head, rows, f"Smoothed curves of {label}", numeric=range(len(head)), labelled=True)


def _places(curve: pd.DataFrame, step: float | None) -> list[int]:
    if curve.empty:
        return []
    places = set(np.linspace(0, len(curve) - 1, min(MOST_ROWS - 1, len(curve))).round().astype(int))
    if step is not None:
        places.add(int((curve["step"] - step).abs().to_numpy().argmin()))
    return sorted(int(place) for place in places)


def _spoken(column: str) -> str:
    names = {
        "train_loss": "Training loss",
        "valid_loss": "Validation loss",
        "full_valid_loss": "Loss on the whole validation file",
    }
    return names.get(column, column.replace("_", " ").capitalize())
