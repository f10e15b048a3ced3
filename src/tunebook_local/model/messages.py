"""What a message says, as one text: its content, and its tool calls as a line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

Message = Mapping[str, Any]
CALLS = '{"tool_calls":'  # how a line of calls begins


def content_text(content: Any) -> str:
    """A message's content as text: a string as it is, the text parts of a list, "" for none."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        return "\n".join(_part_text(part) for part in content)
    return json.dumps(content, ensure_ascii=False)


def _part_text(part: Any) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Mapping):
        text = part.get("text", part.get("refusal"))
        if isinstance(text, str):
            return text
        return f"<{part.get('type', 'part')}>"  # an image: the small model knows that there is one
    return str(part)


def message_text(message: Message) -> str:
    """All that a message says: its content, then its tool calls as one line of JSON."""
    parts = [content_text(message.get("content"))]
    calls = list(message.get("tool_calls") or [])
    if message.get("function_call"):
        calls.append({"function": message["function_call"]})
    if calls:
        parts.append(json.dumps({"tool_calls": [_call(call) for call in calls]}, ensure_ascii=False))
    return "\n".join(text for text in parts if text)


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function") or {}
    arguments = function.get("arguments", "")
    if isinstance(arguments, str):
        with suppress(ValueError):  # not JSON: learnt as the text it is
            arguments = json.loads(arguments)
    return {"name": function.get("name", ""), "arguments": arguments}


def read_tool_calls(text: str) -> list[dict[str, Any]]:
    """The tool calls in an answer that `message_text` could have written, as the API has them; else none."""
    start = text.find(CALLS)
    try:
        calls = json.loads(text[start:])["tool_calls"] if start >= 0 else []
        return [
            {
                "type": "function",
                "function": {"name": str(call["name"]), "arguments": _arguments_text(call["arguments"])},
            }
            for call in calls
        ]
    except (ValueError, KeyError, TypeError):
        return []


def calls_beginning(name: str) -> str:
    """How the line begins that calls this tool, up to its arguments."""
    return f'{CALLS} [{{"name": {json.dumps(name, ensure_ascii=False)}, "arguments": '


def _arguments_text(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def tools_of(example: Mapping[str, Any]) -> Any:
    return example.get("tools") or example.get("functions")
