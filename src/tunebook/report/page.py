"""The report as one self-contained HTML page."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from importlib import metadata
from importlib.resources import files
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from tunebook.analysis.curves import wording
from tunebook.plots import svg
from tunebook.report.content import Report, Table
from tunebook.report.evaluation import Evaluation, Gain
from tunebook.report.figures import Figures
from tunebook.words import aligned, percent, probability


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
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            figures=figures,
            css=files("tunebook.report").joinpath("templates/report.css").read_text("utf-8"),
            key=svg.key(),
            measure=measure_name(report),
            scale=_scale(report),
            left_out=left_out_table(report),
            scores=scores_table(report.evaluation) if report.evaluation else None,
            version=metadata.version("tunebook"),
        )
    )


def answer_html(report: Report) -> str:
    """The answer alone, for a notebook: plain tags, so that it looks like the page around it."""
    return _in_notebook(_environment().get_template("answer.html.j2").render(report=report))


def table_html(table: Table) -> str:
    """One table, for a notebook."""
    module = _environment().get_template("table.html.j2").module
    return _in_notebook(str(module.table(table)))  # type: ignore[attr-defined]


def _in_notebook(html: str) -> str:
    """JupyterLab sets tables to the right: text is read from the left."""
    cells = ".tb-report caption,.tb-report th,.tb-report td:not(.n){text-align:left!important}"
    return f'<div class="tb-report"><style>{cells}.tb-report code{{white-space:nowrap}}</style>{html}</div>'


def measure_name(report: Report) -> str:
    return "validation loss" if report.measure == "loss" else "validation reward"


def left_out_table(report: Report) -> Table:
    """Every job that is not ranked with the others, and why."""
    rows = tuple((job.label, job.left_out) for job in report.left_out)
    return Table(f"{len(rows)} of {len(report.jobs)} jobs are not ranked with the others", ("Job", "Why"), rows)


def scores_table(evaluation: Evaluation) -> Table:
    """What each model scored, and the gains with their intervals."""
    rows = []
    for score in evaluation.scores:
        interval = "" if score.low is None else f"{evaluation.shown(score.low)} to {evaluation.shown(score.high)}"
        rows.append((score.model, evaluation.shown(score.value), interval))
    gains = evaluation.gains
    if not gains and evaluation.gain is not None:
        gains = (Gain("", evaluation.gain, evaluation.gain_low, evaluation.gain_high, evaluation.p),)
    for gain in gains:
        told = []
        if gain.low is not None and gain.high is not None:
            told.append(f"{evaluation.points(gain.low)} to {evaluation.points(gain.high)}")
        if gain.p is not None:
            told.append("p < 0.001" if gain.p < 0.001 else f"p = {gain.p:.2g}")
        name = f"Gain of {gain.model}" if len(gains) > 1 else "Gain"
        rows.append((name, evaluation.points(gain.value), ", ".join(told)))
    on = f" on {evaluation.n:,} examples" if evaluation.n else ""
    return Table(f"{evaluation.score.capitalize()}{on}", ("Model", "Score", "Interval"), tuple(rows), numbers=(1,))


def _scale(report: Report) -> Scale:
    low, high = report.span()
    low_text, high_text = aligned(low, high)
    return Scale(low, high, low_text, high_text, report.winner.value if report.winner else None)


def neat(text: str) -> str:
    """A sentence of ours with its numbers held to their units and words, so that no line breaks between them."""
    text = re.sub(r"(\d) ?%", "\\1\u00a0%", text)
    text = re.sub(r"(?<![-\w])(\d{4})-(\d\d)-(\d\d)\b(?!-)", "\\1\u2011\\2\u2011\\3", text)
    text = re.sub(r"\b(step|epoch|probability) (\d)", "\\1\u00a0\\2", text)
    return re.sub(r"(\w) = (\d)", "\\1\u00a0=\u00a0\\2", text)


def heading(name: str) -> str:
    """A hyperparameter's name as a column heading."""
    return name.removeprefix("n_").replace("_", " ").replace("-", " ")


def day(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%-d %B %Y}" if moment.tzinfo else f"{moment:%-d %B %Y}"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tunebook.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        chance=probability,
        percent=percent,
        day=day,
        heading=heading,
        neat=neat,
        symbol=lambda verdict: wording.SYMBOLS.get(verdict, ""),
        verdict_title=wording.title,
    )
    return environment
