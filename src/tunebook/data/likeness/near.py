"""Pairs of texts that are equal or nearly so.

* equality but for case, spacing and Unicode form, always;
* MinHash (128 hash functions, 32 bands of 4, by rensa) of runs of two words, Jaccard >= 0.5 verified on the runs
  themselves: finds 997 of 1,000 copies with one word in ten changed, and 933 with one word in seven (measured on short
  tickets). Runs that more than half of the texts have, say the keys of JSON answers, do not count.

Words are runs of letters and digits; of scripts written without spaces (Chinese, Japanese, Korean) each character.
Broder 1997, On the resemblance and containment of documents.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from rensa import RMinHash, RMinHashLSH

JACCARD = 0.5
METHOD = f"runs of two words, Jaccard >= {JACCARD:g}"
HASHES, BANDS = 128, 32
CROWD = 200  # texts a text is compared with; one that is like more is a template's, not a copy
CHUNK = 10_000  # texts whose signatures are worked out at once
REMEMBERED = 20_000  # texts whose runs are kept; of the others they are made again, which takes less than memory would
TEMPLATE_SHARE = 0.20  # a line in more texts than this is a template's, not the text's own
COMMON_SHARE = 0.50  # likewise a run of two words
FEWEST_FOR_TEMPLATES = 10  # texts; among fewer, what two share says something
ASKED_FOR_COMMON = 2_000  # texts, evenly picked, which say what is common
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
WORD = rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+"
_words = re.compile(WORD).findall

Found = tuple[np.ndarray, np.ndarray, np.ndarray]  # places in both lists, similarity


@dataclass(frozen=True, slots=True)
class Pairs:
    """Places in two lists of texts (in one, when compared with itself: a < b) and how alike they are, 0 to 1.

    exact: whether they are equal but for case and spacing. method: how near ones were looked for.
    """

    a: np.ndarray
    b: np.ndarray
    similarity: np.ndarray
    exact: np.ndarray
    method: str = METHOD

    def __len__(self) -> int:
        return len(self.a)

    def rows(self) -> Iterator[tuple[int, int, float, bool]]:
        """Pair by pair, as Python's own numbers."""
        return zip(*(column.tolist() for column in (self.a, self.b, self.similarity, self.exact)), strict=True)


def near_pairs(texts: Sequence[str], others: Sequence[str] | None = None) -> Pairs:
    """All pairs of `texts` with `others`, or among `texts`, that are equal or nearly so; the most alike first."""
    near = _near_within(texts) if others is None else _near_between(texts, others)
    found = equal_pairs(texts, others), _columns(near)
    a, b, similarity = (np.concatenate(column) for column in zip(*found, strict=True))
    exact = np.arange(len(a)) < len(found[0][0])
    width = np.int64(len(texts if others is None else others))
    _, first = np.unique(a * width + b, return_index=True)  # equality comes first and wins
    first = first[np.lexsort((b[first], a[first], -similarity[first]))]
    return Pairs(a[first], b[first], similarity[first], exact[first])


def equal_pairs(texts: Sequence[str], others: Sequence[str] | None = None) -> Found:
    """Pairs equal but for case and spacing. Of many equal ones among themselves, each is paired with the first."""
    if others is None:
        return _columns((first, at, 1.0) for at, first in enumerate(_first_equal(texts)) if first != at)
    first: dict[str, int] = {}
    for place, text in enumerate(others):
        first.setdefault(normalised(text), place)
    keys = (first.get(normalised(text)) for text in texts)
    return _columns((place, other, 1.0) for place, other in enumerate(keys) if other is not None)


def _first_equal(texts: Sequence[str]) -> list[int]:
    """For each text the place of the first that is equal to it."""
    first: dict[str, int] = {}
    return [first.setdefault(normalised(text), place) for place, text in enumerate(texts)]


def _columns(pairs: Iterator[tuple[int, int, float]]) -> Found:
    rows = np.fromiter(pairs, np.dtype([("a", np.int64), ("b", np.int64), ("similarity", float)]))
    return rows["a"], rows["b"], rows["similarity"]


def _near_within(texts: Sequence[str]) -> Iterator[tuple[int, int, float]]:
    places = sorted(set(_first_equal(texts)))
    distinct = [texts[at] for at in places]
    for a, b, similarity in _near(distinct, distinct, _common(distinct)):
        if b < a:
            yield places[b], places[a], similarity


def _near_between(texts: Sequence[str], others: Sequence[str]) -> Iterator[tuple[int, int, float]]:
    """The shorter list is kept as an index, the longer one passes by: memory grows with the shorter alone."""
    common = _common(texts if len(texts) >= len(others) else others)
    if len(texts) >= len(others):
        yield from _near(texts, others, common)
    else:
        yield from ((a, b, similarity) for b, a, similarity in _near(others, texts, common))


def _near(texts: Sequence[str], others: Sequence[str], common: Set[str]) -> Iterator[tuple[int, int, float]]:
    """(place in `texts`, place in `others`, Jaccard) of pairs that are like enough; `others` are kept as an index."""
    index = RMinHashLSH(JACCARD, HASHES, BANDS)
    for start in range(0, len(others), CHUNK):
        theirs = [_own(text, common) for text in others[start : start + CHUNK]]
        index.insert_many(RMinHash.from_token_sets(theirs, HASHES, 0), start)
    remembered = lru_cache(REMEMBERED)(lambda place: _own(others[place], common))
    for start in range(0, len(texts), CHUNK):
        ours = [_own(text, common) for text in texts[start : start + CHUNK]]
        candidates = index.query_all(RMinHash.from_token_sets(ours, HASHES, 0))
        for place, (mine, places) in enumerate(zip(ours, candidates, strict=True), start):
            for other in sorted(places)[:CROWD] if mine else ():
                similarity = _jaccard(mine, remembered(other))
                if similarity >= JACCARD:
                    yield place, other, similarity


def _common(texts: Sequence[str]) -> Set[str]:
    """Runs that more than half of the texts have."""
    some = texts[:: -(-len(texts) // ASKED_FOR_COMMON) or 1]
    if len(some) < FEWEST_FOR_TEMPLATES:
        return set()
    counts = Counter(run for text in some for run in runs(text))
    return {run for run, count in counts.items() if count > COMMON_SHARE * len(some)}


def _own(text: str, common: Set[str]) -> Set[str]:
    """The runs of a text that are not common; all of them where there are no others."""
    found = runs(text)
    return found - common or found


def _jaccard(a: Set[str], b: Set[str]) -> float:
    both = len(a & b)
    return both / (len(a) + len(b) - both)


def normalised(text: str) -> str:
    """`text` as it is compared for equality: one Unicode form, no case, single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def runs(text: str) -> set[str]:
    """The pairs of words that stand beside each other in a text; of a text of one word, the word."""
    words = _words(text.casefold())
    return {word + " " + following for word, following in pairwise(words)} or set(words)


def without_templates(texts: Sequence[str]) -> list[str]:
    """The texts without lines that more than a fifth of them have; a text of nothing else stays as it is."""
    if len(texts) < FEWEST_FOR_TEMPLATES:
        return list(texts)
    rows = Counter(line for text in texts for line in set(text.split("\n")))
    common = {line for line, count in rows.items() if count > TEMPLATE_SHARE * len(texts) and line.strip()}
    return ["\n".join(line for line in text.split("\n") if line not in common).strip() or text for text in texts]


def components(count: int, pairs: Pairs) -> np.ndarray:
    """For each of `count` texts the number of its group: texts that are alike, directly or through others."""
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components

    graph = sparse.coo_matrix((np.ones(len(pairs), bool), (pairs.a, pairs.b)), shape=(count, count))
    labels: np.ndarray = connected_components(graph, directed=False)[1]
    return labels
