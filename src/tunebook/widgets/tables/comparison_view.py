"""A comparison as rows to look around in: filtered, sorted, laid out. Functions of their arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tunebook.analysis.curves.wording import title
from tunebook.analysis.sweeps.rows import WHO, Column, ComparedJob, columns_of, job_cell, jobs_table, varied_settings
from tunebook.show import Inline, Span, Table, Text
from tunebook.widgets.tables.pick_table import in_order
from tunebook.words import plural, setting

if TYPE_CHECKING:
    from tunebook.analysis import Comparison

ALL, RANKED, BEST, LEFT_OUT = "all jobs", "ranked jobs", "the best and what may be as good", "jobs left out"


def sorts(comparison: Comparison) -> dict[str, Column[ComparedJob]]:
    """What the rows can be sorted by; what no job has a value for is not offered."""
    known = {column.sort: column for column in columns_of(comparison.jobs) if column.sort}
    return known or {column.sort: column for column in WHO if column.sort}


def shows(comparison: Comparison) -> list[str]:
    """The choices of what to show."""
    groups = [f"group {group.label}" for group in comparison.groups] if len(comparison.groups) > 1 else []
    verdicts = sorted({job.verdict for job in comparison.jobs if job.verdict})
    return [ALL, RANKED, BEST, LEFT_OUT, *groups, *map(title, verdicts)]


def arrange(
    comparison: Comparison, *, find: str = "", show: str = ALL, sort: str = "rank", turn: bool = False
) -> list[ComparedJob]:
    """The jobs to show, in order.

    find: words that must all occur in the row; `n_epochs=2` asks for a value. turn: reverse the order.
    """
    words = find.lower().split()
    jobs = [job for job in comparison.jobs if _asked_for(job, show) and all(_fits(job, word) for word in words)]
    offered = sorts(comparison)
    return in_order(jobs, offered.get(sort, offered["job"]), turn=turn)


def _asked_for(job: ComparedJob, show: str) -> bool:
    groups = {ALL: True, RANKED: job.ranked, BEST: bool(job.standing), LEFT_OUT: bool(job.left_out)}
    return groups[show] if show in groups else show in (f"group {job.group}", title(job.verdict or ""))


def _fits(job: ComparedJob, word: str) -> bool:
    name, equals, value = word.partition("=")
    asked = {**job.settings, "seed": job.seed}
    if equals and name in asked:
        return setting(asked[name]).lower() == value
    texts = (job.id, job.suffix, job.model, job.status, job.verdict, job.left_out)
    return any(word in text.lower() for text in texts if text)


def table(comparison: Comparison, jobs: Sequence[ComparedJob]) -> Table | Text:
    """The rows as one table; what is not ranked says why."""
    total = plural(len(comparison.jobs), "job")
    shown = total if len(jobs) == len(comparison.jobs) else f"{len(jobs)} of {total}"
    if not jobs:
        return Text(f"{shown}: no job fits what is asked." if comparison.jobs else shown)
    return jobs_table(jobs, columns(comparison), f"{shown}; ★ best guess, ≈ not told apart from it")


def columns(comparison: Comparison) -> list[Column[ComparedJob]]:
    """The columns of the table; under the name of a job that is not ranked stands why."""
    return [replace(c, cell=_job) if c.name == "id" else c for c in columns_of(comparison.jobs)]


def id_of(job: ComparedJob) -> str:
    """What a row is picked by."""
    return job.id


def _job(job: ComparedJob) -> Inline:
    return [*job_cell(job), *([Span(f" {job.left_out[:160]}", "words muted")] if job.left_out else [])]


def choices(comparison: Comparison) -> dict[str, str]:
    """Id -> what the curve of a job is called."""
    names = varied_settings(comparison.jobs)
    return {job.id: _choice(job, names) for job in comparison.jobs}


def _choice(job: ComparedJob, names: Sequence[str]) -> str:
    facts = [f"{name} {setting(job.settings[name])}" for name in names if job.settings[name] is not None]
    facts += [f"seed {setting(job.seed)}"] if job.seed is not None else []
    return f"{job.suffix or job.id}  {', '.join(facts)}  {job.id if job.suffix else ''}".rstrip()
