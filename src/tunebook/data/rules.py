"""The rules of a training file, line by line: what the embedded service and `Dataset.check` both ask.

Needs msgspec only, until a line is so long that its tokens must be counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Literal

import msgspec

from tunebook.data.malformed import LONGEST_LINE, explain_line
from tunebook.data.method_rules import METHODS, check_record
from tunebook.data.problem import Problem, error, warning
from tunebook.data.text_rules import check_texts, suspicious

__all__ = ["MIN_EXAMPLES", "LineChecker", "Problem", "check_lines"]

MIN_EXAMPLES = 10  # examples per training file: how-to/fine-tuning; `catalogue.limit("min_examples")` is the dated fact


class PlainMessage(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A message with nothing to look at twice: decoding it is its check."""

    role: Literal["system", "user", "assistant", "developer"]
    content: str


class PlainRecord(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A supervised example of plain messages, nine out of ten in real files."""

    messages: list[PlainMessage]


class LineChecker:
    """Checks one line after the other; knows nothing of other lines.

    `check(line)` returns (record, problems): the decoded record (PlainRecord for the plain ones, else what JSON
    gives, None when it is no object) and the findings, their line not yet filled in.
    """

    def __init__(self, method: str, *, max_tokens: int | None = None, encoding: str = "o200k_base") -> None:
        if method not in METHODS:
            raise ValueError(f"method is {method!r}; it must be one of {', '.join(METHODS)}")
        self.method = method
        self.max_tokens = max_tokens
        self.encoding = encoding
        self._plain: Callable[[bytes], PlainRecord] = msgspec.json.Decoder(PlainRecord).decode
        self._any: Callable[[bytes], Any] = msgspec.json.Decoder().decode

    def check(self, line: bytes) -> tuple[Any, list[Problem]]:
        if self.method == "supervised" and len(line) <= (self.max_tokens or LONGEST_LINE):
            try:
                plain = self._plain(line)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                pass
            else:
                if _is_plain(plain) and not suspicious(line):
                    return plain, []
        return self._closely(line)

    def _closely(self, line: bytes) -> tuple[Any, list[Problem]]:
        if len(line) > LONGEST_LINE:
            return None, [explain_line(line)]
        try:
            record = self._any(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as refused:
            return None, [explain_line(line, refused)]
        if not isinstance(record, dict):
            return None, [explain_line(line)]
        problems = list(check_record(record, self.method))
        if suspicious(line):
            problems.extend(check_texts(record))
        if self.max_tokens is not None and len(line) > self.max_tokens:  # a token is at least one byte of the line
            problems.extend(self._length(record))
        return record, problems

    def _length(self, record: dict[str, Any]) -> Iterator[Problem]:
        from tunebook.data.tokens import count_record

        tokens = count_record(record, encoding=self.encoding)
        if self.max_tokens is not None and tokens > self.max_tokens:
            yield error(
                "$",
                "too-long",
                f"{tokens:,} tokens",
                f"An example may have {self.max_tokens:,} tokens.",
                "Shorten or split it: what is over the limit would be cut off, the answer first.",
            )


def _is_plain(record: PlainRecord) -> bool:
    messages = record.messages
    if not messages or messages[-1].role != "assistant":
        return False
    last = 0  # system messages only in front
    for place, message in enumerate(messages):
        content = message.content
        if not content or content.isspace():
            return False
        if message.role in ("system", "developer"):
            if place != last:
                return False
            last += 1
    return True


def check_lines(
    lines: Iterable[bytes],
    *,
    method: str,
    max_tokens: int | None = None,
    encoding: str = "o200k_base",
    min_examples: int = MIN_EXAMPLES,
) -> Iterator[Problem]:
    """Every finding about the lines of a training file, in file order; one about the whole file comes last.

    lines: raw lines, with or without their newline; a byte order mark before the first is fine.
    method: "supervised", "dpo" or "reinforcement".
    max_tokens: of one example; None asks nothing. encoding: the tokenizer's, used only for lines that may be too long.
    min_examples: 0 for a validation file, which has no minimum.
    """
    checker = LineChecker(method, max_tokens=max_tokens, encoding=encoding)
    examples = 0
    for number, raw in enumerate(lines, 1):
        line = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
        if not line.strip():
            continue
        record, problems = checker.check(line)
        examples += record is not None
        for problem in problems:
            yield replace(problem, line=number)
    yield from too_few(examples, min_examples)


def too_few(examples: int, min_examples: int) -> Iterator[Problem]:
    """The findings about the number of examples."""
    if examples < min_examples:
        yield error(
            "",
            "too-few-examples",
            examples,
            f"A training file needs at least {min_examples} examples.",
            "Add examples; 50 good ones are a start, hundreds are better.",
        )
    elif examples == 0:
        yield warning("", "too-few-examples", 0, "There are no examples.", "Add examples.")
