"""From a comparison to what its report says: pure, no drawing, no writing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tunebook.analysis.sweeps.comparison import Comparison
from tunebook.analysis.sweeps.rows import varied_settings
from tunebook.experiments.evaluation.record import read_evaluation
from tunebook.report.answer import write_answer
from tunebook.report.content import Report
from tunebook.report.provenance import provenance, record_of
from tunebook.report.tables import mattered_table, ranking_columns
from tunebook.words import listed, plural


def build_report(
    comparison: Comparison,
    *,
    made: datetime,
    title: str | None = None,
    evaluation: Any = None,
    files: Mapping[str, Any] | None = None,
) -> Report:
    """What the report on `comparison` says; see `Report`. Changes nothing and reads nothing but `files`.

    `made` is the date it carries; `evaluation` is what `read_evaluation` takes; `files` maps file ids to paths on
    this machine, so that their SHA-256 stands in the provenance.
    """
    judged = read_evaluation(evaluation)
    jobs = comparison.jobs
    group = comparison.group
    ranked = group is not None and len(group.ids) > 1
    return Report(
        title=title or _title(comparison),
        subtitle=subtitle_of(comparison),
        made=made,
        answer=write_answer(comparison, jobs, judged),
        jobs=jobs,
        columns=ranking_columns([job for job in jobs if job.ranked]),
        measure=comparison.measure,
        ranking_notes=comparison.notes,
        mattered=mattered_table(comparison) if ranked else None,
        mattered_notes=comparison.importance.notes if ranked and comparison.importance else (),
        evaluation=judged,
        provenance=provenance(record_of(comparison, files, made=made)),
    )


def _models(comparison: Comparison) -> list[str]:
    return sorted({run.model for run in comparison.runs if run.model})


def _title(comparison: Comparison) -> str:
    models = _models(comparison)
    return f"Fine-tuning {listed(models)}" if models else "Fine-tuning report"


def subtitle_of(comparison: Comparison) -> str:
    """How many jobs there are, and in what they differ."""
    names = varied_settings(comparison.jobs)
    jobs = plural(len(comparison.runs), "job")
    return f"{jobs} that differ in {listed(names)}" if names else jobs
