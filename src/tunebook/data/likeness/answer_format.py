"""How answers are written, apart from what they say: JSON keys and their order, white space, case, closing marks.

A validation file whose answers are written in another way than the training file's makes every job look overfitted from
its first epoch on: what the model learns is the other way of writing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from tunebook.data.records import message_text, parts
from tunebook.data.rules.problem import shown
from tunebook.words import percent

FEWEST = 10  # answers of each file
TELLING = 0.5  # difference of shares: half of the answers of one file are not written as those of the other
LABEL = 40  # characters; a longer answer is no label
CLOSING = ".!?;:,\"'`。！？"  # marks that end an answer


def answers_of(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the assistant says last in each example, the preferred answer of a pair; tool calls alone say nothing."""
    said = []
    for record in records:
        _, answered = parts(record)
        if not answered:
            continue
        output = answered[0]
        last = output[-1] if isinstance(output, list) and output else output
        text = message_text(last) if isinstance(last, Mapping) and last.get("content") else ""
        if text.strip():
            said.append(text)
    return said


def format_differences(first: Sequence[str], second: Sequence[str]) -> Iterator[str]:
    """In words, each way in which the answers of two files are written differently; nothing for few answers.

    Of each trait the commonest value of either file is asked for: its shares must differ by half. A trait that most
    answers of a file do not have (None) is not compared.
    """
    if min(len(first), len(second)) < FEWEST:
        return
    for trait, words in _TRAITS:
        counts = [Counter(map(trait, part)) for part in (first, second)]
        here, there = (count.most_common(1)[0][0] for count in counts)
        for value in (here, there) if here is not None and there is not None else ():
            shares = counts[0][value] / len(first), counts[1][value] / len(second)
            if abs(shares[0] - shares[1]) >= TELLING:
                same = f"{words(value, value)} {percent(shares[0], 0)} of the time, there {percent(shares[1], 0)}"
                yield same if here == there else words(here, there)
                break


def _keys(answer: str) -> tuple[str, ...] | None:
    """The keys of an answer that is a JSON object, in their order."""
    text = answer.strip()
    if not text.startswith("{"):
        return None
    try:
        value = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return tuple(value) if isinstance(value, dict) else None


def _keys_differ(here: tuple[str, ...], there: tuple[str, ...]) -> str:
    if here == there:
        return f"the JSON keys {_listed(here)}"
    kind = "JSON keys in another order" if sorted(here) == sorted(there) else "other JSON keys"
    return f"{kind} ({_listed(here)}; there {_listed(there)})"


def _listed(keys: tuple[str, ...]) -> str:
    return ", ".join(shown(key, 24) for key in keys[:4]) + (", …" if len(keys) > 4 else "") if keys else "{}"


def _layout(answer: str) -> str:
    text = answer.strip()
    if text.startswith("```"):
        return "in a code fence"
    if text[:1] not in ("{", "["):
        return "as bare text"
    if "\n" in text:
        return "as JSON over several lines"
    return "as JSON with spaces" if '": ' in text or '", "' in text else "as JSON without spaces"


def _before(answer: str) -> str:
    return "white space" if answer[:1].isspace() else "no white space"


def _after(answer: str) -> str:
    last = answer[-1:]
    return "a newline" if last == "\n" else "white space" if last.isspace() else "no white space"


def _case(answer: str) -> str | None:
    """How a short answer, which may be a label, is capitalised; None for a long one and for scripts without case."""
    text = answer.strip()
    if len(text) > LABEL or not text[:1].isalpha() or text.lower() == text.upper():
        return None
    if text.isupper() and len(text) > 1:
        return "all capitals"
    return "a capital first" if text[:1].isupper() else "a small letter first"


def _end(answer: str) -> str:
    last = answer.rstrip()[-1:]
    return f"`{last}`" if last in CLOSING else "no mark"


def _pair(what: str) -> Callable[[Any, Any], str]:
    """Words for two values of a trait, or for one."""

    def words(here: object, there: object) -> str:
        return f"{what} {here}" + (f", there {there}" if there != here else "")

    return words


_TRAITS: tuple[tuple[Callable[[str], Any], Callable[[Any, Any], str]], ...] = (
    (_keys, _keys_differ),
    (_layout, _pair("written")),
    (_before, _pair("in front")),
    (_after, _pair("after the end")),
    (_case, _pair("case:")),
    (_end, _pair("closed with")),
)
