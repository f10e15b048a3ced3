"""The board of jobs as HTML: rows made of pictures, filtered, sorted, drawn. Functions of their arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunebook import words
from tunebook.money import paid, per_million, tier_of
from tunebook.palette import TONES, VERDICTS
from tunebook.plots.curves import measured
from tunebook.plots.svg import sparkline
from tunebook.show import Inline, Picture, Share, Span, Table, Text
from tunebook.widgets.live.view import progress
from tunebook.widgets.states import state

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
    job = snapshot.job
    frame = snapshot.results.frame if snapshot.results is not None else None
    loss = math.nan
    for column in ("full_valid_loss", "valid_loss"):
        _, values = measured(frame, column)
        if len(values):
            loss = float(values[-1])
            break
    tokens = snapshot.trained_tokens
    cost = paid(tokens, per_million(str(job.get("model") or ""), tier_of(job), catalogue))
    done = progress(snapshot)
    return Row(
        key=f"{resource} {snapshot.job_id}",
        job_id=snapshot.job_id,
        resource=resource,
        name=str(job.get("suffix") or job.get("user_provided_suffix") or ""),
        model=str(job.get("model") or ""),
        status=snapshot.status,
        created_at=float(snapshot.created_at or 0),
        progress=math.nan if done is None else done,
        loss=loss,
        verdict=diagnosis.verdict if diagnosis else "",
        reason=diagnosis.reason if diagnosis else "",
        cost_usd=0.0 if free else math.nan if cost is None else cost,
        tokens=tokens,
        spark=sparkline(measured(frame, "train_loss")[1], measured(frame, "valid_loss")[1]),
        settings=_settings(snapshot),
        problem=problem or snapshot.problem or snapshot.error or "",
    )


def _settings(snapshot: JobSnapshot) -> str:
    """Epochs × batch size, learning rate multiplier; what the service has not told is left out."""
    job = snapshot.job
    method = job.get("method") or {}
    own = (method.get(method.get("type")) or {}).get("hyperparameters") or {}
    numbers = {**(job.get("hyperparameters") or {}), **own}
    said = []
    for name, short in (("n_epochs", "epochs"), ("batch_size", "batch"), ("learning_rate_multiplier", "rate")):
        value = numbers.get(name)
        if isinstance(value, int | float) and value > 0:
            said.append(f"{short} {value:g}")
    return ", ".join(said)


def _verdict_words(verdict: str) -> str:
    from tunebook.analysis.curves import wording

    sign = VERDICTS[verdict].sign if verdict in VERDICTS else "?"
    return f"{sign} {wording.title(verdict)}" if verdict else ""


# What can be sorted by, with the direction that is wanted first. NaN and "" always come last.
SORTS: dict[str, tuple[Callable[[Row], Any], bool]] = {
    "newest": (lambda row: row.created_at, True),
    "name": (lambda row: row.name.lower(), False),
    "state": (lambda row: state(row.status).word, False),
    "progress": (lambda row: row.progress, True),
    "validation loss": (lambda row: row.loss, False),
    "verdict": (lambda row: row.verdict, False),
    "cost": (lambda row: row.cost_usd, True),
}


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
    value, descending = SORTS[sort]
    missing = [row for row in kept if _missing(value(row))]
    known = sorted((row for row in kept if not _missing(value(row))), key=lambda row: row.created_at, reverse=True)
    return sorted(known, key=value, reverse=descending != turn) + missing


def _missing(value: Any) -> bool:
    return value == "" or (isinstance(value, float) and math.isnan(value))


HEAD = ("job", "state", "progress", "loss curve", "validation loss", "verdict", "tokens", "cost", "settings", "created")


def table(rows: Sequence[Row], *, total: int, now: float, several: bool = False) -> Table | Text:
    """The rows as one table. total: jobs known before filtering; several: name the resource in each row."""
    if not total:
        return Text("No jobs here yet. tb.job_form(ws) makes the first one.")
    counted = words.plural(total, "job")
    shown = f"{len(rows)} of {counted}" if len(rows) != total else counted
    if not rows:
        return Text(f"{shown}: no job fits what is asked for.")
    cells = [_cells(row, now=now, several=several) for row in rows]
    return Table(HEAD, cells, f"{shown}; solid training, dashed validation loss", numeric=(4, 6, 7), labelled=True)


def _cells(row: Row, *, now: float, several: bool) -> tuple[Inline, ...]:
    """One table row; the name heads it for screen readers."""
    job = [
        *([Span(row.name, "strong words")] if row.name else []),
        Span(row.job_id, "code cut", hint=row.job_id),
        Span(f" {row.resource}" if several else "", "muted"),
        *([Span(row.problem[:120], "words muted")] if row.problem else []),
    ]
    shown = state(row.status)
    tone = {"wait": "warning"}.get(shown.tone, shown.tone)
    return (
        job,
        Span(f"{shown.symbol} {shown.word}", "short", tone if tone in TONES else ""),
        Share(words.percent(row.progress, 0), share=row.progress),
        row.spark or "",
        words.number(row.loss),
        Span(_verdict_words(row.verdict), "short", row.verdict if row.verdict in VERDICTS else "", hint=row.reason),
        words.count(row.tokens),
        words.money(row.cost_usd),
        row.settings,
        words.clock(row.created_at, now=now),
    )


def choice_label(row: Row) -> str:
    """One line of the list that jobs are picked from for comparison."""
    name = row.name or row.model
    return f"{name}  {state(row.status).word.lower()}  {row.settings}  {row.job_id}"


def plain_table(rows: Sequence[Row]) -> str:
    """The board in text, for terminals and diffs."""
    lines = [f"{'job':<40} {'state':<10} {'done':>5} {'loss':>8}  verdict"]
    for row in rows:
        done = words.percent(row.progress, 0)
        title = f"{row.name} {row.job_id}".strip()[:40]
        lines.append(f"{title:<40} {row.status:<10} {done:>5} {words.number(row.loss) or '–':>8}  {row.verdict}")
    return "\n".join(lines)
