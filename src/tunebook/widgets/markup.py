"""Small pieces of HTML. Every piece escapes what it is given: file names, suffixes and messages come from outside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any


def esc(value: object) -> str:
    """`value` as text that is safe inside an element and inside a quoted attribute."""
    return escape(str(value), quote=True)


def field(record: Any, name: str, default: Any = None) -> Any:
    """One field of a record that may be an SDK object, a mapping, or None."""
    if isinstance(record, Mapping):
        return record.get(name, default)
    return getattr(record, name, default)


def notice(text: str, tone: str = "wait") -> str:
    """A framed sentence. tone: wait (worth knowing), bad (went wrong), good (done)."""
    return f'<div class="tb-notice tb-{tone}">{_sign(tone)}{esc(text)}</div>'


def note(text: str, tone: str = "") -> str:
    """A small line under a field; `tone` as in `notice`, empty for plain advice."""
    return f'<p class="tb-note tb-{tone or "plain"}">{_sign(tone)}{esc(text)}</p>'


def _sign(tone: str) -> str:
    sign = {"bad": "✕\ufe0e", "wait": "△", "good": "✓\ufe0e"}.get(tone)
    return f'<span class="tb-sign" aria-hidden="true">{sign}</span> ' if sign else ""


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[int] = ()) -> str:
    """A table of ready HTML cells; `head` is text. Columns whose index is in `numbers` are right-aligned."""
    align = [' class="tb-num"' if i in numbers else "" for i in range(len(head))]
    ths = "".join(f'<th scope="col"{a}>{esc(h)}</th>' for h, a in zip(head, align, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{a}>{cell}</td>" for cell, a in zip(row, align, strict=True)) + "</tr>" for row in rows
    )
    return (
        f'<table class="tb-table"><caption>{esc(caption)}</caption>'
        f"<thead><tr>{ths}</tr></thead><tbody>{body}</tbody></table>"
    )


def number(value: Any, digits: int = 4) -> str:
    """A loss or accuracy for a table: four significant digits, a dash when there is none."""
    if not isinstance(value, int | float) or value != value:
        return "–"
    return f"{value:.{digits}g}"


def count(value: Any) -> str:
    """A whole number with thin thousands separators, a dash when there is none."""
    return f"{int(value):,}" if isinstance(value, int | float) and value == value else "–"


def amount(usd: float) -> str:
    """A price in US dollars; cents below 100, whole dollars above."""
    return f"${usd:,.2f}" if usd < 100 else f"${usd:,.0f}"


def size(n_bytes: Any) -> str:
    """A file size with its unit; a dash when the service has not said."""
    if not isinstance(n_bytes, int | float):
        return "–"
    value = float(n_bytes)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def clock(timestamp: Any, *, now: float | None = None) -> str:
    """A service time (unix seconds) as local `HH:MM:SS`, with the date when it is another day than `now`."""
    if not isinstance(timestamp, int | float) or timestamp <= 0:
        return "–"
    moment = datetime.fromtimestamp(timestamp)
    if now is not None and datetime.fromtimestamp(now).date() != moment.date():
        return moment.strftime("%Y-%m-%d %H:%M")
    return moment.strftime("%H:%M:%S")


def duration(seconds: float) -> str:
    """A span of time in its one or two largest units. Never negative: clocks of two machines differ."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min {seconds % 60} s" if minutes < 10 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"
