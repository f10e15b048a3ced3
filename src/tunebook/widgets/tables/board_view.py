"""The board of jobs as HTML: rows made of pictures, filtered, sorted, drawn. Functions of their arguments."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tunebook import words
from tunebook.analysis.curves.wording import verdict_span
from tunebook.analysis.sweeps.rows import Column, jobs_table
from tunebook.fields import short_names
from tunebook.money import paid, per_million, tier_of
from tunebook.palette import TONES
from tunebook.plots.curves import REWARDS, measured, newest, spark
from tunebook.service.states import state, state_span
from tunebook.show import Inline, Picture, Share, Span, Table, Text
from tunebook.widgets.tables.pick_table import in_order

if TYPE_CHECKING:
    from tunebook.analysis import Diagnosis
    from tunebook.catalogue import Catalogue
    from tunebook.service import JobSnapshot

GOING, ALL = "still going", "all states"


@dataclass(frozen=True)
class Row:
    """One job on the board. `loss` is the newest full validation loss, else sampled validation; NaN while unknown.

    cost_usd: trained tokens times the catalogue's price; NaN when either is not known.
    """

    key: str
    job_id: str
    resource: str
    name: str
    model: str
    status: str
    created_at: float
    progress: float
    loss: float
    verdict: str
    reason: str
    warned: str
    rewarded: bool
    cost_usd: float
    tokens: int | None
    spark: Picture | None
    settings: str
    problem: str


def row_of(
    snapshot: JobSnapshot,
    *,
    resource: str,
    catalogue: Catalogue,
    diagnosis: Diagnosis | None = None,
    problem: str = "",
    free: bool = False,
) -> Row:
    """The row of one picture. free: the embedded service's jobs cost nothing."""
    frame = snapshot.results.frame if snapshot.results is not None else None
    done = snapshot.progress
    return Row(
        key=f"{resource} {snapshot.job_id}",
        job_id=snapshot.job_id,
        resource=resource,
        name=snapshot.suffix or "",
        model=snapshot.model,
        status=snapshot.status,
        created_at=float(snapshot.created_at or 0),
        progress=math.nan if done is None else done,
        loss=newest(frame),
        verdict=diagnosis.verdict if diagnosis else "",
        reason=_reason(diagnosis) if diagnosis else "",
        rewarded=any(len(measured(frame, column)[1]) for column in REWARDS),
        warned=", ".join(finding.title for finding in diagnosis.findings) if diagnosis else "",
        cost_usd=0.0 if free else _cost(snapshot, catalogue),
        tokens=snapshot.trained_tokens,
        spark=spark(frame),
        settings=_settings(snapshot),
        problem=problem or snapshot.problem or snapshot.error or "",
    )


def _reason(diagnosis: Diagnosis) -> str:
    return f"{diagnosis.told} {diagnosis.choice}" if diagnosis.train_again else diagnosis.told


def _cost(snapshot: JobSnapshot, catalogue: Catalogue) -> float:
    usd = paid(snapshot.trained_tokens, per_million(snapshot.model, tier_of(snapshot.job), catalogue))
    return math.nan if usd is None else usd


def _settings(snapshot: JobSnapshot) -> str:
    """Epochs, batch size, learning rate multiplier; what the service has not told is left out."""
    told, short = snapshot.hyperparameters, short_names()
    return ", ".join(
        f"{short[name]} {words.setting(told[name])}" for name in told if name in short and told[name] is not None
    )


def columns(now: float | None = None, *, several: bool = False) -> tuple[Column[Row], ...]:
    """The board's columns. now: to tell times of today; several: name the resource in each row."""
    return (
        Column("name", "job", partial(_job, several=several), False, "name", value=lambda row: row.name.lower()),
        Column(
            "status",
            "state",
            lambda row: state_span(row.status),
            False,
            "state",
            value=lambda row: state(row.status).word,
        ),
        Column("progress", "progress", _progress, False, "progress", highest_first=True),
        Column("spark", "loss curve", lambda row: row.spark or "", False),
        Column("loss", "validation loss", _measured, sort="validation loss"),
        Column("verdict", "verdict", _verdict, False, "verdict"),
        Column("tokens", "tokens", lambda row: words.count(row.tokens)),
        Column("cost_usd", "cost", lambda row: words.money(row.cost_usd), sort="cost", highest_first=True),
        Column("settings", "settings", lambda row: Span(row.settings, "words"), False),
        Column("created_at", "created", lambda row: words.clock(row.created_at, now=now), False, "newest", True),
    )


def _job(row: Row, *, several: bool) -> Inline:
    name: list[Span | str] = [Span(row.name, "strong words"), " "] if row.name else []
    where = [Span(f" {row.resource}", "muted")] if several else []
    problem = [Span(row.problem[:120], "words muted")] if row.problem else []
    return [*name, Span(row.job_id, "code cut", hint=row.job_id), *where, *problem]


def _measured(row: Row) -> Inline:
    """The newest validation loss; of a job that has none its reward, named."""
    return [words.number(row.loss), Span(" reward", "muted")] if row.rewarded else words.number(row.loss)


def _verdict(row: Row) -> Inline:
    judged = verdict_span(row.verdict, row.reason)
    warned = Span(f" {TONES['warning'].sign} {row.warned}", "short", "warning", hint=row.reason)
    return [judged, warned] if row.warned else judged


def _state(row: Row) -> Inline:
    return state_span(row.status)


def _progress(row: Row) -> Inline:
    return Share(words.percent(row.progress, 0), share=row.progress)


# What can be sorted by; the newest first, where nothing else is asked for.
SORTS: dict[str, Column[Row]] = {column.sort: column for column in (columns()[-1], *columns()[:-1]) if column.sort}


def arrange(
    rows: Iterable[Row], *, find: str = "", show: str = ALL, sort: str = "newest", turn: bool = False
) -> list[Row]:
    """The rows to show, in order. find: words that must all occur somewhere in the row; turn: reverse the order."""
    asked = find.lower().split()
    kept = [
        row
        for row in rows
        if (show == ALL or (show == GOING and not state(row.status).ended) or show == row.status)
        and all(word in f"{row.name} {row.job_id} {row.model} {row.resource} {row.verdict}".lower() for word in asked)
    ]
    return in_order(in_order(kept, SORTS["newest"]), SORTS[sort], turn=turn)


def table(rows: Sequence[Row], *, total: int, now: float, several: bool = False) -> Table | Text:
    """The rows as one table. total: jobs known before filtering; several: name the resource in each row."""
    if not total:
        return Text("No jobs here yet. tb.job_form(ws) makes the first one.")
    counted = words.plural(total, "job")
    shown = f"{len(rows)} of {counted}" if len(rows) != total else counted
    if not rows:
        return Text(f"{shown}: no job fits what is asked for.")
    caption = f"{shown}; dashed training, solid validation loss"
    return jobs_table(rows, columns(now, several=several), caption, labelled=True)


def key_of(row: Row) -> str:
    """What a row is picked by."""
    return row.key
