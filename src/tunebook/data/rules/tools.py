"""Rules for tools: their definitions, the assistant's calls, the answers to them, and legacy functions.

Source: https://learn.microsoft.com/azure/ai-foundry/openai/how-to/fine-tuning-functions
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from tunebook.data.rules.problem import Problem, error, json_type, note, warning

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_definitions(record: Mapping[str, Any], path: str = "$") -> Iterator[Problem]:
    """`tools`, `functions` (legacy) and `parallel_tool_calls` of a record."""
    parallel = record.get("parallel_tool_calls")
    if parallel is not None and not isinstance(parallel, bool):
        yield error(
            f"{path}.parallel_tool_calls",
            "wrong-type",
            parallel,
            "`parallel_tool_calls` is true or false.",
            "Write true or false without quotes.",
        )
    for key in ("tools", "functions"):
        if key not in record or record[key] is None:
            continue
        tools = record[key]
        if not isinstance(tools, list):
            yield error(
                f"{path}.{key}",
                "wrong-type",
                tools,
                f"`{key}` is a JSON {json_type(tools)}, not a list.",
                "Write a list of definitions; JSON text inside quotes must become JSON itself.",
            )
            continue
        yield from _check_list(tools, key, f"{path}.{key}")
    if "functions" in record:
        yield note(
            f"{path}.functions",
            "legacy-functions",
            "functions",
            "`functions` is the older way to offer tools.",
            "Newer models are trained and called with `tools`.",
        )


def _check_list(tools: Sequence[object], key: str, path: str) -> Iterator[Problem]:
    names: set[str] = set()
    for index, tool in enumerate(tools):
        place = f"{path}[{index}]"
        function, at = (tool, place) if key == "functions" else _inner(tool, place)
        if key == "tools" and isinstance(tool, dict) and tool.get("type") != "function":
            yield error(
                f"{place}.type",
                "tool-type",
                tool.get("type"),
                'The type of a tool is "function".',
                'Write {"type": "function", "function": {"name": …, "parameters": …}}.',
            )
        if not isinstance(function, dict):
            yield error(
                at,
                "tool-definition",
                function,
                "A tool is described by an object with a `name`.",
                'Write {"type": "function", "function": {"name": …, "parameters": …}}.',
            )
            continue
        name = function.get("name")
        yield from check_function_name(name, f"{at}.name")
        if isinstance(name, str):
            if name in names:
                yield error(f"{at}.name", "tool-twice", name, "Two tools have this name.", "Remove or rename one.")
            names.add(name)
        parameters = function.get("parameters")
        if parameters is not None and not isinstance(parameters, dict):
            yield error(
                f"{at}.parameters",
                "tool-parameters",
                parameters,
                f"`parameters` is a JSON {json_type(parameters)}; it must be a JSON Schema object.",
                'Write {"type": "object", "properties": {…}}.',
            )


def _inner(tool: object, place: str) -> tuple[object, str]:
    if isinstance(tool, dict) and "function" not in tool and "name" in tool:
        return tool.get("function"), f"{place}.function"
    return (tool.get("function"), f"{place}.function") if isinstance(tool, dict) else (tool, place)


@lru_cache(maxsize=1_000)
def good_function_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def check_function_name(name: object, path: str) -> Iterator[Problem]:
    if not isinstance(name, str) or not good_function_name(name):
        yield error(
            path,
            "function-name",
            name,
            "A function name is 1 to 64 letters, digits, _ or -.",
            "Rename it; dots and spaces become _.",
        )


def offered(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """Name -> JSON Schema of what the record offers; None when it offers nothing (allowed, it saves tokens)."""
    found: dict[str, Any] = {}
    for key in ("tools", "functions"):
        tools = record.get(key)
        for tool in tools if isinstance(tools, list) else ():
            function = tool.get("function") if key == "tools" and isinstance(tool, dict) else tool
            if isinstance(function, dict) and isinstance(function.get("name"), str):
                found[function["name"]] = function.get("parameters")
    return found or None


def check_calls(message: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """The shape of `tool_calls` and `function_call` of one assistant message."""
    if "tool_calls" in message and message["tool_calls"] is not None:
        calls = message["tool_calls"]
        if not isinstance(calls, list) or not calls:
            yield error(
                f"{path}.tool_calls",
                "tool-calls",
                calls,
                "`tool_calls` must be a list with at least one call.",
                "Leave the key out when nothing is called.",
            )
        else:
            for index, call in enumerate(calls):
                yield from _check_call(call, f"{path}.tool_calls[{index}]")
    if "function_call" in message and message["function_call"] is not None:
        call = message["function_call"]
        if not isinstance(call, dict):
            yield error(
                f"{path}.function_call",
                "tool-calls",
                call,
                "`function_call` is an object: name, arguments.",
                'Write {"name": …, "arguments": "{…}"}.',
            )
        else:
            yield from _check_function(call, f"{path}.function_call")


def _check_call(call: object, path: str) -> Iterator[Problem]:
    if not isinstance(call, dict):
        yield error(
            path,
            "tool-calls",
            call,
            f"A tool call is an object, this is a JSON {json_type(call)}.",
            'Write {"id": "call_1", "type": "function", "function": {"name": …, "arguments": "{…}"}}.',
        )
        return
    if not isinstance(call.get("id"), str) or not call["id"]:
        yield error(
            f"{path}.id",
            "call-id",
            call.get("id"),
            "The call has no id.",
            "Give each call of a conversation its own id, and the answer the same one as `tool_call_id`.",
        )
    if call.get("type") != "function":
        yield error(
            f"{path}.type",
            "tool-type",
            call.get("type"),
            'The type of a call is "function".',
            'Add "type": "function" (fix() does).',
        )
    function = call.get("function")
    if isinstance(function, dict):
        yield from _check_function(function, f"{path}.function")
    else:
        yield error(
            f"{path}.function",
            "tool-calls",
            function,
            "The call has no `function` object.",
            'Write "function": {"name": …, "arguments": "{…}"}.',
        )


def _check_function(function: Mapping[str, Any], path: str) -> Iterator[Problem]:
    yield from check_function_name(function.get("name"), f"{path}.name")
    arguments = function.get("arguments")
    at = f"{path}.arguments"
    if not isinstance(arguments, str):
        yield error(
            at,
            "arguments-type",
            arguments,
            f"`arguments` is a JSON {json_type(arguments)}; it must be JSON as text.",
            "Write json.dumps(arguments) (fix() does).",
        )
        return
    value, problem = read_arguments(arguments)
    if problem:
        yield error(
            at,
            "arguments-json",
            arguments,
            f"`arguments` is not valid JSON: {problem}.",
            "Write json.dumps(arguments); the model learns to write what it sees here.",
        )
    elif not isinstance(value, dict):
        yield warning(
            at,
            "arguments-object",
            arguments,
            f"`arguments` holds a JSON {json_type(value)}, not an object.",
            'Name the arguments: "{\\"city\\": \\"Oslo\\"}".',
        )


def read_arguments(arguments: str) -> tuple[Any, str]:
    """(value, "") or (None, why it is not JSON)."""
    try:
        return msgspec.json.decode(arguments), ""
    except RecursionError:
        return None, "nested too deeply"
    except (msgspec.MsgspecError, UnicodeError) as refused:
        return None, str(refused).removeprefix("JSON is malformed: ")


def check_tool_message(message: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """What a message of the role tool or function must name."""
    if message["role"] == "tool":
        if not isinstance(message.get("tool_call_id"), str) or not message["tool_call_id"]:
            yield error(
                f"{path}.tool_call_id",
                "tool-call-id",
                message.get("tool_call_id"),
                "The tool's answer does not say which call it answers.",
                "Add `tool_call_id` with the call's id.",
            )
    else:
        yield from check_function_name(message.get("name"), f"{path}.name")


def check_exchange(
    messages: Sequence[tuple[int, Mapping[str, Any]]], path: str, tools: Mapping[str, Any] | None
) -> Iterator[Problem]:
    """Calls and answers belong together: answers follow their call, calls are answered unless they end the talk."""
    open_calls: dict[str, str] = {}
    seen: set[str] = set()
    for index, message in messages:
        role = message.get("role")
        if role == "tool":
            answered = message.get("tool_call_id")
            if isinstance(answered, str) and answered and open_calls.pop(answered, None) is None:
                yield error(
                    f"{path}[{index}].tool_call_id",
                    "tool-answer-unmatched",
                    answered,
                    "No open call before this answer has its id.",
                    "Let `tool_call_id` repeat the id of the call just before.",
                )
            continue
        yield from _unanswered(open_calls)
        open_calls = {}
        if role != "assistant":
            continue
        for at, call in _calls(message, f"{path}[{index}]"):
            yield from _check_against(call, at, tools)
            name = call.get("id")
            if not isinstance(name, str) or "function_call" in at:
                continue
            if name in open_calls:
                yield error(f"{at}.id", "call-id-twice", name, "Two calls at once have this id.", "Give each its own.")
            elif name in seen:
                yield note(
                    f"{at}.id",
                    "call-id-again",
                    name,
                    "An earlier call of this conversation had the same id.",
                    "Give each call its own id, so that its answer is certain.",
                )
            open_calls[name] = f"{at}"
            seen.add(name)
    if messages and messages[-1][1].get("role") == "tool":
        yield from _unanswered(open_calls)


def _unanswered(open_calls: Mapping[str, str]) -> Iterator[Problem]:
    for name, at in open_calls.items():
        yield error(
            at,
            "tool-call-unanswered",
            name,
            "This call is never answered, yet the conversation goes on.",
            'Add a message {"role": "tool", "tool_call_id": …} right after it, or end the example with the call.',
        )


def _calls(message: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    calls = message.get("tool_calls")
    for index, call in enumerate(calls if isinstance(calls, list) else ()):
        if isinstance(call, dict):
            yield f"{path}.tool_calls[{index}]", call
    legacy = message.get("function_call")
    if isinstance(legacy, dict):
        yield f"{path}.function_call", {"function": legacy}


def _check_against(call: Mapping[str, Any], path: str, tools: Mapping[str, Any] | None) -> Iterator[Problem]:
    """The call against the definitions the record offers, where it offers any."""
    function = call.get("function")
    name = function.get("name") if isinstance(function, dict) else None
    if tools is None or not isinstance(name, str):
        return
    at = path if path.endswith("function_call") else f"{path}.function"
    if name not in tools:
        yield warning(
            f"{at}.name",
            "tool-unknown",
            name,
            "The assistant calls a tool that this example does not offer.",
            f"Add its definition to `tools`, or correct the name (offered: {', '.join(list(tools)[:6])}).",
        )
        return
    schema, arguments = tools[name], function.get("arguments") if isinstance(function, dict) else None
    if not isinstance(schema, dict) or not isinstance(arguments, str):
        return
    value, problem = read_arguments(arguments)
    if problem or not isinstance(value, dict):
        return
    required = schema.get("required")
    missing = (
        [key for key in required if isinstance(key, str) and key not in value] if isinstance(required, list) else []
    )
    if missing:
        yield warning(
            f"{at}.arguments",
            "argument-missing",
            ", ".join(missing),
            f"`{name}` requires what this call leaves out.",
            "Add the argument, or take it off the definition's `required`.",
        )
    properties = schema.get("properties")
    unknown = [key for key in value if key not in properties] if isinstance(properties, dict) else []
    if unknown and schema.get("additionalProperties") is not True:
        yield warning(
            f"{at}.arguments",
            "argument-unknown",
            ", ".join(unknown[:5]),
            f"`{name}` has no such argument.",
            "Correct the name, or add it to the definition's `properties`.",
        )
