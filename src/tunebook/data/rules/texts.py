"""Rules for the texts of a record, whatever the method: keys, e-mail addresses, special tokens, damaged characters.

`scan` looks at the raw lines first, so that clean lines of a large file are never walked: a new rule here has a mark
there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tunebook.data.rules.problem import Problem
from tunebook.data.rules.secrets import find_emails, find_keys
from tunebook.data.rules.table import problem_of

_SPECIAL = re.compile(r"<\|[a-z_]{2,24}\|>")
# UTF-8 read as Windows-1252 and written as UTF-8 again, and the sign for a character that was lost.
_MOJIBAKE = re.compile("Ã[\u0080-\u00bf]|â€[™œ\u009d“”˜¦]|\ufffd")
# Characters that take no room or show nothing: zero-width blanks and joiners, marks of direction, fillers.
_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0"
)
_BLANK = re.compile(rf"[\s{_INVISIBLE}]*")
# How a missing value of a table or a program looks once it has been made a text.
NULL_WORDS = {"null", "NULL", "Null", "None", "nan", "NaN", "NAN", "undefined", "<NA>", "NaT"}
LONGEST_TEXT = 1_048_576  # characters that are read; a longer message is refused anyway
_DEEPEST = 40  # levels of nesting that are walked; real examples have about eight


def blank(text: str) -> bool:
    """Whether there is nothing to be seen in a text."""
    return not text or (not "!" <= text[0] <= "~" and _BLANK.fullmatch(text) is not None)


def null_word(text: str) -> bool:
    """Whether a text is the word that a missing value was written as."""
    return len(text) <= 20 and text.strip() in NULL_WORDS


def check_texts(record: Mapping[str, Any]) -> Iterator[Problem]:
    """One finding per kind and place."""
    for path, text in texts_of(record):
        for name, masked in find_keys(text)[:3]:
            yield problem_of("secret", path, masked, kind=name)
        if addresses := find_emails(text):
            yield problem_of("email", path, ", ".join(addresses[:3]))
        if special := _SPECIAL.search(text):
            yield problem_of("special-token", path, special.group())
        if "\0" in text:
            yield problem_of("control-character", path, "\\u0000")
        if garbled := _MOJIBAKE.search(text):
            at = garbled.start()
            yield problem_of("garbled-text", path, text[max(0, at - 15) : at + 20])


def texts_of(value: object, path: str = "$", depth: int = 0) -> Iterator[tuple[str, str]]:
    """(path, text) of every text in a decoded value that is not a data URI."""
    if isinstance(value, str):
        if not value.startswith("data:"):
            yield path, value[:LONGEST_TEXT]
    elif depth < _DEEPEST and isinstance(value, dict):
        for key, inner in value.items():
            yield from texts_of(inner, f"{path}.{key}", depth + 1)
    elif depth < _DEEPEST and isinstance(value, list):
        for index, inner in enumerate(value):
            yield from texts_of(inner, f"{path}[{index}]", depth + 1)
