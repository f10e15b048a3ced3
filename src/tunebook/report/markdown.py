"""The report as Markdown for pull requests and wikis: the same content, figures as files beside it."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote

from jinja2 import Environment

from tunebook.analysis.sweeps.rows import jobs_table
from tunebook.report.content import Report
from tunebook.report.figures import Figures
from tunebook.report.page import environment, render, shortened
from tunebook.show import Span, Text


def to_markdown(report: Report, figures: Figures, *, folder: str) -> str:
    """The report as GitHub-flavoured Markdown; figures are linked as `folder/<name>.svg`."""
    ranked = report.ranked
    ranking = jobs_table(ranked, report.columns, f"{len(ranked)} ranked jobs, best first")
    template = _environment().get_template("report.md.j2")
    text = render(template, report, figures, folder=folder, ranking=ranking)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return environment(
        autoescape=False,  # Markdown, not HTML: every value passes `text` or `code`
        code=lambda text: Span(text, "code").markdown(),
        link=quote,
        text=lambda text: Text(shortened(text)).markdown(),
    )
