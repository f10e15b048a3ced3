"""Rules for tools: their definitions, the assistant's calls, the answers to them, and legacy functions.

Source: https://learn.microsoft.com/azure/ai-foundry/openai/how-to/fine-tuning-functions
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from tunebook.data.rules.arguments import check_arguments
from tunebook.data.rules.duplicates import count_keys, keys_written, lost_values
from tunebook.data.rules.problem import Problem, json_type
from tunebook.data.rules.table import problem_of

MOST_TOOLS = 128  # https://learn.microsoft.com/azure/ai-foundry/openai/reference: of functions, and of tools
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_definitions(record: Mapping[str, Any], path: str = "$") -> Iterator[Problem]:
    """`tools`, `functions` (legacy) and `parallel_tool_calls` of a record."""
    parallel = record.get("parallel_tool_calls")
    if parallel is not None and not isinstance(parallel, bool):
        yield problem_of("wrong-type.parallel", f"{path}.parallel_tool_calls", parallel)
    for key in ("tools", "functions"):
        if key not in record or record[key] is None:
            continue
        tools = record[key]
        if not isinstance(tools, list):
            yield problem_of("wrong-type.tools", f"{path}.{key}", tools, key=key)
            continue
        if len(tools) > MOST_TOOLS:
            yield problem_of("too-many-tools", f"{path}.{key}", f"{len(tools)} definitions", key=key, most=MOST_TOOLS)
        elif not tools and key == "functions":
            yield problem_of("no-functions", f"{path}.functions", "[]")
        yield from _check_list(tools, key, f"{path}.{key}")
    if "functions" in record:
        yield problem_of("legacy-functions", f"{path}.functions", "functions")


def _check_list(tools: Sequence[object], key: str, path: str) -> Iterator[Problem]:
    names: set[str] = set()
    for index, tool in enumerate(tools):
        place = f"{path}[{index}]"
        function, at = (tool, place) if key == "functions" else _inner(tool, place)
        if key == "tools" and isinstance(tool, dict) and tool.get("type") != "function":
            yield problem_of("tool-type.definition", f"{place}.type", tool.get("type"))
        if not isinstance(function, dict):
            yield problem_of("tool-definition", at, function)
            continue
        name = function.get("name")
        yield from check_function_name(name, f"{at}.name")
        if isinstance(name, str):
            if name in names:
                yield problem_of("tool-twice", f"{at}.name", name)
            names.add(name)
        description = function.get("description")
        if description is not None and not isinstance(description, str):
            yield problem_of("tool-description", f"{at}.description", description)
        parameters = function.get("parameters")
        if parameters is not None and not isinstance(parameters, dict):
            yield problem_of("tool-parameters", f"{at}.parameters", parameters)


def _inner(tool: object, place: str) -> tuple[object, str]:
    if isinstance(tool, dict) and "function" not in tool and "name" in tool:
        return tool.get("function"), f"{place}.function"
    return (tool.get("function"), f"{place}.function") if isinstance(tool, dict) else (tool, place)


@lru_cache(maxsize=1_000)
def good_function_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def check_function_name(name: object, path: str) -> Iterator[Problem]:
    if not isinstance(name, str) or not good_function_name(name):
        yield problem_of("function-name", path, name)


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
            yield problem_of("tool-calls", f"{path}.tool_calls", calls)
        else:
            for index, call in enumerate(calls):
                yield from _check_call(call, f"{path}.tool_calls[{index}]")
    if "function_call" in message and message["function_call"] is not None:
        call = message["function_call"]
        if not isinstance(call, dict):
            yield problem_of("tool-calls.legacy", f"{path}.function_call", call)
        else:
            yield from _check_function(call, f"{path}.function_call")


def _check_call(call: object, path: str) -> Iterator[Problem]:
    if not isinstance(call, dict):
        yield problem_of("tool-calls.object", path, call)
        return
    if not isinstance(call.get("id"), str) or not call["id"]:
        yield problem_of("call-id", f"{path}.id", call.get("id"))
    if call.get("type") != "function":
        yield problem_of("tool-type", f"{path}.type", call.get("type"))
    function = call.get("function")
    if isinstance(function, dict):
        yield from _check_function(function, f"{path}.function")
    else:
        yield problem_of("tool-calls.function", f"{path}.function", function)


def _check_function(function: Mapping[str, Any], path: str) -> Iterator[Problem]:
    yield from check_function_name(function.get("name"), f"{path}.name")
    arguments = function.get("arguments")
    at = f"{path}.arguments"
    if not isinstance(arguments, str):
        yield problem_of("arguments-type", at, arguments)
        return
    value, problem = read_arguments(arguments)
    if not arguments:
        yield problem_of("arguments-json.empty", at, '""')
    elif problem:
        yield problem_of("arguments-json", at, arguments, reason=problem)
    elif not isinstance(value, dict):
        yield problem_of("arguments-object", at, arguments, type=json_type(value))
    elif keys_written(arguments) != count_keys(value):
        for path, key, lost, _ in lost_values(arguments):
            yield problem_of("duplicate-key", f"{at}{path}.{key}", lost, key=key)


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
            yield problem_of("tool-call-id", f"{path}.tool_call_id", message.get("tool_call_id"))
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
                yield problem_of("tool-answer-unmatched", f"{path}[{index}].tool_call_id", answered)
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
                yield problem_of("call-id-twice", f"{at}.id", name)
            elif name in seen:
                yield problem_of("call-id-again", f"{at}.id", name)
            open_calls[name] = f"{at}"
            seen.add(name)
    if messages and messages[-1][1].get("role") == "tool":
        yield from _unanswered(open_calls)


def _unanswered(open_calls: Mapping[str, str]) -> Iterator[Problem]:
    for name, at in open_calls.items():
        yield problem_of("tool-call-unanswered", at, name)


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
        yield problem_of("tool-unknown", f"{at}.name", name, offered=", ".join(list(tools)[:6]))
        return
    arguments = function.get("arguments") if isinstance(function, dict) else None
    value, _ = read_arguments(arguments) if isinstance(arguments, str) else (None, "")
    if isinstance(value, dict):
        yield from check_arguments(name, value, tools[name], f"{at}.arguments")
