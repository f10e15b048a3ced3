"""Reading the body of a chat completion: every key is honoured, or refused with a sentence; none is passed over."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tunebook_local.desk.body import Body, flag_in, must_be, number_in, object_in, shown, whole_in
from tunebook_local.desk.refusals import Refusal, invalid

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
DEFAULT_ANSWER = 256
_MOST_CHOICES = 8
_MOST_STOPS = 4
_MOST_TOP = 20

_HONOURED = {
    *("model", "messages", "tools", "tool_choice", "parallel_tool_calls", "temperature", "top_p", "seed", "stop", "n"),
    *("frequency_penalty", "presence_penalty", "max_tokens", "max_completion_tokens", "stream", "stream_options"),
    *("logprobs", "top_logprobs", "reasoning_effort"),
}
# These say who asks and how the service should keep its house; they change no answer.
_WITHOUT_EFFECT = {
    *("user", "metadata", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "user_security_context"),
}
_NEUTRAL: dict[str, Callable[[Any], bool]] = {  # what is refused but for these values, which change nothing
    "response_format": lambda value: isinstance(value, dict) and value.get("type") == "text",
    "modalities": lambda value: value == ["text"],
    "logit_bias": lambda value: value == {},
    "store": lambda value: value is False,
    "service_tier": lambda value: value in ("auto", "default"),
}
_REFUSED = {
    "response_format": "the practice model writes free text and cannot promise a structure; leave it out or say text",
    "modalities": "the practice model writes text only",
    "audio": "the practice model writes text only",
    "logit_bias": "its token numbers are those of another vocabulary than the practice model's",
    "store": "completions are not stored here",
    "service_tier": "there is one tier here: auto or default",
    "functions": "it is deprecated; say tools",
    "function_call": "it is deprecated; say tool_choice",
    "prediction": "the practice model has no predicted outputs",
    "web_search_options": "nothing is searched here",
    "data_sources": "no data of yours is searched here",
    "verbosity": "the practice model knows none",
}


@dataclass(frozen=True)
class ChatRequest:
    """A chat completion that is well formed. `call`: none, auto, required, or the name of the tool to call."""

    messages: list[dict[str, Any]]
    max_tokens: int = DEFAULT_ANSWER
    tools: list[dict[str, Any]] | None = None
    call: str = "none"
    parallel_calls: bool = True
    temperature: float = 1.0
    top_p: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    choices: int = 1
    seed: int = field(default_factory=lambda: secrets.randbelow(2**31))
    stop: tuple[str, ...] = ()
    stream: bool = False
    stream_usage: bool = False
    top_logprobs: int | None = None  # None: no log probabilities
    reasoning_effort: str | None = None


def read_chat_request(body: Body) -> ChatRequest:
    """The request as a record; raises Refusal naming the first field that does not fit."""
    body = {key: value for key, value in body.items() if value is not None}
    refuse_unknown(body, _HONOURED | _WITHOUT_EFFECT, _REFUSED, _NEUTRAL)
    tools = _tools(body.get("tools"))
    longest = "max_completion_tokens" if "max_completion_tokens" in body else "max_tokens"
    return ChatRequest(
        messages=_messages(body.get("messages")),
        tools=tools,
        call=_tool_choice(body, tools),
        parallel_calls=flag_in(body, "parallel_tool_calls", default=True),
        temperature=number_in(body, "temperature", 0.0, 2.0, default=1.0),
        top_p=number_in(body, "top_p", 0.0, 1.0, default=1.0),
        frequency_penalty=number_in(body, "frequency_penalty", -2.0, 2.0, default=0.0),
        presence_penalty=number_in(body, "presence_penalty", -2.0, 2.0, default=0.0),
        max_tokens=whole_in(body, longest, 1, 2**31 - 1, default=DEFAULT_ANSWER),
        choices=whole_in(body, "n", 1, _MOST_CHOICES, default=1),
        seed=whole_in(body, "seed", -(2**63), 2**63 - 1, default=secrets.randbelow(2**31)),
        stop=_stops(body.get("stop")),
        stream=flag_in(body, "stream"),
        stream_usage=_stream_usage(body),
        top_logprobs=_top_logprobs(body),
        reasoning_effort=body.get("reasoning_effort"),
    )


def refuse_unknown(
    body: Body, known: set[str], refused: Mapping[str, str], neutral: Mapping[str, Callable[[Any], bool]]
) -> None:
    """Refuse the first key that would have no effect: in Azure's words where it is none of the API's at all."""
    for key, value in body.items():
        if key in known or (key in neutral and neutral[key](value)):
            continue
        if key in refused:
            raise invalid(f"{key} is not supported by this embedded service: {refused[key]}.", key)
        raise invalid(f"Unrecognized request argument supplied: {key}", key)


def _messages(messages: Any) -> list[dict[str, Any]]:
    if not isinstance(messages, list) or not messages:
        raise must_be("messages is required and", "a list that is not empty", messages, "messages")
    for place, message in enumerate(messages):
        where = f"messages[{place}]"
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise invalid(f"{where}.role must be one of {', '.join(_ROLES)}.", where)
        content = message.get("content")
        if content is not None or message["role"] != "assistant":
            _check_content(content, f"{where}.content")
        _check_calls(message.get("tool_calls"), f"{where}.tool_calls")
        if message.get("function_call") is not None:
            _check_function(message["function_call"], f"{where}.function_call")
    return messages


def _check_content(content: Any, where: str) -> None:
    if isinstance(content, str):
        return
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise must_be(where, "a string or a list of parts", content, where)
    for place, part in enumerate(content):
        kind = part.get("type")
        if kind not in ("text", "refusal"):
            raise invalid(
                f"Invalid content type. {shown(kind)} is only supported by certain models: the practice model of this "
                "embedded service reads text only.",
                f"{where}[{place}].type",
            )
        if not isinstance(part.get(kind), str):
            raise must_be(f"{where}[{place}].{kind}", "a string", part.get(kind), f"{where}[{place}]")


def _check_calls(calls: Any, where: str) -> None:
    if calls is None:
        return
    if not isinstance(calls, list):
        raise must_be(where, "a list of objects", calls, where)
    for place, call in enumerate(calls):
        function = call.get("function") if isinstance(call, dict) else call
        _check_function(function, f"{where}[{place}].function")


def _check_function(function: Any, where: str) -> None:
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise must_be(where, "an object with a name", function, where)
    if not isinstance(function.get("arguments", ""), str):
        raise must_be(f"{where}.arguments", "a string", function["arguments"], where)


def _tools(tools: Any) -> list[dict[str, Any]] | None:
    if tools is None:
        return None
    if not isinstance(tools, list):
        raise must_be("tools", "a list of objects", tools, "tools")
    for place, tool in enumerate(tools):
        where = f"tools[{place}]"
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or tool.get("type") != "function":
            raise must_be(where, 'a function: {"type": "function", "function": {"name": …}}', tool, where)
        if not isinstance(function.get("name"), str) or not function["name"]:
            raise must_be(f"{where}.function.name", "a string", function.get("name"), where)
    return tools or None


def _tool_choice(body: Body, tools: list[dict[str, Any]] | None) -> str:
    given = body.get("tool_choice")
    if tools is None:
        for key in ("tool_choice", "parallel_tool_calls"):
            if key in body:
                raise invalid(f"Invalid value for '{key}': '{key}' is only allowed when 'tools' are specified.", key)
        return "none"
    if given in (None, "auto", "none", "required"):
        return given or "auto"
    function = given.get("function") if isinstance(given, dict) and given.get("type") == "function" else None
    name = function.get("name") if isinstance(function, dict) else None
    if name not in [tool["function"]["name"] for tool in tools]:
        words = "none, auto, required, or a function by the name of one of the tools"
        raise must_be("tool_choice", words, given, "tool_choice")
    return f"function:{name}"


def _stops(value: Any) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(stops, list) or len(stops) > _MOST_STOPS or not all(isinstance(s, str) and s for s in stops):
        raise must_be("stop", f"a string or a list of at most {_MOST_STOPS} strings", value, "stop")
    return tuple(stops)


def _stream_usage(body: Body) -> bool:
    options = object_in(body, "stream_options")
    if options and not body.get("stream"):
        raise invalid("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    return flag_in(options, "include_usage")


def _top_logprobs(body: Body) -> int | None:
    top = whole_in(body, "top_logprobs", 0, _MOST_TOP, default=0)
    if flag_in(body, "logprobs"):
        return top
    if "top_logprobs" in body:
        raise invalid("top_logprobs is only allowed when logprobs is true.", "top_logprobs")
    return None


def refuse_effort(request: ChatRequest, methods: tuple[str, ...]) -> None:
    """A model that does not reason is asked for no effort; one that does has none here, whatever it is asked for."""
    if request.reasoning_effort is not None and "reinforcement" not in methods:
        raise Refusal(
            400, "invalidPayload", "Unrecognized request argument supplied: reasoning_effort", "reasoning_effort"
        )
