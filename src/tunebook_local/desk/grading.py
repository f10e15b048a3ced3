"""Grading: a grader refused that could not grade here, one run on request, and what grades for a training.

A python grader runs where the service was started with `--run-graders`; a score_model grader asks a deployment.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tunebook.graders import GraderResult, GradingError, Item, Means, Sample, fill_messages, grade
from tunebook.graders.rules import not_gradable, parts_of, problems
from tunebook.graders.templates import sample_of
from tunebook_local.desk import Desk
from tunebook_local.desk.body import must_be, object_in
from tunebook_local.desk.chat import Piece, open_chat
from tunebook_local.desk.chat_request import read_chat_request
from tunebook_local.desk.deployments import living_deployments
from tunebook_local.desk.refusals import Refusal, invalid
from tunebook_local.model.messages import read_tool_calls
from tunebook_local.model.python_graders import PythonGraders

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_SAMPLING = ("temperature", "top_p", "seed", "max_completion_tokens")
OFF = "it runs code, and this service was started without --run-graders"


@contextmanager
def means_of(desk: Desk) -> Iterator[Means]:
    """What grades python and model graders here, for as long as the `with` lasts."""
    with PythonGraders() as python:
        asking: Means = {"score_model": lambda *given: _ask(desk, *given)}
        yield {**asking, "python": python} if desk.run_graders else asking


def check_grader(desk: Desk, grader: Any, param: str = "grader") -> dict[str, Any]:
    """A grader that can grade here; refused with the first thing that is wrong with it."""
    if problem := next(_problems(desk, grader), None):
        raise invalid(f"{problem}.", param)
    return dict(grader)


def run_grader(desk: Desk, body: Mapping[str, Any]) -> tuple[dict[str, Any], GraderResult]:
    """One answer graded: the grader and its result."""
    grader = check_grader(desk, body.get("grader"))
    sample = body.get("model_sample")
    if not isinstance(sample, str):
        raise must_be("model_sample is required and", "a string", sample, "model_sample")
    with means_of(desk) as means:
        return grader, grade(grader, object_in(body, "item"), sample_of(sample, read_tool_calls(sample)), means)


def _problems(desk: Desk, grader: Any) -> Iterator[str]:
    yield from problems(grader)
    means = ("python", "score_model") if desk.run_graders else ("score_model",)
    for problem in not_gradable(grader, means):
        yield problem.replace("it runs code", OFF)
    for part in (grader, *parts_of(grader).values()):
        if part.get("type") == "score_model" and part["model"] not in (known := living_deployments(desk)):
            there = f"there are: {', '.join(known)}" if known else "there is none yet"
            yield f"the model {part['model']!r} that grades is no deployment of this service; {there}"


def _ask(desk: Desk, grader: Mapping[str, Any], item: Item, sample: Sample) -> float:
    """The score a deployment gives: the number it replies with, alone, among words, or as `result` in JSON."""
    asked = {"messages": fill_messages(grader["input"], item, sample), "temperature": 0, "seed": 0}
    given = dict(grader.get("sampling_params") or {})
    given["max_completion_tokens"] = given.pop("max_completions_tokens", None)  # the API's name in graders
    asked |= {name: given[name] for name in _SAMPLING if given.get(name) is not None}
    try:
        chat = open_chat(desk, read_chat_request(asked), grader["model"])
        text = "".join(piece.text for piece in chat.choices()[0] if isinstance(piece, Piece))
    except Refusal as refusal:
        raise GradingError("model_grader_server_error", str(refusal)) from None
    low, high = grader.get("range") or (0, 1)
    score = _score(text)
    if score is None or not low <= score <= high:
        told = f"{grader['model']} replied {text[:80]!r}, which is no score from {low:g} to {high:g}"
        raise GradingError("model_grader_parse_error", told)
    return score


def _score(text: str) -> float | None:
    try:
        value = json.loads(text)
    except ValueError:
        found = _NUMBER.search(text)
        return float(found[0]) if found else None
    value = value.get("result", value.get("score")) if isinstance(value, dict) else value
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
