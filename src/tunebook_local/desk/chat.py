"""Chat completions: a request checked, the model it names found, answers sampled from its weights."""

from __future__ import annotations

import secrets
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunebook_local.desk import Desk
from tunebook_local.desk.body import flag_in, must_be, number_in, object_in, whole_in
from tunebook_local.desk.deployments import deployment_to_ask
from tunebook_local.desk.models import find_model
from tunebook_local.desk.preprocessing import conversation_tokens, text_tokens
from tunebook_local.desk.refusals import Refusal, invalid

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
    newer = body.get("max_completion_tokens") is not None
    tools = body.get("tools")
    if tools is not None and not _are_objects(tools):
        raise must_be("tools", "a list of objects", tools, "tools")
    return ChatRequest(
        messages=_messages(body.get("messages")),
        tools=tools,
        temperature=number_in(body, "temperature", 0.0, 2.0, default=1.0),
        max_tokens=whole_in(
            body, "max_completion_tokens" if newer else "max_tokens", 1, 2**31 - 1, default=_DEFAULT_ANSWER
        ),
        choices=whole_in(body, "n", 1, _MOST_CHOICES, default=1),
        seed=whole_in(body, "seed", -(2**63), 2**63 - 1, default=secrets.randbelow(2**31)),
        stop=_stops(body.get("stop")),
        stream=flag_in(body, "stream"),
        stream_usage=flag_in(object_in(body, "stream_options"), "include_usage"),
    )


def _messages(messages: Any) -> list[dict[str, Any]]:
    if not isinstance(messages, list) or not messages:
        raise must_be("messages is required and", "a list that is not empty", messages, "messages")
    for place, message in enumerate(messages):
        where = f"messages[{place}]"
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise invalid(f"{where}.role must be one of {', '.join(_ROLES)}.", where)
        content, calls = message.get("content"), message.get("tool_calls")
        left_out = content is None and message["role"] == "assistant"
        if not (isinstance(content, str) or _are_objects(content) or left_out):
            raise must_be(f"{where}.content", "a string or a list of parts", content, where)
        if calls is not None and not _are_objects(calls):
            raise must_be(f"{where}.tool_calls", "a list of objects", calls, where)
    return messages


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _stops(value: Any) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(stops, list) or len(stops) > _MOST_STOPS or not all(isinstance(s, str) and s for s in stops):
        raise must_be("stop", f"a string or a list of at most {_MOST_STOPS} strings", value, "stop")
    return tuple(stops)


@dataclass
class Choice:
    """One answer: iterate over its pieces; after the last, `text` is all of it and `ended` says why it ended."""

    sampled: Generator[str, None, str]
    text: str = ""
    ended: str = "stop"

    def __iter__(self) -> Iterator[str]:
        for piece in self._sample():
            if piece:
                self.text += piece
                yield piece

    def _sample(self) -> Iterator[str]:
        self.ended = yield from self.sampled


@dataclass(frozen=True)
class Chat:
    """One request and the model that answers it, in `weights` (None: the base practice model)."""

    request: ChatRequest
    model: str  # as the reply names it
    base_model: str
    weights: Path | None

    def choices(self) -> list[Choice]:
        """The answers asked for, none of them sampled yet."""
        from tunebook_local.model.sampling import generate  # numpy: not before somebody asks something

        request = self.request
        return [
            Choice(
                generate(
                    self.weights,
                    request.messages,
                    temperature=request.temperature,
                    max_tokens=min(request.max_tokens, _LARGEST_ANSWER),
                    seed=(request.seed + index) % 2**63,
                    stop=request.stop,
                    tools=request.tools,
                )
            )
            for index in range(request.choices)
        ]

    def tokens(self, answers: list[str]) -> tuple[int, int]:
        """Tokens of the conversation and of the answers, in the named model's encoding."""
        request = self.request
        prompt = conversation_tokens(request.messages, request.tools, self.base_model)
        return prompt, sum(text_tokens(text, self.base_model) for text in answers)


def open_chat(desk: Desk, request: ChatRequest, name: Any) -> Chat:
    """The model behind the deployment `name`; in OpenAI's dialect a model's own name will do."""
    if not isinstance(name, str) or not name:
        raise invalid("model is required: the name of a deployment.", "model")
    try:
        deployment = deployment_to_ask(desk, name)
        model, base_model, weights = deployment.model, deployment.base_model, deployment.weights
    except Refusal:
        source = find_model(desk, name) if desk.dialect == "openai" else None
        if source is None:
            raise
        model, base_model, weights = source.name, source.base.id, source.weights
    return Chat(request, model, base_model, desk.store.jobs / weights if weights else None)
