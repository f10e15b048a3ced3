"""Reading the body of a response (the Responses API), text in and text out, into the chat that answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tunebook_local.desk.body import Body, flag_in, must_be, number_in, shown, whole_in
from tunebook_local.desk.chat_request import DEFAULT_ANSWER, ChatRequest, refuse_unknown
from tunebook_local.desk.refusals import invalid

_ROLES = ("user", "assistant", "system", "developer")
_TEXTS = ("input_text", "output_text", "text")
_LEAST_OUTPUT = 16  # tokens; OpenAI's specification
_HONOURED = {
    *("model", "input", "instructions", "max_output_tokens", "temperature", "top_p", "stream", "metadata"),
    *("user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"),  # these change no answer
}
_NEUTRAL: dict[str, Callable[[Any], bool]] = {  # what is refused but for these values, which change nothing
    "store": lambda value: value is False,
    "tools": lambda value: value == [],
    "tool_choice": lambda value: value in ("auto", "none"),
    "parallel_tool_calls": lambda value: isinstance(value, bool),
    "truncation": lambda value: value == "disabled",
    "background": lambda value: value is False,
    "include": lambda value: value == [],
    "text": lambda value: isinstance(value, dict) and value.get("format", {"type": "text"}) == {"type": "text"},
    "service_tier": lambda value: value in ("auto", "default"),
    "top_logprobs": lambda value: value == 0,
    "stream_options": lambda value: value == {},
}
_REFUSED = {
    "store": "responses are not stored here",
    "previous_response_id": "responses are not stored here; send the whole conversation as input",
    "conversation": "conversations are not stored here; send the whole conversation as input",
    "tools": "it answers in text; chat completions call tools",
    "tool_choice": "it answers in text; chat completions call tools",
    "parallel_tool_calls": "it answers in text; chat completions call tools",
    "max_tool_calls": "it answers in text; chat completions call tools",
    "truncation": "say disabled",
    "background": "the practice model answers at once",
    "include": "there is nothing more to tell; chat completions give log probabilities",
    "text": "the practice model writes free text and cannot promise a structure",
    "reasoning": "the practice model does not reason",
    "prompt": "no prompts are stored here",
    "service_tier": "there is one tier here: auto or default",
    "top_logprobs": "chat completions give log probabilities",
    "stream_options": "there is nothing to choose",
}


@dataclass(frozen=True)
class ResponseRequest:
    """A response that is well formed: the chat it comes to, and what the reply repeats."""

    chat: ChatRequest
    instructions: str | None
    metadata: Mapping[str, Any]
    max_output_tokens: int | None


def read_response_request(body: Body) -> ResponseRequest:
    """The request as a record; raises Refusal naming the first field that does not fit."""
    body = {key: value for key, value in body.items() if value is not None}
    refuse_unknown(body, _HONOURED, _REFUSED, _NEUTRAL)
    instructions, metadata = body.get("instructions"), body.get("metadata", {})
    if instructions is not None and not isinstance(instructions, str):
        raise must_be("instructions", "a string", instructions, "instructions")
    if not isinstance(metadata, dict):
        raise must_be("metadata", "an object", metadata, "metadata")
    longest = whole_in(body, "max_output_tokens", _LEAST_OUTPUT, 2**31 - 1, default=0)
    first = [{"role": "system", "content": instructions}] if instructions else []
    chat = ChatRequest(
        messages=first + _messages(body.get("input")),
        temperature=number_in(body, "temperature", 0.0, 2.0, default=1.0),
        top_p=number_in(body, "top_p", 0.0, 1.0, default=1.0),
        stream=flag_in(body, "stream"),
        max_tokens=longest or DEFAULT_ANSWER,
    )
    return ResponseRequest(chat, instructions, metadata, longest or None)


def _messages(given: Any) -> list[dict[str, Any]]:
    if isinstance(given, str) and given:
        return [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise must_be("input is required and", "a string or a list of messages", given, "input")
    return [_message(item, f"input[{place}]") for place, item in enumerate(given)]


def _message(item: Any, where: str) -> dict[str, Any]:
    if not isinstance(item, dict) or item.get("type", "message") != "message" or item.get("role") not in _ROLES:
        raise must_be(where, f"a message of one of the roles {', '.join(_ROLES)}", item, where)
    content = item.get("content")
    if isinstance(content, str):
        return {"role": item["role"], "content": content}
    if not isinstance(content, list):
        raise must_be(f"{where}.content", "a string or a list of parts", content, where)
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else part
        if kind not in _TEXTS:
            raise invalid(f"{where} has a part {shown(kind)}: the practice model reads text only.", where)
        if not isinstance(part.get("text"), str):
            raise must_be(f"{where}.content.text", "a string", part.get("text"), where)
    return {"role": item["role"], "content": "\n".join(part["text"] for part in content)}
