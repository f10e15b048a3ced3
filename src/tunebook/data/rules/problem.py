"""One finding about a training file, and how a foreign value is shown in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import msgspec

from tunebook.data.rules.secrets import mask

Severity = Literal["error", "warning", "note"]
SHOWN = 80  # characters of a foreign value that a message repeats: enough to recognise it, short enough for a table


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, where, and what to do.

    line: line of the file, counted from 1; None when the file as a whole is meant.
    path: place in the record, e.g. `$.messages[2].content`; `$` is the whole record, "" the file.
    rule: the rule's id, e.g. `last-message`; the same finding always has the same id.
    severity: "error" (the service will refuse it), "warning" (it will train badly) or "note".
    value: the offending value, shortened, with anything key-shaped masked.
    message: what is wrong. fix: what to do about it.
    """

    line: int | None
    path: str
    rule: str
    severity: Severity
    value: str
    message: str
    fix: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        where = " ".join(part for part in (f"line {self.line}" if self.line else "", self.path) if part)
        seen = f" [{self.value}]" if self.value else ""
        return f"{self.severity}: {where + ': ' if where else ''}{self.message}{seen} -> {self.fix} ({self.rule})"


def place_of(path: str) -> str:
    """The path itself, unless a foreign key in it is too long or odd to print."""
    return path if len(path) <= 120 and path.isprintable() else shown(path, 120)


def shown(value: object, width: int = SHOWN) -> str:
    """A foreign value on one short line: containers by their keys or length, keys and passwords masked."""
    if isinstance(value, bytes):
        value = value[: 4 * width].decode("utf-8", "backslashreplace")
    if isinstance(value, str):
        text = mask(value[: 4 * width])
    elif isinstance(value, Mapping):
        text = "{" + ", ".join(str(key)[:width] for key in list(value)[:8]) + "}"
    elif isinstance(value, Sequence):
        text = f"list of {len(value)}"
    elif isinstance(value, bool | int | float) or value is None:
        text = msgspec.json.encode(value).decode()
    else:
        text = type(value).__name__
    text = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" if c not in "\n\t\r" else " " for c in text)
    return text if len(text) <= width else text[: width - 1] + "…"


def json_type(value: object) -> str:
    """What JSON calls a decoded value: object, array, string, number, boolean or null."""
    if value is None:
        return "null"
    for kind, name in ((bool, "boolean"), (str, "string"), (int | float, "number"), (list, "array"), (dict, "object")):
        if isinstance(value, kind):
            return name
    return type(value).__name__
