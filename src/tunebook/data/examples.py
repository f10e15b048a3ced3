"""Examples of one method behind numbered lines: what all the room's functions take, and `Dataset` adds verbs to."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import Any, Self, overload

import msgspec

from tunebook import words
from tunebook.data.lines import BOM, FileFacts, FileLines, Lines, PickedLines
from tunebook.data.malformed import HEAD, FileShape, Unread
from tunebook.data.records import REFUSED
from tunebook.data.rules.methods import likely_method
from tunebook.data.tokens import count_lines, encoding_of
from tunebook.errors import DataError

SAMPLE = 200  # records looked at to find out the method
LARGE = 50_000_000  # bytes; of a larger file the examples are decoded on demand, and tokens counted in a sample

Example = dict[str, Any]


class OnDemand(Sequence[Example]):
    """The examples of a file too large to hold: decoded from disk whenever one is asked for."""

    def __init__(self, lines: Lines, numbers: Sequence[int]) -> None:
        self._lines = lines
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        example: Example = msgspec.json.decode(self._lines.line(self._numbers[index]))
        return example

    def __iter__(self) -> Iterator[Example]:
        for _, example in numbered_examples(self._lines):
            yield example


def numbered_examples(lines: Lines) -> Iterator[tuple[int, Example]]:
    """(line, example) of every line that holds one."""
    decode = msgspec.json.Decoder().decode
    for block in lines.blocks():
        for number, line in block.numbered():
            try:
                record = decode(line)
            except REFUSED:
                continue
            if isinstance(record, dict):
                yield number, record


class Examples:
    """Examples backed by a file or by memory. Nothing is decoded before it is asked for.

    `lines` are the raw lines behind them, `shape` says what the file is when it is not JSON Lines, `unread` what of it
    could not be read.
    """

    def __init__(
        self,
        lines: Lines,
        *,
        method: str | None = None,
        name: str = "examples",
        file: FileLines | None = None,
        shape: FileShape | None = None,
        unread: Sequence[Unread] = (),
    ) -> None:
        self.lines = lines
        self.name = name
        self.shape = shape or FileShape("lines")
        self.unread = unread
        self._file = file
        self._method = method
        self._numbers: Sequence[int] | None = None

    @property
    def path(self) -> Path | None:
        """The file it was read from; None for examples made in memory or picked from others."""
        return self._file.path if self._file else None

    @cached_property
    def facts(self) -> FileFacts | None:
        """Size, byte order mark and newlines of the file; None without one."""
        return self._file.facts() if self._file else None

    @property
    def file_sentence(self) -> str:
        """The file's facts in words, "" without one."""
        if self.facts is None:
            return ""
        size = words.size(self.facts.size)
        if self.shape.kind not in ("lines", "array", "pretty"):
            return size
        mark = "with byte order mark" if self.facts.bom else "no byte order mark (accepted; write() adds one)"
        ends = "" if self.facts.newline == "none" else f", {self.facts.newline} line ends"
        text = "UTF-8" if self._reads_as_utf8() else "not UTF-8,"
        return f"{size}, {text} {mark}{ends}{'' if self.facts.final_newline else ', no newline at the end'}"

    def _reads_as_utf8(self) -> bool:
        """Whether the beginning of the file is UTF-8; the rest is for the rules to say."""
        head = self._file.head() if self._file else b""
        try:
            head.decode("utf-8")
        except UnicodeDecodeError as refused:
            return refused.end == len(head) == HEAD  # cut in the middle of a character
        return True

    @cached_property
    def method(self) -> str:
        """ "supervised", "dpo" or "reinforcement": as given, else what most of the first records were made for."""
        if self._method:
            return self._method
        found = []
        for _, record in numbered_examples(self.lines):
            found.append(record)
            if len(found) == SAMPLE:
                break
        return likely_method(found)

    @cached_property
    def examples(self) -> Sequence[Example]:
        """The examples as parsed (a list; of a file above 50 MB a sequence that decodes on demand).

        Lines that hold none are left out; `check()` names them.
        """
        if self.lines.size > LARGE:
            return OnDemand(self.lines, self.numbers)
        found = list(numbered_examples(self.lines))
        self.remember([number for number, _ in found])
        return [example for _, example in found]

    @property
    def numbers(self) -> Sequence[int]:
        """The line of each example."""
        if self._numbers is None:
            self._numbers = array("q", (number for number, _ in numbered_examples(self.lines)))
        return self._numbers

    def remember(self, numbers: Sequence[int]) -> None:
        """Keeps the lines of the examples, found on the way by whoever read them all."""
        self._numbers = array("q", numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        return self.examples[index]

    def count_tokens(self, model: str | None = None, *, encoding: str | None = None) -> list[int]:
        """Tokens of each example, exactly, with the model's encoding and the chat overhead.

        >>> tb.read_dataset("train.jsonl").count_tokens("gpt-4.1-nano")[:3]
        [25, 27, 28]
        """

        lines = (line for block in self.lines.blocks() for line in block.lines)
        return count_lines(lines, encoding=encoding or encoding_of(model))

    def pick(self, positions: Iterable[int], name: str) -> Self:
        """The examples at these positions, in file order."""
        numbers = self.numbers
        return type(self)(PickedLines(self.lines, [numbers[at] for at in positions]), method=self.method, name=name)

    def head(self, n: int = 5) -> Self:
        """The first `n` examples.

        >>> tb.read_dataset("train.jsonl").head(10)
        <Dataset train.jsonl, first 10: 10 supervised examples>
        """
        return self.pick(range(min(n, len(self))), f"{self.name}, first {n}")

    def to_bytes(self, bom: bool = True) -> bytes:
        """JSON Lines in UTF-8, an example a line; `bom` puts the byte order mark in front that the docs ask for."""
        return b"".join([BOM if bom else b"", *self._chunks()])

    def _chunks(self) -> Iterator[bytes]:
        for block in self.lines.blocks():
            kept = [line.rstrip(b"\r") for _, line in block.numbered() if line and not line.isspace()]
            if kept:
                yield b"\n".join(kept) + b"\n"

    def write(self, path: str | os.PathLike[str], bom: bool = True) -> Path:
        """Writes JSON Lines and returns the path; the file appears whole or not at all.

        >>> tb.read_dataset("train.jsonl").head(10).write("ten.jsonl")
        PosixPath('ten.jsonl')
        """
        target = Path(path)
        part = target.with_name(f".{target.name}.{token_hex(4)}.part")  # beside it: renaming works within a disk only
        try:
            with part.open("xb") as file:
                file.write(BOM if bom else b"")
                file.writelines(self._chunks())
            part.replace(target)
        except OSError as refused:
            part.unlink(missing_ok=True)
            raise DataError(f"{target}: cannot be written ({refused.strerror}). Choose another place.") from refused
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return target
