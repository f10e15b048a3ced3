"""The rules people use today to call a run overfitted, for comparison. Each: (train, valid) arrays -> bool.

`valid` is the validation series as measured (blanks left out), `train` the training series.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

Rule = Callable[[np.ndarray, np.ndarray], bool]


def last_above_best(train: np.ndarray, valid: np.ndarray) -> bool:
    """The last validation loss is above 1.2 x the best (Microsoft's fine-tuning skill; W&B-style alerts)."""
    del train
    return bool(valid[-1] > 1.2 * valid.min())


def gap(train: np.ndarray, valid: np.ndarray) -> bool:
    """Validation loss above 1.2 x training loss at the end (last tenth of each)."""
    k, m = max(1, len(train) // 10), max(1, len(valid) // 10)
    return bool(valid[-m:].mean() > 1.2 * train[-k:].mean())


def generalization_loss(train: np.ndarray, valid: np.ndarray) -> bool:
    """Prechelt (1998) GL > 5 at the end."""
    del train
    return bool(100 * (valid[-1] / max(valid.min(), 1e-12) - 1) > 5)


def quotient(train: np.ndarray, valid: np.ndarray) -> bool:
    """Prechelt (1998) PQ > 1 anywhere, strips of 5 measurements."""
    strip = 5
    if len(valid) < strip or len(train) < strip:
        return generalization_loss(train, valid)
    best = np.minimum.accumulate(np.maximum(valid, 1e-12))
    loss = 100 * (valid / best - 1)
    windows = np.lib.stride_tricks.sliding_window_view(np.maximum(train, 1e-12), strip)
    progress = 1000 * (windows.mean(1) / windows.min(1) - 1)
    at = np.linspace(strip - 1, len(valid) - 1, len(progress)).astype(int)
    return bool((loss[at] / np.maximum(progress, 1e-9) > 1).any())


def spearman(train: np.ndarray, valid: np.ndarray) -> bool:
    """Rank correlation of training and validation loss below 0."""
    n = min(len(train), len(valid))
    a = train[np.linspace(0, len(train) - 1, n).astype(int)]
    b = valid[np.linspace(0, len(valid) - 1, n).astype(int)]
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return False
    return bool(stats.spearmanr(a, b).statistic < 0)


def patience(train: np.ndarray, valid: np.ndarray) -> bool:
    """Early stopping: no new best for a tenth of the measurements (at least 5)."""
    del train
    return bool(len(valid) - 1 - int(np.argmin(valid)) >= max(5, len(valid) // 10))


RULES: dict[str, Rule] = {
    "last > 1.2 x best": last_above_best,
    "valid / train > 1.2": gap,
    "Prechelt GL > 5": generalization_loss,
    "Prechelt PQ > 1": quotient,
    "Spearman < 0": spearman,
    "patience (early stopping)": patience,
}
