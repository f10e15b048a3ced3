"""A response as the Responses API writes it: one object, or the documented events."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tunebook_local.desk.chat import Chat, Choice, Piece
from tunebook_local.desk.responses import ResponseRequest
from tunebook_local.http.completions import event


@dataclass(frozen=True)
class TextResponse:
    """One reply; `created` in unix seconds."""

    request: ResponseRequest
    chat: Chat
    created: int
    id: str = field(default_factory=lambda: f"resp_{uuid.uuid4().hex}")
    message_id: str = field(default_factory=lambda: f"msg_{uuid.uuid4().hex}")

    def whole(self) -> dict[str, Any]:
        """The answer as one object."""
        (choice,) = self.chat.choices()
        for _ in choice:
            pass
        return self._ended(choice)

    def streamed(self) -> Iterator[bytes]:
        """The answer as server-sent events, in the order of the specification."""
        numbers = count()

        def said(kind: str, **more: Any) -> bytes:
            return event({"type": kind, "sequence_number": next(numbers), **more}, kind)

        (choice,) = self.chat.choices()
        item, part = {"output_index": 0}, {"item_id": self.message_id, "output_index": 0, "content_index": 0}
        begun = self._body("in_progress", [], None)
        yield said("response.created", response=begun)
        yield said("response.in_progress", response=begun)
        yield said("response.output_item.added", **item, item=self._message("in_progress", []))
        yield said("response.content_part.added", **part, part=_text(""))
        for piece in choice:
            if isinstance(piece, Piece):
                yield said("response.output_text.delta", **part, delta=piece.text, logprobs=[])
        ended = self._ended(choice)
        (message,) = ended["output"]
        yield said("response.output_text.done", **part, text=choice.text, logprobs=[])
        yield said("response.content_part.done", **part, part=_text(choice.text))
        yield said("response.output_item.done", **item, item=message)
        yield said(f"response.{ended['status']}", response=ended)

    def _ended(self, choice: Choice) -> dict[str, Any]:
        status = "incomplete" if choice.ended == "length" else "completed"
        asked, said = self.chat.prompt_tokens(), self.chat.answer_tokens(choice)
        usage = {
            "input_tokens": asked,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": said,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": asked + said,
        }
        return self._body(status, [self._message(status, [_text(choice.text)])], usage)

    def _body(self, status: str, output: list[dict[str, Any]], usage: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "model": self.chat.model,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "instructions": self.request.instructions,
            "max_output_tokens": self.request.max_output_tokens,
            "metadata": dict(self.request.metadata),
            "output": output,
            "parallel_tool_calls": True,
            "store": False,
            "temperature": self.chat.request.temperature,
            "tool_choice": "auto",
            "tools": [],
            "top_p": self.chat.request.top_p,
            "usage": usage,
        }

    def _message(self, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {"id": self.message_id, "type": "message", "role": "assistant", "status": status, "content": content}


def _text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
