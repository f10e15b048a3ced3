"""Sudden falls of a curve, as where a learning rate drops: no smoother can jump, so they are taken out before.

A candidate is where straight lines through the neighbours on both sides miss each other most; it is a fall if the free
smoother predicts the curve so much better without it that chance is excluded.
"""

from __future__ import annotations

import numpy as np

from tunebook.analysis.curves.signals import roughness
from tunebook.analysis.curves.smoothing import smooth

_MOST = 4
_REACHES = (3, 5, 9, 15)  # neighbours on each side
# Deviations by which a candidate's sides miss each other, and the gain in log likelihood that proves it (beside the
# logarithm of the places tried).
_CANDIDATE, _PROOF = 4.0, 6.0
_LEAST = 0.02  # a smaller fall (logarithm of a ratio) is no matter


def drops(t: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(n,) what the falls before each point of `y` over `t` add up to: 0 and below, 0 throughout without one."""
    found, error = np.zeros(len(y)), 0.0
    for _ in range(_MOST):
        place, size = _steepest(y - found)
        if not size:
            break
        error = error or _error(t, y)[0]
        tried = found - size * (np.arange(len(y)) >= place)
        better, count = _error(t, y - tried)
        if count / 2 * np.log(error / better) < _PROOF + np.log(len(y)):
            break
        found, error = tried, better
    return found


def _steepest(y: np.ndarray) -> tuple[int, float]:
    """The first point after the most certain fall and its size; 0 when none is more than noise."""
    n, noise = len(y), roughness(y) if len(y) > 2 * _REACHES[0] else 0.0
    best, place, size = _CANDIDATE * noise, 0, 0.0
    for reach in _REACHES:
        if noise <= 0 or 2 * reach > n - 2:
            break
        # Weights that carry a straight line through `reach` points on to half a step after the last.
        i = np.arange(reach) - (reach - 1) / 2
        ahead = 1 / reach + i * (reach / 2) / (i @ i)
        windows = np.lib.stride_tricks.sliding_window_view(y, 2 * reach)
        fall = windows[:, :reach] @ ahead - windows[:, reach:] @ ahead[::-1]
        certain = np.where(fall > _LEAST, fall / np.sqrt(2 * ahead @ ahead), 0.0)
        at = int(np.argmax(certain))
        if certain[at] > best:
            best, place, size = certain[at], at + reach, float(fall[at])
    return place, size


def _error(t: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Cross-validated squared error of the free smoother, and the independent measurements it rests on."""
    fit = smooth(t, y, np.ones(len(y)))
    shared = np.clip(fit.residual[1:] @ fit.residual[:-1] / max(fit.residual @ fit.residual, 1e-300), 0, 0.9)
    return fit.error, len(y) * (1 - shared) / (1 + shared)
