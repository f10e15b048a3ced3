"""What a verb prints: text that a terminal shows and does not obey, or one JSON document that every parser takes."""

from __future__ import annotations

import json
import math
import re
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from tunebook.service import Workspace

# What a terminal obeys instead of showing: control characters (C0, C1), marks that turn the direction of writing, line
# separators; and half characters, which cannot be written.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_BAR = re.compile(r"(\r?)([^\r]*)(\r?)|((?:\x1b\[A)+)")  # how a progress bar goes to the start of its line, or one up


class Harmless:
    """A stream that shows as `\\u001b` what a terminal would obey."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        bar = _BAR.fullmatch(text)
        start, shown, end, up = bar.groups() if bar else ("", text, "", None)
        self._stream.write(up or f"{start}{_OBEYED.sub(_shown, shown)}{end}")
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _shown(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def say(line: object) -> None:
    """A line about what is going on: never among the answer."""
    print(line, file=sys.stderr)


def connected() -> Workspace:
    """The resource of the environment; which it is, is said beside the answer."""
    from tunebook.service import connect

    return connect(say=say)


def answer(options: Namespace, record: Any, told: object) -> None:
    """The answer: `record` as JSON where that was asked for, else `told`."""
    print(json.dumps(plain(record), ensure_ascii=False, indent=2, allow_nan=False) if options.json else told)


def plain(value: Any) -> Any:
    """A value as strict JSON has it: what is no finite number is null."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    if isinstance(value, PurePath):
        return str(value)
    if hasattr(value, "item") and not isinstance(value, str):  # a number of numpy
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def table(rows: list[tuple[Any, ...]], head: tuple[str, ...]) -> str:
    """Rows under their heads, each column as wide as it needs."""
    told = [head, *(tuple("" if cell is None else str(cell) for cell in row) for row in rows)]
    widths = [max(len(row[at]) for row in told) for at in range(len(head))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in told)
