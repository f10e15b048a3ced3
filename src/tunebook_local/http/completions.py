"""The answers of a chat as the API writes them: one object, or server-sent events."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tunebook_local.desk.chat import Chat, Choice
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
        written = []
        for index, choice in enumerate(choices):
            message = {"role": "assistant", "content": "".join(choice), "refusal": None}
            written.append({"index": index, "message": message, "finish_reason": choice.ended, "logprobs": None})
        return {**self._head("chat.completion"), "choices": written, "usage": self._usage(choices)}

    def streamed(self) -> Iterator[bytes]:
        """The answers as server-sent events, piece by piece."""
        choices = self.chat.choices()
        for index, choice in enumerate(choices):
            yield self._chunk(index, {"role": "assistant", "content": "", "refusal": None})
            for piece in choice:
                yield self._chunk(index, {"content": piece})
            yield self._chunk(index, {}, choice.ended)
        if self.chat.request.stream_usage:
            yield _event({**self._head("chat.completion.chunk"), "choices": [], "usage": self._usage(choices)})
        yield b"data: [DONE]\n\n"

    def _chunk(self, index: int, delta: dict[str, Any], ended: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "finish_reason": ended, "logprobs": None}
        usage = {"usage": None} if self.chat.request.stream_usage else {}
        return _event({**self._head("chat.completion.chunk"), "choices": [choice], **usage})

    def _head(self, kind: str) -> dict[str, Any]:
        head = {"id": self.id, "object": kind, "created": self.created, "model": self.chat.model}
        return {**head, "system_fingerprint": OWNER}

    def _usage(self, choices: list[Choice]) -> dict[str, int]:
        prompt, answers = self.chat.tokens([choice.text for choice in choices])
        return {"prompt_tokens": prompt, "completion_tokens": answers, "total_tokens": prompt + answers}


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(body) + b"\n\n"
