"""Chat completions: the model that a request names, and its answers, sampled from its weights."""

from __future__ import annotations

import uuid
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunebook.catalogue import load_catalogue
from tunebook_local.desk import Desk
from tunebook_local.desk.chat_request import ChatRequest, refuse_effort
from tunebook_local.desk.deployments import deployment_to_ask
from tunebook_local.desk.models import find_model
from tunebook_local.desk.preprocessing import conversation_tokens, text_tokens
from tunebook_local.desk.refusals import Refusal, invalid
from tunebook_local.model.messages import CALLS, calls_beginning, read_tool_calls

if TYPE_CHECKING:
    from tunebook_local.model.sampling import Sampled  # numpy: not before somebody asks something

_LARGEST_ANSWER = 4096  # tokens; the practice model's answers are short


@dataclass(frozen=True)
class Piece:
    """Some text of an answer, and the tokens said meanwhile when they were asked for."""

    text: str
    tokens: tuple[Sampled, ...] = ()


@dataclass(frozen=True)
class Call:
    """A tool that the model calls; `arguments` is its text, JSON if the model has learned to write it."""

    name: str
    arguments: str
    id: str = field(default_factory=lambda: f"call_{uuid.uuid4().hex[:24]}")


@dataclass
class Choice:
    """One answer: iterate over its pieces and calls; after the last, `ended` says why it ended.

    `text` is all that the model said, `forced` the beginning of a call that it was made to say.
    """

    sampled: Generator[str, None, str]
    tokens: list[Sampled]
    calling: bool
    parallel: bool = True
    forced: str = ""
    text: str = ""
    ended: str = "stop"

    def __iter__(self) -> Iterator[Piece | Call]:
        held = ""  # what may be the beginning of a call
        for piece in self._sample():
            self.text += piece
            held += piece
            if self.calling and CALLS in held:
                continue
            keep = _possible_call(held) if self.calling else 0
            yield from self._piece(held[: len(held) - keep])
            held = held[len(held) - keep :]
        calls = self._calls(held)
        if not calls:
            yield from self._piece(held)
            return
        yield from self._piece(held[: held.find(CALLS)].rstrip("\n"))
        yield from calls if self.parallel else calls[:1]
        self.ended = "tool_calls"

    def _sample(self) -> Iterator[str]:
        self.ended = yield from self.sampled

    def _piece(self, text: str) -> Iterator[Piece]:
        if text:
            tokens, self.tokens[:] = tuple(self.tokens), []
            yield Piece(text, tokens)

    def _calls(self, text: str) -> list[Call]:
        calls = [Call(**call["function"]) for call in read_tool_calls(text)] if self.calling else []
        if calls or not self.forced:
            return calls
        # Made to call a tool whose arguments it has not learned to write: they are what it said.
        return [Call(self.forced, text.removeprefix(calls_beginning(self.forced)).strip())]


def _possible_call(text: str) -> int:
    """How many characters at the end of `text` may be the beginning of a call."""
    beginnings = ("\n" + CALLS, CALLS)
    sizes = range(min(len(text), len(beginnings[0]) - 1), 0, -1)
    return next((size for size in sizes if any(each.startswith(text[-size:]) for each in beginnings)), 0)


@dataclass(frozen=True)
class Chat:
    """One request and the model that answers it, in `weights` (None: the base practice model)."""

    request: ChatRequest
    model: str  # as the reply names it
    base_model: str
    weights: Path | None

    @property
    def longest(self) -> int:
        """How many tokens an answer may have."""
        return min(self.request.max_tokens, _LARGEST_ANSWER)

    def choices(self) -> list[Choice]:
        """The answers asked for, none of them sampled yet."""
        return [self._choice(index) for index in range(self.request.choices)]

    def _choice(self, index: int) -> Choice:
        from tunebook_local.model.sampling import Taste, generate  # numpy: not before somebody asks something

        request, tokens = self.request, list[Any]()
        forced = self._forced()
        sampled = generate(
            self.weights,
            request.messages,
            taste=Taste(request.temperature, request.top_p, request.frequency_penalty, request.presence_penalty),
            max_tokens=self.longest,
            seed=(request.seed + index) % 2**63,
            stop=(*request.stop, CALLS) if request.tools and request.call == "none" else request.stop,
            tools=request.tools,
            begin=calls_beginning(forced) if forced else "",
            note=None if request.top_logprobs is None else tokens.append,
            top=request.top_logprobs or 0,
        )
        return Choice(sampled, tokens, request.call != "none", request.parallel_calls, forced)

    def _forced(self) -> str:
        """The tool that must be called; of several, the one that the model would sooner call."""
        request = self.request
        if request.call.startswith("function:"):
            return request.call.removeprefix("function:")
        if request.call != "required":
            return ""
        from tunebook_local.model.sampling import likeliest_beginning

        names = {calls_beginning(tool["function"]["name"]): tool["function"]["name"] for tool in request.tools or ()}
        return str(names[likeliest_beginning(self.weights, request.messages, request.tools, list(names))])

    def prompt_tokens(self) -> int:
        """Tokens of the conversation, in the named model's encoding."""
        return conversation_tokens(self.request.messages, self.request.tools, self.base_model)

    def answer_tokens(self, choice: Choice) -> int:
        """Tokens of an answer: as many as it may have when it was cut off there."""
        if choice.ended == "length":
            return self.longest
        return min(self.longest, text_tokens(choice.text, self.base_model))


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
    base = load_catalogue().model(base_model)
    refuse_effort(request, base.methods if base else ())
    return Chat(request, model, base_model, desk.store.jobs / weights if weights else None)
