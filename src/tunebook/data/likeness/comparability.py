"""Whether two files, say training and validation, are drawn from the same well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tunebook import words
from tunebook.data.examples import Examples
from tunebook.data.likeness.answer_format import answers_of, format_differences
from tunebook.data.likeness.labels import answer_labels
from tunebook.data.records import record_text
from tunebook.data.rules.problem import shown
from tunebook.show import Card, Inline, Shown, Span, Table, Text

DOUBT = 0.01  # p value below which lengths or labels are called different
MATTERS = 0.05  # difference of shares; in large files a smaller one is certain, and of no account
TELLING = 0.60  # a classifier that tells the files apart with a larger AUC has found a difference
FEWEST = 30  # examples in each, below which no classifier is asked
LABELS_SHOWN = 12
MOST = 5_000  # examples of each that the classifier reads


@dataclass(frozen=True)
class Comparability(Shown):
    """Two files held against each other; values are None where there were too few examples to ask.

    sizes: examples. lengths: median characters. length_p: two-sample Kolmogorov-Smirnov on the lengths. label_p: chi
    squared on short answers, when there are such; label_shares: answer -> (share here, share there). auc: how well a
    linear classifier on words tells the files apart, cross-validated, 0.5 is not at all.
    length_gap: the largest difference of the cumulated shares by length. formats: in words, each way in which the
    answers are written differently.
    """

    names: tuple[str, str]
    sizes: tuple[int, int]
    lengths: tuple[int, int]
    length_p: float | None
    label_p: float | None
    label_shares: dict[str, tuple[float, float]] | None
    auc: float | None
    auc_noise: float | None
    formats: tuple[str, ...] = ()
    length_gap: float | None = None

    @property
    def differences(self) -> tuple[str, ...]:
        """What differs, in words."""
        written = f"the answers are formatted differently: {'; '.join(self.formats)}"
        return (*([written] if self.formats else []), *self.content_differences)

    @property
    def content_differences(self) -> tuple[str, ...]:
        """What differs in lengths, answers and words, however the answers are written."""
        found = []
        if self.length_p is not None and self.length_p < DOUBT and (self.length_gap or 1) >= MATTERS:
            found.append(f"lengths differ (median {self.lengths[0]:,} and {self.lengths[1]:,} characters)")
        gap = max((abs(here - there) for here, there in (self.label_shares or {}).values()), default=0.0)
        if self.label_p is not None and self.label_p < DOUBT and gap >= MATTERS:
            found.append("answers are spread differently")
        # Above .60, and above what chance gives with so few examples (two standard errors of Mann-Whitney's U).
        if self.auc is not None and self.auc > max(TELLING, 0.5 + 2 * (self.auc_noise or 0)):
            found.append(f"a classifier tells them apart by their words (AUC {self.auc:.2f})")
        return tuple(found)

    @property
    def comparable(self) -> bool:
        return not self.differences

    @property
    def sentence(self) -> str:
        parts = f"{self.names[0]} ({self.sizes[0]:,} examples) and {self.names[1]} ({self.sizes[1]:,})"
        if self.comparable:
            return f"{parts} are alike as far as lengths, answers and words tell."
        return f"{parts} are not alike: {'; '.join(self.differences)}."

    def __repr__(self) -> str:
        return self.sentence

    def _card(self) -> Card:
        rows: list[Sequence[Inline]] = [
            ("examples", *map(words.count, self.sizes)),
            ("median characters", *map(words.count, self.lengths)),
        ]
        for answer, (here, there) in list((self.label_shares or {}).items())[:LABELS_SHOWN]:
            name: Inline = ["answer ", Span(shown(answer, 60), "code")]
            rows.append((name, words.percent(here), words.percent(there)))
        asked = [
            f"lengths: Kolmogorov-Smirnov p = {self.length_p:.2g}" if self.length_p is not None else "",
            f"answers: chi squared p = {self.label_p:.2g}" if self.label_p is not None else "",
            f"words: classifier AUC {self.auc:.2f}" if self.auc is not None else "words: too few examples to ask",
        ]
        return Card(
            Text(self.sentence, tone="good" if self.comparable else "warning"),
            Table(("", *self.names), rows, "; ".join(filter(None, asked)), numeric=(1, 2), labelled=True),
        )


def compare_parts(first: Examples, second: Examples, *, seed: int = 0) -> Comparability:
    """Holds two datasets against each other; see `Comparability`."""
    texts = [[record_text(record) for record in part.examples] for part in (first, second)]
    lengths = [np.array([len(text) for text in part]) for part in texts]
    label_shares, label_p = _labels(first, second)
    enough = all(map(len, texts))
    auc = _auc(*texts, seed=seed) if min(map(len, texts)) >= FEWEST else None
    length_gap, length_p = _ks(*lengths) if enough else (None, None)
    n, m = (min(len(part), MOST) for part in texts)
    return Comparability(
        names=(first.name, second.name),
        sizes=(len(texts[0]), len(texts[1])),
        lengths=(_median(lengths[0]), _median(lengths[1])),
        length_p=length_p,
        length_gap=length_gap,
        label_p=label_p,
        label_shares=label_shares,
        auc=auc,
        formats=tuple(format_differences(*(answers_of(part.examples) for part in (first, second)))),
        auc_noise=((n + m + 1) / (12 * n * m)) ** 0.5 if auc is not None else None,
    )


def _median(lengths: np.ndarray) -> int:
    return int(np.median(lengths)) if len(lengths) else 0


def _ks(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """(largest difference of the two distribution functions, p value)."""
    from scipy.stats import ks_2samp

    found = ks_2samp(first, second)
    return float(found.statistic), float(found.pvalue)


def _labels(first: Examples, second: Examples) -> tuple[dict[str, tuple[float, float]] | None, float | None]:
    """(shares of each answer in both, the commonest first; p value by chi squared), where answers are labels."""
    from scipy.stats import chi2_contingency

    here, there = (answer_labels(part.examples) for part in (first, second))
    if here is None or there is None:
        return None, None
    counts = Counter(here), Counter(there)
    names = [name for name, _ in (counts[0] + counts[1]).most_common()]
    shares = {name: (counts[0][name] / len(here), counts[1][name] / len(there)) for name in names}
    table = [[count[name] for name in names] for count in counts]
    return shares, float(chi2_contingency(table).pvalue) if len(names) > 1 else None


def _auc(first: Sequence[str], second: Sequence[str], *, seed: int) -> float:
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import SGDClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline

    chance = np.random.default_rng(seed)
    some = [[part[at] for at in chance.permutation(len(part))[:MOST]] for part in (first, second)]
    model = make_pipeline(
        HashingVectorizer(n_features=2**18),
        SGDClassifier(loss="log_loss", class_weight="balanced", random_state=seed),
    )
    which = [0] * len(some[0]) + [1] * len(some[1])
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    return float(cross_val_score(model, some[0] + some[1], which, cv=folds, scoring="roc_auc").mean())
