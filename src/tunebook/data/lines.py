"""Training files as numbered raw lines, read block by block, never whole.

Lines end with LF or CRLF and are counted from 1, blank ones too. Nothing here knows JSON.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from tunebook.data.malformed import HEAD, LONGEST_LINE
from tunebook.errors import DataError

BOM = b"\xef\xbb\xbf"
BLOCK = 2**18  # bytes read at once: fits the second-level cache, so that looking at them several times is cheap


class Block:
    """Some lines that follow one another: the number of the first, their bytes, and the lines one by one."""

    __slots__ = ("blank", "count", "data", "first", "lines")

    def __init__(self, first: int, data: bytes) -> None:
        self.first = first
        self.data = data
        self.blank = not data or data.isspace()
        self.lines = [] if self.blank else data.split(b"\n")
        self.count = data.count(b"\n") + 1 if self.blank else len(self.lines)

    def numbered(self) -> Iterator[tuple[int, bytes]]:
        return enumerate(self.lines, self.first)


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
            file = self.path.open("rb", buffering=BLOCK // 4)
        except OSError as refused:
            raise DataError(
                f"{self.path}: the file can no longer be read ({refused.strerror}). Call read_dataset again."
            ) from refused
        stat = self.path.stat()
        if (stat.st_size, stat.st_mtime_ns) != (self.size, self._written):
            file.close()
            raise DataError(f"{self.path}: the file has changed since it was read. Call read_dataset again.")
        return file

    def head(self, size: int = HEAD) -> bytes:
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
            for data in read_blocks(file):
                block = Block(number, data.removeprefix(BOM) if number == 1 else data)
                number += block.count
                yield block

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


def read_blocks(file: BinaryIO, *, block: int = BLOCK, longest: int = LONGEST_LINE) -> Iterator[bytes]:
    """Whole lines, without the newline of the last; of a line longer than `longest` only its first bytes come."""
    while data := file.read(block):
        if not data.endswith(b"\n"):
            rest = file.readline(longest)
            data += rest
            while rest and not rest.endswith(b"\n"):  # a line without end, or the file's last
                rest = file.readline(block)
        yield data[:-1] if data.endswith(b"\n") else data


class MemoryLines:
    """Lines held in memory."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self._lines = lines
        self.size = sum(map(len, lines)) + len(lines)

    def blocks(self) -> Iterator[Block]:
        for start in range(0, len(self._lines), 200):
            yield Block(start + 1, b"\n".join(self._lines[start : start + 200]))

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
        for block in self._parent.blocks():
            picked = []
            for number, line in block.numbered():
                if wanted < len(self._numbers) and self._numbers[wanted] == number:
                    picked.append(line)
                    wanted += 1
            if picked:
                yield Block(given + 1, b"\n".join(picked))
                given += len(picked)
            if wanted == len(self._numbers):
                return

    def line(self, number: int) -> bytes:
        return self._parent.line(self._numbers[number - 1])
