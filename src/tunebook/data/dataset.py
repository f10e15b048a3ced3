"""A training or validation file: read, look at, check, split, write."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tunebook.data.lines import BOM, FileFacts, FileLines, Lines, MemoryLines, PickedLines
from tunebook.data.method_rules import METHODS, likely_method
from tunebook.data.problem import shown
from tunebook.data.report import CheckReport
from tunebook.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

SAMPLE = 200  # records looked at to find out the method


def read_dataset(
    source: str | os.PathLike[str] | Sequence[Mapping[str, Any]] | pd.DataFrame,
    *,
    method: str | None = None,
    name: str | None = None,
) -> Dataset:
    """A Dataset from a JSON Lines file, a list of examples or a DataFrame.

    method: "supervised", "dpo" or "reinforcement"; found out from the records when None.
    Bad lines are `check()`'s business. Raises DataError for what cannot be read at all: a path that is missing, not
    a file or empty, an empty list, values JSON cannot hold.
    """
    if method is not None and method not in METHODS:
        raise DataError(f"method is {method!r}; it must be one of {', '.join(METHODS)}, or None to find out.")
    lines: Lines
    path = None
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        lines = FileLines(_readable(path))
    else:
        records = source if isinstance(source, Sequence) else source.to_dict("records")
        if not len(records):
            raise DataError("The list of examples is empty. Give at least one example, or the path of a file.")
        lines = MemoryLines([_encoded(record, index) for index, record in enumerate(records)])
    return Dataset(lines, method=method, name=name or (path.name if path else "examples"), path=path)


def _readable(path: Path) -> Path:
    if not path.exists():
        raise DataError(f"{path}: no such file (looked in {Path.cwd()}). Check the name and the folder.")
    if not path.is_file():
        raise DataError(f"{path}: this is a folder, not a file. Name the .jsonl file in it.")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty. A training file has at least 10 examples, one a line.")
    return path


def _encoded(record: object, index: int) -> bytes:
    try:
        return msgspec.json.encode(record)
    except (TypeError, ValueError, RecursionError) as refused:
        raise DataError(
            f"Example {index} cannot be written as JSON: {refused}. Use texts, numbers, lists and dicts only."
        ) from refused


class Dataset:
    """Examples of one method, backed by a file or a list. Nothing is decoded before it is asked for."""

    def __init__(
        self, lines: Lines, *, method: str | None = None, name: str = "examples", path: Path | None = None
    ) -> None:
        self.lines = lines
        self.name = name
        self.path = path
        self._method = method

    @cached_property
    def facts(self) -> FileFacts | None:
        """Size, byte order mark and newlines of the file; None for examples in memory."""
        return self.lines.facts() if isinstance(self.lines, FileLines) else None

    def head_bytes(self) -> bytes:
        return self.lines.head() if isinstance(self.lines, FileLines) else b""

    @cached_property
    def method(self) -> str:
        """ "supervised", "dpo" or "reinforcement": as given, else what most of the first records were made for."""
        if self._method:
            return self._method
        found = []
        for record in self._records():
            found.append(record)
            if len(found) == SAMPLE:
                break
        return likely_method(found)

    def _records(self) -> Iterator[dict[str, Any]]:
        for _, record in self._numbered():
            yield record

    def _numbered(self) -> Iterator[tuple[int, dict[str, Any]]]:
        decode = msgspec.json.Decoder().decode
        for first, lines in self.lines.blocks():
            for number, line in enumerate(lines, first):
                try:
                    record = decode(line)
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    continue
                if isinstance(record, dict):
                    yield number, record

    @cached_property
    def examples(self) -> list[dict[str, Any]]:
        """The examples as parsed; lines that hold none are left out (check() names them)."""
        return list(self._records())

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.examples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.examples[index]

    def check(self, model: str | None = None, **options: Any) -> CheckReport:
        """The report card; never raises for bad data."""
        from tunebook.data.checking import check_dataset

        return check_dataset(self, model=model, **options)

    def _pick(self, positions: Iterable[int], name: str) -> Dataset:
        numbers = [number for number, _ in self._numbered()]
        picked = PickedLines(self.lines, [numbers[at] for at in positions])
        return Dataset(picked, method=self.method, name=name)

    def head(self, n: int = 5) -> Dataset:
        """The first `n` examples."""
        return self._pick(range(min(n, len(self))), f"{self.name} (first {n})")

    def split(self, valid: float | int = 0.2, seed: int = 0) -> tuple[Dataset, Dataset]:
        """(training part, validation part)."""
        import random

        count = valid if isinstance(valid, int) else round(valid * len(self))
        if not 0 < count < len(self):
            raise DataError(f"valid={valid!r} of {len(self)} examples leaves one part empty. Choose another share.")
        order = list(range(len(self)))
        random.Random(seed).shuffle(order)  # noqa: S311 - a shuffle, not a secret
        return self._pick(order[count:], f"{self.name} (train)"), self._pick(order[:count], f"{self.name} (valid)")

    def to_bytes(self, bom: bool = True) -> bytes:
        """JSON Lines in UTF-8, one example a line; `bom` puts the byte order mark in front that the docs ask for."""
        return b"".join([BOM if bom else b"", *self._chunks()])

    def _chunks(self) -> Iterator[bytes]:
        for _, lines in self.lines.blocks():
            kept = [line.rstrip(b"\r") for line in lines if line and not line.isspace()]
            if kept:
                yield b"\n".join(kept) + b"\n"

    def write(self, path: str | os.PathLike[str], bom: bool = True) -> Path:
        """Writes JSON Lines and returns the path; the file appears whole or not at all."""
        target = Path(path)
        try:
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        except OSError as refused:
            raise DataError(f"{target}: cannot write here ({refused.strerror}). Choose another folder.") from refused
        try:
            with os.fdopen(handle, "wb") as file:
                if bom:
                    file.write(BOM)
                file.writelines(self._chunks())
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return target

    def count_tokens(self, model: str | None = None) -> list[int]:
        """Tokens of each example with the model's encoding, the chat overhead included."""
        from tunebook.data.tokens import count_records, encoding_of

        return list(count_records(self._records(), encoding=encoding_of(model)))

    def __repr__(self) -> str:
        return f"<Dataset {self.name}: {len(self):,} {self.method} examples>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{at}</td><td>{escape(shown(msgspec.json.encode(example), 200))}</td></tr>"
            for at, example in enumerate(self.examples[:3])
        )
        return (
            f"<table><caption>{escape(self.name)}: {len(self):,} {self.method} examples</caption>"
            f'<tr><th scope="col">example</th><th scope="col">begins</th></tr>{rows}</table>'
        )
