"""Examples that stand twice: within a file, or in a training and a validation file; the pairs side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from tunebook import words
from tunebook.data.examples import Examples
from tunebook.data.likeness.near import components, near_pairs, without_templates
from tunebook.data.records import record_text, system_text
from tunebook.data.rules.problem import Problem
from tunebook.data.rules.secrets import mask
from tunebook.data.rules.table import problem_of
from tunebook.show import Card, Shown, Span, Table, Text

if TYPE_CHECKING:
    import pandas as pd


EXCERPT = 400  # characters of a text that are shown
PAIRS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Pair:
    """Two examples that are alike: line and other_line in their files, similarity 0 to 1, both texts shortened.

    kind: "equal" (but for case and spacing) or "near".
    """

    line: int
    other_line: int
    similarity: float
    kind: str
    text: str
    other_text: str


@dataclass(frozen=True)
class Overlap(Shown):
    """What one file has in common with another, or with itself; shows itself in a notebook.

    name, other: the files; other is None when a file was compared with itself. pairs: most alike first. examples,
    others: how many there are in each. touched: examples of `other` (of the file itself) that are in some pair.
    method: how near ones were looked for.
    """

    name: str
    other: str | None
    pairs: tuple[Pair, ...]
    examples: int
    others: int
    touched: int
    method: str

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def share(self) -> float:
        """`touched` as a fraction."""
        return self.touched / self.others if self.others else 0.0

    @property
    def sentence(self) -> str:
        equal = sum(pair.kind == "equal" for pair in self.pairs)
        where = f"of {self.other} are also in {self.name}" if self.other else f"of {self.name} have a twin"
        return (
            f"{self.touched:,} of {self.others:,} examples ({words.percent(self.share)}) {where}: "
            f"{equal:,} equal pairs, {len(self) - equal:,} near ones ({self.method})."
        )

    @property
    def frame(self) -> pd.DataFrame:
        """One row a pair: line, other_line, similarity, kind, text, other_text."""
        import pandas as pd

        return pd.DataFrame(map(asdict, self.pairs), columns=[field.name for field in fields(Pair)])

    def __repr__(self) -> str:
        out = [self.sentence]
        for pair in self.pairs[:5]:
            out.append(f"  lines {pair.line} and {pair.other_line}, {pair.kind}, {words.percent(pair.similarity, 0)}")
            out += [f"    {text[:100]!r}" for text in (pair.text, pair.other_text)]
        return "\n".join(out)

    def _card(self) -> Card:
        """The pairs side by side."""
        rows = [
            (
                words.percent(pair.similarity, 0), Span(pair.kind, "short"),
                f"{pair.line:,}", Span(mask(pair.text), "excerpt"),
                f"{pair.other_line:,}", Span(mask(pair.other_text), "excerpt"),
            )
            for pair in self.pairs[:PAIRS_SHOWN]
        ]  # fmt: skip
        head = ("alike", "", "line", self.name, "line", self.other or self.name)
        caption = f"{len(rows):,} of {len(self):,} pairs, most alike first"
        sentence = Text(self.sentence, tone="warning" if len(self) else "good")
        return Card(sentence, Table(head, rows, caption, numeric=(0, 2, 4)) if rows else None, title="overlap")


def find_overlap(dataset: Examples, other: Examples | None = None) -> Overlap:
    """Equal and near-equal examples of `dataset` and `other`, or within `dataset`.

    Compared is what differs: system messages and lines that more than a fifth of the examples have are left out first.
    """
    texts, others = comparable_texts(dataset, other)
    pairs = near_pairs(texts, others)
    right = dataset if other is None else other
    shown = [_excerpts(dataset, pairs.a), _excerpts(right, pairs.b)]
    touched = np.unique(pairs.b) if other is not None else np.unique(np.concatenate([pairs.a, pairs.b]))
    numbers, other_numbers = dataset.numbers, right.numbers
    return Overlap(
        name=dataset.name,
        other=other.name if other is not None else None,
        pairs=tuple(
            Pair(numbers[a], other_numbers[b], similarity, "equal" if exact else "near", shown[0][a], shown[1][b])
            for a, b, similarity, exact in pairs.rows()
        ),
        examples=len(dataset),
        others=len(right),
        touched=len(touched),
        method=pairs.method,
    )


def comparable_texts(dataset: Examples, other: Examples | None = None) -> tuple[list[str], list[str] | None]:
    """What of each example is compared, template lines of both files together removed."""
    texts = [record_text(record) for record in dataset.examples]
    if other is None:
        return without_templates(texts), None
    both = without_templates(texts + [record_text(record) for record in other.examples])
    return both[: len(texts)], both[len(texts) :]


def duplicate_groups(dataset: Examples) -> np.ndarray:
    """A number for each example; examples that are equal or nearly so have the same."""
    texts, _ = comparable_texts(dataset)
    return components(len(texts), near_pairs(texts))


def _excerpts(dataset: Examples, places: np.ndarray) -> dict[int, str]:
    return {int(at): record_text(dataset[int(at)])[:EXCERPT] for at in np.unique(places)}


def validation_problems(dataset: Examples, validation: Examples, *, keep: int) -> Iterator[tuple[Problem, int]]:
    """(finding, how many it stands for) about a validation file of the same method that goes with `dataset`."""
    yield from _systems(dataset, validation)
    if not len(dataset) or not len(validation):
        return
    found = find_overlap(dataset, validation)
    best: dict[int, Pair] = {}
    for pair in found.pairs:
        best.setdefault(pair.other_line, pair)
    for place, pair in enumerate(list(best.values())[:keep]):
        nearly = "" if pair.kind == "equal" else ", nearly"
        value = f"line {pair.other_line}{nearly}: {pair.other_text}"
        problem = problem_of("validation-overlap", "$", value, name=validation.name)
        last = place == min(keep, len(best)) - 1
        yield replace(problem, line=pair.line), len(best) - place if last else 1
    yield from _different(dataset, validation)


def _systems(dataset: Examples, validation: Examples) -> Iterator[tuple[Problem, int]]:
    here, there = ({system_text(record) for record in part.examples} for part in (dataset, validation))
    strange = there - here
    if strange and len(here) <= 3:
        yield problem_of("validation-system", "", next(iter(strange)) or "none", name=validation.name), 1


def _different(dataset: Examples, validation: Examples) -> Iterator[tuple[Problem, int]]:
    from tunebook.data.likeness.comparability import compare_parts

    compared = compare_parts(dataset, validation)
    name = validation.name
    if compared.formats:
        yield problem_of("validation-format", "", name, differences="; ".join(compared.formats)), 1
    if others := "; ".join(compared.content_differences):
        yield problem_of("validation-differs", "", name, first=dataset.name, second=name, differences=others), 1
