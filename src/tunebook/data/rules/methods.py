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
from tunebook.data.rules.problem import Problem, error, json_type, note, warning
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
        yield warning(
            f"$.{key}",
            "unknown-key",
            key,
            "Supervised examples have no such key; the service may refuse the file.",
            "Remove it (fix() does).",
        )


def _something_to_learn(messages: Sequence[object]) -> Iterator[Problem]:
    roles = [m.get("role") if isinstance(m, dict) else None for m in messages]
    answers = [m for m in messages if isinstance(m, dict) and m.get("role") == "assistant"]
    if not answers:
        yield error(
            "$.messages",
            "no-assistant",
            ", ".join(map(str, roles[:6])),
            "No assistant message: nothing to learn from.",
            'Add the answer you want as the last message; prompts alone are data for method="reinforcement".',
        )
    elif roles[-1] != "assistant":
        yield error(
            f"$.messages[{len(roles) - 1}]",
            "last-message",
            roles[-1],
            "The last message is not the assistant's.",
            "End each example with the answer you want; what follows it is never learned.",
        )
    elif all(answer.get("weight") == 0 for answer in answers):
        yield error(
            "$.messages",
            "nothing-weighted",
            "weight: 0",
            "Every answer has weight 0: nothing to learn from.",
            "Give at least one answer weight 1, or remove the example.",
        )
    elif not any(_says_something(answer) for answer in answers if answer.get("weight") != 0):
        yield error(
            "$.messages",
            "nothing-said",
            "",
            "Every answer is empty: nothing to learn from.",
            "Write the answer or remove the example.",
        )


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
        yield error(
            "$.input",
            "wrong-type",
            prompt,
            "`input` is a list; the messages belong one level deeper.",
            'Write "input": {"messages": […]} (fix() does).',
        )
    elif not isinstance(prompt, dict):
        yield error(
            "$.input",
            "wrong-type",
            prompt,
            f"`input` is a JSON {json_type(prompt)}, not an object.",
            'Write "input": {"messages": […]}.',
        )
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
        yield warning(
            "$.non_preferred_output",
            "identical-pair",
            other,
            "Both outputs are the same: nothing is preferred.",
            "Remove the pair, or put in the answer you do not want.",
        )
    for key in [key for key in record if key not in DPO_KEYS][:5]:
        yield warning(
            f"$.{key}",
            "unknown-key",
            key,
            "Preference examples have no such key; the service may refuse the file.",
            "Remove it (fix() does).",
        )


def _dpo_input(prompt: Record) -> Iterator[Problem]:
    messages = prompt["messages"]
    yield from check_definitions(prompt, "$.input")
    yield from check_messages(messages, "$.input.messages", tools=offered(prompt), images=False)
    last = messages[-1] if isinstance(messages, list) and messages else None
    if isinstance(last, dict) and last.get("role") == "assistant":
        yield warning(
            f"$.input.messages[{len(messages) - 1}]",
            "last-message",
            "assistant",
            "The input ends with an answer.",
            "End it with what the two outputs answer, mostly a user message.",
        )
    for key in [key for key in prompt if key not in DPO_INPUT_KEYS][:5]:
        yield warning(
            f"$.input.{key}",
            "unknown-key",
            key,
            "The input has no such key; the service may refuse the file.",
            "Remove it (fix() does).",
        )


def _dpo_output(output: object, path: str) -> Iterator[Problem]:
    if not isinstance(output, list):
        yield error(
            path,
            "wrong-type",
            output,
            f"The output is a JSON {json_type(output)}, not a list of messages.",
            'Write [{"role": "assistant", "content": "…"}] (fix() does for text).',
        )
        return
    if not output:
        yield error(path, "no-messages", "[]", "The output is empty.", "Write at least one assistant message.")
        return
    yield from check_messages(output, path, tools=None, images=False)
    roles = [m.get("role") for m in output if isinstance(m, dict)]
    for index, role in enumerate(roles):
        if role in ("system", "developer", "user", "function"):
            yield error(
                f"{path}[{index}].role",
                "output-role",
                role,
                f"Outputs hold assistant and tool messages, not the {role}'s.",
                "Move it to `input`.",
            )
    if "assistant" not in roles:
        yield error(path, "no-assistant", roles, "The output has no assistant message.", "Add the answer.")


def _reinforcement(record: Record) -> Iterator[Problem]:
    messages = record["messages"]
    yield from check_definitions(record)
    yield from check_messages(messages, "$.messages", tools=offered(record))
    if isinstance(messages, list) and messages:
        yield from check_image_count(messages, "$.messages")
        last = messages[-1]
        role = last.get("role") if isinstance(last, dict) else None
        if role not in ("user", "developer"):
            yield error(
                f"$.messages[{len(messages) - 1}]",
                "last-message",
                role,
                "A reinforcement prompt ends with the user's message.",
                "Move the answer to its own key, e.g. `reference_answer`: graders read it as item.reference_answer.",
            )
        for index, message in enumerate(messages):
            content = message.get("content") if isinstance(message, dict) else None
            if isinstance(content, str) and thinks_aloud(content):
                yield note(
                    f"$.messages[{index}].content",
                    "chain-of-thought",
                    content,
                    "Asks for the chain of thought.",
                    "Such prompts may be rejected by moderation; ask for the answer and a short reason.",
                )
    for key in record:
        if key not in SUPERVISED_KEYS and not good_item_key(key):
            yield warning(
                f"$.{key}",
                "item-key",
                key,
                "A grader cannot name this key in a template.",
                "Use letters, digits and _ ({{item.my_key}}).",
            )


def thinks_aloud(content: str) -> bool:
    """Whether a prompt asks to see the chain of thought."""
    return ("hought" in content or "HOUGHT" in content) and _THINK_ALOUD.search(content[:20_000]) is not None


@lru_cache(maxsize=1_000)
def good_item_key(key: str) -> bool:
    """Whether a grader's template can name this key."""
    return _ITEM_KEY.fullmatch(key) is not None


def _missing(path: str, key: str, record: Record) -> Problem:
    return error(path, "missing-key", record, f"The key `{key}` is missing.", f"Add `{key}`; keys found are shown.")


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
    for needed, rule, name, remedy in _FOREIGN:
        if needed <= keys:
            return error("$", rule, record, f"This is {name}, not the {_KIND[method]} format.", remedy)
    if held := next((k for k, v in record.items() if isinstance(v, list) and v and isinstance(v[0], dict)), None):
        inside = record[held][0].keys() & {"messages", "prompt", "conversations", *DPO_KEYS}
        if inside:
            return error(
                f"$.{held}",
                "wrapped",
                record,
                f"{len(record[held]):,} examples stand inside the key `{held}` of one object.",
                "Write each of them on a line of its own, without what is around them.",
            )
    if not keys:
        return error("$", "missing-key", "{}", "The object is empty.", "Remove the line (fix() does).")
    wanted = "input" if method == "dpo" else "messages"
    return error(f"$.{wanted}", "missing-key", record, f"The key `{wanted}` is missing.", _EXAMPLE[method])


def _other_method(record: Record, other: str) -> Problem:
    method = "dpo" if "dpo" in other else "supervised"
    return error(
        "$",
        "other-method",
        record,
        f"This is {other} data.",
        f"Read it with the method it was made for: read_dataset(…, method={method!r}).",
    )


_KIND = {"supervised": "supervised chat", "dpo": "preference", "reinforcement": "reinforcement"}
_EXAMPLE = {
    "supervised": 'Write {"messages": [{"role": "user", …}, {"role": "assistant", …}]}.',
    "dpo": 'Write {"input": {"messages": […]}, "preferred_output": […], "non_preferred_output": […]}.',
    "reinforcement": 'Write {"messages": [{"role": "user", …}], "reference_answer": …}.',
}
_CONVERT = "Convert it: read_dataset(path).convert()."
# (keys that give it away, rule, what it is, what to do)
_FOREIGN: tuple[tuple[frozenset[str], str, str, str], ...] = (
    (frozenset({"prompt", "completion"}), "prompt-completion", "the retired prompt/completion format", _CONVERT),
    (frozenset({"prompt", "chosen", "rejected"}), "other-schema", "a preference pair as TRL writes it", _CONVERT),
    (frozenset({"chosen", "rejected"}), "other-schema", "a preference pair as TRL writes it", _CONVERT),
    (frozenset({"conversations"}), "other-schema", "the ShareGPT format", _CONVERT),
    (frozenset({"conversation"}), "other-schema", "a ShareGPT-like format", _CONVERT),
    (frozenset({"instruction", "output"}), "other-schema", "the Alpaca format", _CONVERT),
    (frozenset({"question", "answer"}), "other-schema", "a table of questions and answers", _CONVERT),
    (frozenset({"custom_id", "body"}), "other-schema", "a batch request file", "Add the answers."),
    (frozenset({"contents"}), "other-schema", "Google's Gemini format", "Rename to messages, role and content."),
    (frozenset({"text"}), "other-schema", "plain text for pre-training", "Write prompts and wanted answers."),
    (frozenset({"input", "output"}), "other-schema", "an input/output table", _CONVERT),
    (frozenset({"prompt", "response"}), "other-schema", "a prompt/response table", _CONVERT),
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
