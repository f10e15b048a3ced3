"""The tables of a report's evidence: what mattered, what each model scored, which jobs are not ranked and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tunebook import words
from tunebook.analysis.sweeps.comparison import Comparison
from tunebook.analysis.sweeps.importance import share_cell
from tunebook.analysis.sweeps.rows import Column, ComparedJob, columns_of
from tunebook.experiments.evaluation.record import Evaluation
from tunebook.report.content import Table

# What the provenance tells of a job, or another column of the ranking in other words.
_ELSEWHERE = {"seed", "behind", "trained_tokens"}


def ranking_columns(ranked: Sequence[ComparedJob]) -> tuple[Column, ...]:
    """The columns of a comparison that a report shows beside each other."""
    return tuple(column for column in columns_of(ranked) if column.name not in _ELSEWHERE)


def mattered_table(comparison: Comparison) -> Table | None:
    """What each hyperparameter did, most important first; None when nothing was compared."""
    importance = comparison.importance
    if importance is None or importance.frame.empty:
        return None
    questions = importance.questions
    rows = [
        (str(name), *(share_cell(row, columns) for columns in questions.values()), *_effect(row, comparison.measure))
        for name, row in importance.frame.iterrows()
    ]
    return Table(
        ("Hyperparameter", *questions, "Worst against best value", "Best value, others averaged"),
        rows,
        f"How much each hyperparameter moved the validation {comparison.measure}. Importance is its share of the "
        "differences (0 to 1), alone or together with others.",
        labelled=True,
    )


def _effect(row: Any, measure: str) -> tuple[str, str]:
    effect = words.percent(row["effect"], 1)
    return f"validation {measure} {effect} higher" if effect else "", words.setting(row["best"])


def left_out_table(jobs: Sequence[ComparedJob]) -> Table:
    """Every job that is not ranked with the others, and why."""
    rows = [(job.label, job.left_out) for job in jobs if job.left_out]
    verb = "is" if len(rows) == 1 else "are"
    caption = f"{len(rows)} of {words.plural(len(jobs), 'job')} {verb} not ranked with the others"
    return Table(("Job", "Why"), rows, caption, labelled=True)


def scores_table(evaluation: Evaluation) -> Table:
    """What each model scored, and the gains with their intervals."""
    rows = []
    for score in evaluation.models:
        ends = [evaluation.score_text(end) for end in (score.low, score.high)]
        rows.append((score.model, evaluation.score_text(score.mean), " to ".join(filter(None, ends))))
    for model, gain in evaluation.gains.items():
        ends = [evaluation.points_text(end) for end in (gain.low, gain.high)]
        p = words.p_value(evaluation.p_values.get(model))
        name = f"Gain of {model}" if len(evaluation.gains) > 1 else "Gain"
        interval = ", ".join(filter(None, [" to ".join(filter(None, ends)), p]))
        rows.append((name, evaluation.points_text(gain.gain), interval))
    on = f" on {words.plural(evaluation.n, 'example')}" if evaluation.n else ""
    caption = f"{evaluation.score.capitalize()}{on}"
    return Table(("Model", "Score", "Interval"), rows, caption, numeric=(1,), labelled=True)
