"""How alike two texts are: the measures of a text_similarity grader, each between 0 and 1.

Words are runs of letters, digits and underscores, in lower case.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Hashable, Sequence

_WORD = re.compile(r"\w+")
_LONGEST = 4  # words, in BLEU and GLEU


def fuzzy_match(text: str, reference: str) -> float:
    """Twice the longest common subsequence of characters over both lengths (RapidFuzz's `ratio` / 100)."""
    total = len(text) + len(reference)
    return 2 * common_length(text, reference) / total if total else 1.0


def common_length(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """Length of the longest common subsequence, a row of the table as bits of one number (Hyyrö 2004)."""
    places: dict[Hashable, int] = {}
    for i, item in enumerate(one):
        places[item] = places.get(item, 0) | 1 << i
    every = (1 << len(one)) - 1
    row = every
    for item in other:
        matches = row & places.get(item, 0)
        row = (row + matches | row - matches) & every
    return len(one) - row.bit_count()


def words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _runs(items: Sequence[str], size: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(items[i : i + size]) for i in range(len(items) - size + 1))


def bleu(text: str, reference: str) -> float:
    """BLEU of one sentence (Papineni et al. 2002), runs of 1 to 4 words; counts of the longer runs are
    smoothed by one (Lin & Och 2004), since a single sentence often has no run of four in common."""
    ours, theirs = words(text), words(reference)
    if not ours or not theirs:
        return float(ours == theirs)
    total = 0.0
    for size in range(1, _LONGEST + 1):
        added = 0 if size == 1 else 1
        matches = (_runs(ours, size) & _runs(theirs, size)).total() + added
        if not matches:
            return 0.0
        total += math.log(matches / (max(len(ours) - size + 1, 0) + added))
    brevity = min(0.0, 1 - len(theirs) / len(ours))
    return math.exp(brevity + total / _LONGEST)


def gleu(text: str, reference: str) -> float:
    """The smaller of precision and recall over all runs of 1 to 4 words (Wu et al. 2016)."""
    ours, theirs = words(text), words(reference)
    if not ours or not theirs:
        return float(ours == theirs)
    matches, most = 0, 0
    for size in range(1, _LONGEST + 1):
        our_runs, their_runs = _runs(ours, size), _runs(theirs, size)
        matches += (our_runs & their_runs).total()
        most += max(our_runs.total(), their_runs.total())
    return matches / most


def rouge_n(text: str, reference: str, size: int) -> float:
    """F1 of the runs of `size` words in common (Lin 2004)."""
    ours, theirs = _runs(words(text), size), _runs(words(reference), size)
    return _f1((ours & theirs).total(), ours.total(), theirs.total())


def rouge_l(text: str, reference: str) -> float:
    """F1 of the longest common subsequence of words (Lin 2004)."""
    ours, theirs = words(text), words(reference)
    return _f1(common_length(ours, theirs), len(ours), len(theirs))


def _f1(common: int, ours: int, theirs: int) -> float:
    return 2 * common / (ours + theirs) if ours + theirs else 0.0


def _rouge(size: int) -> Callable[[str, str], float]:
    return lambda text, reference: rouge_n(text, reference, size)


METRICS: dict[str, Callable[[str, str], float]] = {
    "fuzzy_match": fuzzy_match,
    "bleu": bleu,
    "gleu": gleu,
    **{f"rouge_{size}": _rouge(size) for size in range(1, 6)},
    "rouge_l": rouge_l,
}
NOT_HERE = {
    "meteor": "it needs WordNet's word lists",
    "cosine": "it needs an embedding model",
}
