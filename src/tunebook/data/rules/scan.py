"""Which lines may hold a key, an address, a control token or a damaged character: one pass over their bytes.

A quick look that spares nearly all lines of a large file the walk over their texts (`texts.check_texts`): whatever that
would report, a mark found here gives away. Aho and Corasick 1975, Efficient string matching.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ahocorasick_rs import BytesAhoCorasick

from tunebook.data.rules.secrets import KEY_SHAPES

# mark -> pattern of what must follow it. In raw JSON: characters beyond ASCII as UTF-8 or as escapes.
_MARKS: dict[bytes, bytes] = {
    **{mark.encode(): shape.then.encode() for shape in KEY_SHAPES for mark in shape.marks},
    b"@": b"[A-Za-z0-9]",
    b"<|": b"",
    b"\\u0000": b"",
    "\ufffd".encode(): b"",  # the sign for a character that was lost
    b"\\ufffd": b"",
    b"\\uFFFD": b"",
    b"\xc3\x83\xc2": b"",  # UTF-8 taken for Windows-1252 and encoded again
    b"\\u00c3\\u00": b"",
    b"\\u00C3\\u00": b"",
    b"\xc3\xa2\xe2\x82": b"",
    b"\\u00e2\\u20ac": b"",
    b"\\u00E2\\u20AC": b"",
}
_find = BytesAhoCorasick(_MARKS).find_matches_as_indexes
_THEN = [re.compile(then) for then in _MARKS.values()]


def _places(data: bytes) -> Iterator[int]:
    return (begin for mark, begin, end in _find(data, overlapping=True) if _THEN[mark].match(data, end))


def suspicious(line: bytes) -> bool:
    """Whether a raw line may hold something that the rules for texts report."""
    return next(_places(line), None) is not None


def suspects(block: bytes) -> Iterator[tuple[int, int]]:
    """(begin, end) in `block` of each suspicious line, in order."""
    done = -1
    for place in _places(block):
        if place > done:
            begin, end = block.rfind(b"\n", 0, place) + 1, block.find(b"\n", place)
            done = end if end >= 0 else len(block)
            yield begin, done
