"""Findings that need more than one line: repeated examples, one prompt with two answers, answers and instructions.

`Seen` keeps four whole numbers an example, so a million examples take 32 MB, and finds everything at the end.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from tunebook.data.problem import Problem, note, shown, warning
from tunebook.data.rules import PlainRecord

LABEL_CHARACTERS = 80  # an answer no longer than this can be a label …
LABELS_MOST = 50  # … when there are at most this many different ones (methods for splits: strata of <= 50 answers)
REPEATED_SHARE = 0.05  # an answer that is no label and makes up more of the file is worth a look
REPEATED_MUCH = 0.25
DOMINANT_SHARE = 0.90  # a label this frequent can be learned without reading the question
RARE_SYSTEM = 0.05  # an instruction used by so few examples, beside one used by nearly all, is mostly a slip

LineOf = Callable[[int], bytes]


class Seen:
    """What the examples so far have in common. `add` is called for each record in turn."""

    def __init__(self) -> None:
        self.lines = array("q")
        self.prompts = array("q")
        self.answers = array("q")
        self.systems = array("q")

    def add(self, number: int, record: Any) -> None:
        prompt, answer, system = keys_of(record)
        self.lines.append(number)
        self.prompts.append(prompt)
        self.answers.append(answer)
        self.systems.append(system)

    def findings(self, line_of: LineOf, *, keep: int = 20) -> Iterator[tuple[Problem, int]]:
        """(finding, how many of its kind there are in all); at most `keep` findings of a kind."""
        yield from _first(self._repeats(), keep)
        yield from _first(self._conflicts(), keep)
        for problem in [*self._answers(line_of), *self._systems()]:
            yield problem, 1

    def _repeats(self) -> Iterator[Problem]:
        first: dict[tuple[int, int], int] = {}
        for number, prompt, answer in zip(self.lines, self.prompts, self.answers, strict=True):
            earlier = first.setdefault((prompt, answer), number)
            if earlier != number:
                yield replace(
                    warning(
                        "$",
                        "duplicate-example",
                        f"line {earlier}",
                        f"The same example as line {earlier}.",
                        "Keep one (fix() does): a repeated example counts twice and leaks when the file is split.",
                    ),
                    line=number,
                )

    def _conflicts(self) -> Iterator[Problem]:
        answer_of: dict[int, tuple[int, int]] = {}
        for number, prompt, answer in zip(self.lines, self.prompts, self.answers, strict=True):
            earlier, said = answer_of.setdefault(prompt, (number, answer))
            if said != answer and answer and said:
                yield replace(
                    warning(
                        "$",
                        "conflicting-answers",
                        f"line {earlier}",
                        f"The prompt of line {earlier} with another answer.",
                        "Decide for one answer: the model cannot learn both.",
                    ),
                    line=number,
                )

    def _answers(self, line_of: LineOf) -> Iterator[Problem]:
        known = Counter(answer for answer in self.answers if answer)
        total = sum(known.values())
        if total < 10:
            return
        key, often = known.most_common(1)[0]
        place = self.answers.index(key)
        text = answer_of(msgspec.json.decode(line_of(self.lines[place])))
        labels = len(known) <= min(LABELS_MOST, total / 4) and len(text) <= LABEL_CHARACTERS
        if labels and often / total >= DOMINANT_SHARE:
            yield warning(
                "",
                "imbalanced-answers",
                text,
                f"{often / total:.0%} of the answers are this one.",
                "Add examples with the other answers: always saying this one is nearly always right.",
            )
        elif not labels and often >= 3 and often / total > REPEATED_SHARE:
            yield (warning if often / total > REPEATED_MUCH else note)(
                "",
                "repeated-answer",
                text,
                f"{often} of {total} examples ({often / total:.0%}) give exactly this answer.",
                "Fine when it is the right one each time; else vary or remove some.",
            )

    def _systems(self) -> Iterator[Problem]:
        known = Counter(self.systems)
        total = sum(known.values())
        if len(known) < 2 or total < 10:
            return
        (_, often), *others = known.most_common()
        none = known.get(0, 0)
        if 0 < none < total:
            yield warning(
                "",
                "system-missing",
                f"{none} of {total}",
                f"{none} examples have no system message, {total - none} have one.",
                "Use the same system message in all examples, and later when the model is called.",
            )
        elif 1 - often / total <= RARE_SYSTEM:
            key = others[0][0]
            line = self.lines[self.systems.index(key)]
            yield replace(
                warning(
                    "$",
                    "system-differs",
                    f"{total - often} of {total}",
                    f"{total - often} examples have another system message than all the rest.",
                    "Mostly a slip; use one system message, and the same when the model is called.",
                ),
                line=line,
            )
        else:
            yield note(
                "",
                "system-differs",
                f"{len(known)} different",
                f"There are {len(known)} different system messages.",
                "Fine when the model will be called with each of them; else use one.",
            )


def _first(found: Iterator[Problem], keep: int) -> Iterator[tuple[Problem, int]]:
    kept: list[Problem] = []
    count = 0
    for problem in found:
        count += 1
        if len(kept) < keep:
            kept.append(problem)
    for place, problem in enumerate(kept):
        yield problem, count - len(kept) + 1 if place == 0 else 1


def keys_of(record: Any) -> tuple[int, int, int]:
    """Hashes of (what is asked, what is answered, the system message); 0 where there is none."""
    if isinstance(record, PlainRecord):
        plain = record.messages
        system = hash(plain[0].content) if plain[0].role in ("system", "developer") else 0
        return hash(tuple([m.content for m in plain[:-1]])), hash(plain[-1].content), system
    if not isinstance(record, Mapping):
        return 0, 0, 0
    messages, answer = _parted(record)
    first = messages[0] if messages and isinstance(messages[0], Mapping) else {}
    instructed = first.get("role") in ("system", "developer") and isinstance(first.get("content"), str)
    plain_texts = [m.get("content") if isinstance(m, Mapping) else None for m in messages]
    key = hash(tuple(plain_texts)) if all(isinstance(t, str) for t in plain_texts) else _hash(messages)
    said = answer[0].get("content") if len(answer) == 1 and isinstance(answer[0], Mapping) else None
    only_text = isinstance(said, str) and not (answer[0].get("tool_calls") or answer[0].get("function_call"))
    return (
        key,
        (hash(said) if only_text else _hash(answer)) if answer else 0,
        hash(first["content"]) if instructed else 0,
    )


def _parted(record: Mapping[str, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """(messages before, answer) of a record of any method."""
    prompt = record.get("input")
    if isinstance(prompt, Mapping):
        messages = prompt.get("messages")
        both = [record.get("preferred_output"), record.get("non_preferred_output")]
        return messages if isinstance(messages, list) else [], both if any(both) else []
    messages = record.get("messages")
    if not isinstance(messages, list) or not messages:
        return [], []
    last = messages[-1]
    if isinstance(last, Mapping) and last.get("role") == "assistant":
        return messages[:-1], messages[-1:]
    items = [value for key, value in record.items() if key != "messages"]
    return messages, items


def answer_of(record: Mapping[str, Any]) -> str:
    """The answer as text, for showing and for telling labels from prose; "" when there is none."""
    _, answer = _parted(record)
    last = answer[0] if answer else None
    content = last.get("content") if isinstance(last, Mapping) else None
    return content if isinstance(content, str) else shown(msgspec.json.encode(answer)) if answer else ""


def _hash(value: object) -> int:
    try:
        return hash(msgspec.json.encode(value))
    except (RecursionError, UnicodeEncodeError):
        return 0
