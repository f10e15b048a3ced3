"""JSON values that follow one another in bytes that are not JSON Lines: arrays, several lines a value, joined files.

Reads on wherever it can, and gives back what it could not read. Bytes are looked at a window at a time, larger ones
only for values that are; where that has become far more than there is to read, the rest is given up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

WINDOW = 2**15  # bytes
FAILED = 10_000  # what a place where nothing can be read costs of that work
MOST_WORK = 40  # bytes looked at for each byte of the data: real files stay below 3
_strict = json.JSONDecoder(parse_int=str, parse_float=str).scan_once
_lenient = json.JSONDecoder(
    parse_int=str, parse_float=str, strict=False
).scan_once  # with raw tabs, line breaks in texts
_COMMENT = re.compile(r"//[^\n]*|#[^\n]*|/\*.*?(?:\*/|\Z)|<!--.*?(?:-->|\Z)", re.S)
_LOOSE = re.compile(r"(?:[^\s,\[\]{}\"/#<]+|[ \t]+(?![\[{\"/#<]))+|.", re.S)  # a word, a rule, a semicolon
_MESSAGE = re.compile(r"\[\s*\{\s*\"(?:role|content|from)\"")
_PLAIN_LIST = re.compile(r"\[\s*[-0-9tf]")  # one value, not examples
_INDENT = re.compile(r"[ \t]*")
_FIRST_KEY = re.compile(r"[\[{]\s*\"((?:[^\"\\\n]|\\.){1,80})\"\s*:")
_MARK = b"\xef\xbb\xbf \t\r\n"  # where files were joined


@dataclass(frozen=True, slots=True)
class Piece:
    """`data` from byte `begin` on. whole: a JSON value; else what could not be read."""

    begin: int
    data: bytes
    whole: bool

    @property
    def lost(self) -> bool:
        """Whether it may hold an example: no value, and neither a comment nor a rule between values."""
        return not self.whole and _may_hold(self.data)


def _may_hold(data: bytes) -> bool:
    comment = data.startswith((b"//", b"#", b"/*", b"<!--"))
    return not comment and any(sign in data for sign in (b"{", b"[", b'"', b","))


def pieces(data: bytes, most: int | None = None) -> list[Piece]:
    """The objects, lists of messages and single values in `data`, and what is between them, in order.

    Of an array each element is a piece; a list whose elements are messages is one. An array without end is closed by a
    piece that is no value: the comma, if any, after which it was cut off. most: stop after so many.
    """
    found: list[Piece] = []
    begin = end = 0  # of what could not be read so far
    holds = False
    for first, after, whole in islice(_spans(data), most):
        may_hold = _may_hold(data[first : min(after, first + 99)])
        if end and not whole and holds == may_hold:
            end = after
            continue
        if end:
            found.append(Piece(begin, data[begin:end].rstrip(), False))
        begin, end, holds = first, 0 if whole else after, may_hold
        if whole:
            found.append(Piece(first, data[first:after], True))
    if end:
        found.append(Piece(begin, data[begin:end].rstrip(), False))
    return found


def values(data: bytes) -> list[bytes] | None:
    """The values in `data` when it holds nothing else."""
    found = pieces(data)
    return [piece.data for piece in found] if all(piece.whole for piece in found) else None


class _Window:
    """The data from some place on as characters, one a byte: beyond ASCII nothing matters to the structure."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._size = WINDOW
        self.work = 0  # bytes looked at
        self.move(0)

    def move(self, begin: int, size: int = WINDOW) -> None:
        self.begin, self._size = begin, size
        self.text = self._data[begin : begin + size].decode("latin-1")
        self.last = begin + size >= len(self._data)
        self.work += len(self.text)

    def larger(self, begin: int) -> None:
        self.move(begin, 4 * self._size)


def _spans(data: bytes) -> Iterator[tuple[int, int, bool]]:
    """(begin, end, whether it is a value) of what is in `data`."""
    window = _Window(data)
    at = depth = comma = 0
    broken = False
    while at < len(data):
        if at - window.begin > WINDOW // 2 and not window.last:
            window.move(at)
        if window.work > MOST_WORK * len(data) + 2**24:
            yield at, len(data), False
            return
        text, place = window.text, at - window.begin
        sign = text[place]
        if sign in " \t\r\n,":
            comma = at if sign == "," else comma
            at += 1
            continue
        begins = sign == "[" and not _MESSAGE.match(text, place) and not _PLAIN_LIST.match(text, place)
        if begins or (sign == "]" and depth):
            depth += 1 if begins else -1
            at += 1
            continue
        end, whole, work = _value(text, place)
        window.work += work if whole else work + FAILED
        if end >= len(text) and not window.last:
            window.larger(at)
            continue
        if whole or data[at : at + min(end - place, 9)].strip(_MARK):
            yield at, window.begin + end, whole
            comma, broken = len(data), broken or (not whole and sign in "[{")
        at = window.begin + end
    if depth and not broken:  # else the end of the array may stand in what could not be read
        yield min(comma, len(data)), len(data), False


def _value(text: str, at: int) -> tuple[int, bool, int]:
    """(end of the value at `at`, True, work), or (where to read on, False, work); work is in characters."""
    stopped = work = 0
    for scan in (_strict, _lenient):
        try:
            return scan(text, at)[1], True, work
        except StopIteration as refused:
            reached = int(refused.value)
        except json.JSONDecodeError as refused:
            reached = len(text) if refused.msg.startswith("Unterminated") else refused.pos
            work += reached - at
            if "control character" in refused.msg and scan is _strict:
                stopped = refused.pos
                continue
        except RecursionError:  # the same again from each bracket inside
            line = text.find("\n", at)
            return line if line >= 0 else len(text), False, len(text)
        stopped = stopped or reached
        break
    if text[at] in "[{":
        return _next_begin(text, at, max(stopped, at + 1)), False, work
    loose = _COMMENT.match(text, at) or _LOOSE.match(text, at)
    return max(at + 1, loose.end() if loose else 0), False, work


def _next_begin(text: str, failed: int, at: int) -> int:
    """Where the next value may begin: where the key that the failed one began with comes again, or at a line that is
    indented no deeper than it and begins with a bracket."""
    lead = _INDENT.match(text, text.rfind("\n", 0, failed) + 1)
    key = _FIRST_KEY.match(text, failed)
    again = rf'|[\[{{]\s{{0,200}}"{re.escape(key[1])}"' if key else ""
    indent = min(len(lead[0]) if lead else 0, 1_000)
    found = re.compile(rf"^[ \t]{{0,{indent}}}(?=[\[{{]){again}", re.M).search(text, at)
    return found.start() if found else len(text)
