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

from tunebook import words
from tunebook.data.convert import convert_record
from tunebook.data.examples import Examples
from tunebook.data.lines import BOM
from tunebook.data.malformed import Unread, decodes, json_words, records_in
from tunebook.data.records import REFUSED, text_alone
from tunebook.data.rules.duplicates import count_keys, keys_written, lost_values
from tunebook.data.rules.images import OTHER_PARTS
from tunebook.data.rules.messages import MESSAGE_KEYS, ROLES, meant_role
from tunebook.data.rules.methods import (
    DPO_INPUT_KEYS,
    DPO_KEYS,
    OLD_KEYS,
    SUPERVISED_KEYS,
    SYSTEM_KEYS,
    foreign_schema,
    says_nothing,
)
from tunebook.data.values import values
from tunebook.show import Card, Shown, Table, Text

LONGEST_LITERAL = 1_000_000  # bytes of a Python dict that is read as such
LINES_SHOWN = 12
# Shape of a file -> what was done to the whole of it.
WHOLE = {
    "array": "written as lines: the examples stood in a JSON array",
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


def mend(dataset: Examples, *, duplicates: bool = True) -> tuple[list[bytes], Changes]:
    """(mended lines, what was changed). Lines that cannot be mended stay, for `check()` to name."""
    changes = [Change(part.line, _left(part)) for part in dataset.unread]
    method = dataset.method
    seen: set[bytes] = set()
    mended: list[bytes] = []
    for block in dataset.lines.blocks():
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
    return mended, Changes(tuple(dict.fromkeys(changes)), WHOLE.get(dataset.shape.kind, ""))


def _left(part: Unread) -> str:
    size = words.plural(part.size, "byte")
    return f"{size} that could not be read kept as they are" if part.number else f"{size} between the examples left out"


def mend_line(line: bytes, number: int, changes: list[Change]) -> list[bytes]:
    """The values of a line: itself when it is JSON, what can be rescued from it otherwise."""
    text = line.strip()
    if text.startswith(BOM):
        changes.append(Change(number, "byte order mark removed"))
        text = text.removeprefix(BOM).strip()
    if decodes(text):
        return [text] if text[:1] == b"{" else _from_other(text, number, changes)
    if text.endswith((b",", b";")) and decodes(text[:-1]):
        changes.append(Change(number, f"{'comma' if text.endswith(b',') else 'semicolon'} at the end removed"))
        return [text[:-1].rstrip()]
    if text in (b"[", b"]"):
        changes.append(Change(number, "bracket left out"))
        return []
    several = values(text) or ()
    if len(several) > 1 and all(value[:1] in (b"{", b"[") and decodes(value) for value in several):
        changes.append(Change(number, "several examples put on lines of their own"))
        return list(several)
    words = json_words(text)
    if words is not None:
        changes.append(Change(number, "Python's None, True and False written as JSON's"))
        return mend_line(words, number, changes)
    escaped = _escaped(text)
    if escaped is not None:
        changes.append(Change(number, "raw control characters written as escapes"))
        return [escaped]
    literal = _python_literal(text)
    if literal is not None:
        changes.append(Change(number, "Python notation written as JSON"))
        return [literal]
    return [text]


_RESCUED = {
    "double-encoded": "JSON inside a text written as JSON",
    "bare-messages": "list of messages put into `messages`",
    "several-on-a-line": "several examples put on lines of their own",
}


def _from_other(text: bytes, number: int, changes: list[Change]) -> list[bytes]:
    """The records in a line that is JSON but no object."""
    value = msgspec.json.decode(text)
    rule, found = records_in(value)
    if found:
        changes.append(Change(number, _RESCUED[rule]))
        return [msgspec.json.encode(record) for record in found]
    if value is None or value == []:
        changes.append(Change(number, f"{text.decode()} left out"))
        return []
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
    twice = keys_written(line) != count_keys(record) and any(lost != kept for *_, lost, kept in lost_values(line))
    if not isinstance(record, dict) or twice:
        return line  # of a key that stands twice, writing it again would drop the first value
    done: list[str] = []
    foreign = foreign_schema(record, method)
    if foreign and "form of" in foreign.message and (chat := convert_record(record)):
        record = chat
        done.append("written as messages: it was in the form of another service")
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
        _decode(record, ("messages", "tools", "functions"), done)
        _move_system(record, record, done)
        _drop_keys(record, SUPERVISED_KEYS, done)
    if record.get("functions") == []:
        del record["functions"]
        done.append("empty `functions` removed")
    _messages(record.get("messages"), done)


def _reinforcement(record: dict[str, Any], done: list[str]) -> None:
    _decode(record, ("messages", "tools"), done)
    _messages(record.get("messages"), done)


def _dpo(record: dict[str, Any], done: list[str]) -> None:
    for old, new in OLD_KEYS.items():
        if old in record and new not in record:
            record[new] = record.pop(old)
            done.append(f"`{old}` written as `{new}`")
    _decode(record, ("input", *OLD_KEYS.values()), done)
    if isinstance(record.get("input"), list):
        record["input"] = {"messages": record["input"]}
        done.append("`input` written as {messages: …}")
    prompt = record.get("input")
    if isinstance(prompt, dict):
        _decode(prompt, ("messages", "tools"), done)
        for key in ("tools", "parallel_tool_calls"):
            if key in record and (key not in prompt or prompt[key] == record[key]):
                prompt[key] = record.pop(key)
                done.append(f"`{key}` moved into `input`")
        _move_system(record, prompt, done)
        _move_system(prompt, prompt, done)
        _drop_keys(record, DPO_KEYS, done)
        _drop_keys(prompt, DPO_INPUT_KEYS, done)
        _messages(prompt.get("messages"), done)
    for key in OLD_KEYS.values():
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
    """Keys the service does not know and that mean nothing to it; the others stay, for `check()` to name."""
    for key in [key for key in holder if key not in known and says_nothing(key, holder[key])]:
        del holder[key]
        done.append(f"key `{key[:40]}` removed")


def _move_system(holder: dict[str, Any], prompt: dict[str, Any], done: list[str]) -> None:
    """An instruction beside the messages, put in front of them where there is none; dropped where it is the same."""
    messages = prompt.get("messages")
    told = [key for key in SYSTEM_KEYS if holder.get(key) and text_alone(holder[key])]
    if len(told) != 1 or not isinstance(messages, list):
        return
    first = messages[0] if messages and isinstance(messages[0], dict) else {}
    text = text_alone(holder[told[0]])
    if first.get("content") == text and first.get("role") in ("system", "developer"):
        del holder[told[0]]
        done.append(f"`{told[0]}` removed, which the first message says too")
    elif not any(isinstance(m, dict) and m.get("role") in ("system", "developer") for m in messages):
        role = "developer" if told[0] == "developer" else "system"
        del holder[told[0]]
        messages.insert(0, {"role": role, "content": text})
        done.append(f"`{told[0]}` put in front as a {role} message")


def _decode(holder: dict[str, Any], keys: Sequence[str], done: list[str]) -> None:
    """JSON written as a text where a list or an object belongs."""
    for key in keys:
        text = holder.get(key)
        if isinstance(text, str) and text.lstrip()[:1] in ("[", "{"):
            try:
                holder[key] = msgspec.json.decode(text)
            except (*REFUSED, UnicodeEncodeError):
                continue
            done.append(f"`{key}` written as JSON, not as text")


def _messages(messages: object, done: list[str]) -> None:
    if not isinstance(messages, list):
        return
    for at, message in enumerate(messages):
        holder = {"message": message}
        _decode(holder, ("message",), done)
        messages[at] = message = holder["message"]
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
    if "content" not in message and isinstance(message.get("text"), str):
        message["content"] = message.pop("text")
        done.append("`text` of a message written as `content`")
    content = message.get("content")
    if role == "tool" and isinstance(content, list) and len(content) == 1 and _is_text(content[0]):
        message["content"] = content = content[0]["text"]
        done.append("the one part of a tool's answer written as text")
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
    if "weight" in message and weight is None:
        del message["weight"]
        done.append("weight null removed")
    elif role == "assistant" and (isinstance(weight, bool) or weight in ("0", "1") or isinstance(weight, float)):
        if float(weight) in (0, 1):
            message["weight"] = int(float(weight))
            done.append("weight written as a number")
    elif role != "assistant" and weight in (0, 1):
        del message["weight"]
        done.append("weight removed (not the assistant's)")


def _is_text(part: object) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)


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
    if isinstance(function, dict) and function.get("arguments") == "":
        function["arguments"] = "{}"
        done.append("empty arguments written as {}")
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
