"""A training or validation file: read, look at, check, count, split, mend, write."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, overload

import msgspec

from tunebook.data.lines import BOM, FileFacts, FileLines, Lines, MemoryLines, PickedLines
from tunebook.data.malformed import HEAD, FileShape, explain_shape
from tunebook.data.records import REFUSED
from tunebook.data.rules.methods import METHODS, likely_method
from tunebook.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from tunebook.data.checking import Progress, Tokens
    from tunebook.data.likeness.overlap import Overlap
    from tunebook.data.likeness.split import Split
    from tunebook.data.repair import Changes
    from tunebook.data.report import CheckReport
    from tunebook.money import Cost

SAMPLE = 200  # records looked at to find out the method
KEPT_IN_MEMORY = 50_000_000  # bytes; the examples of a larger file are decoded each time they are asked for

Example = dict[str, Any]


def read_dataset(
    source: str | os.PathLike[str] | Sequence[Mapping[str, Any]] | pd.DataFrame,
    *,
    method: str | None = None,
    name: str | None = None,
    columns: Mapping[str, str] | None = None,
    system: str | None = None,
) -> Dataset:
    """A Dataset from a JSON Lines file, a list of examples or a DataFrame.

    method: "supervised", "dpo" or "reinforcement"; None finds out from the records.
    columns, system: for a DataFrame, see `frames.examples_from_frame`.
    What is wrong with single lines is for `check()` to say. Raises DataError for what cannot be read at all: a path
    that is missing, no file or empty; an empty list; values that JSON cannot hold.

    >>> tb.read_dataset("train.jsonl")
    <Dataset train.jsonl: 40 supervised examples>
    >>> tb.read_dataset("nowhere.jsonl")
    Traceback (most recent call last):
    tunebook.errors.DataError: nowhere.jsonl: no such file (looked in ...). Check the name and the folder.
    """
    if method is not None and method not in METHODS:
        raise DataError(f"method is {method!r}; it must be one of {', '.join(METHODS)}, or None to find out.")
    if isinstance(source, str | os.PathLike):
        return _read_file(Path(source), method, name)
    if not isinstance(source, Sequence) and hasattr(source, "itertuples"):
        from tunebook.data.frames import examples_from_frame

        source = examples_from_frame(source, columns=columns, system=system, method=method)
    if isinstance(source, bytes | Mapping) or not isinstance(source, Sequence):
        raise DataError(
            f"A dataset cannot be read from a {type(source).__name__}. Give a path, a list of examples or a DataFrame."
        )
    return from_examples(source, method=method, name=name or "examples")


def from_examples(examples: Sequence[Any], *, method: str | None = None, name: str = "examples") -> Dataset:
    """A Dataset of examples in memory; line n is example n."""
    if not len(examples):
        raise DataError("The list of examples is empty. Give at least one example, or the path of a file.")
    return Dataset(MemoryLines([encoded(e, n) for n, e in enumerate(examples)]), method=method, name=name)


def _read_file(path: Path, method: str | None, name: str | None) -> Dataset:
    if not path.exists():
        raise DataError(f"{path}: no such file (looked in {Path.cwd()}). Check the name and the folder.")
    if not path.is_file():
        raise DataError(f"{path}: this is a folder, not a file. Name the .jsonl file in it.")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty. A training file has at least 10 examples, one a line.")
    file = FileLines(path)
    shape = explain_shape(file.head())
    lines: Lines = file
    if shape.problem:
        from tunebook.data.relaxed import relaxed_lines

        lines = relaxed_lines(path, shape)
    return Dataset(lines, method=method, name=name or path.name, file=file, shape=shape)


def encoded(example: object, place: int) -> bytes:
    """One example as JSON; DataError naming its place when it cannot be."""
    try:
        return msgspec.json.encode(example, enc_hook=_plain_value)
    except (TypeError, ValueError, RecursionError) as refused:
        raise DataError(
            f"Example {place} cannot be written as JSON: {refused}. Use texts, numbers, lists and dicts only."
        ) from refused


def _plain_value(value: Any) -> Any:
    """Numbers of numpy and pandas as Python's own."""
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return value.item()
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"it holds a value of the type {type(value).__name__}")


class Examples(Sequence[Example]):
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


class Dataset:
    """Examples of one method, backed by a file or by memory. Nothing is decoded before it is asked for.

    Datasets are values: `head`, `split`, `fix` and `convert` give new ones. `lines` are the raw lines behind it,
    `shape` says what the file is when it is not JSON Lines.

    >>> ds = tb.read_dataset("train.jsonl")
    >>> len(ds), ds.method, ds[0]["messages"][-1]["content"]
    (40, 'supervised', 'Lost')
    """

    def __init__(
        self,
        lines: Lines,
        *,
        method: str | None = None,
        name: str = "examples",
        file: FileLines | None = None,
        shape: FileShape | None = None,
    ) -> None:
        self.lines = lines
        self.name = name
        self.shape = shape or FileShape("lines")
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
        size = f"{self.facts.size / 1e6:,.1f} MB" if self.facts.size > 1e6 else f"{self.facts.size:,} bytes"
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
        if self.lines.size > KEPT_IN_MEMORY:
            return Examples(self.lines, self.numbers)
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

    def check(
        self,
        model: str | None = None,
        validation: Dataset | None = None,
        *,
        n_epochs: int | str | None = None,
        training_type: str | None = None,
        keep: int = 20,
        min_examples: int | None = None,
        tokens: Tokens = "auto",
        progress: bool | Progress | None = None,
    ) -> CheckReport:
        """The report card: every problem with line, place, rule, severity and fix. Never raises for bad data.

        model: asks its limits and the price. validation: looks for its examples, and near ones, in this file.
        n_epochs, training_type: for the bill. keep: findings of a rule that are listed (all are counted).
        min_examples: None for the service's 10; 0 for a validation file. tokens: "auto" counts them, above 50 MB in a
        sample; "exact" counts all in any case, "none" none. progress: None shows a bar above 50 MB; True, False, or a
        function of (bytes done, bytes in all).

        >>> tb.read_dataset("train.jsonl").check(model="gpt-4.1-nano").ok
        True
        >>> report = tb.read_dataset([{"messages": [{"role": "user", "content": "Hi"}]}] * 10).check()
        >>> [(problem.line, problem.path, problem.rule) for problem in report.errors][:1]
        [(1, '$.messages', 'no-assistant')]
        """
        from tunebook.data.checking import check_dataset
        from tunebook.data.progress import shown_progress

        with shown_progress(progress, self.lines.size, f"check {self.name}") as tell:
            return check_dataset(
                self,
                model=model,
                validation=validation,
                n_epochs=n_epochs,
                training_type=training_type,
                keep=keep,
                min_examples=min_examples,
                tokens=tokens,
                progress=tell,
            )

    def count_tokens(self, model: str | None = None, *, encoding: str | None = None) -> list[int]:
        """Tokens of each example, exactly, with the model's encoding and the chat overhead.

        >>> tb.read_dataset("train.jsonl").count_tokens("gpt-4.1-nano")[:3]
        [25, 27, 28]
        """
        from tunebook.data.tokens import count_lines, encoding_of

        lines = (line for block in self.lines.blocks() for line in block.lines)
        return count_lines(lines, encoding=encoding or encoding_of(model))

    def cost(self, model: str, *, training_type: str | None = None, n_epochs: int | str | None = None) -> Cost:
        """What training `model` on all of this would bill, from an exact count of the tokens.

        training_type: None is what the API takes when a request names none, which is Standard.

        >>> tb.read_dataset("train.jsonl").cost("gpt-4.1-nano", n_epochs=3)
        1,065 tokens × 3 epochs = 3,195 billed tokens; ...
        """
        from tunebook.data.tokens import encoding_of, summarise
        from tunebook.money import bill

        encoding = encoding_of(model)
        summary = summarise(self.count_tokens(encoding=encoding), encoding=encoding)
        if summary is None:
            raise DataError(f"{self.name}: there are no examples to count. check() says why.")
        return bill(
            model,
            summary.total,
            interval=summary.interval,
            examples=summary.examples,
            n_epochs=n_epochs,
            training_type=training_type,
            method=self.method,
        )

    def split(
        self, valid: float | int = 0.2, seed: int = 0, *, group_by: str | None = None, near_duplicates: bool = True
    ) -> Split:
        """(training part, validation part); see `split.split_dataset`.

        >>> train, valid = tb.read_dataset("train.jsonl").split(valid=0.2, seed=0)
        >>> len(train), len(valid)
        (32, 8)
        """
        from tunebook.data.likeness.split import split_dataset

        return split_dataset(self, valid=valid, seed=seed, group_by=group_by, near_duplicates=near_duplicates)

    def overlap(self, other: Dataset | None = None) -> Overlap:
        """Equal and near-equal examples within this dataset, or of this and another, side by side.

        >>> tb.read_dataset("train.jsonl").overlap(tb.read_dataset("valid.jsonl"))
        0 of 10 examples (0.0%) of valid.jsonl are also in train.jsonl: ...
        """
        from tunebook.data.likeness.overlap import find_overlap

        return find_overlap(self, other)

    def reading_list(self, n: int = 20) -> pd.DataFrame:
        """The few examples worth reading, with the reason; see `likeness.reading_list`."""
        from tunebook.data.likeness.reading_list import reading_list

        return reading_list(self, n)

    def fix(self, *, duplicates: bool = True) -> tuple[Dataset, Changes]:
        """(a dataset in which everything is mended that can be without a decision, what was changed).

        >>> twice = [{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}] * 2
        >>> mended, changes = tb.read_dataset(twice).fix()
        >>> len(mended)
        1
        """
        from tunebook.data.repair import fix_dataset

        return fix_dataset(self, duplicates=duplicates)

    def convert(self, *, system: str | None = None) -> Dataset:
        """The same examples in the service's format: from prompt/completion, ShareGPT, Alpaca, TRL and tables."""
        from tunebook.data.convert import convert_dataset

        return convert_dataset(self, system=system)

    def pick(self, positions: Iterable[int], name: str) -> Dataset:
        """The examples at these positions, in file order."""
        numbers = self.numbers
        return Dataset(PickedLines(self.lines, [numbers[at] for at in positions]), method=self.method, name=name)

    def head(self, n: int = 5) -> Dataset:
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

    def __repr__(self) -> str:
        return f"<Dataset {self.name}: {len(self):,} {self.method} examples>"

    def _repr_html_(self) -> str:
        from tunebook.data.report_html import dataset_card

        return dataset_card(self)
