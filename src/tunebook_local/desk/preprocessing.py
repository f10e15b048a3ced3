"""What a job looks at in its files before it trains: every example fits the method, there are enough, none too long."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tunebook.catalogue import load_catalogue
from tunebook_local.desk.limits import Limits

ENCODING = "o200k_base"  # for models whose own tokenizer is not at hand
_SHOWN = 3  # problems named in one message


@dataclass
class Unusable(Exception):
    """A file or setting that the job cannot go on with; becomes the job's `error`."""

    code: str
    message: str
    param: str


def read_examples(path: Path) -> list[dict[str, Any]]:
    """The examples of a JSON Lines file whose syntax was checked on arrival."""
    with path.open("rb") as file:
        lines = (line if number else line.removeprefix(codecs.BOM_UTF8) for number, line in enumerate(file))
        return [msgspec.json.decode(line) for line in lines if line.strip()]


def check_file(path: Path, method: str, base_model: str, limits: Limits, param: str) -> None:
    """Raise Unusable when the file breaks a rule of the method or the model."""
    from tunebook.data.rules.gate import check_lines

    base = load_catalogue().model(base_model)
    longest = base.max_tokens_per_example if base else None
    with path.open("rb") as file:
        problems = check_lines(
            file,
            method=method,
            max_tokens=longest,
            encoding=encoding_of(base_model),
            min_examples=limits["min_examples"] if param == "training_file" else 0,
        )
        errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        first = "; ".join(f"line {p.line}: {p.message}" if p.line else p.message for p in errors[:_SHOWN])
        more = f" (and {len(errors) - _SHOWN} more)" if len(errors) > _SHOWN else ""
        what = param.replace("_", " ")
        raise Unusable("invalidPayload", f"The {what} does not fit the {method} method: {first}{more}", param)


def billed_tokens(examples: Sequence[Mapping[str, Any]], base_model: str) -> int:
    """Tokens of a file in the named model's encoding, chat overhead included.

    As Microsoft's fine-tuning tutorial counts: 3 for each message, 1 for each name, 3 for each example, and the
    tokens of every value. Preference pairs count prompt, preferred and other answer. Tool definitions count as
    their JSON text. Models whose tokenizer is not OpenAI's are counted in o200k_base.
    """
    texts: list[str] = []
    overhead = 0
    for example in examples:
        overhead += 3 + _gather(*_conversation(example), texts)
    return overhead + sum(_count(texts, base_model))


def conversation_tokens(messages: Sequence[Mapping[str, Any]], tools: Any, base_model: str) -> int:
    """Tokens of one conversation, counted in the same way."""
    texts: list[str] = []
    return 3 + _gather(messages, [tools] if tools else [], texts) + sum(_count(texts, base_model))


def encoding_of(base_model: str) -> str:
    """The encoding a model's tokens are counted in."""
    base = load_catalogue().model(base_model)
    return (base.encoding if base else None) or ENCODING


def text_tokens(text: str, base_model: str) -> int:
    """Tokens of a text alone."""
    return sum(_count([text], base_model))


def _gather(messages: Iterable[Mapping[str, Any]], tools: Iterable[Any], texts: list[str]) -> int:
    """Put the texts of a conversation into `texts`; its overhead in tokens."""
    overhead = 0
    for message in messages:
        overhead += 3 + ("name" in message)
        texts.extend(_text(value) for key, value in message.items() if key != "weight")
    texts.extend(map(_text, tools))
    return overhead


def _count(texts: list[str], base_model: str) -> list[int]:
    from toktok import batch_count

    return batch_count(texts, encoding_of(base_model))


def _conversation(example: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], list[Any]]:
    """All messages and tool definitions of an example: its own, its input's, and both completions."""
    given = example.get("input")
    sources = (example, given if isinstance(given, Mapping) else {})
    messages = [message for source in sources for message in source.get("messages") or ()]
    for name in ("preferred_output", "non_preferred_output"):
        messages += example.get(name) or ()
    return messages, [source["tools"] for source in sources if source.get("tools")]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()
