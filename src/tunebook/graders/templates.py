"""Templates of a grader: `{{item.…}}` and `{{sample.…}}`, and the values they stand for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

Item = Mapping[str, Any]  # the extra keys of a line: all but the conversation
Sample = Mapping[str, Any]  # an answer, as `sample_of` makes it
NOT_ITEM = frozenset({"messages", "tools", "functions", "parallel_tool_calls", "response_format"})

PATHS = "use item.…, sample.output_text, sample.output_json.… or sample.output_tools"
_TEMPLATE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_PATH = re.compile(r"(?:sample\.)?((?<=sample\.)output_(?:text$|json|tools)|^item)((?:\.[^.\[\]]+|\[\d+\])*)")
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")


class GradingError(Exception):
    """Why no grade could be given: one of the API's error flags, and a sentence."""

    def __init__(self, flag: str, problem: str) -> None:
        super().__init__(problem)
        self.flag = flag


def item_of(example: Mapping[str, Any]) -> dict[str, Any]:
    """What a grader may see of a line: all but the conversation itself."""
    return {key: value for key, value in example.items() if key not in NOT_ITEM}


def sample_of(text: str, tools: Sequence[Any] = ()) -> dict[str, Any]:
    """An answer as graders see it: `output_text`, `output_tools`, `choices`; `output_json` where the text is JSON."""
    message = {"role": "assistant", "content": text, "tool_calls": list(tools)}
    sample: dict[str, Any] = {"output_text": text, "output_tools": list(tools), "choices": [{"message": message}]}
    with suppress(ValueError, RecursionError):
        sample["output_json"] = json.loads(text)
    return sample


def paths_in(template: str) -> list[str]:
    """What stands between the braces of a template; spaces there do not matter."""
    return [found.strip() for found in _TEMPLATE.findall(template)]


def names_something(path: str) -> bool:
    """Whether a template may name this: an item, or a part of the sample."""
    return _PATH.fullmatch(path) is not None


def fill(template: str, item: Item, sample: Sample) -> str:
    """Put values in for `{{item.x}}`, `{{sample.output_text}}`, `{{sample.output_json.x}}`,
    `{{sample.output_tools[0].function.name}}`. What is no text is written as JSON.

    Raises GradingError for what names nothing, or has no value here.
    """

    def value(match: re.Match[str]) -> str:
        filling = _look_up(match[1].strip(), item, sample)
        return filling if isinstance(filling, str) else json.dumps(filling, ensure_ascii=False)

    return _TEMPLATE.sub(value, template)


def fill_messages(messages: Sequence[Mapping[str, Any]], item: Item, sample: Sample) -> list[dict[str, str]]:
    """The messages of a model grader with their templates filled in, each content as one text."""
    return [
        {"role": str(message.get("role")), "content": fill("\n".join(texts_of(message.get("content"))), item, sample)}
        for message in messages
    ]


def texts_of(content: Any) -> Iterator[str]:
    """The texts of a message's content: a string, a part, or a list of these; images and sound have none."""
    for part in content if isinstance(content, list) else [content]:
        text = part.get("text") if isinstance(part, Mapping) else part
        if isinstance(text, str):
            yield text


def item_paths(paths: Iterable[str]) -> list[str]:
    """Of paths those into the item, as `item.a.b[0]`, each once."""
    return [path for path in dict.fromkeys(paths) if path.startswith("item.") and names_something(path)]


def has(item: Item, path: str) -> bool:
    """Whether an item has a value at a path such as `item.a.b`."""
    try:
        _look_up(path, item, {})
    except GradingError:
        return False
    return True


def _look_up(path: str, item: Item, sample: Sample) -> Any:
    parts = _PATH.fullmatch(path)
    if not parts:
        raise GradingError("invalid_variable_error", f"{{{{{path}}}}} names nothing; {PATHS}")
    source, rest = parts.groups()
    if source == "item":
        return _walk(item, rest, path)
    if source == "output_json" and "output_json" not in sample:
        text = str(sample.get("output_text", ""))
        raise GradingError("sample_parse_error", f"the answer is not JSON: {text[:80]!r}")
    if source not in sample:
        raise GradingError("invalid_variable_error", f"{{{{{path}}}}} has no value here: there is no answer")
    return _walk(sample[source], rest, path)


def _walk(value: Any, rest: str, path: str) -> Any:
    for name, index in _STEP.findall(rest):
        try:
            value = value[int(index)] if index else value[name]
        except (KeyError, IndexError, TypeError):
            raise GradingError("invalid_variable_error", f"{{{{{path}}}}} has no value here") from None
    return value
