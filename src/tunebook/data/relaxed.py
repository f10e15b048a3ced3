"""The examples of a file that holds JSON but not as lines: an array, values over several lines, another encoding.

What comes out is numbered from 1 in order; for such a file a problem's "line" is the number of the example.
"""

from __future__ import annotations

from pathlib import Path

from tunebook.data.lines import BOM, MemoryLines
from tunebook.data.malformed import FileShape, split_values, wide_encoding
from tunebook.errors import DataError

LARGEST = 256 * 2**20  # bytes read whole; a larger file of the wrong form is refused, not searched


def relaxed_lines(path: Path, shape: FileShape) -> MemoryLines:
    """Each JSON value of the file on a line of its own; none for a file that is no text."""
    if shape.kind == "binary" or path.stat().st_size > LARGEST:
        return MemoryLines([])
    try:
        data = path.read_bytes()
    except OSError as refused:
        raise DataError(f"{path}: the file cannot be read ({refused.strerror}).") from refused
    return MemoryLines(relaxed_values(data))


def relaxed_values(data: bytes) -> list[bytes]:
    """The values in `data`; what is cut off is left out. Other encodings keep their lines."""
    wide = wide_encoding(data)
    if wide:
        data = data.decode(wide, "replace").removeprefix("\ufeff").encode("utf-8", "replace")
        if not data.lstrip().startswith(b"["):
            return data.split(b"\n")
    text = data.removeprefix(BOM).strip()
    if text.startswith(b"["):
        text = text[1:]
    return [b" ".join(value.splitlines()) for value in split_values(text)]  # a newline inside a text is no JSON
