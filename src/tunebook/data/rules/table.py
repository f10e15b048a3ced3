"""The table of the rules (rules.toml): what each finding says, so that the code that finds it names the rule alone.

A rule has an address: its id, and where it has several cases the case after a dot ("name", "name.old"). A new rule is a
row of the table and the line that calls `problem_of`. Needs msgspec only.
"""

from __future__ import annotations

import json
import re
import threading
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from itertools import groupby
from typing import Any

import msgspec
from msgspec.structs import replace

from tunebook.data.rules.problem import Problem, Severity, json_type, place_of, shown
from tunebook.errors import DataError

_BLANK = re.compile("‹([^›]+)›")
_PASSED_ON = ("severity", "what", "fix", "source")  # from a rule to its cases


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of the table, as its head describes it. part: the section; address: id, or id and case."""

    part: str
    address: str
    what: str
    fix: str
    example: str
    nearest: tuple[str, str] | None = None
    severity: Severity = "error"
    source: str = ""
    times: int = 1
    encoding: str = "utf-8"
    method: str | None = None
    validation: str = ""
    check: dict[str, Any] = {}
    limits: dict[str, int] = {}

    @property
    def id(self) -> str:
        return self.address.split(".")[0]

    def kept(self) -> Rule | None:
        """The rule with what comes nearest to its example and does not break it; None where fix() makes that of it."""
        if self.nearest is None:
            return None
        for name in ("example", "validation"):
            if self.nearest[0] in (text := getattr(self, name)):
                return replace(self, **{name: text.replace(*self.nearest, 1)})
        settings = {name: getattr(self, name) for name in ("times", "method", "check", "limits")}
        return replace(self, **json.loads(json.dumps(settings).replace(*self.nearest, 1)))

    def _unlike(self, other: Rule) -> str:
        """What is unlike between what passes and what breaks the rule, for a person."""
        for name in ("example", "validation"):
            if getattr(self, name) != getattr(other, name):
                return ": " + getattr(self, name).replace("\n", "\n    ")
        return " with " + self.nearest[1].replace('"', "") if self.nearest else ""

    def __str__(self) -> str:
        more = f"{self.times} times: " if self.times > 1 else ""
        below = ["-> " + self.fix, *(more + self.example).split("\n")]
        below += ["with the validation file", *self.validation.split("\n")] if self.validation else []
        below += [f"read as {self.method}"] if self.method else []
        kept = self.kept()
        below += ["passes" + kept._unlike(self)] if kept else ["fix() mends it"]
        below += [self.source] if self.source else []
        return "\n    ".join([f"{self.severity}: {self.what}", *below])


_CONVERTING = threading.Lock()  # two threads that convert to one type for the first time end the process


@cache
def rules() -> Mapping[str, Rule]:
    """Address -> rule, in the table's order."""
    text = (files("tunebook.data.rules") / "rules.toml").read_text("utf-8").replace("\\\n", "")
    found: dict[str, Rule] = {}
    for part, table in tomllib.loads(text).items():
        passed_on = {"part": part, **{key: table.pop(key) for key in ("source",) if key in table}}
        for name, row in table.items():
            found.update((rule.address, rule) for rule in _read(name, row, passed_on))
    return found


def _read(address: str, table: Mapping[str, Any], passed_on: Mapping[str, str]) -> Iterator[Rule]:
    own = {key: table[key] for key in Rule.__struct_fields__ if key in table}
    row = {**passed_on, **own}
    if own:
        with _CONVERTING:
            rule = msgspec.convert({**row, "address": address}, Rule)
        yield rule
    passed_on = {key: row[key] for key in ("part", *_PASSED_ON) if key in row}
    for case in [key for key in table if key not in own]:
        yield from _read(f"{address}.{case}", table[case], passed_on)


def problem_of(address: str, path: str, value: object, **words: object) -> Problem:
    """What the rule at `address` says of `value`; the line is filled in by whoever knows it.

    words: for the blanks of the rule; ‹type› is what JSON calls `value`.
    """
    rule = rules()[address]

    def fill(blank: re.Match[str]) -> str:
        name = blank[1]
        return json_type(value) if name == "type" and name not in words else str(words[name])

    what, fix = _BLANK.sub(fill, rule.what), _BLANK.sub(fill, rule.fix)
    return Problem(None, place_of(path), rule.id, rule.severity, shown(value), what, fix)


def explain(rule: str = "") -> str:
    """All the table says of a rule, in all its cases; without one, which there are. DataError for an unknown one."""
    if not rule:
        parts = groupby(rules().values(), lambda row: row.part)
        return "\n".join(f"{part}: {', '.join(dict.fromkeys(row.id for row in rows))}" for part, rows in parts)
    cases = [str(row) for row in rules().values() if rule in (row.id, row.address)]
    if not cases:
        near = get_close_matches(rule, {row.id for row in rules().values()}, n=5)
        hint = f"Near are {', '.join(near)}." if near else "`tunebook check --explain` lists them all."
        raise DataError(f"There is no rule {rule!r}. {hint}")
    return "\n\n".join([rule, *cases])
