"""Other formats into the service's: prompt/completion, ShareGPT, Alpaca, TRL pairs, tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tunebook.data.records import text_alone
from tunebook.data.rules.messages import ROLES, meant_role

Record = Mapping[str, Any]
# What the old data preparation tool put after each prompt and completion so that the model saw where one ends.
_SEPARATOR = re.compile(r"(?:\s*(?:#{2,}|-{2,}>|->|=>|={3,}|\|{2,})\s*|\n\n)$")
_STOP = re.compile(r"(?:\s*(?:#{2,}|\bEND\b|<\|endoftext\|>|\[DONE\])\s*|\n)$")
_COMMON = 0.9  # share of the examples that must have it: then it is a mark, not text

# (key that asks, key that answers)
PAIRS = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("question", "answer"),
    ("instruction", "output"),
    ("instruction", "response"),
    ("input", "output"),
    ("user", "assistant"),
)


def convert_records(records: Sequence[Record], *, system: str | None = None) -> list[Record] | None:
    """The records in the service's format; those of no known form stay as they are, None when there are only such.

    system: a system message put in front where there is none. Separators and stop words of the old prompt/completion
    format are taken off when nearly all examples have the same.
    """
    marks = _marks(records)
    converted = [convert_record(record, system=system, marks=marks) for record in records]
    if not any(record is not None for record in converted):
        return None
    return [original if new is None else new for new, original in zip(converted, records, strict=True)]


def convert_record(
    record: Record, *, system: str | None = None, marks: tuple[str, str] = ("", "")
) -> dict[str, Any] | None:
    """One record in the service's format; None when its form is not known. marks: (separator, stop) to take off."""
    if chat := _other_chat(record, system):
        return chat
    if "chosen" in record and "rejected" in record:
        return _preference(record, system)
    if "messages" in record:
        return {**record, "messages": _messages(record["messages"], system)}
    if "preferred_output" in record:
        return dict(record)
    for key in ("conversations", "conversation"):
        if isinstance(record.get(key), list):
            told = record.get("system")
            kept = {k: record[k] for k in ("tools", "parallel_tool_calls") if isinstance(record.get(k), list | bool)}
            return {"messages": _messages(record[key], told if isinstance(told, str) and told else system), **kept}
    for asks, answers in PAIRS:
        if asks in record and answers in record:
            if any(isinstance(record[key], list) for key in (asks, answers)):
                return _conversation(record, asks, answers, system)
            return _pair(record, asks, answers, system, marks)
    return None


def _other_chat(record: Record, system: str | None) -> dict[str, Any] | None:
    """A conversation in the form of Bedrock or Gemini; None for any other, and where it holds more than texts."""
    turns, told = record.get("contents", record.get("messages")), None
    for key in ("system", "systemInstruction", "system_instruction"):
        holder = record.get(key)
        told = told or text_alone(holder.get("parts") if isinstance(holder, Mapping) else holder)
    found = []
    for turn in turns if isinstance(turns, list) else ():
        text = text_alone(turn.get("parts", turn.get("content"))) if isinstance(turn, Mapping) else ""
        if not text or not isinstance(turn.get("parts", turn.get("content")), list):
            return None
        found.append(message(meant_role(str(turn.get("role", "user"))), text))
    typed = any(
        "type" in part for turn in turns or () if isinstance(turn.get("content"), list) for part in turn["content"]
    )
    return {"messages": [*_told(told or system), *found]} if found and not typed else None


def _conversation(record: Record, asks: str, answers: str, system: str | None) -> dict[str, Any] | None:
    """Lists of messages, or of items of the Responses API, as one conversation; None where they hold anything else."""
    told = record.get("instructions") or record.get("system") or record.get("system_prompt") or system
    messages: list[Any] = []
    for value, role in ((record[asks], "user"), (record[answers], "assistant")):
        for item in value if isinstance(value, list) else [message(role, text_of(value))]:
            new = _item(item, messages)
            if new is None:
                return None
            messages.extend(new)
    tools = record.get("tools")
    kept = {"tools": [_tool(tool) for tool in tools]} if isinstance(tools, list) and tools else {}
    return {"messages": _messages(messages, told if isinstance(told, str) else None), **kept}


def _item(item: object, before: list[Any]) -> list[Any] | None:
    """The messages that an item of a conversation adds; a call beside another joins its message."""
    if not isinstance(item, Mapping):
        return None
    kind = item.get("type", "message")
    if kind == "function_call":
        function = {"name": item.get("name"), "arguments": item.get("arguments")}
        call = {"id": item.get("call_id"), "type": "function", "function": function}
        if before and before[-1].get("tool_calls"):
            before[-1]["tool_calls"].append(call)
            return []
        return [{"role": "assistant", "tool_calls": [call]}]
    if kind == "function_call_output":
        return [{"role": "tool", "tool_call_id": item.get("call_id"), "content": text_of(item.get("output"))}]
    if kind != "message" or not {"role", "from"} & item.keys():
        return None
    known = {key: value for key, value in item.items() if key not in ("type", "id", "status")}
    content = known.get("content")
    if isinstance(content, list) and all(
        isinstance(p, Mapping) and "text" in p and "image_url" not in p for p in content
    ):
        known["content"] = "\n".join(str(part["text"]) for part in content)
    return [known]


def _tool(tool: object) -> object:
    """A tool as the Responses API writes it, as that of a training file."""
    if not isinstance(tool, Mapping) or "function" in tool or "name" not in tool:
        return tool
    return {
        "type": "function",
        "function": {key: tool[key] for key in ("name", "description", "parameters") if key in tool},
    }


def _pair(record: Record, asks: str, answers: str, system: str | None, marks: tuple[str, str]) -> dict[str, Any]:
    asked, said = text_of(record[asks]), text_of(record[answers])
    if asks == "instruction" and record.get("input"):
        asked = f"{asked}\n\n{text_of(record['input'])}"
    asked = asked.removesuffix(marks[0]).rstrip() if marks[0] else asked
    said = said.removesuffix(marks[1])
    told = record.get("system") or record.get("system_prompt") or system
    if answers == "completion":
        said = said.removeprefix(" ")  # the old format wanted completions to begin with a space
    return {"messages": [*_told(told), message("user", asked), message("assistant", said)]}


def _preference(record: Record, system: str | None) -> dict[str, Any]:
    outputs = [
        _messages(record[key], None) if isinstance(record[key], list) else record[key] for key in ("chosen", "rejected")
    ]
    prompt = record.get("prompt", record.get("question", record.get("instruction")))
    if isinstance(prompt, list):
        asked = _messages(prompt, system)
    elif prompt is not None:
        asked = [*_told(record.get("system") or system), message("user", text_of(prompt))]
    else:  # whole conversations that differ at the end only
        shared = 0
        while shared < min(map(len, outputs)) and outputs[0][shared] == outputs[1][shared]:
            shared += 1
        asked = _messages(outputs[0][:shared], system)
        outputs = [output[shared:] for output in outputs]
    preferred, other = (
        [m for m in output if m.get("role") in ("assistant", "tool")] if isinstance(output, list)
        else [message("assistant", text_of(output))]
        for output in outputs
    )  # fmt: skip
    return {"input": {"messages": asked}, "preferred_output": preferred, "non_preferred_output": other}


def _messages(messages: object, system: str | None) -> list[Any]:
    """Messages with `role` and `content`, whatever they were called; a system message in front when asked for."""
    found = [_renamed(message) for message in messages] if isinstance(messages, list) else []
    has_system = any(isinstance(m, dict) and m.get("role") in ("system", "developer") for m in found)
    return found if has_system else [*_told(system), *found]


def _renamed(message: object) -> object:
    if not isinstance(message, Mapping):
        return message
    renamed = dict(message)
    for old, new in (("from", "role"), ("value", "content")):
        if old in renamed and new not in renamed:
            renamed[new] = renamed.pop(old)
    role = renamed.get("role")
    if isinstance(role, str) and role not in ROLES:
        renamed["role"] = meant_role(role)
    if isinstance(renamed.get("content"), list):
        renamed["content"] = [_part(part) for part in renamed["content"]]
    return renamed


def _part(part: object) -> object:
    """A part whose content stands under `value` (LLaMA-Factory)."""
    if not isinstance(part, Mapping) or "value" not in part:
        return part
    if part.get("type") == "text":
        return {"type": "text", "text": part["value"]}
    if part.get("type") == "image_url":
        return {"type": "image_url", "image_url": {"url": part["value"]}}
    return part


def _told(system: object) -> list[dict[str, Any]]:
    return [message("system", system)] if isinstance(system, str) and system else []


def message(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "content": content}


def text_of(value: object) -> str:
    """A value of a table or another format as the text of a message: what is no text or number as JSON."""
    if isinstance(value, Mapping | list | bool) or value is None:
        return msgspec.json.encode(value).decode()
    return str(value)


def _marks(records: Sequence[Record]) -> tuple[str, str]:
    """(what ends nearly every prompt, what ends nearly every completion) and is no text."""
    pairs = [(r["prompt"], r["completion"]) for r in records if {"prompt", "completion"} <= r.keys()]
    return (
        _mark([p for p, _ in pairs if isinstance(p, str)], _SEPARATOR),
        _mark([c for _, c in pairs if isinstance(c, str)], _STOP),
    )


def _mark(texts: Sequence[str], shape: re.Pattern[str]) -> str:
    ends = [found.group() for text in texts if (found := shape.search(text[-40:]))]
    if not ends:
        return ""
    commonest = max(set(ends), key=ends.count)
    return commonest if ends.count(commonest) >= _COMMON * len(texts) else ""
