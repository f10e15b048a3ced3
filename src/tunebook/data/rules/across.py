"""Findings that need more than one line: repeated examples, one prompt with two answers, answers, instructions.

`Seen` keeps four whole numbers an example, so that a million examples take 32 MB, and finds everything at the end.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from tunebook import words
from tunebook.data.likeness.labels import LABEL_CHARACTERS, LABELS_MOST, USES
from tunebook.data.records import Keys, answer_text
from tunebook.data.rules.images import image_parts
from tunebook.data.rules.methods import SUPERVISED_KEYS
from tunebook.data.rules.problem import Problem
from tunebook.data.rules.table import problem_of

REPEATED_SHARE = 0.05  # an answer that is no label and makes up more of the file is worth a look
REPEATED_MUCH = 0.25
DOMINANT_SHARE = 0.90  # a label this frequent can be given without reading the question
RARE_SYSTEM = 0.05  # an instruction of so few examples, beside one of nearly all, is mostly a slip
FEWEST = 10  # examples; below, shares say nothing

LineOf = Callable[[int], bytes]


class Seen:
    """Per example: its line and hashes of prompt, answer and system message (0: there is none)."""

    def __init__(self) -> None:
        self._rows = array("q")  # line, prompt, answer, system; line, prompt, …
        self.images = 0  # examples with an image
        self.items: Counter[str] = Counter()  # keys a grader can read, with how many examples have them

    def look_at(self, images: bool, items: Iterable[str]) -> None:
        """What an example holds beside its texts."""
        self.images += images
        for key in items:
            self.items[key] += 1

    def look_closely(self, record: Mapping[str, Any]) -> None:
        messages = record.get("messages")
        if isinstance(messages, list):
            self.look_at(bool(image_parts(messages)), (key for key in record if key not in SUPERVISED_KEYS))

    def __len__(self) -> int:
        return len(self._rows) // 4

    def add(self, number: int, keys: Keys) -> None:
        self._rows.extend((number, *keys))

    def columns(self) -> np.ndarray:
        """Four rows (lines, prompts with their system message, answers, systems), a column an example in file order."""
        rows = np.array(self._rows, np.int64).reshape(-1, 4).T
        rows[1] ^= rows[3] >> 1
        return rows

    def findings(self, line_of: LineOf, *, keep: int = 20) -> Iterator[tuple[Problem, int]]:
        """(finding, how many it stands for); at most `keep` of a rule, the last standing for those left out."""
        lines, prompts, answers, systems = self.columns()
        yield from _repeats(lines, prompts, answers, keep)
        yield from _conflicts(lines, prompts, answers, keep)
        for problem in (_answers(lines, answers, line_of), _systems(lines, systems)):
            if problem:
                yield problem, 1


def _repeats(lines: np.ndarray, prompts: np.ndarray, answers: np.ndarray, keep: int) -> Iterator[tuple[Problem, int]]:
    with np.errstate(over="ignore"):
        both = prompts * np.int64(1_000_003) + answers  # wraps around, as hashes do
    first = _first_of_its_kind(both)
    again = np.flatnonzero(first != np.arange(len(first)))
    yield from _kept("duplicate-example", lines, again, first, keep)


def _conflicts(lines: np.ndarray, prompts: np.ndarray, answers: np.ndarray, keep: int) -> Iterator[tuple[Problem, int]]:
    answered = answers != 0
    lines, prompts, answers = lines[answered], prompts[answered], answers[answered]
    first = _first_of_its_kind(prompts)
    differs = np.flatnonzero(answers != answers[first])
    yield from _kept("conflicting-answers", lines, differs, first, keep)


def _kept(
    rule: str, lines: np.ndarray, places: np.ndarray, first: np.ndarray, keep: int
) -> Iterator[tuple[Problem, int]]:
    """The first `keep` places as problems that name the line of the `first` of their kind; the last for all others."""
    for place, at in enumerate(places[:keep]):
        problem = problem_of(rule, "$", f"line {lines[first[at]]}")
        yield replace(problem, line=int(lines[at])), len(places) - place if place == keep - 1 else 1


def _first_of_its_kind(keys: np.ndarray) -> np.ndarray:
    """For each key, the first place where it stands. Sorting alone is quick; most files have nothing twice."""
    place = np.arange(len(keys))
    ordered = np.sort(keys)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if len(twice):
        among = np.flatnonzero(np.isin(keys, twice))
        _, first, which = np.unique(keys[among], return_index=True, return_inverse=True)
        place[among] = among[first][which]
    return place


def _answers(lines: np.ndarray, answers: np.ndarray, line_of: LineOf) -> Problem | None:
    answers, lines = answers[answers != 0], lines[answers != 0]
    total = len(answers)
    if total < FEWEST:
        return None
    # An answer worth a word is in a sample of 2,000 as surely as in all (a share of 5 % is missed once in e^100).
    some, often_there = np.unique(answers[:: max(1, total // 2_000)], return_counts=True)
    commonest = some[often_there.argmax()]
    places = np.flatnonzero(answers == commonest)
    often, share = len(places), len(places) / total
    if often < 3 or share <= REPEATED_SHARE:
        return None
    kinds = np.unique(answers)
    at = int(places[0])
    text = answer_text(msgspec.json.decode(line_of(int(lines[at]))))
    if len(kinds) <= min(LABELS_MOST, total / USES) and len(text) <= LABEL_CHARACTERS:
        if share < DOMINANT_SHARE:
            return None
        rule = "imbalanced-answers"
    else:
        rule = "repeated-answer" if share > REPEATED_MUCH else "repeated-answer.some"
    return problem_of(rule, "", text, often=f"{often:,}", total=f"{total:,}", share=words.percent(share, 0))


def _having(examples: int) -> str:
    return f"{words.plural(examples, 'example')} {'has' if examples == 1 else 'have'}"


def _systems(lines: np.ndarray, systems: np.ndarray) -> Problem | None:
    total = len(systems)
    if total < FEWEST or np.all(systems == systems[0]):
        return None
    kinds, counts = np.unique(systems, return_counts=True)
    none = int(counts[kinds == 0].sum())
    often = int(counts.max())
    if none:
        return problem_of(
            "system-missing", "", f"{none:,} of {total:,}", without=f"{none:,}", having=f"{total - none:,}"
        )
    if 1 - often / total > RARE_SYSTEM:
        return problem_of("system-differs", "", f"{len(kinds):,} different", kinds=f"{len(kinds):,}")
    odd = int(np.flatnonzero(systems != kinds[counts.argmax()])[0])
    found = problem_of("system-differs.slip", "$", f"{total - often:,} of {total:,}", others=_having(total - often))
    return replace(found, line=int(lines[odd]))
