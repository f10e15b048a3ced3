"""Colours, line styles and markers that stay apart in black and white, in the dark and for colour-blind people.

Colours after Okabe & Ito (2008), "Color universal design". Neutral parts are half-transparent greys, so that they show
on light and on dark paper.
"""

from __future__ import annotations

TRAIN = "#0072b2"
VALID = "#d55e00"
FULL = "#009e73"
ONSET = "#cc79a7"
BEST = "#e69f00"
NEUTRAL = "#808080"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
# Verdict -> (colour, marker): the marker says it without the colour.
VERDICTS = {
    "overfitting": ("#d55e00", "^"),
    "healthy": ("#009e73", "o"),
    "not_converged": ("#0072b2", "v"),
    "diverged": ("#cc79a7", "X"),
    "inconclusive": ("#7f7f7f", "s"),
}


def faint(colour: str, alpha: float) -> tuple[float, float, float, float]:
    """A colour as red, green, blue and opacity, each 0 to 1."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue, alpha
