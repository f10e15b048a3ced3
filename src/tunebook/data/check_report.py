"""The report card of a training file: what `check()` found, for notebooks, terminals and pipelines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from tunebook import words
from tunebook.data.rules.problem import Problem
from tunebook.data.tokens import TokenSummary
from tunebook.money import Cost
from tunebook.palette import TONES
from tunebook.show import Bars, Card, Fold, Inline, Shown, Span, Table, Text

_ORDER = {"error": 0, "warning": 1, "note": 2}
_TONE = {"error": "bad", "warning": "warning", "note": "note"}
OPENED = 4  # kinds of errors whose lines are shown without a click: more would hide how many kinds there are
LINES_SHOWN = 8


@dataclass(frozen=True)
class Group:
    """All findings of one rule: those kept, and how many there are."""

    rule: str
    severity: str
    count: int
    kept: tuple[Problem, ...]

    @property
    def sign(self) -> str:
        return TONES[_TONE[self.severity]].sign


@dataclass(frozen=True)
class CheckReport(Shown):
    """What a check found; shows itself in a notebook.

    name, method, model: what was checked, as what, for which base model (None: for any).
    file: one sentence about size, encoding and newlines, "" for examples in memory.
    examples: records that could be read. summary: token counts, None when there was nothing to count.
    problems: findings in file order, the first 20 lines of each rule unless asked for more. counts: rule -> how many
    there are in all. unread: (line of the file, bytes) of what could not be read in a file that is not JSON Lines.
    totals: severity -> likewise. cost: what training would bill, None when not asked or not known.
    """

    name: str
    method: str
    model: str | None
    file: str
    examples: int
    summary: TokenSummary | None
    problems: tuple[Problem, ...]
    counts: Mapping[str, int] = field(default_factory=dict)
    totals: Mapping[str, int] = field(default_factory=dict)
    cost: Cost | None = None
    unread: tuple[tuple[int, int], ...] = ()

    @property
    def tokens(self) -> int:
        """Tokens of one pass over the file; estimated from a sample above 50 MB (see `summary`)."""
        return self.summary.total if self.summary else 0

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(p for p in self.problems if p.severity == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return tuple(p for p in self.problems if p.severity == "warning")

    @property
    def notes(self) -> tuple[Problem, ...]:
        return tuple(p for p in self.problems if p.severity == "note")

    @property
    def ok(self) -> bool:
        """Whether nothing was found that the service will refuse."""
        return not self.errors

    @property
    def groups(self) -> tuple[Group, ...]:
        """The findings by rule, errors first, then by how often."""
        return grouped(self.problems, self.counts)

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        errors, warnings = (_counted(self.totals.get(kind, 0), kind) for kind in ("error", "warning"))
        if not self.ok:
            return f"The service will refuse this file: {errors}, {warnings}."
        return f"Ready to train on: no errors, {warnings}."

    def to_json(self) -> dict[str, Any]:
        """Plain values for pipelines: `errors` and `warnings` count all findings, `problems` lists those kept."""
        return {
            "name": self.name,
            "method": self.method,
            "model": self.model,
            "ok": self.ok,
            "examples": self.examples,
            "tokens": self.tokens,
            "tokens_exact": self.summary is None or self.summary.exact,
            "tokens_interval": list(self.summary.interval) if self.summary else [0, 0],
            "errors": self.totals.get("error", 0),
            "warnings": self.totals.get("warning", 0),
            "notes": self.totals.get("note", 0),
            "counts": dict(self.counts),
            "cost": self.cost.to_json() if self.cost else None,
            "unread": [{"line": line, "bytes": size} for line, size in self.unread],
            "problems": [problem.to_json() for problem in self.problems],
        }

    def __repr__(self) -> str:
        out = [f"{self.name}: {_counted(self.examples, f'{self.method} example')}. {self.sentence}"]
        out += [f"  {line}" for line in (self.file, str(self.summary or ""), str(self.cost or "")) if line]
        for group in self.groups:
            first = group.kept[0]
            out.append(f"  {group.sign} {group.rule}, {group.count:,} x{_at(group.kept)}: {first.message}")
            seen = f"{first.path} [{first.value}]" if first.value else first.path
            out.append(f"      {seen + ' ' if seen else ''}-> {first.fix}")
        return "\n".join(out)

    def _card(self) -> Card:
        """Verdict, file, tokens and cost, then the findings by rule, the first errors opened."""
        of_model = f", for {self.model}" if self.model else ""
        facts = (
            f"{words.plural(self.examples, 'example')}, method {self.method}{of_model}", self.file, self.summary or "",
        )  # fmt: skip
        return Card(
            *(Text(str(fact)) for fact in facts if fact),
            Text(_bill(self.cost)) if self.cost else None,
            _histogram(self.summary) if self.summary and len(self.summary.histogram) > 1 else None,
            *folds(self.groups),
            title=self.name,
            badge=self.sentence,
            tone="bad" if not self.ok else "warning" if self.totals.get("warning") else "good",
        )


def grouped(problems: Iterable[Problem], counts: Mapping[str, int]) -> tuple[Group, ...]:
    """Findings by rule, errors first, then by how often; `counts` where there are more than those."""
    by_rule = sorted(problems, key=lambda p: (_ORDER[p.severity], p.rule))
    found = []
    for (_, rule), kept in groupby(by_rule, key=lambda p: (_ORDER[p.severity], p.rule)):
        alike = tuple(kept)
        found.append(Group(rule, alike[0].severity, counts.get(rule, len(alike)), alike))
    return tuple(sorted(found, key=lambda g: (_ORDER[g.severity], -g.count, g.rule)))


def folds(groups: Iterable[Group]) -> list[Fold]:
    """Findings as they are shown: each rule under its name, the first errors opened."""
    return [_fold(group, group.severity == "error" and at < OPENED) for at, group in enumerate(groups)]


def _bill(cost: Cost) -> Inline:
    return [str(cost), " (", Span("source", href=cost.source), ")"] if cost.source else str(cost)


def _histogram(summary: TokenSummary) -> Bars:
    return Bars(
        [(f"{low:,} to {high - 1:,} tokens: {words.percent(share)}", share) for low, high, share in summary.histogram],
        f"Examples by tokens, from {summary.fewest:,} to {summary.most:,}, half of them below {summary.median:,}",
        (f"{summary.histogram[0][0]:,}", "tokens an example", f"{summary.histogram[-1][1]:,}"),
    )


def _fold(group: Group, opened: bool) -> Fold:
    """A rule's findings under its name and number; what all of them share is said once."""
    first = group.kept[0]
    same_fix = all(problem.fix == first.fix for problem in group.kept)
    placed = any(problem.line or problem.path for problem in group.kept)
    times = f" × {group.count:,}" if group.count > 1 else ""
    value = [Span(f" {first.value}", "code")] if first.value and not placed else []
    kind = Span(f"{group.sign} {group.severity}{times}", "strong", _TONE[group.severity])
    return Fold(
        [kind, f" {first.message}", *value, Span(f" {group.rule}", "muted")],
        [*([Text(f"→ {first.fix}")] if same_fix else []), *([_findings(group, same_fix)] if placed else [])],
        opened,
    )


def _findings(group: Group, same_fix: bool) -> Table:
    """What is the same but for the line takes one row; columns that would say nothing are left out."""
    alike: dict[tuple[str, ...], list[int]] = {}
    for problem in group.kept:
        lines = alike.setdefault((problem.path, problem.value, problem.message, problem.fix), [])
        lines.extend([problem.line] if problem.line else [])
    same_message = len({problem.message for problem in group.kept}) == 1
    several = any(len(lines) > 1 for lines in alike.values())
    paths, values, messages, fixes = zip(*alike, strict=True)
    columns: dict[str, list[Inline]] = {
        "lines" if several else "line": [_lines(lines) for lines in alike.values()],
        "place": _spans("code", paths),
        "value": _spans("code excerpt", values),
        "what": _spans("words", () if same_message else messages),
        "fix": _spans("words", () if same_fix else fixes),
    }
    columns = {name: cells for name, cells in columns.items() if any(str(cell) for cell in cells)}
    of = f"{len(group.kept):,} of {group.count:,} shown" if group.count > len(group.kept) else "all shown"
    rows = list(zip(*columns.values(), strict=True))
    return Table(tuple(columns), rows, f"{group.rule}: {of}", numeric=(0,) if "line" in columns else ())


def _spans(role: str, texts: Sequence[str]) -> list[Inline]:
    return [Span(text, role) if text else "" for text in texts]


def _lines(lines: Sequence[int]) -> str:
    more = f" and {len(lines) - LINES_SHOWN:,} more" if len(lines) > LINES_SHOWN else ""
    return ", ".join(f"{line:,}" for line in lines[:LINES_SHOWN]) + more


def _counted(number: int, what: str) -> str:
    return words.plural(number, what) if number else f"no {what}s"


def _at(problems: Sequence[Problem]) -> str:
    lines = list(dict.fromkeys(p.line for p in problems if p.line))
    if not lines:
        return ""
    more = ", …" if len(lines) > 6 else ""
    return f" (line{'s' * (len(lines) > 1)} {', '.join(map(str, lines[:6]))}{more})"
