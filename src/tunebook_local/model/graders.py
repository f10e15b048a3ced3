"""Graders: how good is one sampled answer, as a number?

Worked out here: string_check, text_similarity (see `similarity.py`) and multi (see `formulas.py`). A
score_model, label_model or python grader would need another model or would run a stranger's code, so it is
refused, never made up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tunebook_local.model.formulas import FormulaError, read_formula
from tunebook_local.model.messages import read_tool_calls
from tunebook_local.model.similarity import METRICS, NOT_HERE

Grader = Mapping[str, Any]

_OPERATIONS = {
    "eq": lambda text, reference: text == reference,
    "ne": lambda text, reference: text != reference,
    "like": lambda text, reference: reference in text,
    "ilike": lambda text, reference: reference.lower() in text.lower(),
}
_REFUSED = {
    "score_model": "it asks another model for a score",
    "label_model": "it asks another model for a label",
    "python": "it runs code, which this service does not",
}
_TEMPLATE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_PATH = re.compile(r"(?:sample\.)?((?<=sample\.)output_(?:text$|json|tools)|^item)((?:\.[^.\[\]]+|\[\d+\])*)")
_PATHS = "use item.…, sample.output_text, sample.output_json.… or sample.output_tools"
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")

# every flag of the API's reply, false until something went wrong
_NO_ERRORS: Mapping[str, bool | str | None] = {
    "formula_parse_error": False,
    "sample_parse_error": False,
    "truncated_observation_error": False,
    "unresponsive_reward_error": False,
    "invalid_variable_error": False,
    "other_error": False,
    "python_grader_server_error": False,
    "python_grader_server_error_type": None,
    "python_grader_runtime_error": False,
    "python_grader_runtime_error_details": None,
    "model_grader_server_error": False,
    "model_grader_refusal_error": False,
    "model_grader_parse_error": False,
    "model_grader_server_error_details": None,
}


@dataclass(frozen=True)
class GraderResult:
    """A grade: `reward` (0 where something went wrong), the API's `errors`, in `problem` what went wrong in
    words, and the results of a multi grader's `parts`."""

    reward: float
    errors: Mapping[str, bool | str | None] = field(default_factory=lambda: dict(_NO_ERRORS))
    problem: str | None = None
    parts: Mapping[str, GraderResult] = field(default_factory=dict)

    @property
    def sub_rewards(self) -> dict[str, float]:
        return {name: part.reward for name, part in self.parts.items()}


class _GradingError(Exception):
    """Why no grade could be given: one of the API's error flags, and a sentence."""

    def __init__(self, flag: str, problem: str) -> None:
        super().__init__(problem)
        self.flag = flag


def grade(grader: Grader, item: Mapping[str, Any], sample_text: str) -> GraderResult:
    """Grade one answer to one item (the extra keys of its line).

    Never raises for what an answer says; a grader with problems (`grader_problems`) gets reward 0 and says so.
    """
    try:
        if grader.get("type") == "multi":
            return _grade_multi(grader, item, sample_text)
        return GraderResult(_grade_one(grader, item, sample_text))
    except _GradingError as error:
        return GraderResult(0.0, {**_NO_ERRORS, error.flag: True}, problem=str(error))


def _grade_one(grader: Grader, item: Mapping[str, Any], sample_text: str) -> float:
    problems = grader_problems(grader)
    if problems:
        raise _GradingError("other_error", problems[0])
    text = fill_template(grader["input"], item, sample_text)
    reference = fill_template(grader["reference"], item, sample_text)
    if grader["type"] == "string_check":
        return float(_OPERATIONS[grader["operation"]](text, reference))
    return METRICS[grader["evaluation_metric"]](text, reference)


def _grade_multi(grader: Grader, item: Mapping[str, Any], sample_text: str) -> GraderResult:
    parts = {name: grade(part, item, sample_text) for name, part in parts_of(grader).items()}
    errors = dict(_NO_ERRORS)
    for part in parts.values():
        errors |= {flag: value for flag, value in part.errors.items() if value}
    problem = next((f"{name}: {part.problem}" for name, part in parts.items() if part.problem), None)
    try:
        formula = read_formula(str(grader.get("calculate_output", "")))
        reward = formula({name: part.reward for name, part in parts.items()})
    except FormulaError as error:
        reward, problem, errors["formula_parse_error"] = 0.0, str(error), True
    return GraderResult(reward, errors, problem, parts)


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


# ---- templates ----


def fill_template(template: str, item: Mapping[str, Any], sample_text: str) -> str:
    """Put values in for `{{item.x}}`, `{{sample.output_text}}`, `{{sample.output_json.x}}`,
    `{{sample.output_tools[0].function.name}}`; spaces inside the braces do not matter.

    What is no text is written as JSON.
    """

    def value(match: re.Match[str]) -> str:
        filling = _look_up(match[1].strip(), item, sample_text)
        return filling if isinstance(filling, str) else json.dumps(filling, ensure_ascii=False)

    return _TEMPLATE.sub(value, template)


def _look_up(path: str, item: Mapping[str, Any], sample_text: str) -> Any:
    parts = _PATH.fullmatch(path)
    if not parts:
        raise _GradingError("invalid_variable_error", f"{{{{{path}}}}} names nothing; {_PATHS}")
    source, rest = parts.groups()
    if source == "item":
        return _walk(item, rest, path)
    if source == "output_text":
        return sample_text
    if source == "output_tools":
        return _walk(read_tool_calls(sample_text), rest, path)
    try:
        answer = json.loads(sample_text)
    except ValueError:
        raise _GradingError("sample_parse_error", f"the answer is not JSON: {sample_text[:80]!r}") from None
    return _walk(answer, rest, path)


def _walk(value: Any, rest: str, path: str) -> Any:
    for name, index in _STEP.findall(rest):
        try:
            value = value[int(index)] if index else value[name]
        except (KeyError, IndexError, TypeError):
            raise _GradingError("invalid_variable_error", f"{{{{{path}}}}} has no value here") from None
    return value


# ---- what is wrong with a grader ----


def grader_problems(grader: Grader | None) -> tuple[str, ...]:
    """Everything that would keep a grader from grading, each as a sentence; empty if nothing does."""
    return tuple(_problems(grader, "grader"))


def _problems(grader: Any, where: str) -> Iterator[str]:
    if not isinstance(grader, Mapping):
        yield f"{where} is {grader!r}; it must be an object with a type"
        return
    kind = grader.get("type")
    if kind == "multi":
        yield from _multi_problems(grader, where)
    elif kind == "string_check":
        yield from _template_problems(grader, where)
        yield from _choice_problems(grader, "operation", _OPERATIONS, {}, where)
    elif kind == "text_similarity":
        yield from _template_problems(grader, where)
        yield from _choice_problems(grader, "evaluation_metric", METRICS, NOT_HERE, where)
    elif isinstance(kind, str) and kind in _REFUSED:
        yield (
            f"{where} has type {kind!r}, which is not graded here: {_REFUSED[kind]}; "
            "use string_check, text_similarity or multi"
        )
    else:
        yield f"{where}.type is {kind!r}; use string_check, text_similarity or multi"


def _template_problems(grader: Grader, where: str) -> Iterator[str]:
    for name in ("input", "reference"):
        text = grader.get(name)
        if not isinstance(text, str):
            yield f"{where}.{name} is {text!r}; it must be a text, with templates such as {{{{item.x}}}}"
            continue
        for template in _TEMPLATE.findall(text):
            path = template.strip()
            if not _PATH.fullmatch(path):
                yield f"{where}.{name} uses {{{{{path}}}}}, which names nothing; {_PATHS}"


def _choice_problems(
    grader: Grader, name: str, allowed: Mapping[str, Any], not_here: Mapping[str, str], where: str
) -> Iterator[str]:
    choice = grader.get(name)
    if isinstance(choice, str) and choice in not_here:
        yield f"{where}.{name} {choice!r} is not worked out here: {not_here[choice]}; use {', '.join(allowed)}"
    elif not isinstance(choice, str) or choice not in allowed:
        yield f"{where}.{name} is {choice!r}; use {', '.join(allowed)}"


def _multi_problems(grader: Grader, where: str) -> Iterator[str]:
    parts = parts_of(grader)
    if not parts:
        yield f"{where}.graders is {grader.get('graders')!r}; it must hold at least one grader by name"
    for name, part in parts.items():
        inside = f"{where}.graders.{name}"
        if part.get("type") == "multi":
            yield f"{inside} is itself a multi grader; only one level is allowed"
        else:
            yield from _problems(part, inside)
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
