"""The rules of a training file, line by line: what the embedded service and `Dataset.check` both ask.

Needs msgspec only, until a line is so long that its tokens must be counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import msgspec

from tunebook.catalogue import load_catalogue
from tunebook.data.malformed import LONGEST_LINE, explain_line
from tunebook.data.records import REFUSED
from tunebook.data.rules.duplicates import check_duplicates
from tunebook.data.rules.images import image_parts, too_many_with_images
from tunebook.data.rules.methods import METHODS, check_record
from tunebook.data.rules.problem import Problem
from tunebook.data.rules.regular import Regular, RegularChecker
from tunebook.data.rules.scan import suspicious
from tunebook.data.rules.table import problem_of
from tunebook.data.rules.texts import check_texts

__all__ = ["LineChecker", "Problem", "check_lines"]

MOST_OF_A_LINE = 1_000  # findings; a record with more is not looked through to its end


class LineChecker:
    """Checks one line after the other; knows nothing of other lines.

    Two ways, the slower one for what the other leaves over: `regular(line)` gives what is worth keeping of a record in
    good order, else None; `closely` gives (record, problems) for any line: what JSON gives, None when that is no
    object, and the findings, their line not filled in; with texts=True also those about what the texts hold.
    """

    def __init__(self, method: str, *, max_tokens: int | None = None, encoding: str = "o200k_base") -> None:
        if method not in METHODS:
            raise ValueError(f"method is {method!r}; it must be one of {', '.join(METHODS)}")
        self.method = method
        self.max_tokens = max_tokens
        self.encoding = encoding
        # Bytes: no line of so few has too many tokens or too long a message, a token being at least one byte.
        self.longest_quick = min(max_tokens or LONGEST_LINE, load_catalogue().limit("message_characters"))
        self._regular = RegularChecker(method).check
        self._any: Callable[[bytes], Any] = msgspec.json.Decoder().decode

    def check(self, line: bytes) -> tuple[bool, bool, list[Problem]]:
        """(whether the line holds a record, whether that has images, findings) of one line."""
        if len(line) <= LONGEST_LINE and not suspicious(line) and (regular := self.regular(line)):
            return True, regular[1], []
        record, problems = self.closely(line)
        messages = record.get("messages") if record is not None else None
        return record is not None, isinstance(messages, list) and bool(image_parts(messages)), problems

    def regular(self, line: bytes) -> Regular | None:
        size = len(line)
        if size <= self.longest_quick:
            return self._regular(line)
        found = self._regular(line) if size <= LONGEST_LINE else None
        return found if found and size - found[2] <= self.longest_quick else None

    def closely(self, line: bytes, *, texts: bool = True) -> tuple[dict[str, Any] | None, list[Problem]]:
        if len(line) > LONGEST_LINE:
            return None, [explain_line(line)]
        try:
            record = self._any(line)
        except REFUSED as refused:
            return None, [explain_line(line, refused)]
        if not isinstance(record, dict):
            return None, [explain_line(line)]
        problems = list(islice(check_record(record, self.method), MOST_OF_A_LINE))
        problems.extend(islice(check_duplicates(line, record), MOST_OF_A_LINE))
        if texts and suspicious(line):
            problems.extend(check_texts(record))
        if self.max_tokens is not None and len(line) > self.max_tokens:  # a token is at least one byte of the line
            problems.extend(self._length(record))
        return record, problems

    def _length(self, record: dict[str, Any]) -> Iterator[Problem]:
        from tunebook.data.tokens import count_record

        tokens = count_record(record, encoding=self.encoding)
        if self.max_tokens is not None and tokens > self.max_tokens:
            yield problem_of("too-long", "$", f"{tokens:,} tokens", most=f"{self.max_tokens:,}")


def check_lines(
    lines: Iterable[bytes],
    *,
    method: str,
    max_tokens: int | None = None,
    encoding: str = "o200k_base",
    min_examples: int | None = None,
) -> Iterator[Problem]:
    """Every finding about the lines of a training file, in file order; one about the whole file comes last.

    lines: raw lines, with or without their newline; a byte order mark before the first is fine.
    method: "supervised", "dpo" or "reinforcement".
    max_tokens: of one example; None asks nothing. encoding: the tokenizer's, used only for lines that may be too long.
    min_examples: None takes the catalogue's; 0 for a validation file, which has no minimum.
    """
    checker = LineChecker(method, max_tokens=max_tokens, encoding=encoding)
    examples = told = with_images = 0
    for number, raw in enumerate(lines, 1):
        line = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
        if not line.strip():
            continue
        holds, images, problems = checker.check(line)
        examples += holds
        told += 1
        with_images += images
        for problem in problems:
            yield replace(problem, line=number)
    least = load_catalogue().limit("min_examples") if min_examples is None else min_examples
    yield from too_few(examples, told, least)
    yield from too_many_with_images(with_images)


def too_few(examples: int, lines: int, min_examples: int) -> Iterator[Problem]:
    """The findings about the number of examples; none where lines that were refused would make it up."""
    if lines < min_examples:
        yield problem_of("too-few-examples", "", examples, minimum=min_examples)
