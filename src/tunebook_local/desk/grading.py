"""Running a grader on request, and refusing one that could not grade."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunebook_local.desk.body import must_be, object_in
from tunebook_local.desk.refusals import invalid
from tunebook_local.model.graders import GraderResult, grade, grader_problems


def check_grader(grader: Any, param: str = "grader") -> dict[str, Any]:
    """A grader that can grade; refused with the first thing that is wrong with it."""
    problems = grader_problems(grader)
    if problems:
        raise invalid(f"{problems[0]}.", param)
    return dict(grader)


def run_grader(body: Mapping[str, Any]) -> tuple[dict[str, Any], GraderResult]:
    """One answer graded: the grader and its result."""
    grader = check_grader(body.get("grader"))
    sample = body.get("model_sample")
    if not isinstance(sample, str):
        raise must_be("model_sample is required and", "a string", sample, "model_sample")
    return grader, grade(grader, object_in(body, "item"), sample)
