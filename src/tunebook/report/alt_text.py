"""What a picture shows, in words made from its numbers, for readers who do not see it; and the table behind it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tunebook.analysis.curves.diagnosis import Diagnosis
from tunebook.analysis.sweeps.comparison import Comparison
from tunebook.report.content import Table
from tunebook.report.jobs import labels
from tunebook.words import count, listed, number, plural

# Rows of the table behind a curve: enough to follow it, few enough to listen to.
MOST_ROWS = 10


def describe_curve(label: str, diagnosis: Diagnosis) -> str:
    """The curves of one run: from where to where, the lowest point, the rise, the onset, the checkpoint."""
    curve = diagnosis.curve
    if curve.empty:
        return f"{label}: nothing was measured often enough to draw a curve."
    steps = count(curve["step"].iloc[-1])
    parts = [f"Line chart over {steps} steps of {label}."]
    for name, said in (("train_smooth", diagnosis.train_metric), ("valid_smooth", diagnosis.metric)):
        values = curve.dropna(subset=[name])
        if values.empty:
            continue
        first, last = values[name].iloc[0], values[name].iloc[-1]
        more_is_better = said.endswith("reward")
        numbers = values[name].to_numpy(float)
        best = values.iloc[int(numbers.argmax() if more_is_better else numbers.argmin())]
        text = f"{_spoken(said)} goes from {number(first)} to {number(last)}"
        if name == "valid_smooth":
            text += (
                f", {'highest' if more_is_better else 'lowest'} ({number(best[name])}) at step {count(best['step'])}"
            )
        parts.append(f"{text}.")
    if diagnosis.onset_interval is not None:
        low, high = diagnosis.onset_interval
        parts.append(f"Overfitting begins between step {count(low)} and step {count(high)}.")
    if diagnosis.checkpoint is not None:
        parts.append(f"The recommended checkpoint is marked at step {count(diagnosis.checkpoint['step'])}.")
    return " ".join(parts)


def curve_table(label: str, diagnosis: Diagnosis) -> Table:
    """At most ten points of the smoothed curves, first, last and lowest among them."""
    curve = diagnosis.curve
    names = [name for name in ("train_smooth", "valid_smooth") if curve[name].notna().any()]
    head = ("Step", *(_spoken({"train_smooth": diagnosis.train_metric}.get(name, diagnosis.metric)) for name in names))
    if "valid_smooth" in names:
        head += ("90 % interval",)
    rows = []
    for place in _places(curve, diagnosis.recommended_step):
        row = curve.iloc[place]
        cells = (count(row["step"]), *(number(row[name]) for name in names))
        if "valid_smooth" in names:
            cells += (f"{number(row['valid_low'])} to {number(row['valid_high'])}",)
        rows.append(cells)
    return Table(f"Smoothed curves of {label}", head, tuple(rows), numbers=tuple(range(len(head))))


def _places(curve: pd.DataFrame, step: float | None) -> list[int]:
    if curve.empty:
        return []
    places = set(np.linspace(0, len(curve) - 1, min(MOST_ROWS - 1, len(curve))).round().astype(int))
    if step is not None:
        places.add(int((curve["step"] - step).abs().to_numpy().argmin()))
    return sorted(int(place) for place in places)


def describe_sweep(comparison: Comparison) -> str:
    """All curves of the main group on one chart: how many, where they end, which ends lowest."""
    group = comparison.group
    if group is None:
        return "No job is ranked, so there is no curve to show."
    names = labels(comparison)
    ends = {}
    for job_id in group.ids:
        valid = comparison.diagnoses[job_id].curve["valid_smooth"].dropna()
        if len(valid):
            ends[job_id] = float(valid.iloc[-1])
    if not ends:
        return f"Line chart of {plural(len(group.ids), 'job')} without smoothed validation curves."
    order = sorted(ends, key=lambda job_id: ends[job_id], reverse=comparison.measure == "reward")
    measure = "validation loss" if comparison.measure == "loss" else "validation reward"
    return (
        f"Line chart of the smoothed {measure} of {plural(len(ends), 'job')}. At the end of training they lie between "
        f"{number(min(ends.values()))} and {number(max(ends.values()))}; "
        f"{listed([names[job_id] for job_id in order[:3]])} end best. "
        f"Recommended is {names[comparison.winner or order[0]]}."
    )


def _spoken(column: str) -> str:
    words = {
        "train_loss": "Training loss",
        "valid_loss": "Validation loss",
        "full_valid_loss": "Loss on the whole validation file",
    }
    return words.get(column, column.replace("_", " ").capitalize())
