"""Names of files and columns that are made of foreign text: never a path, never two the same."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain, count

_LONGEST = 100


def slug(text: str) -> str:
    """A part of a file's name for a foreign text, which is never a path."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text)[:_LONGEST].strip("-.") or "job"


def distinct(names: Iterable[str], numbered: str = "{} ({})") -> list[str]:
    """The names, each once: a later one of the same name gets a number, from 2 on."""
    made: dict[str, None] = {}
    for name in names:
        again = (numbered.format(name, number) for number in count(2))
        made[next(one for one in chain([name], again) if one not in made)] = None
    return list(made)
