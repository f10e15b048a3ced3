"""Texts as rows of a sparse matrix, fast: words become numbers once, runs of words are mixed in numpy.

Words are runs of letters and digits; of scripts written without spaces (Chinese, Japanese, Korean) each character.
Everything is deterministic: the same texts give the same numbers in every process.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from scipy import sparse

_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")
TEMPLATE_SHARE = 0.20  # a line in more rows than this is a template's, not the row's own
FEWEST_FOR_TEMPLATES = 10  # rows; among fewer, a line that two share says something
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: spreads neighbouring numbers (Knuth 6.4)


def normalised(text: str) -> str:
    """`text` as it is compared for equality: one Unicode form, no case, single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def without_templates(texts: Sequence[str]) -> list[str]:
    """The texts without lines that more than a fifth of them have; a text of nothing else stays as it is."""
    if len(texts) < FEWEST_FOR_TEMPLATES:
        return list(texts)
    rows = Counter(line for text in texts for line in set(text.split("\n")))
    common = {line for line, count in rows.items() if count > TEMPLATE_SHARE * len(texts) and line.strip()}
    if not common:
        return list(texts)
    return ["\n".join(li for li in text.split("\n") if li not in common).strip() or text for text in texts]


class Vocabulary:
    """Numbers words in the order they are met."""

    def __init__(self) -> None:
        self._number: dict[str, int] = {}

    def read(self, texts: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
        """(word numbers of all texts in a row, where each text begins; one place more than texts)."""
        number = self._number
        words = array("i")
        begins = array("q", [0])
        for text in texts:
            words.extend([number.setdefault(word, len(number)) for word in _WORD.findall(text)])
            begins.append(len(words))
        return np.frombuffer(words, np.int32) if words else np.zeros(0, np.int32), np.frombuffer(begins, np.int64)


def runs(words: np.ndarray, begins: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """(a number for each run of `length` words, the row it is in). A shorter text gives one run: itself."""
    rows = np.repeat(np.arange(len(begins) - 1), np.diff(begins))
    mixed = np.full(len(words), length, np.uint64)
    with np.errstate(over="ignore"):
        for shift in range(length):
            ahead = np.zeros(len(words), np.uint64)
            ahead[: len(words) - shift] = words[shift:].astype(np.uint64) + np.uint64(1)
            if shift:  # words of the next text do not count
                ahead[: len(words) - shift] *= rows[shift:] == rows[: len(words) - shift]
            mixed = (mixed ^ (mixed >> np.uint64(29))) * _MIX + ahead
        mixed ^= mixed >> np.uint64(32)
    left = np.repeat(begins[1:], np.diff(begins)) - np.arange(len(words))  # words from here to the end of the text
    whole = (left >= length) | (np.arange(len(words)) == np.repeat(begins[:-1], np.diff(begins)))
    return mixed[whole], rows[whole]


def tfidf(parts: Sequence[Sequence[str]], *, most_buckets: int = 2**22, most: float = 0.5) -> list[sparse.csr_matrix]:
    """Rows of words and pairs of words, weighted by rarity over all parts, of length 1; one matrix a part.

    Sublinear counts and smooth inverse document frequency, as in scikit-learn's TfidfVectorizer. Features are hashed
    into a table with room for 64 a word, `most_buckets` at most; those in more than `most` of the rows are left out
    when there are ten rows or more.
    """
    vocabulary = Vocabulary()
    read = [vocabulary.read(texts) for texts in parts]
    total = sum(len(words) for words, _ in read)
    buckets = min(most_buckets, max(2**12, 1 << (64 * total).bit_length()))
    counts = []
    for texts, (words, begins) in zip(parts, read, strict=True):
        found = [runs(words, begins, length) for length in (1, 2)]
        column = np.concatenate([key for key, _ in found]) & np.uint64(buckets - 1)
        row = np.concatenate([row for _, row in found])
        ones = np.ones(len(row), np.float32)
        shape = (len(texts), buckets)
        matrix = sparse.csr_matrix((ones, (row.astype(np.int32), column.astype(np.int32))), shape=shape)
        matrix.sum_duplicates()
        counts.append(matrix)
    rows = sum(len(texts) for texts in parts)
    seen = sum(np.bincount(matrix.indices, minlength=buckets) for matrix in counts)
    weight = (np.log((1 + rows) / (1 + seen)) + 1).astype(np.float32)
    if rows >= FEWEST_FOR_TEMPLATES:
        weight[seen > most * rows] = 0
    for matrix in counts:
        matrix.data = (1 + np.log(matrix.data)) * weight[matrix.indices]
        matrix.eliminate_zeros()
        length = np.sqrt(matrix.multiply(matrix).sum(axis=1)).A1
        matrix.data /= np.repeat(np.maximum(length, 1e-12), np.diff(matrix.indptr)).astype(np.float32)
    return counts
