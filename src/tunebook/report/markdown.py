"""The report as Markdown for pull requests and wikis: the same content, figures as files beside it."""

from __future__ import annotations

import re
from dataclasses import replace
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
    template = markdown_environment().get_template("report.md.j2")
    text = render(template, report, figures, folder=folder, ranking=ranking)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def paragraph(text: object) -> str:
    """Text that begins a line and stays a paragraph: no rule, heading, list or quotation."""
    return re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", Text(shortened(text)).markdown().lstrip())


@lru_cache(maxsize=1)
def markdown_environment() -> Environment:
    """The templates of what is written as Markdown: every value passes a filter, for none is escaped by itself."""
    return environment(
        autoescape=False,  # Markdown, not HTML
        bare=lambda table: replace(table, caption=""),
        code=lambda text: Span(text, "code").markdown(),
        link=quote,
        paragraph=paragraph,
        text=lambda text: Text(shortened(text)).markdown(),
    )
