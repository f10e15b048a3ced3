"""The report card of a training file: what `check()` found, for people, terminals and pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from itertools import groupby
from typing import Any

from tunebook.data.problem import Problem

_ORDER = {"error": 0, "warning": 1, "note": 2}
_SIGN = {"error": "✗", "warning": "!", "note": "·"}


@dataclass(frozen=True)
class CheckReport:
    """What a check found.

    examples: records that could be read. tokens: of one pass over the file. problems: the findings kept (20 of a
    kind unless asked for more); counts: rule -> how many there are in all; severities: severity -> likewise.
    """

    name: str
    method: str
    model: str | None
    examples: int
    tokens: int
    problems: tuple[Problem, ...]
    counts: Mapping[str, int] = field(default_factory=dict)
    severities: Mapping[str, int] = field(default_factory=dict)

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

    def to_json(self) -> dict[str, Any]:
        """Plain values: counts of errors and warnings over all findings, the findings themselves as kept."""
        return {
            "name": self.name,
            "method": self.method,
            "model": self.model,
            "ok": self.ok,
            "examples": self.examples,
            "tokens": self.tokens,
            "errors": self.severities.get("error", 0),
            "warnings": self.severities.get("warning", 0),
            "notes": self.severities.get("note", 0),
            "counts": dict(self.counts),
            "problems": [problem.to_json() for problem in self.problems],
        }

    @property
    def sentence(self) -> str:
        e, w = self.severities.get("error", 0), self.severities.get("warning", 0)
        verdict = "ready to train on" if not e else "the service will refuse this file"
        return f"{verdict}: {e} error{'s' * (e != 1)}, {w} warning{'s' * (w != 1)}"

    def _groups(self) -> list[tuple[str, list[Problem]]]:
        ordered = sorted(self.problems, key=lambda p: (_ORDER[p.severity], p.rule))
        return [
            (rule, list(found)) for (_, rule), found in groupby(ordered, key=lambda p: (_ORDER[p.severity], p.rule))
        ]

    def __repr__(self) -> str:
        out = [f"{self.name}: {self.examples:,} {self.method} examples, {self.tokens:,} tokens; {self.sentence}"]
        for rule, found in self._groups():
            first = found[0]
            times = self.counts.get(rule, len(found))
            where = ", ".join(str(p.line) for p in found[:5] if p.line)
            out.append(
                f"  {_SIGN[first.severity]} {rule} x {times}{f' (line {where})' if where else ''}: {first.message}"
            )
            out.append(f"      {first.path + ' ' if first.path else ''}{first.value} -> {first.fix}")
        return "\n".join(out)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{_SIGN[p.severity]} {p.severity}</td><td>{p.line or ''}</td><td>{escape(p.path)}</td>"
            f"<td>{escape(p.message)}</td><td>{escape(p.value)}</td><td>{escape(p.fix)}</td></tr>"
            for _, found in self._groups()
            for p in found
        )
        head = "".join(f'<th scope="col">{h}</th>' for h in ("severity", "line", "path", "what", "value", "fix"))
        return (
            f"<table><caption>{escape(self.name)}: {self.examples:,} {escape(self.method)} examples, "
            f"{self.tokens:,} tokens; {escape(self.sentence)}</caption><tr>{head}</tr>{rows}</table>"
        )
