"""What was tried in a playground: one prompt, the answers of several deployments, and the cases made of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tunebook.show import Card, Span, Table, escape, facts
from tunebook.widgets.pieces import notice

_SHORT = 160  # characters of a prompt or answer in the log's table


@dataclass(frozen=True)
class Settings:
    """How the deployments are asked. None leaves a parameter out."""

    temperature: float | None = 0.0
    seed: int | None = None
    max_tokens: int | None = 400

    def parameters(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Reply:
    """One deployment's answer, as far as it has come. `state`: waiting, answering, done, stopped or failed."""

    model: str
    text: str = ""
    state: str = "waiting"
    seconds: float = 0.0
    first_s: float | None = None  # until the first piece of text
    error: str = ""
    finish_reason: str | None = None

    def extended(self, choice: Any, seconds: float) -> Reply:
        """The reply with what one chunk of the stream adds, `seconds` after it was asked for."""
        delta = getattr(choice, "delta", None)  # a chunk of the asynchronous content filter has none
        text = getattr(delta, "content", None) or ""
        for call in getattr(delta, "tool_calls", None) or ():
            text += f"{call.function.name or ''}{call.function.arguments or ''}" if call.function else ""
        first = self.first_s if self.first_s is not None or not text else seconds
        return replace(
            self,
            text=self.text + text,
            state="answering",
            seconds=seconds,
            first_s=first,
            finish_reason=choice.finish_reason or self.finish_reason,
        )


@dataclass(frozen=True)
class Turn:
    """One prompt with its answers; `expected` is what the right answer would be, once somebody has said it."""

    prompt: str
    system: str
    settings: Settings
    replies: tuple[Reply, ...]
    expected: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def messages(self) -> list[dict[str, str]]:
        return messages_of(self.prompt, self.system)

    def answer(self, model: str) -> str:
        """What one deployment answered."""
        return next((reply.text for reply in self.replies if reply.model == model), "")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def case(self) -> dict[str, Any] | None:
        """The turn as an example in the training format; None while no answer is called right."""
        if self.expected is None:
            return None
        return {"messages": [*self.messages, {"role": "assistant", "content": self.expected}]}


def messages_of(prompt: str, system: str) -> list[dict[str, str]]:
    """The conversation that is sent; an empty system message is left out."""
    user = {"role": "user", "content": prompt}
    return [{"role": "system", "content": system}, user] if system.strip() else [user]


def code(models: Sequence[str], prompt: str, system: str, settings: Settings) -> str:
    """The calls that ask the same, ready to paste into a cell."""
    lines = ["messages = ["]
    lines += [f"    {message!r}," for message in messages_of(prompt, system)]
    lines += ["]", f"for model in {list(models)!r}:", "    reply = ws.client.chat.completions.create("]
    lines += ["        model=model,", "        messages=messages,"]
    lines += [f"        {name}={value!r}," for name, value in settings.parameters().items()]
    lines += ["    )", '    print(f"{model}: {reply.choices[0].message.content}")']
    return "\n".join(lines)


def standing(reply: Reply) -> str:
    """How far an answer is, in words."""
    state = {
        "waiting": "… waiting",
        "answering": "… answering",
        "done": f"✓ {reply.seconds:.1f} s",
        "stopped": f"■ stopped after {reply.seconds:.1f} s",
        "failed": "✕ failed",
    }[reply.state]
    if reply.state == "done" and reply.first_s is not None:
        state += f", first words after {reply.first_s:.1f} s"
    if reply.finish_reason == "length":
        state += ", cut off at max_tokens"
    elif reply.finish_reason == "content_filter":
        state += ", refused by the content filter"
    return state


def reply_html(reply: Reply) -> str:
    """One answer with how it stands, in the living playground."""
    text = f'<div class="tb-answer">{escape(reply.text)}</div>' if reply.text or not reply.error else ""
    error = notice(reply.error, "bad") if reply.error else ""
    return f'<h4>{escape(reply.model)} <span class="tb-muted">{escape(standing(reply))}</span></h4>{text}{error}'


def turn_card(turn: Turn) -> Card:
    """A whole turn side by side, for the saved picture."""
    answers = [Span(reply.text, "excerpt") if reply.text else Span(reply.error, tone="bad") for reply in turn.replies]
    states = [Span(standing(reply), "muted") for reply in turn.replies]
    return Card(
        facts([("system message", Span(turn.system.strip(), "excerpt")), ("prompt", Span(turn.prompt, "excerpt"))]),
        Table([reply.model for reply in turn.replies], [answers, states]),
    )


def log_table(turns: Sequence[Turn], *, most: int = 12) -> Table | None:
    """The newest turns as a table; which have become cases is said in words."""
    if not turns:
        return None
    models = list(dict.fromkeys(reply.model for turn in turns for reply in turn.replies))
    rows = [
        (
            str(len(turns) - place),
            Span(shortened(turn.prompt), "words"),
            *(Span(shortened(turn.answer(model)), "words") for model in models),
            Span(f"✓ case: {shortened(turn.expected)}", "words") if turn.expected is not None else "",
        )
        for place, turn in enumerate(reversed(turns[-most:]))
    ]
    made = sum(turn.expected is not None for turn in turns)
    caption = f"Tried so far: {len(turns)}; evaluation cases: {made}"
    return Table(["", "prompt", *models, "expected"], rows, caption)


def shortened(text: str) -> str:
    return text if len(text) <= _SHORT else f"{text[:_SHORT]} …"


def cases_of(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """The examples of all turns whose right answer was said; of the same prompt the newest."""
    made = {json.dumps(turn.messages): turn.case for turn in turns if turn.case is not None}
    return [case for case in made.values() if case is not None]
