"""Training files as numbered raw lines, read block by block, never whole.

Lines end with LF or CRLF and are counted from 1, blank ones too. Nothing here knows JSON.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from tunebook.data.malformed import LONGEST_LINE
from tunebook.errors import DataError

BOM = b"\xef\xbb\xbf"
BLOCK = 2**18  # bytes read at once: fits the second-level cache, so that looking at a block several times is cheap

Block = tuple[int, list[bytes]]  # number of the first line, the lines without their newline


class Lines(Protocol):
    """Numbered raw lines that can be read again and again, without a byte order mark."""

    size: int  # bytes, 0 when unknown

    def blocks(self) -> Iterator[Block]: ...

    def line(self, number: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file from outside. newline: LF, CRLF or none; final_newline: whether the last line ends with one."""

    size: int
    bom: bool
    newline: str
    final_newline: bool


class FileLines:
    """The lines of a file on disk; where each begins is found out when a line is first asked for by number."""

    def __init__(self, path: Path) -> None:
        stat = path.stat()
        self.path = path
        self.size = stat.st_size
        self._written = stat.st_mtime_ns
        self._starts: array[int] | None = None

    def _open(self) -> BinaryIO:
        try:
            file = self.path.open("rb")
        except OSError as refused:
            raise DataError(
                f"{self.path}: the file can no longer be read ({refused.strerror}). Call read_dataset again."
            ) from refused
        stat = self.path.stat()
        if (stat.st_size, stat.st_mtime_ns) != (self.size, self._written):
            file.close()
            raise DataError(f"{self.path}: the file has changed since it was read. Call read_dataset again.")
        return file

    def head(self, size: int = 65_536) -> bytes:
        with self._open() as file:
            return file.read(size)

    def facts(self) -> FileFacts:
        head = self.head()
        with self._open() as file:
            file.seek(max(0, self.size - 1))
            last = file.read(1)
        newline = "CRLF" if b"\r\n" in head else "LF" if b"\n" in head else "none"
        return FileFacts(self.size, head.startswith(BOM), newline, last == b"\n")

    def blocks(self) -> Iterator[Block]:
        number = 1
        with self._open() as file:
            for lines in read_blocks(file):
                if number == 1:
                    lines[0] = lines[0].removeprefix(BOM)
                yield number, lines
                number += len(lines)

    def line(self, number: int) -> bytes:
        if self._starts is None:
            self._starts = self._find_starts()
        with self._open() as file:
            file.seek(self._starts[number - 1])
            size = self._starts[number] - self._starts[number - 1]
            data = file.read(min(size, LONGEST_LINE + 1)).rstrip(b"\n")
        return data.removeprefix(BOM) if number == 1 else data

    def _find_starts(self) -> array[int]:
        starts, at = array("q", [0]), 0
        with self._open() as file:
            while block := file.read(BLOCK):
                found = block.find(b"\n")
                while found >= 0:
                    starts.append(at + found + 1)
                    found = block.find(b"\n", found + 1)
                at += len(block)
        if starts[-1] != at:
            starts.append(at)
        return starts


def read_blocks(file: BinaryIO, *, block: int = BLOCK, longest: int = LONGEST_LINE) -> Iterator[list[bytes]]:
    """Lists of whole lines without their newline; of a line longer than `longest` only its first bytes come."""
    pieces: list[bytes] = []  # of a line whose end is not read yet
    held = 0
    while data := file.read(block):
        lines = data.split(b"\n")
        if len(lines) > 1 and pieces:
            lines[0] = b"".join([*pieces, lines[0]])[: longest + 1]
            pieces, held = [], 0
        last = lines.pop()
        if held <= longest:
            pieces.append(last)
            held += len(last)
        if lines:
            yield lines
    if held:
        yield [b"".join(pieces)[: longest + 1]]


class MemoryLines:
    """Lines held in memory."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self._lines = lines
        self.size = sum(map(len, lines)) + len(lines)

    def blocks(self) -> Iterator[Block]:
        for start in range(0, len(self._lines), 500):
            yield start + 1, list(self._lines[start : start + 500])

    def line(self, number: int) -> bytes:
        return self._lines[number - 1]


class PickedLines:
    """Some lines of others, in their order, numbered anew."""

    def __init__(self, parent: Lines, numbers: Sequence[int]) -> None:
        self._parent = parent
        self._numbers = array("q", sorted(numbers))
        self.size = 0

    def blocks(self) -> Iterator[Block]:
        wanted, given = 0, 0
        for first, lines in self._parent.blocks():
            picked = []
            while wanted < len(self._numbers) and self._numbers[wanted] < first + len(lines):
                picked.append(lines[self._numbers[wanted] - first])
                wanted += 1
            if picked:
                yield given + 1, picked
                given += len(picked)
            if wanted == len(self._numbers):
                return

    def line(self, number: int) -> bytes:
        return self._parent.line(self._numbers[number - 1])
