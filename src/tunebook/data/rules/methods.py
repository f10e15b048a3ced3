"""Rules for one whole record: supervised, preference (dpo) and reinforcement, and records of other tools.

Sources: https://learn.microsoft.com/azure/ai-foundry/openai/how-to/fine-tuning and its pages on direct preference
optimization and reinforcement fine-tuning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from tunebook.data.rules.images import check_image_count
from tunebook.data.rules.messages import check_messages
from tunebook.data.rules.problem import Problem
from tunebook.data.rules.table import problem_of
from tunebook.data.rules.tools import check_definitions, offered

METHODS = ("supervised", "dpo", "reinforcement")
Record = Mapping[str, Any]
SUPERVISED_KEYS = {"messages", "tools", "functions", "parallel_tool_calls"}
DPO_KEYS = {"input", "preferred_output", "non_preferred_output"}
DPO_INPUT_KEYS = {"messages", "tools", "parallel_tool_calls"}
_ITEM_KEY = re.compile(r"[A-Za-z_]\w*")
_THINK_ALOUD = re.compile(r"\b(?:show|reveal|print|output|share)\b.{0,30}\bchain[- ]of[- ]thought\b", re.I)


def check_record(record: Record, method: str) -> Iterator[Problem]:
    """Every rule for one decoded record; lines are filled in by the caller."""
    if foreign := foreign_schema(record, method):
        yield foreign
        return
    yield from _CHECKS[method](record)


def _supervised(record: Record) -> Iterator[Problem]:
    messages = record["messages"]
    yield from check_definitions(record)
    yield from check_messages(messages, "$.messages", tools=offered(record))
    if isinstance(messages, list) and messages:
        yield from check_image_count(messages, "$.messages")
        yield from _something_to_learn(messages)
    for key in [key for key in record if key not in SUPERVISED_KEYS][:5]:
        yield problem_of("unknown-key", f"$.{key}", key, Kind="Supervised")


def _something_to_learn(messages: Sequence[object]) -> Iterator[Problem]:
    roles = [m.get("role") if isinstance(m, dict) else None for m in messages]
    answers = [m for m in messages if isinstance(m, dict) and m.get("role") == "assistant"]
    if not answers:
        yield problem_of("no-assistant", "$.messages", ", ".join(map(str, roles[:6])))
    elif roles[-1] != "assistant":
        yield problem_of("last-message", f"$.messages[{len(roles) - 1}]", roles[-1])
    elif all(answer.get("weight") == 0 for answer in answers):
        yield problem_of("nothing-weighted", "$.messages", "weight: 0")
    elif not any(_says_something(answer) for answer in answers if answer.get("weight") != 0):
        yield problem_of("nothing-said", "$.messages", "")


def _says_something(answer: Record) -> bool:
    """False for an empty text alone; what is missing or no text is another rule's."""
    content = answer.get("content")
    calls = answer.get("tool_calls") or answer.get("function_call") or answer.get("refusal")
    return not isinstance(content, str) or bool(content.strip() or calls)


def _dpo(record: Record) -> Iterator[Problem]:
    prompt = record.get("input")
    if "input" not in record:
        yield _missing("$.input", "input", record)
    elif isinstance(prompt, list):
        yield problem_of("wrong-type.input-list", "$.input", prompt)
    elif not isinstance(prompt, dict):
        yield problem_of("wrong-type.input", "$.input", prompt)
    elif "messages" not in prompt:
        yield _missing("$.input.messages", "messages", prompt)
    else:
        yield from _dpo_input(prompt)
    for key in ("preferred_output", "non_preferred_output"):
        if key not in record:
            yield _missing(f"$.{key}", key, record)
        else:
            yield from _dpo_output(record[key], f"$.{key}")
    preferred, other = record.get("preferred_output"), record.get("non_preferred_output")
    if preferred and preferred == other:
        yield problem_of("identical-pair", "$.non_preferred_output", other)
    for key in [key for key in record if key not in DPO_KEYS][:5]:
        yield problem_of("unknown-key", f"$.{key}", key, Kind="Preference")


def _dpo_input(prompt: Record) -> Iterator[Problem]:
    messages = prompt["messages"]
    yield from check_definitions(prompt, "$.input")
    yield from check_messages(messages, "$.input.messages", tools=offered(prompt), images=False)
    last = messages[-1] if isinstance(messages, list) and messages else None
    if isinstance(last, dict) and last.get("role") == "assistant":
        yield problem_of("last-message.input", f"$.input.messages[{len(messages) - 1}]", "assistant")
    for key in [key for key in prompt if key not in DPO_INPUT_KEYS][:5]:
        yield problem_of("unknown-key.input", f"$.input.{key}", key)


def _dpo_output(output: object, path: str) -> Iterator[Problem]:
    if not isinstance(output, list):
        yield problem_of("wrong-type.output", path, output)
        return
    if not output:
        yield problem_of("no-messages.output", path, "[]")
        return
    yield from check_messages(output, path, tools=None, images=False)
    roles = [m.get("role") for m in output if isinstance(m, dict)]
    for index, role in enumerate(roles):
        if role in ("system", "developer", "user", "function"):
            yield problem_of("output-role", f"{path}[{index}].role", role, role=role)
    if "assistant" not in roles:
        yield problem_of("no-assistant.output", path, roles)


def _reinforcement(record: Record) -> Iterator[Problem]:
    messages = record["messages"]
    yield from check_definitions(record)
    yield from check_messages(messages, "$.messages", tools=offered(record))
    if isinstance(messages, list) and messages:
        yield from check_image_count(messages, "$.messages")
        last = messages[-1]
        role = last.get("role") if isinstance(last, dict) else None
        if role not in ("user", "developer"):
            yield problem_of("last-message.prompt", f"$.messages[{len(messages) - 1}]", role)
        for index, message in enumerate(messages):
            content = message.get("content") if isinstance(message, dict) else None
            if isinstance(content, str) and thinks_aloud(content):
                yield problem_of("chain-of-thought", f"$.messages[{index}].content", content)
    for key in record:
        if key not in SUPERVISED_KEYS and not good_item_key(key):
            yield problem_of("item-key", f"$.{key}", key)


def thinks_aloud(content: str) -> bool:
    """Whether a prompt asks to see the chain of thought."""
    return ("hought" in content or "HOUGHT" in content) and _THINK_ALOUD.search(content[:20_000]) is not None


@lru_cache(maxsize=1_000)
def good_item_key(key: str) -> bool:
    """Whether a grader's template can name this key."""
    return _ITEM_KEY.fullmatch(key) is not None


def _missing(path: str, key: str, record: Record) -> Problem:
    return problem_of("missing-key", path, record, key=key)


_CHECKS: Mapping[str, Callable[[Record], Iterator[Problem]]] = {
    "supervised": _supervised,
    "dpo": _dpo,
    "reinforcement": _reinforcement,
}


def foreign_schema(record: Record, method: str = "supervised") -> Problem | None:
    """The finding for a record that is not one of `method`'s: another method's, another tool's, or without messages."""
    keys = record.keys()
    if method == "dpo":
        if keys & DPO_KEYS:
            return None
        if "messages" in keys:
            return _other_method(record, "supervised or reinforcement")
    elif "messages" in keys:
        return None
    elif {"preferred_output", "non_preferred_output"} & keys:
        return _other_method(record, "preference (dpo)")
    for needed, rule, name in _FOREIGN:
        if needed <= keys:
            return problem_of(rule, "$", record, name=name, kind=_KIND[method])
    if held := next((k for k, v in record.items() if isinstance(v, list) and v and isinstance(v[0], dict)), None):
        inside = record[held][0].keys() & {"messages", "prompt", "conversations", *DPO_KEYS}
        if inside:
            return problem_of("wrapped", f"$.{held}", record, count=f"{len(record[held]):,}", key=held)
    if not keys:
        return problem_of("missing-key.empty", "$", "{}")
    wanted = "input" if method == "dpo" else "messages"
    return problem_of(f"missing-key.{method}", f"$.{wanted}", record)


def _other_method(record: Record, other: str) -> Problem:
    method = "dpo" if "dpo" in other else "supervised"
    return problem_of("other-method", "$", record, kind=other, method=repr(method))


_KIND = {"supervised": "supervised chat", "dpo": "preference", "reinforcement": "reinforcement"}
# (keys that give it away, rule, what it is)
_FOREIGN: tuple[tuple[frozenset[str], str, str], ...] = (
    (frozenset({"prompt", "completion"}), "prompt-completion", ""),
    (frozenset({"chosen", "rejected"}), "other-schema", "a preference pair as TRL writes it"),
    (frozenset({"conversations"}), "other-schema", "the ShareGPT format"),
    (frozenset({"conversation"}), "other-schema", "a ShareGPT-like format"),
    (frozenset({"instruction", "output"}), "other-schema", "the Alpaca format"),
    (frozenset({"question", "answer"}), "other-schema", "a table of questions and answers"),
    (frozenset({"custom_id", "body"}), "other-schema.batch", "a batch request file"),
    (frozenset({"contents"}), "other-schema.gemini", "Google's Gemini format"),
    (frozenset({"text"}), "other-schema.text", "plain text for pre-training"),
    (frozenset({"input", "output"}), "other-schema", "an input/output table"),
    (frozenset({"prompt", "response"}), "other-schema", "a prompt/response table"),
)


def likely_method(records: Sequence[object]) -> str:
    """The method most of the records were made for: by their keys, else by who speaks last."""
    votes = dict.fromkeys(METHODS, 0)
    for record in records:
        if not isinstance(record, dict):
            continue
        messages = record.get("messages")
        if {"preferred_output", "non_preferred_output"} & record.keys():
            votes["dpo"] += 1
        elif isinstance(messages, list) and messages and isinstance(messages[-1], dict):
            asks = messages[-1].get("role") in ("user", "developer")
            # Prompts with nothing for a grader to read are rather conversations whose answers were lost.
            items = record.keys() - SUPERVISED_KEYS
            votes["reinforcement" if asks and items else "supervised"] += 1
    return max(METHODS, key=votes.__getitem__)
