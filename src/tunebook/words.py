"""Numbers as people read them, one way each, wherever the kit shows one; what is missing is an empty string.

A table shows an empty string in a column of numbers as `–` (`tunebook.show`); a sentence leaves it out.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any


def is_number(value: Any) -> bool:
    """Whether a value of JSON is a number that can be computed with: no truth value, not infinite, not NaN."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def missing(value: Any) -> bool:
    """Whether a value is None, NaN or pandas' NA; lists and mappings never are."""
    if value is None or isinstance(value, str | bytes | Sequence | dict):
        return value is None
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # pandas' NA has no truth value; an array has none either
        return type(value).__name__ == "NAType"


def number(value: Any, digits: int = 4) -> str:
    """A loss, an accuracy or another measurement with `digits` significant digits: 0.4123, 12.3, 12,346."""
    if missing(value):
        return ""
    if not math.isfinite(value):
        return "infinite"
    text = f"{float(value):.{digits}g}"
    return f"{float(value):,.0f}" if "e+" in text else text


def aligned(*values: Any) -> tuple[str, ...]:
    """Numbers that stand side by side, with the decimals that the first one needs for three digits."""
    first = values[0]
    if missing(first) or not math.isfinite(first):
        return tuple("" for _ in values)
    size = abs(float(first))
    decimals = 3 if size == 0 else min(max(2 - math.floor(math.log10(size)), 0), 6)
    return tuple("" if missing(value) else f"{float(value):,.{decimals}f}" for value in values)


def count(value: Any) -> str:
    """A whole number with its thousands apart: 12,345."""
    return "" if missing(value) else f"{float(value):,.0f}"


def rough_count(value: Any) -> str:
    """A large count at a glance: 940, 12,300, 1.24 million."""
    if missing(value):
        return ""
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if value >= size:
            return f"{value / size:.3g} {word}"
    return count(value)


def percent(share: Any, digits: int | None = None) -> str:
    """A fraction as percent: 71 %, with a decimal below 10 % (or `digits`); ten times as much and more as 12-fold."""
    if missing(share):
        return ""
    share = float(share)
    if share >= 10 and digits is None:
        return f"{share + 1:,.0f}-fold"
    if digits is None:
        digits = 1 if 0 < abs(share) < 0.0995 else 0
    return f"{100 * share:.{digits}f} %"


def probability(p: Any) -> str:
    """A probability in percent, never certainty, which no finite number of observations can show: < 1 %, > 99 %."""
    if missing(p):
        return ""
    if p >= 0.995:
        return "> 99 %"
    return "< 1 %" if p < 0.01 else f"{100 * float(p):.0f} %"


def p_value(p: Any) -> str:
    """The p-value of a test with two digits: p = 0.012; p < 0.001."""
    if missing(p):
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def money(usd: Any) -> str:
    """US dollars: $0.42, $12.30, $1,240; less than a cent is said so."""
    if missing(usd):
        return ""
    if 0 < usd < 0.005:
        return "under $0.01"
    return f"${usd:,.2f}" if usd < 1000 else f"${usd:,.0f}"


def between(low: str, high: str) -> str:
    """Two bounds that are words already: `$1.00 to $2.00`, or the one where they are the same."""
    return low if low == high else f"{low} to {high}"


def size(n_bytes: Any) -> str:
    """A number of bytes: 940 B, 1.2 kB, 14 MB, 1.2 GB (powers of 1,000, as file managers count)."""
    if missing(n_bytes):
        return ""
    value = float(n_bytes)
    for unit in ("B", "kB", "MB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def duration(seconds: Any) -> str:
    """A span of time in its one or two largest units; never negative, as clocks of two machines differ."""
    if missing(seconds):
        return ""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min {seconds % 60} s" if minutes < 10 and seconds % 60 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


def moment(unix: Any) -> str:
    """A service time (unix seconds) as date and minute in UTC: for pages that travel."""
    if missing(unix):
        return ""
    try:
        return f"{datetime.fromtimestamp(float(unix), UTC):%Y-%m-%d %H:%M} UTC"
    except (TypeError, ValueError, OverflowError, OSError):
        return str(unix)


def clock(unix: Any, *, now: float | None = None) -> str:
    """A service time (unix seconds) as local `HH:MM:SS`, with the date when it is another day than `now`."""
    if not isinstance(unix, int | float) or missing(unix) or unix <= 0:
        return ""
    local = datetime.fromtimestamp(unix)
    if now is not None and datetime.fromtimestamp(now).date() != local.date():
        return f"{local:%Y-%m-%d %H:%M}"
    return f"{local:%H:%M:%S}"


def setting(value: Any) -> str:
    """A hyperparameter's value as people write it: 0.05, 3, auto."""
    if missing(value):
        return ""
    if isinstance(value, bool | str) or not hasattr(value, "__float__"):
        return str(value)
    return f"{float(value):.4g}" if float(value) % 1 else f"{float(value):.0f}"


def plural(number: int, word: str, words: str | None = None) -> str:
    """1 job, 3 jobs, 1,200 entries."""
    return f"{number:,} {word if number == 1 else words or word + 's'}"


def short_id(name: str) -> str:
    """A job's id as people can say it, `ftjob-9541ead5…`; any other name, and a short one, whole."""
    return f"{name[:14]}…" if name.startswith("ftjob-") and len(name) > 28 else name


def listed(items: Sequence[str], most: int = 3) -> str:
    """a, b and c; or a, b, c and 4 more."""
    if len(items) > most:
        return f"{', '.join(items[:most])} and {len(items) - most} more"
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]])) if items else ""
