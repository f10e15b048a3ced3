"""Rules for one list of chat messages, whatever the method: roles, keys, content, weight, names, order.

Source: https://learn.microsoft.com/azure/ai-foundry/openai/how-to/fine-tuning and the API's own message schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from tunebook.catalogue import load_catalogue
from tunebook.data.rules.images import check_parts
from tunebook.data.rules.problem import Problem
from tunebook.data.rules.table import problem_of
from tunebook.data.rules.texts import blank, null_word
from tunebook.data.rules.tools import check_calls, check_exchange, check_tool_message, good_function_name

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
MESSAGE_KEYS = {
    "system": {"role", "content", "name"},
    "developer": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "assistant": {
        "role",
        "content",
        "name",
        "weight",
        "tool_calls",
        "function_call",
        "refusal",
        "audio",
        "annotations",
    },
    "tool": {"role", "content", "tool_call_id", "name"},
    "function": {"role", "content", "name"},
}
MEANT_ROLES = {
    "human": "user",
    "customer": "user",
    "prompter": "user",
    "input": "user",
    "question": "user",
    "gpt": "assistant",
    "bot": "assistant",
    "ai": "assistant",
    "model": "assistant",
    "chatbot": "assistant",
    "output": "assistant",
    "answer": "assistant",
    "agent": "assistant",
    "tools": "tool",
    "function_response": "tool",
    "observation": "tool",
    "instruction": "system",
    "context": "system",
}
SURELY_SHORT = 10_000  # characters; below, the catalogue need not be asked for the most
_NAME = re.compile(r"[^\s<|\\/>]{1,64}")


def meant_role(role: str) -> str:
    """The role that is meant by another name, or another spelling, of it; the name itself where it is none of these."""
    name = role.strip().lower()
    return MEANT_ROLES.get(name, name)


def check_messages(
    messages: object, path: str, *, tools: Mapping[str, Any] | None, images: bool = True
) -> Iterator[Problem]:
    """Everything about `messages` itself; what the last role must be is the method's own rule.

    tools: name -> definition of what may be called; None when the record names no tools.
    images: whether the method takes images.
    """
    if not isinstance(messages, list):
        as_text = isinstance(messages, str) and messages.lstrip()[:1] in ("[", "{")
        yield problem_of("wrong-type.messages-text" if as_text else "wrong-type.messages", path, messages)
        return
    if not messages:
        yield problem_of("no-messages", path, "[]")
        return
    for index, message in enumerate(messages):
        yield from _check_message(message, f"{path}[{index}]", images)
    good = [(index, m) for index, m in enumerate(messages) if isinstance(m, dict)]
    yield from check_exchange(good, path, tools)
    yield from _check_order(good, path)


def _check_message(message: object, path: str, images: bool) -> Iterator[Problem]:
    if not isinstance(message, dict):
        yield problem_of("wrong-type.message", path, message)
        return
    role = message.get("role")
    if "role" not in message:
        yield _no_role(message, path)
        return
    if role not in ROLES:
        meant = meant_role(role) if isinstance(role, str) else ""
        rule = "unknown-role.meant" if meant in ROLES else "unknown-role"
        yield problem_of(rule, f"{path}.role", role, meant=meant, roles=", ".join(ROLES))
        return
    if extra := [key for key in message if key not in MESSAGE_KEYS[role]]:
        yield from _unknown_keys(extra, message, role, path)
    yield from _check_weight(message, role, path)
    yield from _check_content(message, role, path, images)
    if role == "assistant":
        yield from check_calls(message, path)
    elif role in ("tool", "function"):
        yield from check_tool_message(message, path)
    if role not in ("tool", "function") and message.get("name") is not None:
        yield from _check_name(message["name"], f"{path}.name")


def _check_name(name: object, path: str) -> Iterator[Problem]:
    """The API's pattern for names was widened in 2024: what only the older one refuses is a warning."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        yield problem_of("name", path, name)
    elif not good_function_name(name):
        yield problem_of("name.old", path, name)


def _no_role(message: Mapping[str, Any], path: str) -> Problem:
    if {"from", "value"} <= message.keys():
        return problem_of("missing-role.sharegpt", path, message)
    return problem_of("missing-role", path, message, roles=", ".join(ROLES))


def _unknown_keys(extra: Sequence[str], message: Mapping[str, Any], role: str, path: str) -> Iterator[Problem]:
    for key in extra[:5]:
        if key == "weight":
            yield problem_of("weight-role", f"{path}.weight", message["weight"], role=role)
        elif key in ("tool_calls", "function_call"):
            yield problem_of("call-role", f"{path}.{key}", message[key], role=role)
        elif key == "tool_call_id":
            yield problem_of("call-role.answer", f"{path}.{key}", message[key], role=role)
        else:
            yield problem_of("unknown-key.message", f"{path}.{key}", key, role=role)


def _check_weight(message: Mapping[str, Any], role: str, path: str) -> Iterator[Problem]:
    if role != "assistant" or "weight" not in message:
        return
    weight = message["weight"]
    if isinstance(weight, bool) or weight not in (0, 1):
        seen = f'"{weight}"' if isinstance(weight, str) else weight
        yield problem_of("weight-value", f"{path}.weight", seen)


def _check_content(message: Mapping[str, Any], role: str, path: str, images: bool) -> Iterator[Problem]:
    content = message.get("content")
    calls = message.get("tool_calls") or message.get("function_call") or message.get("refusal")
    if content is None:
        if not (role == "assistant" and calls) and not (role == "function" and "content" in message):
            what = "is null" if "content" in message else "is missing"
            yield problem_of("content-missing", f"{path}.content", message, role=role, missing=what)
    elif isinstance(content, str):
        if blank(content):
            if not calls:
                yield _empty(content, role, f"{path}.content")
        elif null_word(content):
            yield problem_of("null-word", f"{path}.content", content, role=role)
        elif len(content) > SURELY_SHORT and len(content) > (most := load_catalogue().limit("message_characters")):
            yield problem_of("message-too-long", f"{path}.content", f"{len(content):,} characters", most=f"{most:,}")
    elif isinstance(content, list):
        if role == "tool" and content:
            yield problem_of("tool-parts", f"{path}.content", content)
        yield from check_parts(content, role, f"{path}.content", images=images)
    else:
        yield problem_of("content-type", f"{path}.content", content)


def _empty(content: str, role: str, path: str) -> Problem:
    rule = {"assistant": "empty-answer", "tool": "empty-content.tool"}.get(role, "empty-content")
    return problem_of(rule, path, content, role=role, empty=_how_empty(content))


def _how_empty(content: str) -> str:
    return "only white space" if content.isspace() else "only characters that show nothing" if content else "empty"


def _check_order(messages: Sequence[tuple[int, Mapping[str, Any]]], path: str) -> Iterator[Problem]:
    for (_, before), (index, message) in pairwise(messages):
        calls = before.get("tool_calls") or before.get("function_call")  # its answer is missing: said already
        if before.get("role") == message.get("role") == "assistant" and not calls:
            yield problem_of("answer-twice", f"{path}[{index}]", message.get("content"))
            break
    for place, (index, message) in enumerate(messages):
        if place and message.get("role") in ("system", "developer"):
            before = messages[place - 1][1].get("role")
            if before not in ("system", "developer"):
                yield problem_of(
                    "late-system", f"{path}[{index}].role", message["role"], role=message["role"], before=before
                )
                return
