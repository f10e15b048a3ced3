"""Keys that stand twice in one object: JSON readers keep the last value and drop the first without a word.

Counting the names of keys in the text and in what was read of it tells nearly all lines from those with a key twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tunebook.data.rules.problem import Problem
from tunebook.data.rules.table import problem_of


def keys_written(text: bytes | str) -> int:
    """Names of keys in compact JSON; another number where a blank stands before a colon."""
    if isinstance(text, str):
        return text.count('":') - text.count('\\":')
    return text.count(b'":') - (text.count(b'\\":') if b"\\" in text else 0)


def count_keys(value: object) -> int:
    """Names of keys in a decoded value."""
    if isinstance(value, dict):
        return len(value) + sum(count_keys(inner) for inner in value.values() if isinstance(inner, dict | list))
    if isinstance(value, list):
        return sum(count_keys(inner) for inner in value if isinstance(inner, dict | list))
    return 0


class _Object(dict[str, Any]):
    """An object with the values of its keys that were written over: (key, first value)."""

    lost: tuple[tuple[str, Any], ...] = ()


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    made = _Object()
    for key, value in pairs:
        if key in made:
            made.lost += ((key, made[key]),)
        made[key] = value
    return made


def lost_values(text: bytes | str) -> Iterator[tuple[str, str, Any, Any]]:
    """(path of the object, key, value that is dropped, value that is kept) of each key that stands twice in it."""
    try:
        value = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return
    waiting: list[tuple[str, Any]] = [("", value)]
    for path, one in waiting:  # grows while it is walked
        if isinstance(one, _Object):
            yield from ((path, key, first, one[key]) for key, first in one.lost)
            waiting.extend((f"{path}.{key}", inner) for key, inner in one.items())
        elif isinstance(one, list):
            waiting.extend((f"{path}[{index}]", inner) for index, inner in enumerate(one))


def check_duplicates(line: bytes, record: object) -> Iterator[Problem]:
    """The findings about a line that decodes to `record`, the texts of its arguments included."""
    try:
        twice = keys_written(line) != count_keys(record)
    except RecursionError:
        return
    if twice:
        for path, key, lost, _ in lost_values(line):
            yield problem_of("duplicate-key", f"${path}.{key}", lost, key=key)
