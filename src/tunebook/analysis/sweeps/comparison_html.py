"""A comparison as a small HTML table, for notebooks and pages: no script, no fixed colours, all text escaped."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd

from tunebook.analysis.curves.wording import SYMBOLS
from tunebook.analysis.sweeps.importance import show_value
from tunebook.analysis.sweeps.ranking import show_share

if TYPE_CHECKING:
    from tunebook.analysis.sweeps.comparison import Comparison

_RULE = "border-bottom:1px solid var(--jp-border-color2, currentColor)"
# Inline, because a notebook that is not trusted loses its style sheets; inherit, because tables may not by default.
_TABLE = "border-collapse:collapse;color:inherit;font-size:inherit"
_CAPTION = '<caption style="text-align:left;color:inherit;padding:.4em 0">'
_LONGEST_ID = 16
_CELL = "padding:.15em .6em;text-align:left;white-space:nowrap"


def comparison_html(comparison: Comparison, *, most_rows: int = 60) -> str:
    """The sentence, one row a ranked job, what mattered, what was left out, and the notes."""
    parts = [f"<p><strong>{escape(comparison.sentence)}</strong></p>"]
    if len(comparison.frame):
        parts.append(table_html(comparison, most_rows=most_rows))
    if comparison.importance is not None and len(comparison.frame) > 1:
        parts.append(comparison.importance._repr_html_())
    if comparison.left_out:
        parts.append(_left_out(comparison, most_rows))
    parts += [f"<p>{escape(note)}</p>" for note in comparison.notes]
    return f'<div style="color:var(--jp-ui-font-color1, currentColor)">{"".join(parts)}</div>'


def table_html(comparison: Comparison, *, most_rows: int = 60) -> str:
    """One row a ranked job of every group, best first."""
    frame = comparison.frame[comparison.frame["rank"].notna()]
    shown = frame.head(most_rows)
    names = [name for name in comparison.hyperparameters if frame[name].nunique(dropna=False) > 1]
    several = len(comparison.groups) > 1
    value = "Loss" if comparison.measure == "loss" else "Reward"
    head = [*(["Group"] if several else []), "Rank", "Job", *names]
    head += [f"{value} (90 %)", "Behind best", "P(best)", "Own value", "Accuracy", "Verdict", "Step", "Tokens"]
    priced = bool(frame["cost_usd"].notna().any())
    head += ["Cost"] if priced else []
    cells = "".join(f'<th scope="col" style="{_CELL}">{escape(name)}</th>' for name in head)
    rows = "".join(_row(row, names, several, priced, comparison.winner) for row in shown.to_dict("records"))
    more = f", the first {len(shown)} of them shown" if len(frame) > len(shown) else ""
    return (
        f'<div style="overflow-x:auto"><table style="{_TABLE}">'
        f"{_CAPTION}{_count(len(frame), 'ranked job')}{more}</caption>"
        f'<thead><tr style="{_RULE}">{cells}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _row(row: Mapping[Any, Any], names: list[str], several: bool, priced: bool, winner: str | None) -> str:
    low, high = row["rank_low"], row["rank_high"]
    place = f"{row['rank']}" if low == high else f"{row['rank']} ({low}–{high})"
    standing = standing_mark(row, winner)
    job = job_html(str(row["id"]), row["suffix"])
    verdict = str(row["verdict"] or "")
    texts = [
        *([escape(str(row["group"]))] if several else []),
        f"{standing}{place}",
        None,
        *(escape("not told" if missing(row[name]) else show_value(row[name])) for name in names),
        f"{row['loss']:#.4g} <small>{row['loss_low']:#.4g}–{row['loss_high']:#.4g}</small>",
        "" if row["id"] == winner else f"{row['behind']:+.1%}",
        _bar(row["p_best"]),
        f"{row['observed']:#.4g}",
        "" if missing(row["accuracy"]) else f"{row['accuracy']:.1%}",
        f"{SYMBOLS.get(verdict, '')} {escape(verdict.replace('_', ' '))}",
        "" if missing(row["recommended_step"]) else f"{row['recommended_step']:g}",
        "" if missing(row["trained_tokens"]) else f"{row['trained_tokens']:,.0f}",
        *([show_money(row["cost_usd"])] if priced else []),
    ]
    cells = "".join(
        f'<th scope="row" style="{_CELL}">{job}</th>' if text is None else f'<td style="{_CELL}">{text}</td>'
        for text in texts
    )
    return f'<tr style="{_RULE}">{cells}</tr>'


def _bar(share: float) -> str:
    """A number with a bar behind it that needs no colour to be read."""
    return (
        f'{escape(show_share(share))} <span aria-hidden="true" style="display:inline-block;height:.6em;'
        f'width:{share * 4:.2f}em;background:currentColor;opacity:.35"></span>'
    )


def standing_mark(row: Mapping[Any, Any], winner: str | None) -> str:
    """★ for the best guess, ≈ for what cannot be told from it."""
    return "★ " if row["id"] == winner else "≈ " if row["indistinguishable"] else ""


def job_html(job_id: str, suffix: str | None) -> str:
    """The job's suffix and its id, of which a long one is cut: the whole of it is in its title."""
    short = job_id if len(job_id) <= _LONGEST_ID else f"{job_id[: _LONGEST_ID - 2]}…"
    name = f"{escape(str(suffix))} " if suffix else ""
    return f'{name}<small title="{escape(job_id)}">{escape(short)}</small>'


def show_money(usd: float) -> str:
    """US dollars as people write them: cents, and more digits below a dollar; nothing where it is not known."""
    if missing(usd):
        return ""
    return f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.2g}"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def missing(value: Any) -> bool:
    """Whether a cell of the frame is empty: None, NaN, NaT or NA."""
    return value is None or bool(pd.isna(value))


def _left_out(comparison: Comparison, most_rows: int) -> str:
    items = list(comparison.left_out.items())
    rows = "".join(
        f'<tr><th scope="row" style="{_CELL}">{escape(str(job_id))}</th>'
        f'<td style="text-align:left">{escape(reason)}</td></tr>'
        for job_id, reason in items[:most_rows]
    )
    more = f", the first {most_rows} of them shown" if len(items) > most_rows else ""
    return (
        f'<table style="{_TABLE}">{_CAPTION}{_count(len(items), "job")} left out{more}</caption><thead><tr>'
        f'<th scope="col" style="{_CELL}">Job</th><th scope="col" style="{_CELL}">Why</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )
