"""The board of jobs as HTML: rows made of pictures, filtered, sorted, drawn. Functions of their arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunebook.money import paid, per_million, tier_of
from tunebook.plots.curves import measured
from tunebook.plots.svg import sparkline
from tunebook.widgets.live.view import progress
from tunebook.widgets.markup import amount, clock, count, esc, note, number
from tunebook.widgets.states import chip, state

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
    spark: str
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

    return f"{wording.SYMBOLS.get(verdict, '?')} {wording.title(verdict)}" if verdict else "–"


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
    words = find.lower().split()
    kept = [
        row
        for row in rows
        if (show == ALL or (show == GOING and not state(row.status).ended) or show == row.status)
        and all(word in f"{row.name} {row.job_id} {row.model} {row.resource} {row.verdict}".lower() for word in words)
    ]
    value, descending = SORTS[sort]
    missing = [row for row in kept if _missing(value(row))]
    known = sorted((row for row in kept if not _missing(value(row))), key=lambda row: row.created_at, reverse=True)
    return sorted(known, key=value, reverse=descending != turn) + missing


def _missing(value: Any) -> bool:
    return value == "" or (isinstance(value, float) and math.isnan(value))


HEAD = ("job", "state", "progress", "loss curve", "validation loss", "verdict", "tokens", "cost", "settings", "created")
_NUMBERS = {4, 6, 7}


def table_html(rows: Sequence[Row], *, total: int, now: float, several: bool = False) -> str:
    """The rows as one table. total: jobs known before filtering; several: name the resource in each row."""
    align = [' class="tb-num"' if i in _NUMBERS else "" for i in range(len(HEAD))]
    head = "".join(f'<th scope="col"{a}>{h}</th>' for h, a in zip(HEAD, align, strict=True))
    body = "".join(row_html(row, now=now, several=several) for row in rows)
    if not total:
        return note("No jobs here yet. tb.job_form(ws) makes the first one.")
    counted = f"{total} job{'' if total == 1 else 's'}"
    shown = f"{len(rows)} of {counted}" if len(rows) != total else counted
    empty = "" if rows else '<tr><td colspan="10" class="tb-muted">No job fits what is asked for.</td></tr>'
    return (
        f'<table class="tb-table tb-board"><caption>{shown}; solid training, dashed validation loss</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}{empty}</tbody></table>"
    )


def row_html(row: Row, *, now: float, several: bool = False) -> str:
    """One table row; the name heads it for screen readers."""
    where = f' <span class="tb-muted">{esc(row.resource)}</span>' if several else ""
    title = f"<b>{esc(row.name)}</b> " if row.name else ""
    done = "" if math.isnan(row.progress) else f"{row.progress:.0%}"
    bar = (
        ""
        if math.isnan(row.progress)
        else f'<div class="tb-mini"><i style="width:{100 * row.progress:.0f}%"></i></div>'
    )
    problem = f'<br><span class="tb-note">{esc(row.problem[:120])}</span>' if row.problem else ""
    cost = "–" if math.isnan(row.cost_usd) else amount(row.cost_usd)
    short = row.job_id if len(row.job_id) <= 16 else f"{row.job_id[:14]}…"
    return (
        f'<tr><th scope="row">{title}<span class="tb-mono" title="{esc(row.job_id)}">{esc(short)}</span>'
        f"{where}{problem}</th>"
        f"<td>{chip(row.status, small=True)}</td><td>{bar}{done}</td><td>{row.spark}</td>"
        f'<td class="tb-num">{number(row.loss)}</td>'
        f'<td title="{esc(row.reason)}">{esc(_verdict_words(row.verdict))}</td>'
        f'<td class="tb-num">{count(row.tokens)}</td><td class="tb-num">{cost}</td>'
        f"<td>{esc(row.settings)}</td><td>{clock(row.created_at, now=now)}</td></tr>"
    )


def choice_label(row: Row) -> str:
    """One line of the list that jobs are picked from for comparison."""
    name = row.name or row.model
    return f"{name}  {state(row.status).word.lower()}  {row.settings}  {row.job_id}"


def plain_table(rows: Sequence[Row]) -> str:
    """The board in text, for terminals and diffs."""
    lines = [f"{'job':<40} {'state':<10} {'done':>5} {'loss':>8}  verdict"]
    for row in rows:
        done = "" if math.isnan(row.progress) else f"{row.progress:.0%}"
        title = f"{row.name} {row.job_id}".strip()[:40]
        lines.append(f"{title:<40} {row.status:<10} {done:>5} {number(row.loss):>8}  {row.verdict}")
    return "\n".join(lines)
