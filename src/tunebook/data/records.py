"""What of a record, as it comes out of JSON, is asked and answered. Needs msgspec only."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import msgspec

from tunebook.data.rules.problem import shown

REFUSED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)  # what decoding foreign bytes may raise
Keys = tuple[int, int, int]  # hashes of what is asked, what is answered, the system message; 0: there is none


def keys_of(system: int, asked: Sequence[Hashable], answered: Hashable) -> Keys:
    """Keys from the hash of the system message and a sign of each other message."""
    return hash(asked[0]) if len(asked) == 1 else hash(tuple(asked)), hash(answered), system


def record_keys(record: Mapping[str, Any]) -> Keys:
    """Keys of any decoded record, whatever is wrong with it."""
    asked, answered = parts(record)
    system = 0
    if asked and isinstance(asked[0], Mapping) and asked[0].get("role") in ("system", "developer"):
        told = text_only(asked[0])
        if told is not None:
            system, asked = hash(told), asked[1:]
    if not asked and not answered:  # another schema: all that can be compared is the whole
        return hash(compact(record)), 0, system
    signs = [_sign(message) for message in asked]
    if not answered:
        return keys_of(system, signs, "")[0], 0, system
    if isinstance(answered[0], Mapping):
        return keys_of(system, signs, _sign(answered[0]))
    if isinstance(record.get("messages"), list):
        return keys_of(system, signs, compact(answered))
    outputs = tuple(tuple(map(_sign, output)) if isinstance(output, list) else compact(output) for output in answered)
    return keys_of(system, signs, outputs)


def _sign(message: object) -> Hashable:
    """What a message says, to be hashed: its text, else its calls or parts, else all of it."""
    text = text_only(message)
    if text is not None or not isinstance(message, Mapping):
        return compact(message) if text is None else text
    content, calls = message.get("content"), message.get("tool_calls")
    try:
        if calls and not isinstance(content, list):
            functions = [call["function"] for call in calls]
            return call_sign(content, [str(function[key]) for function in functions for key in ("name", "arguments")])
        if not calls and not message.get("function_call") and isinstance(content, list):
            return parts_sign([p["text"] if p["type"] == "text" else p["image_url"]["url"] for p in content])
    except (TypeError, KeyError):
        pass
    return compact(message)


def call_sign(content: object, words: Sequence[str]) -> Hashable:
    """What a message that calls tools says, `words` being name and arguments of each call in turn; their ids, mostly
    drawn at random, do not count."""
    return "calls", str(content or ""), *words


def parts_sign(texts: Sequence[object]) -> Hashable:
    """What a message of several parts says: each part's text or address."""
    return "parts", *map(str, texts)


def text_only(message: object) -> str | None:
    """The content of a message that is nothing but text."""
    if not isinstance(message, Mapping) or message.get("tool_calls") or message.get("function_call"):
        return None
    content = message.get("content")
    return content if isinstance(content, str) else None


def text_alone(value: object) -> str:
    """A text, or the texts of a list of text parts; "" for anything else."""
    if isinstance(value, str):
        return value if value.strip() else ""
    texts = (
        [p.get("text") if isinstance(p, Mapping) and p.keys() <= {"type", "text"} else None for p in value]
        if (isinstance(value, list))
        else []
    )
    return "\n".join(map(str, texts)) if texts and all(isinstance(text, str) for text in texts) else ""


def parts(record: Mapping[str, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """(messages that ask, what answers them) of a record of any method: the last assistant message of a supervised one,
    both outputs of a preference pair, the other keys of a reinforcement record."""
    prompt = record.get("input")
    if isinstance(prompt, Mapping) or "preferred_output" in record:
        messages = prompt.get("messages") if isinstance(prompt, Mapping) else None
        both = [record.get("preferred_output"), record.get("non_preferred_output")]
        return messages if isinstance(messages, list) else [], both if any(both) else []
    messages = record.get("messages")
    if not isinstance(messages, list) or not messages:
        return [], []
    last = messages[-1]
    if isinstance(last, Mapping) and last.get("role") == "assistant":
        return messages[:-1], messages[-1:]
    return messages, [[key, value] for key, value in record.items() if key not in ("messages", "tools")]


def answer_text(record: Mapping[str, Any]) -> str:
    """What answers, as text, for showing and for telling labels from prose; "" when nothing does."""
    _, answered = parts(record)
    if not answered:
        return ""
    said = text_only(answered[0])
    return said if said is not None else shown(compact(answered), 400)


def compact(value: object) -> str:
    """`value` as compact JSON; "" for what is nested too deeply to be written."""
    try:
        return msgspec.json.encode(value).decode()
    except (RecursionError, UnicodeEncodeError):
        return ""


def message_text(message: object) -> str:
    """Everything a message says, in words: its text, the text among its parts, what it calls."""
    if not isinstance(message, Mapping):
        return ""
    content = message.get("content")
    said = [content] if isinstance(content, str) else []
    if isinstance(content, list):
        said = [p["text"] for p in content if isinstance(p, Mapping) and isinstance(p.get("text"), str)]
        said += [str(p["image_url"])[:300] for p in content if isinstance(p, Mapping) and p.get("image_url")]
    for key in ("tool_calls", "function_call"):
        if message.get(key):
            said.append(compact(message[key]))
    return "\n".join(said)


def record_text(record: Mapping[str, Any]) -> str:
    """What an example says, in words, system messages left out."""
    asked, answered = parts(record)
    messages = [m for m in asked if not (isinstance(m, Mapping) and m.get("role") in ("system", "developer"))]
    texts = [message_text(message) for message in messages]
    for answer in answered:
        if isinstance(answer, Mapping):
            texts.append(message_text(answer))
        elif isinstance(answer, list):  # an output of a preference pair, or an item with its key
            texts.extend(message_text(m) if isinstance(m, Mapping) else str(m) for m in answer)
    return "\n".join(text for text in texts if text)


def prompt_text(record: Mapping[str, Any]) -> str:
    """What is asked last, in words."""
    asked, _ = parts(record)
    return message_text(asked[-1]) if asked else ""


def system_text(record: Mapping[str, Any]) -> str:
    """The opening system message, "" without one."""
    asked, _ = parts(record)
    first = asked[0] if asked else None
    is_system = isinstance(first, Mapping) and first.get("role") in ("system", "developer")
    return message_text(first) if is_system else ""
