"""One pass over a dataset's lines: rules, findings across lines, a sample for the tokens; then the report."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal

import msgspec

from tunebook import words
from tunebook.catalogue import load_catalogue
from tunebook.data.check_report import CheckReport
from tunebook.data.examples import LARGE, Examples
from tunebook.data.lines import Block
from tunebook.data.malformed import LONGEST_LINE, unread_problem
from tunebook.data.records import REFUSED, record_keys
from tunebook.data.rules.across import Seen
from tunebook.data.rules.files import check_whole, job_size_problem
from tunebook.data.rules.gate import LineChecker, too_few
from tunebook.data.rules.problem import Problem
from tunebook.data.rules.scan import suspects
from tunebook.data.rules.table import problem_of
from tunebook.data.rules.texts import check_texts
from tunebook.data.tokens import TokenSummary, count_lines, encoding_of, extrapolate, summarise
from tunebook.money import epochs_of

KEEP = 20  # findings of a rule that are kept; all are counted
HOPELESS = 100_000  # lines, all of them bad, after which a file is not looked through to its end
SAMPLED = 4_000  # lines of that sample: the interval is then about 1 % wide

Progress = Callable[[int, int], object]
Tokens = Literal["auto", "exact", "none"]


class Findings:
    """Problems as they come: the first `keep` of each rule, all of them counted."""

    def __init__(self, keep: int) -> None:
        self.keep = keep
        self.kept: list[Problem] = []
        self.counts: Counter[str] = Counter()
        self.totals: Counter[str] = Counter()

    def add(self, problem: Problem, stands_for: int = 1, *, line: int | None = None) -> None:
        if self.counts[problem.rule] < self.keep:
            self.kept.append(replace(problem, line=line) if line else problem)
        self.counts[problem.rule] += stands_for
        self.totals[problem.severity] += stands_for

    def extend(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            self.add(problem)

    def in_order(self) -> tuple[Problem, ...]:
        return tuple(sorted(self.kept, key=lambda p: (p.line is not None, p.line or 0)))


class Sample:
    """A random sample of the lines of a large file, drawn while they pass by; nothing for a small one."""

    def __init__(self, size: int) -> None:
        self.on = size > LARGE
        self._size = size
        self._random = random.Random(0)  # noqa: S311 - a sample, not a secret; the same file gives the same estimate
        self.lines: list[bytes] = []

    def draw(self, lines: Sequence[bytes], size: int) -> None:
        """Takes so many lines of a block that the whole file gives about SAMPLED."""
        if self.on:
            share = SAMPLED * size / self._size
            many = int(share) + (self._random.random() < share % 1)
            self.lines.extend(self._random.sample(lines, min(many, len(lines))))


def check_dataset(
    dataset: Examples,
    *,
    model: str | None = None,
    validation: Examples | None = None,
    n_epochs: int | str | None = None,
    training_type: str | None = None,
    keep: int = KEEP,
    min_examples: int | None = None,
    tokens: Tokens = "auto",
    progress: Progress | None = None,
) -> CheckReport:
    """The report card of `dataset`; see `Dataset.check`."""
    catalogue = load_catalogue()
    known = catalogue.model(model) if model else None
    findings, seen = Findings(keep), Seen()
    if shape := dataset.shape.problem:
        findings.add(shape)
    for part in dataset.unread:
        findings.add(unread_problem(part), line=part.line)
    encoding = encoding_of(model)
    limit = known.max_tokens_per_example if known else max(m.max_tokens_per_example for m in catalogue.models)
    checker = LineChecker(dataset.method, max_tokens=limit, encoding=encoding)
    sample = Sample(dataset.lines.size if tokens == "auto" else 0)
    lines = look_through(dataset, checker, findings, seen, sample, progress)
    dataset.remember(seen.columns()[0])
    for found, count in seen.findings(dataset.lines.line, keep=keep):
        findings.add(found, count)
    minimum = catalogue.limit("min_examples") if min_examples is None else min_examples
    findings.extend(_whole(dataset, seen, minimum, lines, model, alone=validation is None))
    summary = _tokens(dataset, sample, len(seen), encoding) if tokens != "none" else None
    if summary and (too_large := job_size_problem(summary.total, epochs_of(n_epochs, len(seen)))):
        findings.add(too_large)
    if validation is not None:
        for problem, count in _beside(dataset, validation, keep):
            findings.add(problem, count)
    cost = None
    if model and summary and dataset.method != "reinforcement":
        cost = summary.bill(model, n_epochs=n_epochs, training_type=training_type)
    return CheckReport(
        name=dataset.name,
        method=dataset.method,
        model=model,
        file=dataset.file_sentence,
        examples=len(seen),
        summary=summary,
        problems=findings.in_order(),
        counts=dict(findings.counts),
        totals=dict(findings.totals),
        cost=cost,
        unread=tuple((part.line, part.size) for part in dataset.unread if part.size),
    )


def _whole(
    dataset: Examples, seen: Seen, minimum: int, lines: int, model: str | None, *, alone: bool
) -> Iterator[Problem]:
    """Findings about the file as a whole. lines: that hold something; alone: no validation file goes with it."""
    if dataset.shape.kind != "binary":
        yield from too_few(len(seen), lines, minimum)
    size = dataset.facts.size if dataset.facts else 0
    yield from check_whole(seen, dataset.method, size, minimum, model, alone=alone)


def _beside(dataset: Examples, validation: Examples, keep: int) -> Iterator[tuple[Problem, int]]:
    """(finding, how many it stands for) about the validation file."""
    from tunebook.data.likeness.overlap import validation_problems

    if validation.method != dataset.method:
        other = validation.method
        yield problem_of("validation-method", "", other, name=validation.name, other=other, method=dataset.method), 1
        return
    own = check_dataset(validation, min_examples=1, tokens="none")
    if not own.ok:
        value, reason = words.plural(own.totals["error"], "error"), own.errors[0].message
        yield problem_of("validation-errors", "", value, name=validation.name, reason=reason), 1
    yield from validation_problems(dataset, validation, keep=keep)


def look_through(
    dataset: Examples, checker: LineChecker, findings: Findings, seen: Seen, sample: Sample, progress: Progress | None
) -> int:
    """Streams every line through the rules; how many held something. Gives up when the first 100,000 are all bad."""
    done, size = 0, dataset.lines.size
    blanks = Blanks()
    unread = {part.number for part in dataset.unread}  # said already
    good = bad = 0
    for block in dataset.lines.blocks():
        done += len(block.data) + 1
        if block.blank:
            blanks.add(block.first, block.count)
        else:
            wrong, right = _lines(block, checker, findings, seen, blanks, unread)
            good, bad = good + right, bad + wrong
            blanks.content(block.first + len(block.lines) - 1)
            _texts(block, findings)
            sample.draw(block.lines, len(block.data) + 1)
        if progress:
            progress(done, size)
        if bad >= HOPELESS and not good:
            findings.add(problem_of("stopped", "", f"{bad:,} lines"))
            break
    for problem in blanks.problems():
        findings.add(problem, blanks.inside, line=blanks.first)
    return good + bad


def _lines(
    block: Block, checker: LineChecker, findings: Findings, seen: Seen, blanks: Blanks, unread: set[int]
) -> tuple[int, int]:
    """(lines with an error, lines without) of a block."""
    wrong = right = 0
    regularly, add = checker.regular, seen.add
    for number, line in block.numbered():
        if regular := regularly(line):
            keys, images, _, items = regular
            add(number, keys)
            if images or items:
                seen.look_at(images, items)
            right += 1
            continue
        if not line or line.isspace():
            blanks.add(number, 1)
            continue
        if number in unread:
            wrong += 1
            continue
        record, problems = checker.closely(line, texts=False)
        if record is not None:
            add(number, record_keys(record))
            seen.look_closely(record)
        refused = False
        for problem in problems:
            findings.add(problem, line=number)
            refused = refused or problem.severity == "error"
        wrong, right = wrong + refused, right + (not refused)
    return wrong, right


def _texts(block: Block, findings: Findings) -> None:
    """What the texts hold that they should not."""
    for begin, end in suspects(block.data):
        line = block.data[begin:end]
        if len(line) > LONGEST_LINE:
            continue
        try:
            record = msgspec.json.decode(line)
        except REFUSED:
            continue
        if isinstance(record, dict):
            for problem in check_texts(record):
                findings.add(problem, line=block.first + block.data.count(b"\n", 0, begin))


class Blanks:
    """Counts blank lines with something after them; those at the end of a file are nothing to speak of."""

    def __init__(self) -> None:
        self._runs: list[tuple[int, int]] = []  # (first line, how many) of blank lines with nothing after them so far
        self.inside = 0
        self.first: int | None = None

    def add(self, first: int, many: int) -> None:
        if self._runs and self._runs[-1][0] + self._runs[-1][1] == first:
            self._runs[-1] = (self._runs[-1][0], self._runs[-1][1] + many)
        else:
            self._runs.append((first, many))

    def content(self, last: int) -> None:
        """A block with content up to line `last`: blank lines before its end have something after them."""
        while self._runs and sum(self._runs[0]) <= last:
            first, many = self._runs.pop(0)
            self.first = self.first or first
            self.inside += many

    def problems(self) -> Iterator[Problem]:
        if self.inside:
            yield problem_of("blank-line", "", self.inside)


def _tokens(dataset: Examples, sample: Sample, examples: int, encoding: str) -> TokenSummary | None:
    if not sample.on:
        return summarise(dataset.count_tokens(encoding=encoding), encoding=encoding)
    lines = [line for line in sample.lines if line and not line.isspace()]
    return extrapolate(
        count_lines(lines, encoding=encoding),
        [len(line) for line in lines],
        total_size=dataset.lines.size - examples,
        examples=examples,
        encoding=encoding,
    )
