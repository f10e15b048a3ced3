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
NEUTRAL = "#797979"
NEUTRAL_TOO = "#808080"  # beside it where a front end would take one grey alone for dark ink, and put white behind it
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
# For levels that rise: the part of viridis that keeps its distance from white and from near-black.
RISING = ("#3b528b", "#2f6c8e", "#25848e", "#1e9c89", "#2fb47c", "#5ec962", "#9bd93c")


class Curve(NamedTuple):
    """How one of a run's curves is drawn: its name, colour, line style, and the marker of its measurements."""

    label: str
    colour: str
    style: str
    marker: str


CURVES = {
    "train": Curve("training", TRAIN, "--", "."),
    "valid": Curve("validation, by batch", VALID, "-", "x"),
    "full": Curve("validation, whole file", FULL, "-.", "D"),
}


class Sign(NamedTuple):
    """How a verdict or a tone is marked: the sign says it without the colour, the marker is the sign in a chart."""

    sign: str
    colour: str
    marker: str = ""


# Colours of words are of the one lightness that stands out alike, 4.3 to 1, from white and from JupyterLab's dark.
VERDICTS = {
    "overfitting": Sign("▲", "#c75800", "^"),
    "healthy": Sign("✓", "#008a65", "o"),
    "not_converged": Sign("↘", "#007fc6", "v"),
    "not_learning": Sign("▬", "#8d6f00", "D"),
    "diverged": Sign("✕", "#be538e", "X"),
    "inconclusive": Sign("?", "#797979", "s"),
}
# Tones of sentences, badges and findings.
TONES = {
    "good": Sign("✓", "#2d8956"),
    "bad": Sign("✕", "#d24b41"),
    "warning": Sign("!", "#af6800"),
    "note": Sign("○", "#797979"),
}


def faint(colour: str, alpha: float) -> tuple[float, float, float, float]:
    """A colour as red, green, blue and opacity, each 0 to 1."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue, alpha


def shade(share: float) -> str:
    """The colour at a share of the way, 0 to 1, along the colours of levels that rise."""
    place = min(max(share, 0.0), 1.0) * (len(RISING) - 1)
    low = RISING[int(place)]
    high = RISING[min(int(place) + 1, len(RISING) - 1)]
    between = place - int(place)
    pairs = zip(faint(low, 1.0)[:3], faint(high, 1.0)[:3], strict=True)
    return "#" + "".join(f"{round(255 * (a + between * (b - a))):02x}" for a, b in pairs)
