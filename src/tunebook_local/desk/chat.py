"""Chat completions: a request checked, an answer sampled from the deployed weights, written as the API writes it."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tunebook_local.desk.preprocessing import conversation_tokens, text_tokens
from tunebook_local.desk.refusals import invalid

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_LARGEST_ANSWER = 4096  # tokens; the practice model's answers are short
_DEFAULT_ANSWER = 256
_MOST_CHOICES = 8
_MOST_STOPS = 4


@dataclass(frozen=True)
class ChatRequest:
    """A chat completion that is well formed."""

    messages: list[dict[str, Any]]
    tools: list[Any] | None
    temperature: float
    max_tokens: int
    choices: int
    seed: int
    stop: tuple[str, ...]
    stream: bool
    stream_usage: bool


def read_chat_request(body: Mapping[str, Any]) -> ChatRequest:
    """The request as a record; raises Refusal naming the first field that does not fit."""
    stop = body.get("stop")
    stops = [stop] if isinstance(stop, str) else [] if stop is None else stop
    if not isinstance(stops, list) or len(stops) > _MOST_STOPS or not all(isinstance(s, str) and s for s in stops):
        raise invalid(f"stop must be a string or a list of at most {_MOST_STOPS} strings.", "stop")
    options = body.get("stream_options") or {}
    if not isinstance(options, dict):
        raise invalid("stream_options must be an object.", "stream_options")
    longest = body.get("max_completion_tokens")
    name = "max_tokens" if longest is None else "max_completion_tokens"
    return ChatRequest(
        messages=_messages(body.get("messages")),
        tools=_tools(body.get("tools")),
        temperature=_number(body, "temperature", 1.0, 0.0, 2.0),
        max_tokens=_whole(body, name, _DEFAULT_ANSWER, 1, 2**31 - 1),
        choices=_whole(body, "n", 1, 1, _MOST_CHOICES),
        seed=_whole(body, "seed", secrets.randbelow(2**31), -(2**63), 2**63 - 1),
        stop=tuple(stops),
        stream=_flag(body, "stream"),
        stream_usage=_flag(options, "include_usage"),
    )


def _messages(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not value:
        raise invalid("messages is required and must be a list that is not empty.", "messages")
    for place, message in enumerate(value):
        where = f"messages[{place}]"
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise invalid(f"{where}.role must be one of {', '.join(_ROLES)}.", where)
        content = message.get("content")
        if not isinstance(content, str | list) and not (message["role"] == "assistant" and content is None):
            raise invalid(f"{where}.content must be a string or a list of parts.", where)
        if isinstance(content, list) and not all(isinstance(part, dict) for part in content):
            raise invalid(f"{where}.content must be a string or a list of parts.", where)
        calls = message.get("tool_calls")
        if calls is not None and not (isinstance(calls, list) and all(isinstance(call, dict) for call in calls)):
            raise invalid(f"{where}.tool_calls must be a list of objects.", where)
    return value


def _tools(value: Any) -> list[Any] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(tool, dict) for tool in value):
        raise invalid("tools must be a list of objects.", "tools")
    return value


def _number(body: Mapping[str, Any], name: str, default: float, low: float, high: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise invalid(f"{name} must be a number from {low:g} to {high:g}.", name)
    return float(value)


def _whole(body: Mapping[str, Any], name: str, default: int, low: int, high: int) -> int:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise invalid(f"{name} must be a whole number from {low} to {high}.", name)
    return value


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise invalid(f"{name} must be true or false.", name)
    return bool(value)


@dataclass
class Answering:
    """One request being answered by the model in `weights` (None: the base practice model)."""

    request: ChatRequest
    model: str  # as the reply names it
    base_model: str
    weights: Path | None
    created: int

    def __post_init__(self) -> None:
        self.id = f"chatcmpl-{uuid.uuid4().hex}"
        self._answered = 0  # tokens

    def _pieces(self, choice: int) -> Generator[str, None, str]:
        """The answer's text piece by piece; why it ended."""
        from tunebook_local.model.trainer import generate  # numpy: not before somebody asks something

        asked = self.request
        text: list[str] = []
        sampled = generate(
            self.weights,
            asked.messages,
            temperature=asked.temperature,
            max_tokens=min(asked.max_tokens, _LARGEST_ANSWER),
            seed=(asked.seed + choice) % 2**63,
            stop=asked.stop,
            tools=asked.tools,
        )
        while True:
            try:
                piece = next(sampled)
            except StopIteration as end:
                self._answered += text_tokens("".join(text), self.base_model)
                return str(end.value or "stop")
            if piece:
                text.append(piece)
                yield piece

    def whole(self) -> dict[str, Any]:
        """The answer as one object."""
        choices = []
        for index in range(self.request.choices):
            text, reason = _joined(self._pieces(index))
            message = {"role": "assistant", "content": text, "refusal": None}
            choices.append({"index": index, "message": message, "finish_reason": reason, "logprobs": None})
        return {**self._head("chat.completion"), "choices": choices, "usage": self._usage()}

    def streamed(self) -> Iterator[bytes]:
        """The answer as server-sent events, piece by piece."""
        for index in range(self.request.choices):
            yield self._sent(index, {"role": "assistant", "content": "", "refusal": None})
            pieces = self._pieces(index)
            reason = "stop"
            while True:
                try:
                    yield self._sent(index, {"content": next(pieces)})
                except StopIteration as end:
                    reason = end.value
                    break
            yield self._sent(index, {}, reason)
        if self.request.stream_usage:
            yield _event({**self._head("chat.completion.chunk"), "choices": [], "usage": self._usage()})
        yield b"data: [DONE]\n\n"

    def _sent(self, index: int, delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "finish_reason": reason, "logprobs": None}
        usage = {"usage": None} if self.request.stream_usage else {}
        return _event({**self._head("chat.completion.chunk"), "choices": [choice], **usage})

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": "tunebook-embedded-stand-in",
        }

    def _usage(self) -> dict[str, int]:
        asked = conversation_tokens(self.request.messages, self.request.tools, self.base_model)
        return {
            "prompt_tokens": asked,
            "completion_tokens": self._answered,
            "total_tokens": asked + self._answered,
        }


def _joined(pieces: Generator[str, None, str]) -> tuple[str, str]:
    text = []
    while True:
        try:
            text.append(next(pieces))
        except StopIteration as end:
            return "".join(text), end.value


def _event(body: Mapping[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(body) + b"\n\n"
