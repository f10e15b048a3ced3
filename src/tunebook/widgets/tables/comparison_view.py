"""A comparison as rows to look around in: filtered, sorted, drawn. Functions of their arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from tunebook.analysis.curves import wording
from tunebook.analysis.sweeps.comparison_html import job_html, missing, show_money, standing_mark
from tunebook.analysis.sweeps.importance import show_value
from tunebook.analysis.sweeps.ranking import show_share
from tunebook.widgets.markup import count, esc, number

if TYPE_CHECKING:
    from tunebook.analysis import Comparison

ALL, RANKED, BEST, LEFT_OUT = "all jobs", "ranked jobs", "the best and what may be as good", "jobs left out"

# What can be sorted by: the words for it -> (column, whether the highest is wanted first). Unknown values come last.
_SORTS = {
    "rank": ("rank", False),
    "expected": ("loss", False),
    "own value": ("observed", False),
    "chance to be best": ("p_best", True),
    "accuracy": ("accuracy", True),
    "verdict": ("verdict", False),
    "cost": ("cost_usd", True),
    "tokens": ("trained_tokens", True),
    "seed": ("seed", False),
    "job": ("id", False),
}


def sorts(comparison: Comparison) -> dict[str, tuple[str, bool]]:
    """What the rows can be sorted by; what no job has a value for is not offered."""
    frame = comparison.frame
    known = {words: how for words, how in _SORTS.items() if how[0] in frame and frame[how[0]].notna().any()}
    return (known or {"job": ("id", False)}) | {name: (name, False) for name in varied(comparison)}


def shows(comparison: Comparison) -> list[str]:
    """The choices of what to show."""
    groups = [f"group {group.label}" for group in comparison.groups] if len(comparison.groups) > 1 else []
    verdicts = sorted(set(comparison.frame["verdict"].dropna())) if "verdict" in comparison.frame else []
    return [ALL, RANKED, BEST, LEFT_OUT, *groups, *map(wording.title, verdicts)]


def varied(comparison: Comparison) -> list[str]:
    """The hyperparameters that differ between jobs."""
    frame = comparison.frame
    return [name for name in comparison.hyperparameters if frame[name].nunique(dropna=True) > 1]


def arrange(
    comparison: Comparison, *, find: str = "", show: str = ALL, sort: str = "rank", turn: bool = False
) -> pd.DataFrame:
    """The rows of `comparison.frame` to show, in order.

    find: words that must all occur in the row; `n_epochs=2` asks for a value. turn: reverse the order.
    """
    frame = comparison.frame
    if not len(frame):
        return frame
    rows = frame[_asked_for(comparison, show)]
    for word in find.lower().split():
        rows = rows[[_fits(row, word, comparison) for row in rows.to_dict("records")]]
    column, highest_first = sorts(comparison).get(sort, ("id", False))
    if column == "loss" and comparison.measure == "reward":
        highest_first = True
    values = rows[column]
    if values.map(lambda value: isinstance(value, str)).any():
        values = values.map(lambda value: None if value is None else str(value))
    order = values.sort_values(ascending=highest_first == turn, kind="stable", na_position="last").index
    return rows.loc[order]


def _asked_for(comparison: Comparison, show: str) -> pd.Series:
    frame = comparison.frame
    if show == RANKED:
        return frame["rank"].notna()
    if show == BEST:
        return frame["indistinguishable"] | (frame["id"] == comparison.winner)
    if show == LEFT_OUT:
        return frame["id"].isin(comparison.left_out)
    if show.startswith("group "):
        return frame["group"] == show.removeprefix("group ")
    if show == ALL:
        return pd.Series(True, frame.index)
    return frame["verdict"].map(lambda verdict: isinstance(verdict, str) and wording.title(verdict) == show)


def _fits(row: dict[Any, Any], word: str, comparison: Comparison) -> bool:
    name, equals, value = word.partition("=")
    if equals and name in (*comparison.hyperparameters, "seed"):
        return not missing(row[name]) and show_value(row[name]).lower().removesuffix(".0") == value
    texts = (row["id"], row["suffix"], row["model"], row["status"], row["verdict"], comparison.left_out.get(row["id"]))
    return any(word in str(text).lower() for text in texts if text)


def table_html(comparison: Comparison, rows: pd.DataFrame) -> str:
    """The rows as one table, all text escaped; what is not ranked says why."""
    names, frame = varied(comparison), comparison.frame
    priced = len(frame) > 0 and bool(frame["cost_usd"].notna().any())
    several = len(comparison.groups) > 1
    value = "loss (90 %)" if comparison.measure == "loss" else "reward (90 %)"
    head = ["rank", "job", *(["group"] if several else []), *names, "seed", value, "behind", "P(best)", "accuracy"]
    head += ["verdict", "tokens", *(["cost"] if priced else [])]
    numeric = {"seed", value, "behind", "P(best)", "accuracy", "tokens", "cost", *names}
    align = [' class="tb-num"' if title in numeric else "" for title in head]
    heads = "".join(f'<th scope="col"{a}>{esc(title)}</th>' for title, a in zip(head, align, strict=True))
    body = "".join(
        _row(row, align, _cells(row, comparison, names, several=several, priced=priced), comparison)
        for row in rows.to_dict("records")
    )
    told = f"{len(rows)} of {len(frame)} jobs" if len(rows) != len(frame) else f"{len(frame)} jobs"
    empty = "" if len(rows) else f'<tr><td colspan="{len(head)}" class="tb-muted">No job fits what is asked.</td></tr>'
    return (
        f'<table class="tb-table tb-board"><caption>{told}; ★ best guess, ≈ not told apart from it</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}{empty}</tbody></table>"
    )


def _row(row: dict[Any, Any], align: list[str], cells: list[str], comparison: Comparison) -> str:
    reason = comparison.left_out.get(row["id"], "")
    why = f'<br><span class="tb-note">{esc(reason[:160])}</span>' if reason else ""
    job = f'<th scope="row">{job_html(str(row["id"]), row["suffix"])}{why}</th>'
    first, *rest = (f"<td{a}>{cell}</td>" for cell, a in zip(cells, [align[0], *align[2:]], strict=True))
    return f"<tr>{first}{job}{''.join(rest)}</tr>"


def _cells(row: dict[Any, Any], comparison: Comparison, names: list[str], *, several: bool, priced: bool) -> list[str]:
    """Every cell of a row but the job's own, as safe HTML."""
    ranked = not missing(row["rank"])
    value = f"{row['loss']:#.4g} <small>{row['loss_low']:#.4g}–{row['loss_high']:#.4g}</small>" if ranked else "–"
    verdict = row["verdict"] if isinstance(row["verdict"], str) else ""
    return [
        _standing(row, comparison),
        *([esc("" if missing(row["group"]) else row["group"])] if several else []),
        *(esc("–" if missing(row[name]) else show_value(row[name])) for name in names),
        esc("–" if missing(row["seed"]) else show_value(row["seed"]).removesuffix(".0")),
        value,
        f"{row['behind']:+.1%}" if ranked and row["id"] != comparison.winner else "",
        esc(show_share(row["p_best"])) if ranked else "",
        "–" if missing(row["accuracy"]) else f"{row['accuracy']:.1%}",
        esc(f"{wording.SYMBOLS.get(verdict, '?')} {wording.title(verdict)}" if verdict else "–"),
        count(row["trained_tokens"]),
        *([esc(show_money(row["cost_usd"])) or "–"] if priced else []),
    ]


def _standing(row: dict[Any, Any], comparison: Comparison) -> str:
    if missing(row["rank"]):
        return "–"
    low, high = row["rank_low"], row["rank_high"]
    return f"{standing_mark(row, comparison.winner)}{row['rank']}" + (
        f" <small>({low}–{high})</small>" if low != high else ""
    )


def choices(comparison: Comparison, rows: pd.DataFrame) -> list[tuple[str, str]]:
    """(label, id) of each row, for the list that curves are picked from."""
    names = varied(comparison)
    made = []
    for row in rows.to_dict("records"):
        settings = ", ".join(f"{name} {show_value(row[name])}" for name in names if not missing(row[name]))
        seed = "" if missing(row["seed"]) else f"seed {show_value(row['seed']).removesuffix('.0')}"
        said = ", ".join(part for part in (settings, seed) if part)
        made.append((f"{row['suffix'] or row['id']}  {said}  {row['id'] if row['suffix'] else ''}".rstrip(), row["id"]))
    return made


def plain_table(comparison: Comparison, rows: pd.DataFrame) -> str:
    """The rows in text, for terminals and diffs."""
    lines = [comparison.sentence, f"{'rank':>5} {'job':<30} {comparison.measure:>8} {'P(best)':>8}  verdict"]
    for row in rows.to_dict("records"):
        place = "–" if missing(row["rank"]) else str(row["rank"])
        chance = "" if missing(row["p_best"]) else show_share(row["p_best"])
        value = number(row["loss"]) if place != "–" else "–"
        said = comparison.left_out.get(row["id"]) or row["verdict"] or ""
        lines.append(f"{place:>5} {row['id']!s:<30} {value:>8} {chance:>8}  {said}")
    return "\n".join(lines)
