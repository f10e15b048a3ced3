"""Numbers and dates as people read them; a missing one is an empty string."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any


def missing(value: Any) -> bool:
    """None, NaN and pandas' NA."""
    try:
        return value is None or bool(value != value)
    except TypeError:  # pandas' NA has no truth value
        return True


def number(value: Any, digits: int = 3) -> str:
    """A loss or another small number with `digits` significant digits: 0.412, 1.1, 12.3."""
    if missing(value) or not math.isfinite(value):
        return ""
    text = f"{float(value):.{digits}g}"
    return f"{float(value):,.0f}" if "e+" in text else text


def alike(*numbers: Any) -> tuple[str, ...]:
    """Numbers that stand side by side, with the decimals that the first one needs for three digits."""
    if missing(numbers[0]) or not math.isfinite(numbers[0]):
        return tuple("" for _ in numbers)
    size = abs(float(numbers[0]))
    decimals = 3 if size == 0 else min(max(2 - math.floor(math.log10(size)), 0), 6)
    return tuple("" if missing(number) else f"{float(number):,.{decimals}f}" for number in numbers)


def whole(number: Any) -> str:
    """12,345"""
    return "" if missing(number) else f"{float(number):,.0f}"


def percent(share: Any, digits: int = 0) -> str:
    """A fraction as a percentage: 0.713 -> 71 %."""
    return "" if missing(share) else f"{float(share):.{digits}%}".replace("%", " %")


def chance(probability: Any) -> str:
    """A probability without false certainty: never 0 % or 100 %."""
    if missing(probability):
        return ""
    if probability >= 0.995:
        return "over 99 %"
    return "under 1 %" if probability < 0.01 else percent(probability)


def count(number: Any) -> str:
    """A large count in words: 940, 12,300, 1.24 million."""
    if missing(number):
        return ""
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if number >= size:
            return f"{number / size:.3g} {word}"
    return whole(number)


def money(dollars: Any) -> str:
    """US dollars: $0.42, $12.30, $1,240; less than a cent is said so."""
    if missing(dollars):
        return ""
    if 0 < dollars < 0.005:
        return "under $0.01"
    return f"${dollars:,.2f}" if dollars < 1000 else f"${dollars:,.0f}"


def span(seconds: Any) -> str:
    """A length of time: 45 s, 12 min, 3 h 20 min."""
    if missing(seconds) or seconds < 0:
        return ""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def moment(unix: Any) -> str:
    """A unix time as date and minute in UTC."""
    if missing(unix):
        return ""
    try:
        return f"{datetime.fromtimestamp(float(unix), UTC):%Y-%m-%d %H:%M} UTC"
    except (TypeError, ValueError, OverflowError, OSError):
        return str(unix)


def plural(number: int, word: str, words: str | None = None) -> str:
    """1 job, 3 jobs."""
    return f"{number:,} {word if number == 1 else words or word + 's'}"


def listed(items: Sequence[str], most: int = 3) -> str:
    """a, b and c; or a, b, c and 4 more."""
    if len(items) > most:
        return f"{', '.join(items[:most])} and {len(items) - most} more"
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]])) if items else ""


def setting(value: Any) -> str:
    """A hyperparameter's value: 0.05, 3, auto."""
    if missing(value):
        return "not told"
    if isinstance(value, bool | str):
        return str(value)
    return f"{float(value):.4g}"
