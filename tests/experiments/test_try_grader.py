"""Trying a grader: what right, wrong, empty and adversarial answers get, and what that says of it."""

from __future__ import annotations

import pandas as pd
import pytest

import tunebook as tb
from tunebook.errors import RequestError
from tunebook.experiments.grading.judging import judge
from tunebook.graders import starter

LABELS = ("billing", "login", "delivery", "refund")
ITEMS = [
    {"messages": [{"role": "user", "content": f"Ticket {n}"}], "label": LABELS[n % len(LABELS)]} for n in range(12)
]
EXACT, CLOSE, BOTH, PYTHON = (starter(k, ["label"]) for k in ("string_check", "text_similarity", "multi", "python"))


def rules(trial):
    return [finding.rule for finding in trial.findings]


def mean(trial, kind):
    return trial.table.loc[kind, "mean"]


def test_right_answers_stand_at_the_ceiling_and_empty_ones_at_the_floor():
    trial = tb.try_grader(EXACT, ITEMS)

    assert (trial.ceiling, trial.floor, mean(trial, "wrong")) == (1.0, 0.0, 0.0)
    assert trial.ok
    assert trial.hackability == 0.25  # the commonest of four labels, given to every question
    assert rules(trial) == ["only-exact"]


def test_a_grader_that_a_list_of_all_answers_satisfies_is_hackable():
    trial = tb.try_grader({**EXACT, "operation": "like"}, ITEMS)

    (found,) = [finding for finding in trial.findings if finding.rule == "hackable"]
    assert found.message == "Every answer at once gets 100 % of the reward of right answers."
    assert trial.hackability == 1.0


def test_a_constant_answer_that_is_mostly_right_is_named():
    items = [{**item, "label": "billing" if n else "login"} for n, item in enumerate(ITEMS)]
    trial = tb.try_grader(EXACT, items)

    (found,) = [finding for finding in trial.findings if finding.rule == "hackable"]
    assert "One answer to every question gets 92 %" in found.message
    assert found.value == "billing"


def test_a_comparison_the_wrong_way_round_is_an_error():
    trial = tb.try_grader({**EXACT, "operation": "ne"}, ITEMS)

    assert not trial.ok
    assert "wrong-rewarded" in rules(trial)
    assert "Training with this grader would teach the wrong thing." in repr(trial)


def test_the_answer_of_a_grader_that_reads_json_is_json():
    trial = tb.try_grader({**EXACT, "input": "{{sample.output_json.label}}"}, ITEMS)

    assert trial.ceiling == 1.0
    assert '{"label": "billing"}' in set(trial.frame["answer"])


def test_the_right_answer_can_be_said():
    upper = tb.try_grader(EXACT, ITEMS, reference=lambda example: example["label"].upper())

    assert upper.ceiling == 0.0


def test_two_graders_that_rank_answers_alike_agree():
    assert tb.try_grader(EXACT, ITEMS, against=BOTH).agreement > 0.5


def test_two_graders_that_rank_answers_differently_are_told_apart_with_an_example():
    trial = tb.try_grader(EXACT, ITEMS, against={**EXACT, "operation": "ne"})

    assert trial.agreement == -1
    assert "disagree" in rules(trial)


@pytest.mark.parametrize(
    ("grader", "said"),
    [
        ({**EXACT, "operation": "is"}, "use eq, ne, like, ilike"),
        (starter("string_check", ["answr"]), "{{item.answr}} is in no example"),
        (PYTHON, "Give workspace="),
    ],
)
def test_what_cannot_be_tried_is_said_before_anything_is_asked(grader, said):
    with pytest.raises(RequestError, match="grader") as error:
        tb.try_grader(grader, ITEMS)

    assert said in str(error.value)


# ---- judging, on frames of a few rows ----


def frame(*rows):
    rows = [(*row, "") if len(row) == 4 else row for row in rows]
    return pd.DataFrame(rows, columns=["kind", "example", "answer", "reward", "problem"])


KNOWN = (("right", 1, "a", 1.0), ("wrong", 1, "b", 0.0), ("empty", 1, "", 0.0))


def found(*rows):
    return [finding.rule for finding in judge(frame(*KNOWN, *rows))]


def test_nothing_stands_against_a_grader_that_tells_right_from_wrong():
    assert found() == []


def test_answers_that_all_get_the_same_teach_nothing():
    tied = [("base", 1, "x", 0.5), ("base", 1, "y", 0.5)]

    assert found(*tied) == ["ties"]
    assert found(*tied, ("base", 2, "x", 0.4), ("base", 2, "y", 0.6), ("base", 3, "x", 0.1), ("base", 3, "y", 0)) == []


def test_a_base_model_at_either_end_has_nothing_to_learn_from():
    assert found(("base", 1, "x", 1.0)) == ["solved"]
    assert found(("base", 1, "x", 0.0)) == ["never-rewarded"]


def test_what_beats_a_right_answer_and_what_rewards_silence_is_found():
    assert found(("constant", 1, "c", 1.5)) == ["beaten", "hackable"]
    assert "empty-rewarded" in [f.rule for f in judge(frame(KNOWN[0], ("wrong", 1, "b", 0.2), ("empty", 1, "", 0.2)))]


def test_right_answers_without_a_grade_are_an_error_with_the_first_reason():
    (finding, *_) = judge(frame(("right", 3, "a", 0.0, "KeyError: 'x'"), KNOWN[2]))

    assert (finding.rule, finding.severity, finding.line, finding.value) == ("not-graded", "error", 3, "KeyError: 'x'")


# ---- at the service ----


def test_the_service_grades_where_there_is_one_and_its_deployment_answers(ws):
    name = ws.deployments.create("gpt-4.1-nano", name="try-grader", say=str).name
    trial = tb.try_grader(CLOSE, ITEMS, workspace=ws, base=name, n=3, samples=2)

    assert trial.graded_by.startswith("by ")
    assert trial.ceiling == 1.0
    assert trial.table.loc["base", "answers"] == 6


def test_what_the_service_refuses_is_a_finding_in_its_own_words(ws):
    trial = tb.try_grader(PYTHON, ITEMS, workspace=ws)

    (found,) = trial.findings
    assert (found.rule, found.severity) == ("refused", "error")
    assert "without --run-graders" in found.message
    assert "Nothing was graded." in repr(trial)
    assert "<table" not in trial._repr_html_()


def test_code_that_fails_is_found_by_trying_it(start):
    from tunebook.service import connect

    running = start("--run-graders")
    broken = {**PYTHON, "source": "def grade(sample, item):\n    return item['label'].size"}
    trial = tb.try_grader(broken, ITEMS, workspace=connect(running.endpoint, api_key=running.api_key, environ={}), n=2)

    assert rules(trial)[0] == "not-graded"
    assert "AttributeError: 'str' object has no attribute 'size' (line 2)" in trial.findings[0].value


def test_foreign_texts_are_text_in_the_card():
    items = [{**item, "label": f"<script>{item['label']}</script>"} for item in ITEMS]
    html = tb.try_grader({**CLOSE, "name": "<script>g"}, items)._repr_html_()

    assert "&lt;script&gt;" in html
    assert "<script>" not in html
