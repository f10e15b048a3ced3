"""The report as Markdown for pull requests and wikis: the same content, figures as files beside it."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import metadata
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from tunebook.analysis.curves import wording
from tunebook.analysis.sweeps.rows import jobs_table
from tunebook.palette import VERDICTS
from tunebook.report.content import Report
from tunebook.report.figures import Figures
from tunebook.report.page import day, shortened
from tunebook.report.tables import left_out_table, scores_table
from tunebook.show import Span, Text


def to_markdown(report: Report, figures: Figures, *, folder: str) -> str:
    """The report as GitHub-flavoured Markdown; figures are linked as `folder/<name>.svg`."""
    ranked = report.ranked
    text = (
        _environment()
        .get_template("report.md.j2")
        .render(
            report=report,
            figures=figures,
            folder=folder,
            ranking=jobs_table(ranked, report.columns, f"{len(ranked)} ranked jobs, best first"),
            left_out=left_out_table(report.jobs),
            scores=scores_table(report.evaluation) if report.evaluation else None,
            version=metadata.version("tunebook"),
        )
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(  # noqa: S701 - Markdown, not HTML: every value passes `text` or `code`
        loader=PackageLoader("tunebook.report"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        code=lambda text: Span(text, "code").markdown(),
        day=day,
        link=quote,
        symbol=lambda verdict: VERDICTS[verdict].sign if verdict in VERDICTS else "",
        text=lambda text: Text(shortened(text)).markdown(),
        verdict_title=wording.title,
    )
    return environment
