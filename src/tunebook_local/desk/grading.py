"""Running and validating a grader on request, and refusing one that a job could not use."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tunebook_local.desk.refusals import invalid


def check_grader(grader: Any, param: str) -> dict[str, Any]:
    """A grader that can grade; refused with the first thing that is wrong with it."""
    from tunebook_local.model.graders import grader_problems  # numpy: not before somebody grades

    problems = grader_problems(grader)
    if problems:
        raise invalid(f"{problems[0]}.", param)
    return dict(grader)


def validate_grader(body: Mapping[str, Any]) -> dict[str, Any]:
    """The grader of the request, given back when it is one."""
    return {"grader": check_grader(body.get("grader"), "grader")}


def run_grader(body: Mapping[str, Any]) -> dict[str, Any]:
    """One answer graded, in the API's shape. No other model is asked, so its token figures are none."""
    from tunebook_local.model.graders import grade

    grader = check_grader(body.get("grader"), "grader")
    sample, item = body.get("model_sample"), body.get("item")
    if not isinstance(sample, str):
        raise invalid("model_sample is required and must be a string.", "model_sample")
    if item is not None and not isinstance(item, dict):
        raise invalid("item must be an object.", "item")
    started = time.perf_counter()
    result = grade(grader, item or {}, sample)
    metadata = {
        "name": str(grader.get("name") or ""),
        "type": grader["type"],
        "errors": dict(result.errors),
        "execution_time": time.perf_counter() - started,
        "scores": dict(result.sub_rewards),
        "token_usage": None,
        "sampled_model_name": None,
    }
    return {
        "reward": result.reward,
        "metadata": metadata,
        "sub_rewards": dict(result.sub_rewards),
        "model_grader_token_usage_per_model": {},
    }
