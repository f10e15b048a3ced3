"""A training or validation file: read, look at, check, count, split, mend, write."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tunebook.data.examples import Example, Examples
from tunebook.data.lines import FileLines, Lines, MemoryLines
from tunebook.data.malformed import Unread, explain_shape
from tunebook.data.records import answer_text, prompt_text
from tunebook.data.rules.methods import METHODS
from tunebook.data.rules.secrets import mask
from tunebook.errors import DataError
from tunebook.show import Card, Shown, Span, Table, Text
from tunebook.words import plural

if TYPE_CHECKING:
    import pandas as pd

    from tunebook.data.check_report import CheckReport
    from tunebook.data.checking import Progress, Tokens
    from tunebook.data.likeness.overlap import Overlap
    from tunebook.data.likeness.split import Split
    from tunebook.data.likeness.suspects import Suspects
    from tunebook.data.repair import Changes
    from tunebook.money import Cost


EXAMPLES_SHOWN = 5
EXCERPT = 240  # characters of a text that are shown


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
        return _read_file(Path(source).expanduser(), method, name)
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
    if not path.is_file() and not path.is_dir():
        raise DataError(
            f"{path}: this is a pipe or a device, which has no end to wait for. Write it into a file first."
        )
    if not path.is_file():
        raise DataError(f"{path}: this is a folder, not a file. Name the .jsonl file in it.")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty. A training file has at least 10 examples, one a line.")
    file = FileLines(path)
    shape = explain_shape(file.head())
    lines: Lines = file
    unread: Sequence[Unread] = ()
    if shape.problem:
        from tunebook.data.relaxed import relaxed_lines

        lines, unread = relaxed_lines(path, shape)
    return Dataset(lines, method=method, name=name or path.name, file=file, shape=shape, unread=unread)


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
    if hasattr(value, "tolist") and hasattr(value, "ndim"):  # of numpy: a number, or a list as Parquet files give it
        return value.tolist()
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"it holds a value of the type {type(value).__name__}")


class Dataset(Examples, Shown):
    """Examples of one method, backed by a file or by memory. Nothing is decoded before it is asked for.

    Datasets are values: `head`, `split`, `fix` and `convert` give new ones. `lines` are the raw lines behind it,
    `shape` says what the file is when it is not JSON Lines.

    >>> ds = tb.read_dataset("train.jsonl")
    >>> len(ds), ds.method, ds[0]["messages"][-1]["content"]
    (40, 'supervised', 'Lost')
    """

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

    def cost(self, model: str, *, training_type: str | None = None, n_epochs: int | str | None = None) -> Cost:
        """What training `model` on all of this would bill, from an exact count of the tokens.

        training_type: None is what the API takes when a request names none, which is Standard.

        >>> tb.read_dataset("train.jsonl").cost("gpt-4.1-nano", n_epochs=3)
        1,065 tokens × 3 epochs = 3,195 billed tokens, about $0.01 on gpt-4.1-nano, Standard, ...
        """
        from tunebook.data.tokens import encoding_of, summarise

        encoding = encoding_of(model)
        summary = summarise(self.count_tokens(encoding=encoding), encoding=encoding)
        if summary is None:
            raise DataError(f"{self.name}: there are no examples to count. check() says why.")
        return summary.bill(model, n_epochs=n_epochs, training_type=training_type, method=self.method)

    def split(
        self, valid: float | int = 0.2, seed: int = 0, *, group_by: str | None = None, near_duplicates: bool = True
    ) -> Split[Dataset]:
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
        0 of 10 examples (0 %) of valid.jsonl are also in train.jsonl: ...
        """
        from tunebook.data.likeness.overlap import find_overlap

        return find_overlap(self, other)

    def reading_list(self, n: int = 20) -> pd.DataFrame:
        """The few examples worth reading, with the reason; see `likeness.reading_list`."""
        from tunebook.data.likeness.reading_list import reading_list

        return reading_list(self, n)

    def suspects(self, *, progress: bool = True) -> Suspects:
        """All rows, those whose answer looks wrong first, each with the evidence; see `likeness.suspects`.

        Wrong labels, answers that belong to another prompt, answers cut short: a hint of a small model that is trained
        on this file with rows held out. progress: whether a bar is shown, from a second on. Raises DataError for
        preference and reinforcement files and for fewer than 30 rows.

        >>> tb.read_dataset("train.jsonl").suspects(progress=False).outstanding
        ()
        """
        from tqdm.auto import tqdm

        from tunebook.data.likeness.suspects import find_suspects

        total = 2 * len(self)  # each row is read, and judged
        bar = tqdm(total=total, unit="row", desc=f"suspects in {self.name}", delay=1, leave=False, disable=not progress)
        with bar:
            return find_suspects(self, bar.update)

    def fix(self, *, duplicates: bool = True) -> tuple[Dataset, Changes]:
        """(a dataset in which everything is mended that can be without a decision, what was changed).

        What of the file could not be read stays as it is, for check() to name.

        >>> twice = [{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}] * 2
        >>> mended, changes = tb.read_dataset(twice).fix()
        >>> len(mended)
        1
        """
        from tunebook.data.repair import mend

        lines, changes = mend(self, duplicates=duplicates)
        return Dataset(MemoryLines(lines), method=self.method, name=f"{self.name}, mended"), changes

    def convert(self, *, system: str | None = None) -> Dataset:
        """The same examples in the service's format: from prompt/completion, ShareGPT, Alpaca, TRL and tables.

        system: a system message put in front where there is none. Raises DataError when no example has a known form.
        """
        from tunebook.data.convert import convert_records

        converted = convert_records(list(self.examples), system=system)
        if converted is None:
            seen = ", ".join(self[0]) if len(self) else "no JSON objects"
            raise DataError(
                f"{self.name}: no form that can be converted (keys of the first example: {seen}). Read it with pandas "
                'and name the columns: read_dataset(frame, columns={"user": …, "assistant": …}).'
            )
        return from_examples(converted, name=f"{self.name}, converted")

    def __repr__(self) -> str:
        return f"<Dataset {self.name}: {plural(len(self), f'{self.method} example')}>"

    def _card(self) -> Card:
        """The first examples: what is asked, what is answered."""
        rows = [
            (f"{number:,}", Span(_excerpt(prompt_text(example)), "excerpt"), Span(_answer(example), "excerpt"))
            for number, example in zip(self.numbers, self[:EXAMPLES_SHOWN], strict=False)
        ]
        caption = f"first {len(rows)} of {len(self):,} examples; check() says whether they are fit to train on"
        return Card(
            Text(self.file_sentence) if self.file_sentence else None,
            Table(("line", "asked", "answered"), rows, caption, numeric=(0,)),
            title=self.name,
            aside=plural(len(self), f"{self.method} example"),
        )


def _answer(example: Example) -> str:
    try:
        return _excerpt(answer_text(example))
    except (msgspec.MsgspecError, RecursionError):
        return ""


def _excerpt(text: str) -> str:
    text = mask(text[: 2 * EXCERPT])
    return text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"
