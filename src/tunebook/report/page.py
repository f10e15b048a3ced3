"""The report as one self-contained HTML page."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from importlib import metadata
from importlib.resources import files
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from tunebook.analysis.curves import wording
from tunebook.palette import VERDICTS
from tunebook.plots import svg
from tunebook.report.content import Report
from tunebook.report.figures import Figures
from tunebook.report.tables import left_out_table, scores_table
from tunebook.show import Inline, Picture, Share, Span
from tunebook.words import aligned

_MOST_CHARACTERS = 1500


class Scale(NamedTuple):
    """The axis of the small interval drawings: its ends, what stands at them, and the winner's value."""

    low: float
    high: float
    low_text: str
    high_text: str
    best: float | None

    def at(self, value: float) -> float:
        """Place on the axis, 0 to 100; over 100 for what lies beyond its end."""
        width = self.high - self.low
        return max(100 * (value - self.low) / width, 0.0) if width > 0 else 50.0


def to_html(report: Report, figures: Figures) -> str:
    """The page. Everything from outside is escaped; figures are inline; nothing is loaded and nothing runs."""
    return render(
        _environment().get_template("report.html.j2"),
        report,
        figures,
        css=files("tunebook.report").joinpath("templates/report.css").read_text("utf-8"),
        key=svg.key(),
        measure=f"validation {report.measure}",
        scale=_scale(report),
    )


def render(template: Template, report: Report, figures: Figures, **more: object) -> str:
    """A template filled with what the page and the Markdown take alike, and `more`."""
    return template.render(
        report=report,
        figures=figures,
        left_out=left_out_table(report.jobs),
        scores=scores_table(report.evaluation) if report.evaluation else None,
        version=metadata.version("tunebook"),
        **more,
    )


class Piece(NamedTuple):
    """A part of a cell as the template lays it out: an element's name ("" for bare text), its text, a bar's length."""

    name: str
    text: str
    soft: bool = False
    bar_em: str = ""


def pieces(cell: Inline) -> list[Piece]:
    """A cell of a table in the page's own dress: names to copy as code, shares with a bar."""
    if not isinstance(cell, str | Span | Picture):
        return [piece for part in cell for piece in pieces(part)]
    if isinstance(cell, Share) and cell.text:
        return [Piece("", f" {cell.text}", bar_em=f"{4 * min(max(cell.share, 0.0), 1.0):.2f}")]
    if isinstance(cell, Span) and cell.role:
        roles = cell.role.split()
        name = "code" if "code" in roles else "b" if "strong" in roles else "span"
        return [Piece(name, cell.text, soft="muted" in roles)]
    return [Piece("", str(cell))]


def _scale(report: Report) -> Scale:
    low, high = report.span()
    low_text, high_text = aligned(low, high)
    return Scale(low, high, low_text, high_text, report.winner.loss if report.winner else None)


def neat(text: str) -> str:
    """A sentence of ours with its numbers held to their units and words, so that no line breaks between them."""
    text = re.sub(r"(\d) ?%", "\\1\u00a0%", text)
    text = re.sub(r"(?<![-\w])(\d{4})-(\d\d)-(\d\d)\b(?!-)", "\\1\u2011\\2\u2011\\3", text)
    text = re.sub(r"\b(step|epoch|probability) (\d)", "\\1\u00a0\\2", text)
    return re.sub(r"(\w) = (\d)", "\\1\u00a0=\u00a0\\2", text)


def shortened(text: object) -> str:
    """Of a prompt or an answer: a page is read, the file with all answers is searched."""
    whole = "" if text is None else str(text)
    return whole if len(whole) <= _MOST_CHARACTERS else f"{whole[:_MOST_CHARACTERS]} …"


def heading(name: str) -> str:
    """The name of a column or a figure as people write it; a hyperparameter's in words."""
    return name.removeprefix("n_").replace("_", " ").replace("-", " ")


def day(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%-d %B %Y}" if moment.tzinfo else f"{moment:%-d %B %Y}"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return environment(autoescape=True, heading=heading, neat=neat, pieces=pieces, shortened=shortened)


def environment(*, autoescape: bool, **filters: Callable[..., object]) -> Environment:
    """The templates of a report, with these filters beside those that all of them use."""
    made = Environment(
        loader=PackageLoader("tunebook.report"),
        autoescape=autoescape,  # noqa: S701 - off for Markdown alone, where a filter takes each value
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        filters,
        day=day,
        symbol=lambda verdict: VERDICTS[verdict].sign if verdict in VERDICTS else "",
        verdict_title=wording.title,
    )
    return made
