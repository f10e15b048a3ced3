"""Rules for the texts of a record, whatever the method: keys, e-mail addresses, special tokens, damaged characters.

`suspicious(line)` is a quick look at the raw line that says whether the texts need reading at all: it costs a few
scans for rare bytes, so that clean lines of a large file are never walked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tunebook.data.rules.problem import Problem
from tunebook.data.rules.secrets import HINT, find_emails, find_keys
from tunebook.data.rules.table import problem_of

_SPECIAL = re.compile(r"<\|[a-z_]{2,24}\|>")
_HINTS = re.compile(
    HINT.encode() + rb"|@[A-Za-z0-9]|<\||\xef\xbf\xbd|\xc3\x83\xc2|\xc3\xa2\xe2\x82"
    rb"|\\u(?:0000|[fF]{3}[dD]|00[cC]3\\u00|00[eE]2\\u20[aA][cC])"
)
_PICTURE = re.compile(rb";base64,[A-Za-z0-9+/=]+")
# UTF-8 read as Windows-1252 and written as UTF-8 again, and the sign for a character that was lost.
_MOJIBAKE = re.compile("Ã[\u0080-\u00bf]|â€[™œ\u009d“”˜¦]|\ufffd")
LONGEST_TEXT = 1_048_576  # characters that are read; a longer message is refused anyway
_DEEPEST = 40  # levels of nesting that are walked; real examples have about eight


def suspicious(line: bytes) -> bool:
    """Whether a raw line may hold something these rules report."""
    if b";base64," in line:  # pictures are no text, and megabytes of them
        line = _PICTURE.sub(b"", line)
    return _HINTS.search(line) is not None


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
