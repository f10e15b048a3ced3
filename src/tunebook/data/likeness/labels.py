"""Whether answers are labels (few, short, repeated), and how they are spread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Any

from tunebook.data.records import answer_text

LABELS_MOST = 50  # different answers
LABEL_CHARACTERS = 200
USES = 4  # times each is given, on average


def answer_labels(records: Iterable[Mapping[str, Any]]) -> list[str] | None:
    """The answer of each record when the answers are labels: at most 50 different, short, used four times each."""
    answers = [answer_text(record) for record in records]
    kinds = set(answers)
    if not answers or len(kinds) > LABELS_MOST or len(answers) < USES * len(kinds):
        return None
    return answers if all(len(kind) <= LABEL_CHARACTERS for kind in kinds) else None


@dataclass(frozen=True)
class AnswerBalance:
    """How answers are spread. evenness: entropy as a share of the largest possible, 1 is even. effective: e to the
    entropy, as many equally frequent answers would be as hard to guess. most, least: (answer, times)."""

    kinds: int
    evenness: float
    effective: float
    most: tuple[str, int]
    least: tuple[str, int]


def answer_balance(answers: Sequence[str]) -> AnswerBalance | None:
    """The spread of the answers; None without any."""
    counts = Counter(answers).most_common()
    if not counts:
        return None
    entropy = -sum(n / len(answers) * log(n / len(answers)) for _, n in counts)
    evenness = entropy / log(len(counts)) if len(counts) > 1 else 1.0
    return AnswerBalance(len(counts), evenness, exp(entropy), counts[0], counts[-1])
