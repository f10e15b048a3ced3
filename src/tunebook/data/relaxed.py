"""The examples of a file that holds JSON but not as lines: an array, values over several lines, another encoding.

What comes out is numbered from 1 in order; for such a file a problem's "line" is the number of the example, but where
bytes could not be read, the line of the file.
"""

from __future__ import annotations

import re
from pathlib import Path

from tunebook.data.lines import BOM, MemoryLines
from tunebook.data.malformed import FileShape, Unread, explain_shape, wide_encoding
from tunebook.data.values import pieces
from tunebook.errors import DataError

LARGEST = 256 * 2**20  # bytes read whole; a larger file of the wrong form is refused, not searched
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.S)


def relaxed_lines(path: Path, shape: FileShape) -> tuple[MemoryLines, list[Unread]]:
    """Each JSON value of the file on a line of its own, and what could not be read; none of a file that is no text."""
    size = path.stat().st_size
    if shape.kind == "binary":
        return MemoryLines([]), []
    if size > LARGEST:
        return MemoryLines([]), [Unread(1, size, 0, b"[")]
    try:
        data = path.read_bytes()
    except OSError as refused:
        raise DataError(f"{path}: the file cannot be read ({refused.strerror}).") from refused
    lines, unread = relaxed_values(data)
    return MemoryLines(lines), unread


def relaxed_values(data: bytes) -> tuple[list[bytes], list[Unread]]:
    """(the values in `data`, what could not be read). Other encodings keep their lines."""
    wide = wide_encoding(data)
    if wide:
        data = data.decode(wide, "replace").removeprefix("\ufeff").encode("utf-8", "replace")
        if explain_shape(data).kind == "lines":
            return data.split(b"\n"), []
    lines, unread = [], []
    number, counted = 1, 0
    for piece in pieces(data.removeprefix(BOM)):
        if not piece.whole:
            kept = piece.lost or not piece.data  # nothing: the array has no end
            number += data.count(b"\n", counted, piece.begin)
            counted = piece.begin
            unread.append(Unread(number, len(piece.data), len(lines) + 1 if kept else 0, piece.data[:200]))
        if piece.whole or kept:
            lines.append(_on_one_line(piece.data) or b",")
    return lines, unread


def _on_one_line(value: bytes) -> bytes:
    """A line break between keys is a blank; one inside a text, which JSON does not allow, is written as an escape."""
    if b"\n" in value or b"\r" in value:
        value = _TEXT.sub(lambda text: b"\\n".join(text[0].split(b"\n" if b"\r" not in text[0] else b"\r\n")), value)
    return b" ".join(value.splitlines())
