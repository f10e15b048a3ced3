"""The report as Markdown for pull requests and wikis: the same content, figures as files beside it."""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape
from importlib import metadata
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from tunebook.analysis.curves import wording
from tunebook.report.content import Report, Table
from tunebook.report.figures import Figures
from tunebook.report.page import day, heading, left_out_table, measure_name, scores_table
from tunebook.words import probability

# What Markdown would read as markup; `<`, `>` and `&` are escaped as HTML before.
_MARKUP = re.compile(r"([\\`*_\[\]#|~])")
_PLAIN_CODE = re.compile(r"[\w.:/@+=, -]+")


def to_markdown(report: Report, figures: Figures, *, folder: str) -> str:
    """The report as GitHub-flavoured Markdown; figures are linked as `folder/<name>.svg`."""
    text = (
        _environment()
        .get_template("report.md.j2")
        .render(
            report=report,
            figures=figures,
            folder=folder,
            ranking=ranking_table(report),
            mattered=mattered_table(report),
            left_out=left_out_table(report),
            scores=scores_table(report.evaluation) if report.evaluation else None,
            version=metadata.version("tunebook"),
        )
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def ranking_table(report: Report) -> Table:
    """The ranked jobs, best first."""
    measure = measure_name(report).capitalize()
    head = (
        "Place",
        "Job",
        "",
        *map(heading, report.varied),
        measure,
        "90 % interval",
        "P(best)",
        "Verdict",
        "Step to use",
    )
    rows = tuple(
        (
            f"{job.place} ({job.place_range})" if job.place_range else job.place,
            job.label,
            job.standing,
            *(job.settings[name] for name in report.varied),
            job.value_text,
            job.interval_text,
            probability(job.p_best),
            f"{wording.SYMBOLS.get(job.verdict, '')} {wording.title(job.verdict)}",
            job.step,
        )
        for job in report.ranked
    )
    numbers = tuple(range(3, 4 + len(report.varied)))
    return Table(f"{len(rows)} ranked jobs, best first", head, rows, numbers=numbers)


def mattered_table(report: Report) -> Table:
    """What each hyperparameter did."""
    measure = measure_name(report)
    rows = tuple(
        (row.name, row.interval or row.note, f"{measure} {row.effect} higher" if row.effect else "", row.best)
        for row in report.mattered
    )
    head = ("Hyperparameter", "Importance", "Worst against best value", "Best value tried")
    return Table("Importance is a share of the differences, 0 to 1", head, rows)


def as_text(text: str) -> str:
    """Foreign text as it is: nothing in it is markup, and it stays on one line."""
    return _MARKUP.sub(r"\\\1", escape(" ".join(str(text).split()), quote=False))


def as_code(text: str) -> str:
    """A name to copy; one with unusual characters is escaped instead of trusted between backticks."""
    return f"`{text}`" if _PLAIN_CODE.fullmatch(text) else f"<code>{as_text(text)}</code>"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(  # noqa: S701 - Markdown, not HTML: every value passes `text`, `cell` or `code`
        loader=PackageLoader("tunebook.report"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        cell=as_text,
        code=as_code,
        day=day,
        link=quote,
        symbol=lambda verdict: wording.SYMBOLS.get(verdict, ""),
        text=as_text,
        verdict_title=wording.title,
    )
    return environment
