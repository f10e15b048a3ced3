"""Mending what can be mended without a decision of the author's, and saying what was changed.

Never touched: what a message says, except for NUL characters; examples, except for exact repeats and empty ones.
"""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from tunebook.data.lines import BOM, Lines
from tunebook.data.malformed import decodes, split_values
from tunebook.data.records import REFUSED
from tunebook.data.rules.images import OTHER_PARTS
from tunebook.data.rules.messages import MESSAGE_KEYS, ROLES, meant_role
from tunebook.data.rules.methods import DPO_INPUT_KEYS, DPO_KEYS, SUPERVISED_KEYS
from tunebook.show import Card, Shown, Table, Text

LONGEST_LITERAL = 1_000_000  # bytes of a Python dict that is read as such
LINES_SHOWN = 12
# Shape of a file -> what was done to the whole of it.
WHOLE = {
    "array": "written as lines: the file was one JSON array",
    "pretty": "written as lines: the JSON was spread over several lines",
    "utf-16": "written as UTF-8: the file was UTF-16",
    "utf-32": "written as UTF-8: the file was UTF-32",
}


@dataclass(frozen=True, slots=True)
class Change:
    """line: in the file as it was; what: what was done, in words."""

    line: int
    what: str


@dataclass(frozen=True)
class Changes(Shown):
    """What `fix()` did, in file order; a kind of change is listed once a line."""

    changes: tuple[Change, ...]
    whole: str = ""  # what was done to the file as a whole

    def __len__(self) -> int:
        return len(self.changes) + bool(self.whole)

    @property
    def counts(self) -> dict[str, int]:
        """What was done -> on how many lines."""
        return dict(Counter(change.what for change in self.changes).most_common())

    def __repr__(self) -> str:
        if not len(self):
            return "Nothing to mend."
        out = [self.whole] if self.whole else []
        for what, count in self.counts.items():
            lines = [str(change.line) for change in self.changes if change.what == what]
            more = ", …" if count > 6 else ""
            out.append(f"{count:,} x {what} (line{'s' * (count > 1)} {', '.join(lines[:6])}{more})")
        return "\n".join(out)

    def _card(self) -> Card:
        """What was done, by kind."""
        if not len(self):
            return Card(Text("Nothing to mend.", tone="good"))
        rows = []
        for what, count in self.counts.items():
            lines = [f"{change.line:,}" for change in self.changes if change.what == what][:LINES_SHOWN]
            rows.append((f"{count:,}", what, ", ".join(lines) + (", …" if count > LINES_SHOWN else "")))
        table = Table(("times", "change", "lines"), rows, "what was changed", numeric=(0,))
        return Card(Text(self.whole) if self.whole else None, table if rows else None)


def mend(lines: Lines, method: str, *, shape: str = "lines", duplicates: bool = True) -> tuple[list[bytes], Changes]:
    """(mended lines, what was changed). Lines that cannot be mended stay, for `check()` to name. shape: the file's."""
    changes: list[Change] = []
    seen: set[bytes] = set()
    mended: list[bytes] = []
    for block in lines.blocks():
        for number, line in block.numbered():
            for value in mend_line(line, number, changes) if line.strip() else ():
                record = mend_record(value, method, number, changes)
                if duplicates and record in seen:
                    changes.append(Change(number, "repeated example left out"))
                elif record == b"{}":
                    changes.append(Change(number, "empty example left out"))
                else:
                    seen.add(record)
                    mended.append(record)
    return mended, Changes(tuple(dict.fromkeys(changes)), WHOLE.get(shape, ""))


def mend_line(line: bytes, number: int, changes: list[Change]) -> list[bytes]:
    """The values of a line: itself when it is JSON, what can be rescued from it otherwise."""
    text = line.strip()
    if text.startswith(BOM):
        changes.append(Change(number, "byte order mark removed"))
        text = text.removeprefix(BOM).strip()
    if decodes(text):
        return [text]
    if text.endswith(b",") and decodes(text[:-1]):
        changes.append(Change(number, "comma at the end removed"))
        return [text[:-1].rstrip()]
    if text in (b"[", b"]"):
        changes.append(Change(number, "bracket left out"))
        return []
    values = split_values(text)
    if len(values) > 1 and all(decodes(value) for value in values):
        changes.append(Change(number, "several examples put on lines of their own"))
        return values
    escaped = _escaped(text)
    if escaped is not None:
        changes.append(Change(number, "raw control characters written as escapes"))
        return [escaped]
    literal = _python_literal(text)
    if literal is not None:
        changes.append(Change(number, "Python notation written as JSON"))
        return [literal]
    return [text]


def _escaped(text: bytes) -> bytes | None:
    """An object with raw tabs and the like inside its texts, which Python reads when asked to be lenient."""
    try:
        value = json.loads(text, strict=False) if text.startswith(b"{") else None
        return msgspec.json.encode(value) if isinstance(value, dict) and b"NaN" not in text else None
    except (ValueError, UnicodeError, RecursionError):
        return None


def _python_literal(text: bytes) -> bytes | None:
    """A dict as `str()` prints it; `ast.literal_eval` reads constants and containers and runs nothing."""
    if not text.startswith(b"{") or len(text) > LONGEST_LITERAL:
        return None
    try:
        value = ast.literal_eval(text.decode())
        return msgspec.json.encode(value) if isinstance(value, dict) else None
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, UnicodeError):
        return None


def mend_record(line: bytes, method: str, number: int, changes: list[Change]) -> bytes:
    """The record mended, as JSON; the very bytes it was when there was nothing to mend."""
    try:
        record = msgspec.json.decode(line)
    except REFUSED:
        return line
    if not isinstance(record, dict):
        return line
    done: list[str] = []
    _MENDERS[method](record, done)
    if b"\\u0000" in line:
        record = _without_nul(record)
        done.append("NUL characters removed")
    if not done:
        return line
    try:
        mended = msgspec.json.encode(record)
    except RecursionError:
        return line
    changes.extend(Change(number, what) for what in done)
    return mended


def _supervised(record: dict[str, Any], done: list[str]) -> None:
    if "messages" in record:
        _drop_keys(record, SUPERVISED_KEYS, done)
    _messages(record.get("messages"), done)


def _reinforcement(record: dict[str, Any], done: list[str]) -> None:
    _messages(record.get("messages"), done)


def _dpo(record: dict[str, Any], done: list[str]) -> None:
    if isinstance(record.get("input"), list):
        record["input"] = {"messages": record["input"]}
        done.append("`input` written as {messages: …}")
    if "input" in record:
        _drop_keys(record, DPO_KEYS, done)
    if isinstance(record.get("input"), dict):
        _drop_keys(record["input"], DPO_INPUT_KEYS, done)
        _messages(record["input"].get("messages"), done)
    for key in ("preferred_output", "non_preferred_output"):
        output = record.get(key)
        if isinstance(output, str):
            record[key] = [{"role": "assistant", "content": output}]
            done.append("outputs written as messages")
        elif isinstance(output, dict) and "role" in output:
            record[key] = [output]
            done.append("outputs written as messages")
        _messages(record.get(key), done)


_MENDERS: Mapping[str, Callable[[dict[str, Any], list[str]], None]] = {
    "supervised": _supervised,
    "dpo": _dpo,
    "reinforcement": _reinforcement,
}


def _drop_keys(holder: dict[str, Any], known: set[str], done: list[str]) -> None:
    for key in [key for key in holder if key not in known]:
        del holder[key]
        done.append(f"key `{key[:40]}` removed")


def _messages(messages: object, done: list[str]) -> None:
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, dict):
            _message(message, done)


def _message(message: dict[str, Any], done: list[str]) -> None:
    role = message.get("role")
    if isinstance(role, str) and role not in ROLES:
        meant = meant_role(role)
        if meant in ROLES:
            message["role"] = role = meant
            done.append(f"role written as {meant}")
    if not isinstance(role, str) or role not in ROLES:
        return
    _weight(message, role, done)
    _drop_keys(message, MESSAGE_KEYS[role], done)
    content = message.get("content")
    if isinstance(content, dict | int | float) and not isinstance(content, bool):
        message["content"] = msgspec.json.encode(content).decode()
        done.append("content written as text")
    elif isinstance(content, list):
        _parts(content, done)
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, dict):
            if "type" not in call and isinstance(call.get("function"), dict):
                call["type"] = "function"
                done.append("type of a tool call added")
            _arguments(call.get("function"), done)
    _arguments(message.get("function_call"), done)


def _weight(message: dict[str, Any], role: str, done: list[str]) -> None:
    weight = message.get("weight")
    if role == "assistant" and (isinstance(weight, bool) or weight in ("0", "1") or isinstance(weight, float)):
        if float(weight) in (0, 1):
            message["weight"] = int(float(weight))
            done.append("weight written as a number")
    elif role != "assistant" and "weight" in message:
        del message["weight"]
        done.append("weight removed (not the assistant's)")


def _parts(parts: Sequence[object], done: list[str]) -> None:
    for part in parts:
        if not isinstance(part, dict):
            continue
        kind = part.get("type")
        if isinstance(kind, str) and kind in OTHER_PARTS:
            part["type"] = OTHER_PARTS[kind]
            done.append(f"part type {kind} written as {part['type']}")
        if part.get("type") == "image_url" and isinstance(part.get("image_url"), str):
            part["image_url"] = {"url": part["image_url"]}
            done.append("image address written as {url: …}")


def _arguments(function: object, done: list[str]) -> None:
    if isinstance(function, dict) and isinstance(function.get("arguments"), dict | list):
        function["arguments"] = msgspec.json.encode(function["arguments"]).decode()
        done.append("arguments written as text")


def _without_nul(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "")
    if depth > 40:  # deeper than any example
        return value
    if isinstance(value, dict):
        return {key: _without_nul(inner, depth + 1) for key, inner in value.items()}
    return [_without_nul(inner, depth + 1) for inner in value] if isinstance(value, list) else value
