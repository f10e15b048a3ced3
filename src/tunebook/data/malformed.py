"""Why a line is not a record: what people really have in such files, and what to do about each.

`explain_line` is called for a line that JSON decoding refused or that is not an object; `explain_shape` looks at
the first bytes of a file and says when the whole of it is something other than JSON Lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import msgspec

from tunebook.data.records import REFUSED
from tunebook.data.rules.problem import Problem, shown
from tunebook.data.rules.table import problem_of

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
            return problem_of("not-an-object", "$", value)
    if isinstance(cause, RecursionError):
        return problem_of("too-deep", "$", text[:40])
    if isinstance(cause, UnicodeDecodeError):
        return _not_utf8(line)
    return next(filter(None, (look(text) for look in _LOOKS)), None) or _not_json(text, cause)


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
    joined = text.endswith(b",") and decodes(text[:-1])
    return problem_of("comma-joined", "$", text[-24:]) if joined else None


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
    count = len(split_values(text)) if re.search(rb"\}[\s,]*\{", text) else 0
    return problem_of("several-on-a-line", "$", f"{count} values", count=count) if count > 1 else None


def _surrogate(text: bytes) -> Problem | None:
    half = _SURROGATE.search(text)
    return problem_of("lone-surrogate", "$", half.group()) if half else None


def _not_finite(text: bytes) -> Problem | None:
    number = _NOT_FINITE.search(text)
    return problem_of("not-finite", "$", number.group().lstrip(b":[, ")) if number else None


def _python(text: bytes) -> Problem | None:
    return problem_of("python-literal", "$", text[:40]) if re.match(rb"\{\s*'", text) else None


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
    _control, _bom_inside, _trailing_comma, _bracket, _several, _surrogate, _not_finite, _python, _braces, _csv
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


def split_values(data: bytes, most: int | None = None) -> list[bytes]:
    """The JSON objects and arrays that follow one another in `data`, however they are laid out or joined.

    Stops at the first place that is neither a value nor a comma or white space between two of them. Only brackets
    outside strings are counted, so this is linear in the data and has no depth limit.
    """
    values: list[bytes] = []
    depth, start = 0, -1
    for found in _TOKEN.finditer(data):
        token = found.group()
        if token in b"{[":
            if depth == 0:
                start = found.start()
            depth += 1
        elif token in b"}]":
            depth -= 1
            if depth < 0:
                break
            if depth == 0:
                values.append(data[start : found.end()])
                if most and len(values) >= most:
                    break
        elif depth == 0:
            break
    return values


# A whole string (never split by the brackets in it; one without end takes the rest), a bracket, or anything else that
# is not space or comma. Possessive, so that no text takes more than one reading.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]|[^\s,\[\]{}":]+|:', re.S)

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
    if text.startswith(b"["):
        return FileShape("array", problem_of("json-array", "", text[:24]))
    first = text.split(b"\n", 1)[0].strip()
    if b"\n" in text and first.startswith(b"{") and not decodes(first) and _spread(text, first):
        return FileShape("pretty", problem_of("pretty-printed", "", shown(first)))
    return FileShape("lines")


def _spread(text: bytes, first: bytes) -> bool:
    """Whether the first value goes on past the first line: the line is an open start, and a later end closes it."""
    if first.rstrip(b",") != first and decodes(first.rstrip(b",")):
        return False
    if any(line.startswith(b'{"') and decodes(line) for line in text.split(b"\n")[1:20]):
        return False  # whole examples follow: the first line is only damaged
    opened = first.count(b"{") + first.count(b"[") > first.count(b"}") + first.count(b"]")
    values = split_values(text, most=1)
    return opened and (not values or (b"\n" in values[0] and decodes(values[0])))


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
