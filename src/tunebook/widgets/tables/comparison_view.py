"""A comparison as rows to look around in: filtered, sorted, drawn. Functions of their arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from tunebook import words
from tunebook.analysis.curves import wording
from tunebook.analysis.sweeps.comparison_html import standing_mark
from tunebook.analysis.sweeps.importance import show_value
from tunebook.palette import VERDICTS
from tunebook.show import Inline, Span, Table, Text
from tunebook.words import missing

if TYPE_CHECKING:
    from tunebook.analysis import Comparison

_LONGEST_ID = 16
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
    known = {name: how for name, how in _SORTS.items() if how[0] in frame and frame[how[0]].notna().any()}
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


def table(comparison: Comparison, rows: pd.DataFrame) -> Table | Text:
    """The rows as one table; what is not ranked says why."""
    names, frame = varied(comparison), comparison.frame
    priced = len(frame) > 0 and bool(frame["cost_usd"].notna().any())
    several = len(comparison.groups) > 1
    value = "loss (90 %)" if comparison.measure == "loss" else "reward (90 %)"
    head = ["rank", "job", *(["group"] if several else []), *names, "seed", value, "behind", "P(best)", "accuracy"]
    head += ["verdict", "tokens", *(["cost"] if priced else [])]
    numeric = {"seed", value, "behind", "P(best)", "accuracy", "tokens", "cost", *names}
    cells = [_cells(row, comparison, names, several=several, priced=priced) for row in rows.to_dict("records")]
    shown = f"{len(rows)} of {len(frame)} jobs" if len(rows) != len(frame) else words.plural(len(frame), "job")
    columns = [at for at, title in enumerate(head) if title in numeric]
    if not cells:
        return Text(f"{shown}: no job fits what is asked.")
    return Table(head, cells, f"{shown}; ★ best guess, ≈ not told apart from it", numeric=columns)


def _job(row: dict[Any, Any], comparison: Comparison) -> Inline:
    job_id = str(row["id"])
    short = job_id if len(job_id) <= _LONGEST_ID else f"{job_id[: _LONGEST_ID - 2]}…"
    reason = comparison.left_out.get(job_id, "")
    return (
        Span(f"{row['suffix']} " if row["suffix"] else "", "strong"),
        Span(short, "code", hint=job_id),
        *([Span(reason[:160], "words muted")] if reason else []),
    )


def _cells(
    row: dict[Any, Any], comparison: Comparison, names: list[str], *, several: bool, priced: bool
) -> tuple[Inline, ...]:
    ranked = not missing(row["rank"])
    interval = Span(f" {row['loss_low']:#.4g}–{row['loss_high']:#.4g}" if ranked else "", "muted")
    verdict = row["verdict"] if isinstance(row["verdict"], str) else ""
    sign = VERDICTS[verdict].sign if verdict in VERDICTS else "?"
    behind = ranked and row["id"] != comparison.winner
    return (
        _standing(row, comparison),
        _job(row, comparison),
        *(["" if missing(row["group"]) else str(row["group"])] if several else []),
        *("" if missing(row[name]) else show_value(row[name]) for name in names),
        "" if missing(row["seed"]) else show_value(row["seed"]).removesuffix(".0"),
        (f"{row['loss']:#.4g}", interval) if ranked else "",
        f"+{words.percent(row['behind'])}" if behind else "",
        words.probability(row["p_best"]) if ranked else "",
        words.percent(row["accuracy"], 1),
        f"{sign} {wording.title(verdict)}" if verdict else "–",
        words.count(row["trained_tokens"]),
        *([words.money(row["cost_usd"])] if priced else []),
    )


def _standing(row: dict[Any, Any], comparison: Comparison) -> Inline:
    if missing(row["rank"]):
        return "–"
    low, high = row["rank_low"], row["rank_high"]
    place = f"{standing_mark(row, comparison.winner)}{row['rank']}"
    return (place, Span(f" ({low}–{high})", "muted")) if low != high else place


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
        chance = words.probability(row["p_best"])
        value = words.number(row["loss"]) if place != "–" else "–"
        said = comparison.left_out.get(row["id"]) or row["verdict"] or ""
        lines.append(f"{place:>5} {row['id']!s:<30} {value:>8} {chance:>8}  {said}")
    return "\n".join(lines)
