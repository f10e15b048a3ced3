"""The report card of a training file: what `check()` found, for notebooks, terminals and pipelines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from tunebook.data.rules.problem import Problem
from tunebook.data.tokens import TokenSummary
from tunebook.money import Cost

_ORDER = {"error": 0, "warning": 1, "note": 2}
SIGN = {"error": "✗", "warning": "!", "note": "·"}


@dataclass(frozen=True)
class Group:
    """All findings of one rule: those kept, and how many there are."""

    rule: str
    severity: str
    count: int
    kept: tuple[Problem, ...]


@dataclass(frozen=True)
class CheckReport:
    """What a check found; shows itself in a notebook.

    name, method, model: what was checked, as what, for which base model (None: for any).
    file: one sentence about size, encoding and newlines, "" for examples in memory.
    examples: records that could be read. summary: token counts, None when there was nothing to count.
    problems: findings in file order, the first 20 lines of each rule unless asked for more. counts: rule -> how many
    there are in all. totals: severity -> likewise. cost: what training would bill, None when not asked or not known.
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
        by_rule = sorted(self.problems, key=lambda p: (_ORDER[p.severity], p.rule))
        found = []
        for (_, rule), kept in groupby(by_rule, key=lambda p: (_ORDER[p.severity], p.rule)):
            problems = tuple(kept)
            found.append(Group(rule, problems[0].severity, self.counts.get(rule, len(problems)), problems))
        return tuple(sorted(found, key=lambda g: (_ORDER[g.severity], -g.count, g.rule)))

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
            "problems": [problem.to_json() for problem in self.problems],
        }

    def __repr__(self) -> str:
        out = [f"{self.name}: {_counted(self.examples, f'{self.method} example')}. {self.sentence}"]
        out += [f"  {line}" for line in (self.file, str(self.summary or ""), str(self.cost or "")) if line]
        for group in self.groups:
            first = group.kept[0]
            out.append(f"  {SIGN[group.severity]} {group.rule}, {group.count:,} x{_at(group.kept)}: {first.message}")
            seen = f"{first.path} [{first.value}]" if first.value else first.path
            out.append(f"      {seen + ' ' if seen else ''}-> {first.fix}")
        return "\n".join(out)

    def _repr_html_(self) -> str:
        from tunebook.data.report_html import report_card

        return report_card(self)


def _counted(number: int, what: str) -> str:
    return f"{number or 'no'} {what}s" if number < 1 else f"{number:,} {what}{'s' * (number > 1)}"


def _at(problems: Sequence[Problem]) -> str:
    lines = list(dict.fromkeys(p.line for p in problems if p.line))
    if not lines:
        return ""
    more = ", …" if len(lines) > 6 else ""
    return f" (line{'s' * (len(lines) > 1)} {', '.join(map(str, lines[:6]))}{more})"
