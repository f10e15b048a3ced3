"""An example as a case: what is asked of a model, and the answer that is expected."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tunebook.data import Dataset
from tunebook.data.examples import numbered_examples


@dataclass(frozen=True)
class Case:
    """One evaluation case.

    index: its place among the examples, from 0. messages: what is sent. reference: the expected answer as text, None
    when the example holds none. example: the whole record, for scores that need more of it.
    """

    index: int
    messages: tuple[Mapping[str, Any], ...]
    reference: str | None
    example: Mapping[str, Any]

    @property
    def tools(self) -> Sequence[Mapping[str, Any]]:
        return _input(self.example).get("tools") or ()

    @property
    def prompt(self) -> str:
        """What is asked, as text without the system message."""
        turns = [message for message in self.messages if not _is_system(message)]
        if len(turns) == 1:
            return comparable_text(turns[0])
        return "\n".join(f"{message.get('role')}: {comparable_text(message)}" for message in turns)

    @property
    def system(self) -> str:
        """The system message, "" when there is none."""
        return "\n".join(comparable_text(message) for message in self.messages if _is_system(message))

    @property
    def key(self) -> bytes:
        """The same for cases that ask the same: the conversation without system message and differences in spacing."""
        return conversation_key(self.messages)


def read_case(example: Mapping[str, Any], index: int = 0) -> Case:
    """The case an example of any method makes: its last assistant message, or preferred output, is the reference."""
    messages = [dict(m) for m in _input(example).get("messages") or () if isinstance(m, Mapping)]
    if isinstance(example.get("input"), Mapping):
        outputs = [m for m in example.get("preferred_output") or () if isinstance(m, Mapping)]
        answer = next(filter(_is_assistant, reversed(outputs)), None)
    else:
        answer = messages.pop() if messages and _is_assistant(messages[-1]) else None
    for message in messages:
        message.pop("weight", None)  # for training only: chat completions refuse it
    return Case(index, tuple(messages), comparable_text(answer) if answer is not None else None, example)


def read_cases(dataset: Dataset) -> Iterator[Case]:
    """The cases of a dataset, one at a time, read from its file each time: only one is in memory."""
    for index, (_, example) in enumerate(numbered_examples(dataset.lines)):
        yield read_case(example, index)


def comparable_text(message: Mapping[str, Any]) -> str:
    """What a message says, as one text that is the same for the same answer: calls of tools are canonical JSON."""
    if calls := message.get("tool_calls"):
        functions = [call.get("function") or {} for call in calls if isinstance(call, Mapping)]
        return canonical_json([{"name": f.get("name"), "arguments": _arguments(f.get("arguments"))} for f in functions])
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = [part for part in content or () if isinstance(part, Mapping)]
    return "".join(str(part.get("text") or f"[{part.get('type', 'part')}]") for part in parts)


def canonical_json(value: Any) -> str:
    """JSON that is the same text for the same value."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def conversation_key(messages: Sequence[Mapping[str, Any]]) -> bytes:
    """A digest of a conversation: roles and texts, the system message and differences in spacing left out."""
    turns = [(m.get("role"), " ".join(comparable_text(m).split())) for m in messages if not _is_system(m)]
    return hashlib.blake2b(json.dumps(turns).encode(), digest_size=16).digest()


def _input(example: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = example.get("input")
    return inner if isinstance(inner, Mapping) else example


def _is_system(message: Mapping[str, Any]) -> bool:
    return message.get("role") in ("system", "developer")


def _is_assistant(message: Mapping[str, Any]) -> bool:
    return message.get("role") == "assistant"


def _arguments(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text
