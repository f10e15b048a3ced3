"""Exact token counts, offline, with the model's own encoding, on all cores.

Counting rule (Microsoft's fine-tuning tutorial and OpenAI's cookbook): the tokens of every text of a message, its role
and name included, plus 3 a message, 1 a name and 3 an example. Tool definitions and calls are counted as the compact
JSON they are; their true cost inside the service is not published. An image counts 85 tokens at `detail: low`, else
765 (85 + 4 tiles of 170, a 1,024 x 1,024 picture): an estimate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

PER_MESSAGE = 3
PER_NAME = 1
PER_EXAMPLE = 3
IMAGE_LOW = 85
IMAGE_HIGH = 765
ENCODING = "o200k_base"
BATCH = 4_000  # texts handed over at once: long enough to keep the cores busy, short enough to stay in memory


def pieces(record: Mapping[str, Any]) -> tuple[list[str], int]:
    """(texts to tokenize, tokens that come on top) of one decoded record of any method. Never raises."""
    texts: list[str] = []
    extra = PER_EXAMPLE
    prompt = record.get("input")
    holder = prompt if isinstance(prompt, dict) else record
    for messages in (holder.get("messages"), record.get("preferred_output"), record.get("non_preferred_output")):
        for message in messages if isinstance(messages, list) else ():
            if isinstance(message, dict):
                extra += _message(message, texts)
    texts.extend(_json(holder[key]) for key in ("tools", "functions") if holder.get(key))
    return texts, extra


def _message(message: Mapping[str, Any], texts: list[str]) -> int:
    extra = PER_MESSAGE
    for key, value in message.items():
        if isinstance(value, str):
            texts.append(value)
            extra += PER_NAME if key == "name" else 0
        elif key == "content" and isinstance(value, list):
            extra += _parts(value, texts)
        elif key in ("tool_calls", "function_call") and value:
            for call in value if isinstance(value, list) else [value]:
                function = call.get("function", call) if isinstance(call, dict) else call
                texts.append(_json(function))
    return extra


def _parts(parts: Sequence[object], texts: list[str]) -> int:
    extra = 0
    for part in parts:
        if not isinstance(part, dict):
            continue
        if isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif part.get("type") == "image_url":
            image = part.get("image_url")
            extra += IMAGE_LOW if isinstance(image, dict) and image.get("detail") == "low" else IMAGE_HIGH
    return extra


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def count_texts(texts: Sequence[str], encoding: str = ENCODING, threads: int = 0) -> list[int]:
    """Tokens of each text. threads: 0 uses every core. A text that repeats (the system message) is counted once."""
    from toktok import batch_count

    place: dict[str, int] = {}
    order = [place.setdefault(text, len(place)) for text in texts]
    counts = batch_count(list(place), encoding, threads)
    return [counts[at] for at in order]


def count_record(record: Mapping[str, Any], *, encoding: str = ENCODING) -> int:
    """Tokens of one example, the chat overhead included."""
    texts, extra = pieces(record)
    return sum(count_texts(texts, encoding, threads=1)) + extra


def count_records(records: Iterable[Mapping[str, Any]], *, encoding: str = ENCODING, threads: int = 0) -> Iterator[int]:
    """Tokens of each example in turn, counted in batches."""
    texts: list[str] = []
    shape: list[tuple[int, int]] = []
    for record in records:
        found, extra = pieces(record)
        texts.extend(found)
        shape.append((len(found), extra))
        if len(texts) >= BATCH:
            yield from _sums(texts, shape, encoding, threads)
            texts, shape = [], []
    yield from _sums(texts, shape, encoding, threads)


def _sums(texts: Sequence[str], shape: Sequence[tuple[int, int]], encoding: str, threads: int) -> Iterator[int]:
    counts = iter(count_texts(texts, encoding, threads))
    for many, extra in shape:
        yield sum(next(counts) for _ in range(many)) + extra


def encoding_of(model: str | None) -> str:
    """The encoding of a base model by the catalogue; o200k_base for one it does not know."""
    from tunebook.catalogue import load_catalogue

    found = load_catalogue().model(model) if model else None
    return (found.encoding if found else None) or ENCODING
