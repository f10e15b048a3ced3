"""How good is one answer, as a number? string_check, text_similarity and multi are worked out here.

A python or a model grader needs `Means`: functions that run its code or ask its model. Where they are not given, it is
refused, never made up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tunebook.graders.formulas import FormulaError, read_formula
from tunebook.graders.rules import OPERATIONS, Grader, not_gradable, parts_of, problems
from tunebook.graders.similarity import METRICS
from tunebook.graders.templates import GradingError, Item, Sample, fill

# By a grader's type what grades it, a grader without `problems`: of (grader, item, sample) the reward. Raises
# GradingError where there is none.
Means = Mapping[str, Callable[[Grader, Item, Sample], float]]

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


def grade(grader: Grader, item: Item, sample: Sample, means: Means | None = None) -> GraderResult:
    """Grade one answer (`sample_of`) to one item (the extra keys of its line).

    Never raises for what an answer says; a grader that cannot grade (`problems`, `not_gradable`) gets reward 0 and
    says so.

    >>> from tunebook.graders import grade, sample_of, starter
    >>> grade(starter("string_check", ["label"]), {"label": "yes"}, sample_of("yes")).reward
    1.0
    """
    means = means or {}
    try:
        if grader.get("type") == "multi":
            return _grade_multi(grader, item, sample, means)
        return GraderResult(_grade_one(grader, item, sample, means))
    except GradingError as error:
        details = {f"{error.flag}_details": str(error)} if f"{error.flag}_details" in _NO_ERRORS else {}
        return GraderResult(0.0, {**_NO_ERRORS, error.flag: True, **details}, problem=str(error))


def _grade_one(grader: Grader, item: Item, sample: Sample, means: Means) -> float:
    kind = str(grader.get("type"))
    if kind in means:  # checked before it got here: reading code each time takes long
        return float(means[kind](grader, item, sample))
    for wrong in (*problems(grader), *not_gradable(grader)):
        raise GradingError("other_error", wrong)
    text, reference = (fill(grader[side], item, sample) for side in ("input", "reference"))
    if grader["type"] == "string_check":
        return float(OPERATIONS[grader["operation"]](text, reference))
    return METRICS[grader["evaluation_metric"]](text, reference)


def _grade_multi(grader: Grader, item: Item, sample: Sample, means: Means) -> GraderResult:
    parts = {name: grade(part, item, sample, means) for name, part in parts_of(grader).items()}
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
