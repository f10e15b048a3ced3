"""Random edits of valid records, judged by a strict JSON Schema of the API as well: what it refuses is found, and what
neither it nor the order of a conversation forbids is not refused.

`python tests/data/test_mutations.py 20000` makes so many; the test a few hundred.
"""

from __future__ import annotations

import copy
import json
import random
import sys
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator

from tunebook.data.rules.gate import check_lines

Schema = dict[str, Any]
TEXT = {"type": "string"}
TEXT_OR_NONE = {"type": ["string", "null"]}
TEXT_PART = {
    "type": "object",
    "properties": {"type": {"const": "text"}, "text": TEXT},
    "required": ["type", "text"],
}
PICTURE_PART = {
    "type": "object",
    "properties": {
        "type": {"const": "image_url"},
        "image_url": {
            "type": "object",
            "properties": {"url": TEXT, "detail": {"enum": ["auto", "low", "high"]}},
            "required": ["url"],
        },
    },
    "required": ["type", "image_url"],
}
TEXTS = {"anyOf": [TEXT, {"type": "array", "items": TEXT_PART, "minItems": 1}]}
SHOWN = {"anyOf": [TEXT, {"type": "array", "items": {"anyOf": [TEXT_PART, PICTURE_PART]}, "minItems": 1}]}
CALL = {
    "type": "object",
    "properties": {
        "id": TEXT,
        "type": {"const": "function"},
        "function": {
            "type": "object",
            "properties": {"name": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}, "arguments": TEXT},
            "required": ["name", "arguments"],
        },
    },
    "required": ["id", "type", "function"],
}


def said_by(
    role: str, content: dict[str, Any], required: tuple[str, ...] = ("content",), **more: Any
) -> dict[str, Any]:
    properties = {"role": {"const": role}, "content": content, "name": TEXT_OR_NONE, **more}
    return {"type": "object", "properties": properties, "required": ["role", *required]}


ANSWER = said_by(
    "assistant",
    {"anyOf": [*TEXTS["anyOf"], {"type": "null"}]},
    (),
    weight={"enum": [0, 1]},
    tool_calls={"type": "array", "items": CALL, "minItems": 1},
) | {"anyOf": [{"required": ["content"], "properties": {"content": TEXTS}}, {"required": ["tool_calls"]}]}
PROMPTS = [
    said_by("system", TEXTS),
    said_by("user", SHOWN),
    said_by("tool", TEXTS, ("content", "tool_call_id"), tool_call_id=TEXT),
]
MESSAGES = {"type": "array", "items": {"anyOf": [*PROMPTS, ANSWER]}, "minItems": 1}
TOOLS = {
    "type": ["array", "null"],
    "maxItems": 128,
    "items": {
        "type": "object",
        "properties": {
            "type": {"const": "function"},
            "function": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
                    "description": TEXT_OR_NONE,
                    "parameters": {"type": ["object", "null"]},
                },
                "required": ["name"],
            },
        },
        "required": ["type", "function"],
    },
}
ONE_ANSWER = {"type": "array", "items": ANSWER, "minItems": 1}
SCHEMAS = {
    "supervised": {
        "type": "object",
        "properties": {"messages": MESSAGES, "tools": TOOLS, "parallel_tool_calls": {"type": ["boolean", "null"]}},
        "required": ["messages"],
    },
    "dpo": {
        "type": "object",
        "properties": {
            "input": {"type": "object", "properties": {"messages": MESSAGES, "tools": TOOLS}, "required": ["messages"]},
            "preferred_output": ONE_ANSWER,
            "non_preferred_output": ONE_ANSWER,
        },
        "required": ["input", "preferred_output", "non_preferred_output"],
    },
    "reinforcement": {"type": "object", "properties": {"messages": MESSAGES}, "required": ["messages"]},
}
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "description": "of a place", "parameters": {"type": "object", "properties": {}}},
}
CALLED = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
RECORDS = {
    "supervised": [
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "What is the weather?"}], "name": "ann"},
                {"role": "assistant", "content": None, "tool_calls": [CALLED]},
                {"role": "tool", "content": "rain", "tool_call_id": "call_1"},
                {"role": "assistant", "content": "It rains.", "weight": 1},
            ],
            "tools": [WEATHER],
            "parallel_tool_calls": False,
        },
        {
            "messages": [
                {"role": "user", "content": "What is two plus two?"},
                {"role": "assistant", "content": "Four.", "weight": 0},
                {"role": "user", "content": "And three?"},
                {"role": "assistant", "content": "Seven."},
            ]
        },
    ],
    "dpo": [
        {
            "input": {"messages": [{"role": "user", "content": "Greet me."}]},
            "preferred_output": [{"role": "assistant", "content": "Good morning."}],
            "non_preferred_output": [{"role": "assistant", "content": "Hm."}],
        }
    ],
    "reinforcement": [{"messages": [{"role": "user", "content": "What is two plus two?"}], "answer": "4"}],
}
VALUES = [None, True, False, 0, 1, 2, -1, 0.5, "", "text", "assistant", "user", [], {}, ["text"], {"text": "x"}, [None]]
# What a schema of one record cannot say: the order of a conversation, which calls are answered, what stands elsewhere.
BEYOND_A_SCHEMA = {
    "last-message", "no-assistant", "no-user", "late-system", "output-role", "system-role", "tool-answer-unmatched",
    "tool-call-unanswered", "tool-unknown", "call-id-twice", "call-id-again", "tool-twice", "arguments-json",
    "arguments-object", "arguments-type", "argument-missing", "nothing-weighted", "weight-role", "call-role",
    "nothing-said", "empty-content", "content-missing", "tool-parameters", "answer-twice", "image-role", "no-functions",
    "empty-answer", "unknown-role", "tool-parts", "name", "tool-call-id", "call-id",
}  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything inside a record."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        yield (*path, key)
        yield from places(each, (*path, key))


def edited(rng: random.Random, record: dict[str, Any]) -> dict[str, Any]:
    """The record with one value taken out, put in twice, renamed, or replaced by any other."""
    made = copy.deepcopy(record)
    *way, last = rng.choice(list(places(made)))
    holder = made
    for key in way:
        holder = holder[key]
    act = rng.choice(("remove", "replace", "replace", "rename", "repeat"))
    if act == "remove":
        del holder[last]
    elif act == "rename" and isinstance(holder, dict):
        holder[f"{last}s"] = holder.pop(last)
    elif act == "repeat" and isinstance(holder, list):
        holder.insert(last, copy.deepcopy(holder[last]))
    else:
        holder[last] = rng.choice(VALUES)
    return made


def disagreements(edits: int, seed: int = 0) -> Iterator[tuple[str, str, list[tuple[str, str]], str]]:
    """(method, what the schema says, what the check says, the record) where the two do not agree."""
    rng = random.Random(seed)  # noqa: S311 - for a test
    validators = {method: Draft202012Validator(schema) for method, schema in SCHEMAS.items()}
    for _ in range(edits):
        method = rng.choice(list(RECORDS))
        record = edited(rng, rng.choice(RECORDS[method]))
        line = json.dumps(record).encode()
        refusal = next((error.message for error in validators[method].iter_errors(record)), "")
        found = [(p.rule, p.severity) for p in check_lines([line], method=method, min_examples=1) if p.line]
        errors = {rule for rule, severity in found if severity == "error"}
        if (refusal and not found) or (not refusal and errors - BEYOND_A_SCHEMA):
            yield method, refusal, found, line.decode()


def test_what_the_schema_refuses_is_found_and_nothing_else_is_refused():
    assert list(disagreements(400)) == []


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    wrong = list(disagreements(wanted, seed=1))
    for method, refusal, found, line in wrong[:40]:
        print(f"{method}: schema {refusal[:90]!r}; check {found}: {line[:300]}")
    print(f"{len(wrong)} of {wanted:,} edits are judged otherwise than by the schema")
