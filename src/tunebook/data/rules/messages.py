"""Rules for one list of chat messages, whatever the method: roles, keys, content, weight, names, order.

Source: https://learn.microsoft.com/azure/ai-foundry/openai/how-to/fine-tuning and the API's own message schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tunebook.catalogue import load_catalogue
from tunebook.data.rules.images import check_parts
from tunebook.data.rules.problem import Problem, error, json_type, note, warning
from tunebook.data.rules.tools import check_calls, check_exchange, check_tool_message

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
_NAME_NOW = re.compile(r"[^\s<|\\/>]{1,64}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_messages(
    messages: object, path: str, *, tools: Mapping[str, Any] | None, images: bool = True
) -> Iterator[Problem]:
    """Everything about `messages` itself; what the last role must be is the method's own rule.

    tools: name -> definition of what may be called; None when the record names no tools.
    images: whether the method takes images.
    """
    if not isinstance(messages, list):
        yield error(
            path,
            "wrong-type",
            messages,
            f"`messages` is a JSON {json_type(messages)}, not a list.",
            'Write [{"role": …, "content": …}, …].',
        )
        return
    if not messages:
        yield error(path, "no-messages", "[]", "There are no messages.", "Remove this example or fill it.")
        return
    for index, message in enumerate(messages):
        yield from _check_message(message, f"{path}[{index}]", images)
    good = [(index, m) for index, m in enumerate(messages) if isinstance(m, dict)]
    yield from check_exchange(good, path, tools)
    yield from _check_order(good, path)


def _check_message(message: object, path: str, images: bool) -> Iterator[Problem]:
    if not isinstance(message, dict):
        yield error(
            path,
            "wrong-type",
            message,
            f"A message is an object, this is a JSON {json_type(message)}.",
            'Write {"role": "user", "content": "…"}.',
        )
        return
    role = message.get("role")
    if "role" not in message:
        yield _no_role(message, path)
        return
    if role not in ROLES:
        meant = MEANT_ROLES.get(role.strip().lower(), role.strip().lower()) if isinstance(role, str) else ""
        hint = f'Write "{meant}".' if meant in ROLES else f"Use one of {', '.join(ROLES)}."
        yield error(f"{path}.role", "unknown-role", role, "The role is not one the service knows.", hint)
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
    if not isinstance(name, str) or not _NAME_NOW.fullmatch(name):
        yield error(
            path, "name", name, "A name is 1 to 64 characters without spaces or <|\\/>.", "Change or remove `name`."
        )
    elif not _NAME.fullmatch(name):
        yield warning(
            path,
            "name",
            name,
            "Only letters, digits, _ and - are safe in a name; older versions refuse others.",
            "Change or remove `name`.",
        )


def _no_role(message: Mapping[str, Any], path: str) -> Problem:
    if {"from", "value"} <= message.keys():
        return error(
            path,
            "missing-role",
            message,
            "`from`/`value` is the ShareGPT way to write a message.",
            "Rename to `role`/`content` (convert() does).",
        )
    return error(path, "missing-role", message, "The message has no `role`.", f"Add one of {', '.join(ROLES)}.")


def _unknown_keys(extra: Sequence[str], message: Mapping[str, Any], role: str, path: str) -> Iterator[Problem]:
    for key in extra[:5]:
        if key == "weight":
            yield error(
                f"{path}.weight",
                "weight-role",
                message["weight"],
                f"`weight` belongs to assistant messages only, this one is the {role}'s.",
                "Remove it (fix() does).",
            )
        elif key in ("tool_calls", "function_call"):
            yield error(
                f"{path}.{key}",
                "call-role",
                message[key],
                f"Only the assistant calls tools, not the {role}.",
                "Change the role to assistant or remove the call.",
            )
        elif key == "tool_call_id":
            yield error(
                f"{path}.{key}",
                "call-role",
                message[key],
                f"Only a tool message answers a call, not the {role}'s.",
                'Change the role to "tool" or remove `tool_call_id`.',
            )
        else:
            yield warning(
                f"{path}.{key}",
                "unknown-key",
                key,
                f"The {role}'s message has no such key; the service may refuse it.",
                "Remove it (fix() does).",
            )


def _check_weight(message: Mapping[str, Any], role: str, path: str) -> Iterator[Problem]:
    if role != "assistant" or "weight" not in message:
        return
    weight = message["weight"]
    if isinstance(weight, bool) or weight not in (0, 1):
        seen = f'"{weight}"' if isinstance(weight, str) else weight
        yield error(f"{path}.weight", "weight-value", seen, "`weight` is 0 (not learned from) or 1.", "Write 0 or 1.")


def _check_content(message: Mapping[str, Any], role: str, path: str, images: bool) -> Iterator[Problem]:
    content = message.get("content")
    calls = message.get("tool_calls") or message.get("function_call") or message.get("refusal")
    if content is None:
        if not (role == "assistant" and calls) and not (role == "function" and "content" in message):
            what = "is null" if "content" in message else "is missing"
            yield error(
                f"{path}.content",
                "content-missing",
                message,
                f"`content` of the {role}'s message {what}.",
                "Write the text; only an assistant message that calls a tool may go without.",
            )
    elif isinstance(content, str):
        if not content.strip() and not calls:
            yield _empty(content, role, f"{path}.content")
        elif len(content) > SURELY_SHORT and len(content) > (most := load_catalogue().limit("message_characters")):
            yield error(
                f"{path}.content",
                "message-too-long",
                f"{len(content):,} characters",
                f"A message may have {most:,} characters.",
                "Shorten or split it.",
            )
    elif isinstance(content, list):
        yield from check_parts(content, role, f"{path}.content", images=images)
    else:
        yield error(
            f"{path}.content",
            "content-type",
            content,
            f"`content` is a JSON {json_type(content)}; it must be text or a list of parts.",
            "Structured answers are written as text: json.dumps(value) (fix() does).",
        )


def _empty(content: str, role: str, path: str) -> Problem:
    what = "empty" if not content else "only white space"
    if role == "assistant":
        return warning(
            path,
            "empty-answer",
            content,
            f"The assistant's answer is {what}: the model learns to say nothing.",
            "Write the answer or remove the example.",
        )
    return (note if role == "tool" else warning)(
        path, "empty-content", content, f"The {role}'s message is {what}.", "Write the text or remove the message."
    )


def _check_order(messages: Sequence[tuple[int, Mapping[str, Any]]], path: str) -> Iterator[Problem]:
    for place, (index, message) in enumerate(messages):
        if place and message.get("role") in ("system", "developer"):
            before = messages[place - 1][1].get("role")
            if before not in ("system", "developer"):
                yield note(
                    f"{path}[{index}].role",
                    "late-system",
                    message["role"],
                    f"An instruction of the {message['role']} comes after the {before}'s message.",
                    "Fine when meant; most files keep it first.",
                )
                return
