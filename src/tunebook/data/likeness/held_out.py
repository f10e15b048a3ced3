"""The small model behind `suspects`: what it says of each row when it was trained on all the others.

Kernel ridge regression from the words of a prompt to what answers it. Its leave-one-out predictions have a closed form
(Rasmussen and Williams 2006, section 5.4.2), so each row is held out once without training as many models as there are
rows, and the prediction after training on the row itself stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunebook.data.likeness.near import WORD

Floats = NDArray[np.float64]

RIDGES = (0.1, 0.3, 1.0, 3.0)  # the penalty with the smallest left-out error is taken
CHARACTERS = (3, 5)  # runs of letters that count beside words: slips of the keyboard, endings, scripts without spaces


def kernels(*lists: Sequence[str]) -> list[Floats]:
    """How alike the texts of equally long lists are: (first, first), (first, second) …, (second, second) …

    Cosines of tf-idf weights of words and pairs of words, averaged with those of runs of letters, (n, n) each.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    n = len(lists[0])
    pairs = [(a, b) for a in range(len(lists)) for b in range(a, len(lists))]
    found = [np.zeros((n, n)) for _ in pairs]
    texts = [text for part in lists for text in part]
    for options in (
        {"token_pattern": WORD, "ngram_range": (1, 2)},
        {"analyzer": "char_wb", "ngram_range": CHARACTERS, "min_df": 2},
    ):
        try:
            matrix = TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **options).fit_transform(texts)
        except ValueError:  # not a word, or no run of letters twice
            continue
        for at, (a, b) in enumerate(pairs):
            found[at] += (matrix[a * n : (a + 1) * n] @ matrix[b * n : (b + 1) * n].T).toarray() / 2
    return found


class HeldOut:
    """Predictions of any targets from one kernel (n, n) of the prompts."""

    def __init__(self, kernel: Floats) -> None:
        self._scale, self._basis = np.linalg.eigh(kernel + 1.0)  # the 1 lets it learn what is common to all

    def predict(self, targets: Floats) -> tuple[Floats, Floats]:
        """(left out, fitted), both like `targets` (n, k): without the row itself, and trained on it too."""
        turned = self._basis.T @ targets
        tried: list[tuple[float, Floats, Floats]] = []
        for ridge in RIDGES:
            shrunk = self._basis * (self._scale / (self._scale + ridge))
            fitted = shrunk @ turned
            own = (shrunk * self._basis).sum(axis=1, keepdims=True)
            left_out = (fitted - own * targets) / (1 - own)
            tried.append((float(((left_out - targets) ** 2).sum()), left_out, fitted))
        return min(tried, key=lambda outcome: outcome[0])[1:]


@dataclass(frozen=True)
class Mixture:
    """Rows taken as right but for a share that is not. share: of wrong ones. evidence: twice the log likelihood ratio
    to a share of 0. log_odds (n,): of being wrong rather than right, apart from the share.
    """

    share: float
    evidence: float
    log_odds: Floats

    @property
    def doubt(self) -> Floats:
        """(n,) the probability that a row is wrong."""
        if self.share == 0:
            return np.zeros(len(self.log_odds))
        return 1 / (1 + np.exp(np.clip(np.log(1 / self.share - 1) - self.log_odds, -700, 700)))


def share_of_wrong(log_odds: Floats) -> Mixture:
    """The mixture whose share makes rows with these log odds likeliest."""
    from scipy.optimize import minimize_scalar

    odds = np.exp(np.clip(log_odds, -50, 50))

    def loss(share: float) -> float:
        return float(-np.log1p(share * (odds - 1)).sum())

    found = minimize_scalar(loss, bounds=(0, 0.5), method="bounded")
    share, best = (float(found.x), float(found.fun)) if found.fun < 0 else (0.0, 0.0)
    return Mixture(share, -2 * best, log_odds)


def label_mixture(scores: Floats, given: NDArray[np.int64], learned: NDArray[np.bool_]) -> tuple[Mixture, float]:
    """(mixture, temperature) of left-out scores (n, labels), labels given (n,) and whether each was learned (n,).

    A right label is drawn from the softmax of scores / temperature, a wrong one is any label. The temperature makes the
    model as unsure of a label as it is often wrong, so that a file that is merely hard is not taken for one with wrong
    labels: those are where it is sure of another. Only a label that was learned can be wrong.
    """
    from scipy.optimize import minimize_scalar

    any_label = -np.log(scores.shape[1])

    def right(log_temperature: float) -> Floats:
        return log_likelihood(scores, given, np.exp(log_temperature))

    def unlikely(log_temperature: float) -> float:
        likelihoods = right(log_temperature)
        return -float(likelihoods.sum()) - share_of_wrong(any_label - likelihoods[learned]).evidence / 2

    bounds = np.log((0.01, 3.0))
    alone = minimize_scalar(lambda t: -right(t).sum(), bounds=bounds, method="bounded")
    both = minimize_scalar(unlikely, bounds=bounds, method="bounded")
    log_odds = any_label - right(both.x)
    share = share_of_wrong(log_odds[learned]).share
    return Mixture(share, max(0.0, 2 * float(alone.fun - both.fun)), log_odds), float(np.exp(both.x))


def log_likelihood(scores: Floats, given: NDArray[np.int64], temperature: float) -> Floats:
    """(n,) log probability of the labels given, by the softmax of scores (n, labels) / temperature."""
    logits = scores / temperature
    logits -= logits.max(axis=1, keepdims=True)
    return logits[np.arange(len(given)), given] - np.log(np.exp(logits).sum(axis=1))
