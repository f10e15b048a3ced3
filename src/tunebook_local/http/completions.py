"""The answers of a chat as the API writes them: one object, or server-sent events."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tunebook_local.desk.chat import Call, Chat, Choice, Piece
from tunebook_local.desk.models import OWNER


@dataclass(frozen=True)
class Completion:
    """One reply; `created` in unix seconds."""

    chat: Chat
    created: int
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")

    def whole(self) -> dict[str, Any]:
        """The answers as one object."""
        choices = self.chat.choices()
        written = [self._written(index, choice) for index, choice in enumerate(choices)]
        return {**self._head("chat.completion"), "choices": written, "usage": self._usage(choices)}

    def _written(self, index: int, choice: Choice) -> dict[str, Any]:
        said = list(choice)
        pieces = [each for each in said if isinstance(each, Piece)]
        calls = [_call(each) for each in said if isinstance(each, Call)]
        text = "".join(piece.text for piece in pieces)
        message = {"role": "assistant", "content": text or (None if calls else ""), "refusal": None}
        return {
            "index": index,
            "message": {**message, "tool_calls": calls} if calls else message,
            "finish_reason": choice.ended,
            "logprobs": self._logprobs([token for piece in pieces for token in piece.tokens]),
        }

    def streamed(self) -> Iterator[bytes]:
        """The answers as server-sent events, piece by piece."""
        choices = self.chat.choices()
        for index, choice in enumerate(choices):
            yield self._chunk(index, {"role": "assistant", "content": "", "refusal": None})
            calls = 0
            for each in choice:
                if isinstance(each, Piece):
                    yield self._chunk(index, {"content": each.text}, logprobs=self._logprobs(each.tokens))
                    continue
                function = {"name": each.name, "arguments": ""}
                yield self._chunk(index, {"tool_calls": [{"index": calls, **_call(each), "function": function}]})
                yield self._chunk(index, {"tool_calls": [{"index": calls, "function": {"arguments": each.arguments}}]})
                calls += 1
            yield self._chunk(index, {}, choice.ended)
        if self.chat.request.stream_usage:
            yield event({**self._head("chat.completion.chunk"), "choices": [], "usage": self._usage(choices)})
        yield b"data: [DONE]\n\n"

    def _chunk(
        self, index: int, delta: dict[str, Any], ended: str | None = None, logprobs: dict[str, Any] | None = None
    ) -> bytes:
        choice = {"index": index, "delta": delta, "finish_reason": ended, "logprobs": logprobs}
        usage = {"usage": None} if self.chat.request.stream_usage else {}
        return event({**self._head("chat.completion.chunk"), "choices": [choice], **usage})

    def _head(self, kind: str) -> dict[str, Any]:
        head = {"id": self.id, "object": kind, "created": self.created, "model": self.chat.model}
        return {**head, "system_fingerprint": OWNER}

    def _logprobs(self, tokens: Sequence[Any]) -> dict[str, Any] | None:
        if self.chat.request.top_logprobs is None:
            return None
        content = [
            {**_token(each.said, each.log_p), "top_logprobs": [_token(*other) for other in each.top]} for each in tokens
        ]
        return {"content": content, "refusal": None}

    def _usage(self, choices: list[Choice]) -> dict[str, int]:
        prompt, answers = self.chat.prompt_tokens(), sum(map(self.chat.answer_tokens, choices))
        return {"prompt_tokens": prompt, "completion_tokens": answers, "total_tokens": prompt + answers}


def _call(call: Call) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _token(said: bytes, log_p: float) -> dict[str, Any]:
    return {"token": said.decode("utf-8", "replace"), "logprob": log_p, "bytes": list(said)}


def event(body: dict[str, Any], kind: str | None = None) -> bytes:
    """A server-sent event."""
    name = f"event: {kind}\n".encode() if kind else b""
    return name + b"data: " + msgspec.json.encode(body) + b"\n\n"
