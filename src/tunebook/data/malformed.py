"""Why a line is not a record: what people really have in such files, and what to do about each.

`explain_line` is called for a line that JSON decoding refused or that is not an object; `explain_shape` looks at
the first bytes of a file and says when the whole of it is something other than JSON Lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import msgspec

from tunebook import words
from tunebook.data.records import REFUSED
from tunebook.data.rules.problem import Problem, shown
from tunebook.data.rules.table import problem_of
from tunebook.data.values import pieces, values

LONGEST_LINE = 256 * 2**20  # bytes; no example within the token and image limits comes near it
_SURROGATE = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]..")
_AT_BYTE = re.compile(r"\(byte (\d+)\)")
_CONTROL = re.compile(rb"[\x00-\x1f]")
_NOT_FINITE = re.compile(rb"[:\[,]\s*-?(?:NaN|Infinity)\b")


def explain_line(line: bytes, cause: BaseException | None = None) -> Problem:
    """The one finding for a line that holds no record. `cause` is what decoding raised, None to find out."""
    text = line.strip()
    if len(line) > LONGEST_LINE:
        return problem_of("line-too-long", "$", f"{len(line):,} bytes")
    if cause is None:
        try:
            value = msgspec.json.decode(text)
        except REFUSED as refused:
            cause = refused
        else:
            return _no_object(value)
    if isinstance(cause, RecursionError):
        return problem_of("too-deep", "$", text[:40])
    if isinstance(cause, UnicodeDecodeError):
        return _not_utf8(line)
    return next(filter(None, (look(text) for look in _LOOKS)), None) or _not_json(text, cause)


def _no_object(value: object) -> Problem:
    rule, found = records_in(value)
    return problem_of(rule or "not-an-object", "$", found[0] if rule == "double-encoded" else value, count=len(found))


def records_in(value: object) -> tuple[str, list[Any]]:
    """(rule, records) of a JSON value that is no object but surely holds some: JSON written as a text, a list of
    messages, a list of records; ("", []) of any other."""
    text = 0
    while isinstance(value, str) and text < 4 and value.lstrip()[:1] in ("{", "[", '"'):
        try:
            value, text = msgspec.json.decode(value), text + 1
        except (*REFUSED, UnicodeEncodeError):
            return "", []
    if text:
        return ("double-encoded", [value]) if isinstance(value, dict) else ("double-encoded", records_in(value)[1])
    if not isinstance(value, list) or not value:
        return "", []
    if all(map(is_message, value)):
        return "bare-messages", [{"messages": value}]
    if all(isinstance(one, list) and one and all(map(is_message, one)) for one in value):
        return "bare-messages", [{"messages": one} for one in value]
    return ("several-on-a-line", value) if all(isinstance(one, dict) for one in value) else ("", [])


def is_message(value: object) -> bool:
    """Whether a decoded value is a message rather than an example."""
    return isinstance(value, dict) and ("role" in value or {"from", "value"} <= value.keys())


def _not_utf8(line: bytes) -> Problem:
    try:
        line.decode("utf-8")
        start = 0
    except UnicodeDecodeError as refused:
        start = refused.start
    around = line[max(0, start - 20) : start + 20]
    return problem_of(
        "not-utf-8", "$", around.decode("utf-8", "backslashreplace"), byte=start + 1, code=f"{line[start]:02x}"
    )


def _bom_inside(text: bytes) -> Problem | None:
    return problem_of("bom-inside", "$", "EF BB BF") if text.startswith(b"\xef\xbb\xbf") else None


def _trailing_comma(text: bytes) -> Problem | None:
    joined = text.endswith((b",", b";")) and decodes(text[:-1])
    name = "comma" if text.endswith(b",") else "semicolon"
    return problem_of("comma-joined", "$", text[-24:], name=name) if joined else None


def _control(text: bytes) -> Problem | None:
    found = _CONTROL.search(text)
    if not found or not text.startswith(b"{") or not decodes(_CONTROL.sub(b" ", text)):
        return None
    at = found.start()
    name = {b"\t": "tab", b"\r": "carriage return", b"\0": "NUL"}.get(found.group(), "control character")
    return problem_of("raw-control", "$", text[max(0, at - 20) : at + 20], name=name, place=at + 1)


def _bracket(text: bytes) -> Problem | None:
    alone = text in (b"[", b"]", b"],", b"{", b"}", b"},")
    return problem_of("not-json.bracket", "$", text) if alone else None


def _several(text: bytes) -> Problem | None:
    found = (values(text) or ()) if re.search(rb"\}[\s,]*\{", text) else ()
    count = len(found) if all(value[:1] in (b"{", b"[") for value in found) else 0  # texts: a line quoted for a table
    return problem_of("several-on-a-line", "$", f"{count} values", count=count) if count > 1 else None


def _surrogate(text: bytes) -> Problem | None:
    half = _SURROGATE.search(text)
    return problem_of("lone-surrogate", "$", half.group()) if half else None


def _not_finite(text: bytes) -> Problem | None:
    number = _NOT_FINITE.search(text)
    return problem_of("not-finite", "$", number.group().lstrip(b":[, ")) if number else None


def _python(text: bytes) -> Problem | None:
    if re.match(rb"[\[{]\s*'", text):
        return problem_of("python-literal", "$", text[:40])
    word = json_words(text)
    return problem_of("python-literal.words", "$", _PYTHON_WORD.search(text)[0]) if word is not None else None  # type: ignore[index]


_WORDS = {b"None": b"null", b"True": b"true", b"False": b"false"}
_PYTHON_WORD = re.compile(rb"\b(?:None|True|False)\b")
_OUTSIDE = re.compile(rb'"(?:[^"\\]++|\\.)*+"|\b(?:None|True|False)\b', re.S)


def json_words(text: bytes) -> bytes | None:
    """JSON in which null, true or false are written as Python writes them, mended; None when that is not all."""
    if not _PYTHON_WORD.search(text):
        return None
    mended = _OUTSIDE.sub(lambda found: _WORDS.get(found[0], found[0]), text)
    return mended if decodes(mended) else None


def _braces(text: bytes) -> Problem | None:
    if text.startswith(b"{{"):
        return problem_of("not-json.braces", "$", text[:40])
    if text[:1] == b"{" and "“".encode() in text[:40]:
        return problem_of("not-json.quotes", "$", text[:40])
    return None


def _csv(text: bytes) -> Problem | None:
    if text[:1] in (b"{", b"[") or not re.fullmatch(rb"[^{}]*[,;\t][^{}]*", text[:2000]):
        return None
    return problem_of("not-json.table", "$", text[:60])


# In this order: the first that has something to say is right.
_LOOKS = (
    _control, _bom_inside, _trailing_comma, _bracket, _several, _surrogate, _python, _not_finite, _braces, _csv
)  # fmt: skip


def _not_json(text: bytes, cause: BaseException) -> Problem:
    reason = str(cause)
    if "out of range" in reason:
        return problem_of("number-range", "$", text[:40])
    if "truncated" in reason:
        return problem_of("truncated", "$", text[-40:])
    at = _AT_BYTE.search(reason)
    place = int(at.group(1)) if at else 0
    around = text[max(0, place - 20) : place + 20]
    reason = _AT_BYTE.sub("", reason).removeprefix("JSON is malformed:").strip().rstrip(".")
    return problem_of("not-json", "$", around, place=place + 1, reason=reason)


def decodes(text: bytes) -> bool:
    """Whether it is JSON."""
    try:
        msgspec.json.decode(text)
    except REFUSED:
        return False
    return True


Shape = Literal["lines", "array", "pretty", "utf-16", "utf-32", "binary"]


@dataclass(frozen=True, slots=True)
class FileShape:
    """What the first bytes of a file say it is; `problem` is None for JSON Lines."""

    kind: Shape
    problem: Problem | None = None


# First bytes of a file -> (rule, what it is, how it is read).
_MAGIC = {
    b"\x1f\x8b": ("binary-file.packed", "gzip", "gunzip"),
    b"\x28\xb5\x2f\xfd": ("binary-file.packed", "Zstandard-compressed", "unzstd"),
    b"PK\x03\x04": ("binary-file.office", "a ZIP or Excel file", ""),
    b"PAR1": ("binary-file.table", "a Parquet file", "read_parquet"),
    b"ARROW1": ("binary-file.table", "an Arrow file", "read_feather"),
    b"SQLite format 3": ("binary-file.table", "an SQLite database", "read_sql"),
    b"\x89PNG": ("binary-file.picture", "a PNG picture", ""),
    b"\xff\xd8\xff": ("binary-file.picture", "a JPEG picture", ""),
    b"%PDF": ("binary-file", "a PDF", ""),
}


class Unread(NamedTuple):
    """Bytes of a file that are no JSON value, from `line` of the file on. number: the line they are kept on, for
    `check()` and a person to see, as they may be an example; 0: a comment or a rule, left out."""

    line: int
    size: int  # bytes
    number: int
    text: bytes


HEAD = 65_536  # bytes of a file that say what it is


def explain_shape(head: bytes) -> FileShape:
    """What a file is, from its first bytes (`HEAD` of them are plenty)."""
    for magic, (rule, what, more) in _MAGIC.items():
        if head.startswith(magic):
            return FileShape("binary", problem_of(rule, "", head[:8].hex(" "), kind=what, more=more))
    if wide := wide_encoding(head):
        kind: Shape = "utf-32" if "32" in wide else "utf-16"
        return FileShape(kind, problem_of("utf-16", "", head[:8].hex(" "), encoding=wide.upper()))
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"\0"):
        return FileShape("binary", problem_of("binary-file.zeros", "", head[:8].hex(" ")))
    if not text and len(head) < HEAD:
        return FileShape("binary", problem_of("no-examples", "", f"{len(head)} bytes"))
    first = text.split(b"\n", 1)[0].strip()
    if text.startswith(b"[") and not (b"\n" in text.strip() and _message_list(first)):
        return FileShape("array", problem_of("json-array", "", text[:24]))
    if b"\n" in text and first.startswith(b"{") and not decodes(first) and _spread(text, first):
        return FileShape("pretty", problem_of("pretty-printed", "", shown(first)))
    return FileShape("lines")


def _message_list(line: bytes) -> bool:
    """Whether a line is a whole list of messages: then each line is one, and the file is lines."""
    try:
        return records_in(msgspec.json.decode(line))[0] == "bare-messages"
    except REFUSED:
        return False


def _spread(text: bytes, first: bytes) -> bool:
    """Whether the first value goes on past the first line: the line is an open start, and a later end closes it."""
    if first.endswith((b",", b";")) and decodes(first[:-1]):
        return False
    if any(line.startswith(b'{"') and decodes(line) for line in text.split(b"\n")[1:20]):
        return False  # whole examples follow: the first line is only damaged
    opened = first.count(b"{") + first.count(b"[") > first.count(b"}") + first.count(b"]")
    found = pieces(text, most=2)  # the first may be damaged
    return opened and (not found or any(b"\n" in piece.data for piece in found))


# The longer marks first: that of UTF-32 begins with that of UTF-16.
_WIDE_MARKS = {
    b"\xff\xfe\0\0": "utf-32-le",
    b"\0\0\xfe\xff": "utf-32-be",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
}


def wide_encoding(head: bytes) -> str | None:
    for mark, name in _WIDE_MARKS.items():
        if head.startswith(mark):
            return name
    sample = head[:512]
    if len(sample) >= 8:  # without a mark: JSON begins with ASCII, so every other byte is zero
        if not any(sample[1:16:2]) and all(sample[0:16:2]):
            return "utf-16-le"
        if not any(sample[0:16:2]) and all(sample[1:16:2]):
            return "utf-16-be"
    return None


def unread_problem(part: Unread) -> Problem:
    """The finding about a part of a file that could not be read."""
    rule = "unread" if part.number else "unread.between"
    if part.number and not part.text.strip(b", "):
        rule = "unread.open"
    return problem_of(rule, "", part.text, bytes=words.plural(part.size, "byte"))
