"""One pass over a dataset's lines: rules, findings across lines, tokens; the outcome is a CheckReport."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from tunebook.data.across import Seen
from tunebook.data.malformed import explain_shape
from tunebook.data.problem import Problem, note
from tunebook.data.report import CheckReport
from tunebook.data.rules import MIN_EXAMPLES, LineChecker, too_few

if TYPE_CHECKING:
    from tunebook.data.dataset import Dataset

KEEP = 20  # findings of one kind that are kept; all are counted
Progress = Callable[[int, int], None]


class Findings:
    """Problems as they come, at most `keep` of a rule; every one is counted."""

    def __init__(self, keep: int | None) -> None:
        self.keep = keep
        self.kept: list[Problem] = []
        self.counts: Counter[str] = Counter()
        self.severities: Counter[str] = Counter()

    def add(self, problem: Problem, count: int = 1) -> None:
        self.counts[problem.rule] += count
        self.severities[problem.severity] += count
        if self.keep is None or self.counts[problem.rule] - count < self.keep:
            self.kept.append(problem)


def check_dataset(
    dataset: Dataset,
    *,
    model: str | None = None,
    keep: int | None = KEEP,
    min_examples: int | None = None,
    progress: Progress | None = None,
) -> CheckReport:
    from tunebook.catalogue import load_catalogue
    from tunebook.data.tokens import count_records, encoding_of

    catalogue = load_catalogue()
    known = catalogue.model(model) if model else None
    limit = known.max_tokens_per_example if known else max(m.max_tokens_per_example for m in catalogue.models)
    wanted = catalogue.limit("min_examples") if min_examples is None else min_examples
    findings = Findings(keep)
    if dataset.facts and (shape := explain_shape(dataset.head_bytes())).problem:
        findings.add(shape.problem)
    checker = LineChecker(dataset.method, max_tokens=limit, encoding=encoding_of(model))
    seen = Seen()
    done = 0
    if not findings.kept:
        for first, lines in dataset.lines.blocks():
            for number, line in enumerate(lines, first):
                if not line or line.isspace():
                    continue
                record, problems = checker.check(line)
                if record is not None:
                    seen.add(number, record)
                for problem in problems:
                    findings.add(replace(problem, line=number))
            done += sum(map(len, lines)) + len(lines)
            if progress:
                progress(done, dataset.lines.size)
        for problem, count in seen.findings(dataset.lines.line, keep=keep or len(seen.lines)):
            findings.add(problem, count)
        for problem in too_few(len(seen.lines), wanted):
            findings.add(problem)
        recommended = catalogue.limit("recommended_examples")
        if wanted and wanted <= len(seen.lines) < recommended:
            findings.add(
                note(
                    "",
                    "few-examples",
                    len(seen.lines),
                    f"{len(seen.lines)} examples are enough to start a job, not to learn much.",
                    f"Microsoft advises {recommended} or more to begin with, hundreds for a task that varies.",
                )
            )
    tokens = sum(count_records(dataset.examples, encoding=encoding_of(model)))
    return CheckReport(
        name=dataset.name,
        method=dataset.method,
        model=model,
        examples=len(seen.lines),
        tokens=tokens,
        problems=tuple(findings.kept),
        counts=dict(findings.counts),
        severities=dict(findings.severities),
    )


__all__ = ["MIN_EXAMPLES", "check_dataset"]
