"""The one look of the kit: colours, dashes and markers of curves, and the sign of every verdict and tone.

Shared by live cell, plots, report and the cards of records. Series colours after Okabe & Ito (2008), "Color universal
design"; neutral parts are greys of middle lightness, so that they show on light and on dark paper. Nothing is said by
colour alone: curves differ in dashes and markers, verdicts and tones in their signs.
"""

from __future__ import annotations

from typing import NamedTuple

TRAIN = "#0072b2"
VALID = "#d55e00"
FULL = "#009e73"
ONSET = "#cc79a7"
BEST = "#e69f00"
NEUTRAL = "#808080"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))


class Sign(NamedTuple):
    """How a verdict or a tone is marked: the sign says it without the colour, the marker is the sign in a chart."""

    sign: str
    colour: str
    marker: str = ""


VERDICTS = {
    "overfitting": Sign("▲", "#d55e00", "^"),
    "healthy": Sign("✓", "#009e73", "o"),
    "not_converged": Sign("↘", "#0072b2", "v"),
    "diverged": Sign("✕", "#cc79a7", "X"),
    "inconclusive": Sign("?", "#7f7f7f", "s"),
}
# Tones of sentences, badges and findings. Colours of middle lightness: legible on white and on near-black.
TONES = {
    "good": Sign("✓", "#2e8b57"),
    "bad": Sign("✕", "#d1453b"),
    "warning": Sign("▲", "#b26a00"),
    "note": Sign("○", "#808080"),
}


def faint(colour: str, alpha: float) -> tuple[float, float, float, float]:
    """A colour as red, green, blue and opacity, each 0 to 1."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue, alpha
