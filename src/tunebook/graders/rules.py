"""What is wrong with a grader, said before anything is sent.

Source: https://learn.microsoft.com/azure/ai-foundry/openai/how-to/reinforcement-fine-tuning (2026-10-05), and the
published OpenAPI description for what stands in a model grader's messages.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from tunebook.graders.formulas import FormulaError, read_formula
from tunebook.graders.similarity import METRICS, NOT_HERE
from tunebook.graders.source import paths_of_source, source_doubts, source_problems
from tunebook.graders.templates import PATHS, Item, has, item_paths, names_something, paths_in, texts_of

Grader = Mapping[str, Any]
Rule = Callable[[Grader, str], Iterator[str]]

OPERATIONS: Mapping[str, Callable[[str, str], bool]] = {
    "eq": lambda text, reference: text == reference,
    "ne": lambda text, reference: text != reference,
    "like": lambda text, reference: reference in text,
    "ilike": lambda text, reference: reference.lower() in text.lower(),
}
_METRICS = (*METRICS, "meteor")  # the published description knows cosine for evaluations alone
_NEEDS = {
    "score_model": "it asks another model for a score",
    "label_model": "it asks another model for a label",
    "python": "it runs code",
    "endpoint": "it asks a service of yours",
}
_PARTS = ("input_text", "output_text", "input_image", "input_audio")


def problems(grader: Any, where: str = "grader") -> Iterator[str]:
    """Everything the service would refuse of a grader, each as a sentence.

    >>> list(tb.graders.problems({"type": "string_check", "operation": "is", "input": "", "reference": ""}))
    ["grader.operation is 'is'; use eq, ne, like, ilike"]
    """
    if not isinstance(grader, Mapping):
        yield f"{where} is {grader!r}; it must be an object with a type"
        return
    kind = grader.get("type")
    if not isinstance(kind, str) or kind not in _RULES:
        yield f"{where}.type is {kind!r}; use {', '.join(KINDS)}"
        return
    if kind == "label_model" and where == "grader":
        yield f"{where} is a label_model, which grades evaluations and parts of a multi grader alone; use score_model"
    yield from _RULES[kind](grader, where)


def doubts(grader: Any, where: str = "grader") -> Iterator[str]:
    """What of a grader is worth a second look: it would be taken, and may not do what is meant."""
    if not isinstance(grader, Mapping):
        return
    if grader.get("type") == "python":
        yield from source_doubts(grader.get("source"), f"{where}.source")
        if grader.get("image_tag"):
            yield f"{where}.image_tag: leave it out unless the documentation names a version"
    if where == "grader" and not grader.get("name"):
        yield "grader.name is missing; the columns of the result file are called by it"
    for name, part in parts_of(grader).items():
        yield from doubts(part, f"{where}.graders.{name}")


def not_gradable(grader: Grader, means: Collection[str] = (), where: str = "grader") -> Iterator[str]:
    """Why a grader cannot be worked out here; `means`: the types for which there is something that grades them."""
    kind = str(grader.get("type"))
    if kind == "multi":
        for name, part in parts_of(grader).items():
            yield from not_gradable(part, means, f"{where}.graders.{name}")
    elif kind in _NEEDS and kind not in means:
        yield (
            f"{where} has type {kind!r}, which is not graded here: {_NEEDS[kind]}; "
            "use string_check, text_similarity or multi"
        )
    elif kind == "text_similarity" and (metric := str(grader.get("evaluation_metric"))) in NOT_HERE:
        allowed = ", ".join(METRICS)
        yield f"{where}.evaluation_metric {metric!r} is not worked out here: {NOT_HERE[metric]}; use {allowed}"


def unfilled(grader: Any, items: Iterable[Item]) -> list[str]:
    """The `item.…` that a grader names and no item has, in templates and in the source of python; reads no more
    items than it must.

    >>> tb.graders.unfilled(tb.graders.starter("string_check", ["answr"]), [{"answer": "yes"}])
    ['item.answr']
    """
    missing = item_paths(named(grader))
    for item in items:
        missing = [path for path in missing if not has(item, path)]
        if not missing:
            break
    return missing


def parts_of(grader: Grader) -> dict[str, Grader]:
    """The graders of a multi grader by name: given as a mapping, as a list, or as a single one."""
    graders = grader.get("graders") or {}
    if isinstance(graders, Mapping) and isinstance(graders.get("type"), str):
        graders = [graders]
    if isinstance(graders, Mapping):
        return {str(name): part for name, part in graders.items() if isinstance(part, Mapping)}
    if not isinstance(graders, list):
        return {}
    return {str(part.get("name", "")): part for part in graders if isinstance(part, Mapping)}


def named(value: Any) -> Iterator[str]:
    """Everything that templates and python sources inside a grader name, such as `item.answer`."""
    if isinstance(value, Mapping):
        if value.get("type") == "python":
            yield from paths_of_source(value.get("source"))
            return
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from named(inner)
    elif isinstance(value, str):
        yield from paths_in(value)


# ---- by type ----


def _string_check(grader: Grader, where: str) -> Iterator[str]:
    yield from _text_fields(grader, ("input", "reference"), where)
    yield from _choice(grader, "operation", OPERATIONS, where)


def _text_similarity(grader: Grader, where: str) -> Iterator[str]:
    yield from _text_fields(grader, ("input", "reference"), where)
    yield from _choice(grader, "evaluation_metric", _METRICS, where)


def _score_model(grader: Grader, where: str) -> Iterator[str]:
    yield from _asks_a_model(grader, where)
    span = grader.get("range")
    numbers = isinstance(span, list) and len(span) == 2 and all(_is_number(end) for end in span)
    if span is not None and not (numbers and span[0] < span[1]):
        yield f"{where}.range is {span!r}; it must be two numbers, the lower first"


def _label_model(grader: Grader, where: str) -> Iterator[str]:
    yield from _asks_a_model(grader, where)
    labels, passing = grader.get("labels"), grader.get("passing_labels")
    if not isinstance(labels, list) or not labels:
        yield f"{where}.labels is {labels!r}; it must be a list of words"
    elif not isinstance(passing, list) or not passing or any(label not in labels for label in passing):
        yield f"{where}.passing_labels is {passing!r}; it must name some of labels"


def _asks_a_model(grader: Grader, where: str) -> Iterator[str]:
    if not isinstance(grader.get("model"), str) or not grader["model"]:
        yield f"{where}.model is {grader.get('model')!r}; it must name the model or deployment that grades"
    messages = grader.get("input")
    if not isinstance(messages, list) or not messages:
        yield f"{where}.input is {messages!r}; it must be a list of messages"
        return
    for index, message in enumerate(messages):
        yield from _message(message, f"{where}.input[{index}]")


def _message(message: Any, where: str) -> Iterator[str]:
    if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
        yield f"{where} is {message!r}; it must be a message with role and content"
        return
    content = message.get("content")
    for part in content if isinstance(content, list) else [content]:
        if not isinstance(part, str) and not (isinstance(part, Mapping) and part.get("type") in _PARTS):
            yield f"{where}.content is {part!r}; it must be a text, or parts of type {', '.join(_PARTS)}"
    for text in texts_of(content):
        yield from _templates(text, f"{where}.content")


def _python(grader: Grader, where: str) -> Iterator[str]:
    yield from source_problems(grader.get("source"), f"{where}.source")


def _endpoint(grader: Grader, where: str) -> Iterator[str]:
    url = grader.get("url")
    if not isinstance(url, str) or not url.startswith("https://"):
        yield f"{where}.url is {url!r}; it must be the https:// address that grades"


def _multi(grader: Grader, where: str) -> Iterator[str]:
    parts = parts_of(grader)
    if not parts:
        yield f"{where}.graders is {grader.get('graders')!r}; it must hold at least one grader by name"
    for name, part in parts.items():
        inside = f"{where}.graders.{name}"
        if part.get("type") == "multi":
            yield f"{inside} is itself a multi grader; only one level is allowed"
        else:
            yield from problems(part, inside)
    formula = grader.get("calculate_output")
    if not isinstance(formula, str):
        yield f"{where}.calculate_output is {formula!r}; it must be a formula such as '0.5 * a + 0.5 * b'"
        return
    try:
        unknown = sorted(read_formula(formula).names - set(parts))
    except FormulaError as error:
        yield f"{where}.calculate_output: {error}"
        return
    for name in unknown:
        yield f"{where}.calculate_output names {name!r}, which is no grader here; there are: {', '.join(parts)}"


_RULES: Mapping[str, Rule] = {
    "string_check": _string_check,
    "text_similarity": _text_similarity,
    "score_model": _score_model,
    "python": _python,
    "multi": _multi,
    "endpoint": _endpoint,
    "label_model": _label_model,
}
KINDS = tuple(kind for kind in _RULES if kind != "label_model")  # those a reinforcement job takes


def _text_fields(grader: Grader, names: Iterable[str], where: str) -> Iterator[str]:
    for name in names:
        text = grader.get(name)
        if isinstance(text, str):
            yield from _templates(text, f"{where}.{name}")
        else:
            yield f"{where}.{name} is {text!r}; it must be a text, with templates such as {{{{item.x}}}}"


def _templates(text: str, where: str) -> Iterator[str]:
    for path in paths_in(text):
        if not names_something(path):
            yield f"{where} uses {{{{{path}}}}}, which names nothing; {PATHS}"


def _choice(grader: Grader, name: str, allowed: Collection[str], where: str) -> Iterator[str]:
    choice = grader.get(name)
    if not isinstance(choice, str) or choice not in allowed:
        yield f"{where}.{name} is {choice!r}; use {', '.join(allowed)}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
