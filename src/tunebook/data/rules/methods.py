"""Rules for one whole record: supervised, preference (dpo) and reinforcement, and records of other tools.

Sources: https://learn.microsoft.com/azure/ai-foundry/openai/how-to/fine-tuning and its pages on direct preference
optimization and reinforcement fine-tuning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import lru_cache
from typing import Any

from tunebook.data.rules.images import check_image_count
from tunebook.data.rules.messages import ROLES, check_messages, meant_role
from tunebook.data.rules.problem import Problem
from tunebook.data.rules.table import problem_of
from tunebook.data.rules.texts import blank, null_word
from tunebook.data.rules.tools import check_definitions, offered

METHODS = ("supervised", "dpo", "reinforcement")
Record = Mapping[str, Any]
SUPERVISED_KEYS = {"messages", "tools", "functions", "parallel_tool_calls"}
DPO_KEYS = {"input", "preferred_output", "non_preferred_output"}
DPO_INPUT_KEYS = {"messages", "tools", "parallel_tool_calls"}
# Older names of the keys of a preference record: https://platform.openai.com/docs/guides/fine-tuning, December 2024.
OLD_KEYS = {"preferred_completion": "preferred_output", "non_preferred_completion": "non_preferred_output"}
# Keys that say where an example comes from, and nothing that could be learned: taken out without a loss.
BOOKKEEPING = {
    "id", "_id", "uid", "uuid", "guid", "idx", "index", "row", "row_id", "line", "example_id", "conversation_id",
    "session_id", "user_id", "request_id", "source", "origin", "dataset", "dataset_name", "file", "filename", "split",
    "subset", "meta", "metadata", "created", "created_at", "updated_at", "timestamp", "version",
    "license", "author", "annotator", "hash", "sha256", "checksum", "n_tokens", "num_tokens", "token_count", "tokens",
    "length", "n_turns", "num_turns", "url", "schemaVersion",
}  # fmt: skip
SYSTEM_KEYS = ("system", "system_prompt", "system_message", "instructions", "developer")
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
    learned = list(_something_to_learn(messages)) if isinstance(messages, list) and messages else []
    silent = any(problem.rule == "nothing-said" for problem in learned)
    for problem in check_messages(messages, "$.messages", tools=offered(record)):
        if not (silent and problem.rule == "empty-answer"):  # said for the whole example
            yield problem
    if isinstance(messages, list) and messages:
        yield from check_image_count(messages, "$.messages")
        yield from _asked(messages, "$.messages")
    yield from learned
    yield from _unknown_keys(record, SUPERVISED_KEYS, "$", "Supervised examples have")


def _something_to_learn(messages: Sequence[object]) -> Iterator[Problem]:
    roles = _roles(messages)
    answers = [m for m, role in zip(messages, roles, strict=True) if isinstance(m, dict) and role == "assistant"]
    if not answers:
        if set(roles) <= set(ROLES):  # else what is wrong with the others has been said
            yield problem_of("no-assistant", "$.messages", ", ".join(map(str, roles[:6])))
    elif roles[-1] in ROLES and roles[-1] != "assistant":
        yield problem_of("last-message", f"$.messages[{len(roles) - 1}]", roles[-1])
    elif all(answer.get("weight") == 0 for answer in answers):
        yield problem_of("nothing-weighted", "$.messages", "weight: 0")
    elif not any(_says_something(answer) for answer in answers if answer.get("weight") != 0):
        yield problem_of("nothing-said", "$.messages", "")


def _roles(messages: Sequence[object]) -> list[str]:
    """The role of each message, as it is meant; "" for a message without one."""
    roles = [m.get("role") if isinstance(m, dict) else None for m in messages]
    return [meant_role(role) if isinstance(role, str) else "" for role in roles]


def _asked(messages: Sequence[object], path: str) -> Iterator[Problem]:
    roles = _roles(messages)
    if "user" not in roles and set(roles) <= set(ROLES):
        yield problem_of("no-user", path, ", ".join(roles[:6]))


def _says_something(answer: Record) -> bool:
    """False for an empty text alone; what is missing or no text is another rule's."""
    content = answer.get("content")
    calls = answer.get("tool_calls") or answer.get("function_call") or answer.get("refusal")
    return not isinstance(content, str) or not blank(content) or bool(calls)


def _dpo(record: Record) -> Iterator[Problem]:
    if old := OLD_KEYS.keys() & record.keys():
        yield problem_of("old-key", "$", ", ".join(sorted(old)))
        record = {OLD_KEYS.get(key, key): value for key, value in record.items()}
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
            tools = offered(prompt) if isinstance(prompt, dict) else None
            yield from _dpo_output(record[key], f"$.{key}", tools)
    preferred, other = record.get("preferred_output"), record.get("non_preferred_output")
    if preferred and preferred == other:
        yield problem_of("identical-pair", "$.non_preferred_output", other)
    yield from _unknown_keys(record, DPO_KEYS, "$", "Preference examples have")


def _dpo_input(prompt: Record) -> Iterator[Problem]:
    messages = prompt["messages"]
    yield from check_definitions(prompt, "$.input")
    yield from check_messages(messages, "$.input.messages", tools=offered(prompt), images=False)
    last = messages[-1] if isinstance(messages, list) and messages else None
    if last is not None:
        yield from _asked(messages, "$.input.messages")
    if isinstance(last, dict) and last.get("role") == "assistant":
        yield problem_of("last-message.input", f"$.input.messages[{len(messages) - 1}]", "assistant")
    yield from _unknown_keys(prompt, DPO_INPUT_KEYS, "$.input", "The input has")


def _dpo_output(output: object, path: str, tools: Mapping[str, Any] | None) -> Iterator[Problem]:
    if not isinstance(output, list):
        yield problem_of("wrong-type.output", path, output)
        return
    if not output:
        yield problem_of("no-messages.output", path, "[]")
        return
    yield from check_messages(output, path, tools=tools, images=False)
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
        roles = _roles(messages)
        role = roles[-1]
        if role not in ("user", "developer") and role in ROLES:
            yield problem_of("last-message.prompt", f"$.messages[{len(messages) - 1}]", role)
        if "system" in roles:
            yield problem_of("system-role", f"$.messages[{roles.index('system')}].role", "system")
        for index, message in enumerate(messages):
            content = message.get("content") if isinstance(message, dict) else None
            if isinstance(content, str) and thinks_aloud(content):
                yield problem_of("chain-of-thought", f"$.messages[{index}].content", content)
    for key, item in record.items():
        if key in SUPERVISED_KEYS:
            continue
        if not good_item_key(key):
            yield problem_of("item-key", f"$.{key}", key)
        if empty_item(item):
            yield problem_of("item-empty", f"$.{key}", item, key=key)


def empty_item(item: object) -> bool:
    """Whether there is nothing in an item for a grader to compare an answer with."""
    return item is None or item in ([], {}) or (isinstance(item, str) and (blank(item) or null_word(item)))


def thinks_aloud(content: str) -> bool:
    """Whether a prompt asks to see the chain of thought."""
    return ("hought" in content or "HOUGHT" in content) and _THINK_ALOUD.search(content[:20_000]) is not None


@lru_cache(maxsize=1_000)
def good_item_key(key: str) -> bool:
    """Whether a grader's template can name this key."""
    return _ITEM_KEY.fullmatch(key) is not None


def _unknown_keys(holder: Record, known: Set[str], path: str, What: str) -> Iterator[Problem]:  # noqa: N803
    for key in [key for key in holder if key not in known][:5]:
        if says_nothing(key, holder[key]):
            rule = "unknown-key"
        else:
            rule = "unknown-key.moved" if key in SYSTEM_KEYS or key in SUPERVISED_KEYS else "unknown-key.kept"
        yield problem_of(rule, f"{path}.{key}", key, What=What)


def says_nothing(key: str, value: object) -> bool:
    """Whether a key the service does not know can go without taking anything to learn from with it."""
    return key in BOOKKEEPING or value is None or value in ("", [], {})


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
        if keys & {*DPO_KEYS, *OLD_KEYS}:
            return None
        if "messages" in keys:
            return _other_method(record, "supervised or reinforcement")
    elif "messages" in keys:
        return None
    elif keys & {*OLD_KEYS, *OLD_KEYS.values()}:
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
        if {*OLD_KEYS, *OLD_KEYS.values()} & record.keys():
            votes["dpo"] += 1
        elif isinstance(messages, list) and messages and isinstance(messages[-1], dict):
            asks = messages[-1].get("role") in ("user", "developer")
            # Prompts with nothing for a grader to read are rather conversations whose answers were lost.
            items = record.keys() - SUPERVISED_KEYS
            votes["reinforcement" if asks and items else "supervised"] += 1
    return max(METHODS, key=votes.__getitem__)
