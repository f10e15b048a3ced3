"""A grader of each type to begin with, made for the items of a file."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tunebook.graders.rules import KINDS

# Names under which files usually keep the right answer, the likeliest first.
_USUAL = ("reference_answer", "answer", "label", "expected", "reference", "target", "solution", "output", "category")
_SOURCE = '''\
def grade(sample, item):
    """1 for the reference itself, half of it where the answer holds it among other words."""
    answer = (sample.get("output_text") or "").strip().lower()
    reference = str(item["{name}"]).strip().lower()
    if answer == reference:
        return 1.0
    return 0.5 if reference in answer else 0.0
'''
_ASKED = """\
Reference: {{{{item.{name}}}}}
Answer: {{{{sample.output_text}}}}
How far does the answer agree with the reference, from 0 to 1? Reply with the number alone."""


def answer_name(names: Collection[str]) -> str:
    """Of the keys of an item the one that likely holds the right answer; "answer" where there are none."""
    return next((name for name in _USUAL if name in names), next(iter(names), "answer"))


def starter(kind: str, names: Collection[str] = ()) -> dict[str, Any]:
    """A whole grader of this type, ready to change. names: the keys of the file's items.

    Raises ValueError for a type there is not.

    >>> tb.graders.starter("string_check", ["label"])["reference"]
    '{{item.label}}'
    """
    name = answer_name(names)
    sides = {"input": "{{sample.output_text}}", "reference": f"{{{{item.{name}}}}}"}
    exact = {"type": "string_check", "name": "exact", "operation": "eq", **sides}
    close = {"type": "text_similarity", "name": "close", "evaluation_metric": "fuzzy_match", **sides}
    made: dict[str, dict[str, Any]] = {
        "string_check": exact,
        "text_similarity": close,
        "score_model": {
            "type": "score_model",
            "name": "judged",
            "model": "o4-mini",
            "input": [{"role": "user", "content": _ASKED.format(name=name)}],
            "range": [0, 1],
        },
        "python": {"type": "python", "name": "scored", "source": _SOURCE.format(name=name)},
        "multi": {
            "type": "multi",
            "name": "both",
            "graders": {"exact": exact, "close": close},
            "calculate_output": "0.5 * exact + 0.5 * close",
        },
        "endpoint": {"type": "endpoint", "name": "mine", "url": "https://grader.example/grade"},
    }
    if kind not in made:
        raise ValueError(f"{kind!r} is no type of grader; there are {', '.join(KINDS)}.")
    return made[kind]
