"""Graders: rewards worked out by hand, formulas that cannot run code, problems said in words."""

from __future__ import annotations

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebook_local.model.formulas import FormulaError, read_formula
from tunebook_local.model.graders import grade, grader_problems
from tunebook_local.model.messages import message_text, read_tool_calls
from tunebook_local.model.similarity import METRICS, bleu, common_length, fuzzy_match, gleu, rouge_l, rouge_n

EXACT = {
    "type": "string_check",
    "name": "exact",
    "operation": "eq",
    "input": "{{sample.output_text}}",
    "reference": "{{item.label}}",
}
CLOSE = {
    "type": "text_similarity",
    "name": "close",
    "evaluation_metric": "fuzzy_match",
    "input": "{{ sample.output_text }}",
    "reference": "{{ item.label }}",
}
BOTH = {
    "type": "multi",
    "name": "both",
    "graders": {"exact": EXACT, "close": CLOSE},
    "calculate_output": "0.5 * exact + 0.5 * close",
}


# ---- string_check ----


@pytest.mark.parametrize(
    ("operation", "text", "reward"),
    [
        ("eq", "Yes", 1), ("eq", "yes", 0), ("ne", "yes", 1), ("ne", "Yes", 0),
        ("like", "Oh Yes!", 1), ("like", "oh yes", 0), ("ilike", "oh yes", 1), ("ilike", "no", 0),
    ],
)  # fmt: skip
def test_string_check_compares_input_with_reference(operation, text, reward):
    assert grade({**EXACT, "operation": operation}, {"label": "Yes"}, text).reward == reward


# ---- text_similarity, figures worked out by hand ----


def test_fuzzy_match_is_twice_the_common_subsequence_over_both_lengths():
    assert fuzzy_match("kitten", "sitting") == pytest.approx(2 * 4 / 13)


def test_rouge_1_is_the_f1_of_common_words():
    assert rouge_n("the cat sat", "the cat sat down", 1) == pytest.approx(2 * 3 / 7)


def test_rouge_2_counts_pairs():
    assert rouge_n("the cat sat", "the cat ran", 2) == pytest.approx(2 * 1 / 4)


def test_rouge_l_keeps_the_order():
    assert rouge_l("b a", "a b") == pytest.approx(2 * 1 / 4)


def test_bleu_is_1_for_the_same_sentence_and_0_for_no_common_word():
    assert bleu("the cat sat down", "the cat sat down") == pytest.approx(1)
    assert bleu("dogs run", "the cat sat down") == 0


def test_a_short_answer_pays_bleus_brevity_penalty():
    expected = math.exp(1 - 4 / 2)  # both words right, half the length; every smoothed precision is 1
    assert bleu("the cat", "the cat sat down") == pytest.approx(expected)


def test_gleu_is_the_smaller_of_precision_and_recall():
    assert gleu("the cat", "the cat sat") == pytest.approx(3 / 6)  # runs: 3 of ours, 6 of theirs


@given(st.text(max_size=40), st.text(max_size=40))
def test_every_measure_lies_between_0_and_1_and_equals_itself_best(text, other):
    for measure in METRICS.values():
        assert 0 <= measure(text, other) <= 1
        assert measure(text, other) <= measure(other, other) + 1e-9 or not other.strip()


@given(st.lists(st.sampled_from("abc"), max_size=9), st.lists(st.sampled_from("abc"), max_size=9))
def test_the_common_subsequence_is_as_long_as_the_textbook_says(one, other):
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
    assert common_length(one, other) == table[-1][-1]


# ---- multi ----


def test_a_multi_grader_works_out_its_formula_and_tells_the_parts():
    result = grade(BOTH, {"label": "abcd"}, "abcx")
    assert result.reward == pytest.approx(0.375)
    assert result.sub_rewards == {"exact": 0.0, "close": 0.75}


def test_a_formula_without_a_value_is_an_error_and_no_reward():
    result = grade({**BOTH, "calculate_output": "1 / exact"}, {"label": "a"}, "b")
    assert (result.reward, result.errors["formula_parse_error"]) == (0.0, True)
    assert "exact" in result.problem


@pytest.mark.parametrize(
    ("formula", "value"),
    [("2 ^ 3 + 1", 9), ("-a * 2", -1), ("max(a, b, 0.7)", 0.7), ("sqrt(abs(-4))", 2), ("floor(1.5) + ceil(1.5)", 3)],
)
def test_formulas_are_worked_out(formula, value):
    assert read_formula(formula)({"a": 0.5, "b": 0.25}) == pytest.approx(value)


@pytest.mark.parametrize(
    "formula",
    [
        "__import__('os')", "a.real", "a[0]", "(lambda: 1)()", "a if a else b", "'x' * 9", "a and b", "True",
        "max(x=1)", "min()", "", "a +", "open('f')", "[a for a in b]", "1" + "+1" * 600, "f'{a}'", "a := 1",
    ],
)  # fmt: skip
def test_what_is_no_formula_is_refused(formula):
    with pytest.raises(FormulaError):
        read_formula(formula)({"a": 1.0, "b": 1.0})


@given(st.text(max_size=30))
def test_any_text_is_either_a_formula_or_refused(text):
    with suppress(FormulaError):
        assert math.isfinite(read_formula(text)({"a": 1.0}))


def test_huge_powers_are_refused_not_worked_out():
    with pytest.raises(FormulaError):
        read_formula("9 ^ 9 ^ 9")({})


# ---- templates ----


def test_json_answers_are_looked_into():
    grader = {**EXACT, "input": "{{sample.output_json.labels[1].name}}"}
    assert grade(grader, {"label": "b"}, '{"labels": [{"name": "a"}, {"name": "b"}]}').reward == 1


def test_an_answer_that_is_no_json_is_a_parse_error():
    result = grade({**EXACT, "input": "{{sample.output_json.x}}"}, {"label": "b"}, "not json")
    assert (result.reward, result.errors["sample_parse_error"]) == (0.0, True)


def test_a_missing_variable_is_an_error():
    result = grade(EXACT, {}, "b")
    assert (result.reward, result.errors["invalid_variable_error"]) == (0.0, True)
    assert "item.label" in result.problem


def test_tool_calls_of_an_answer_are_looked_into():
    call = {"type": "function", "function": {"name": "find", "arguments": '{"city": "Rom"}'}}
    text = message_text({"role": "assistant", "tool_calls": [call]})
    assert read_tool_calls(text) == [call]
    grader = {**EXACT, "input": "{{sample.output_tools[0].function.name}}"}
    assert grade(grader, {"label": "find"}, text).reward == 1


def test_braces_inside_an_answer_are_not_filled_in_again():
    assert grade(EXACT, {"label": "{{item.label}}"}, "{{item.label}}").reward == 1


# ---- problems ----


def test_good_graders_have_no_problems():
    assert [grader_problems(grader) for grader in (EXACT, CLOSE, BOTH)] == [(), (), ()]


@pytest.mark.parametrize(
    ("grader", "part"),
    [
        (None, "must be an object"),
        ({}, "grader.type is None"),
        ({"type": "score_model"}, "another model"),
        ({"type": "python", "source": "…"}, "runs code"),
        ({**EXACT, "operation": "equals"}, "operation is 'equals'; use eq, ne, like, ilike"),
        ({**EXACT, "operation": []}, "operation is []"),
        ({**EXACT, "input": 5}, "input is 5"),
        ({**EXACT, "input": "{{sample.text}}"}, "{{sample.text}}, which names nothing"),
        ({**CLOSE, "evaluation_metric": "meteor"}, "'meteor' is not worked out here"),
        ({**BOTH, "graders": {}}, "at least one grader"),
        ({**BOTH, "graders": 5}, "graders is 5"),
        ({**BOTH, "graders": {"exact": BOTH}}, "only one level"),
        ({**BOTH, "calculate_output": "other"}, "names 'other'"),
        ({**BOTH, "calculate_output": None}, "must be a formula"),
    ],
)
def test_problems_are_named_with_the_value_and_the_way_out(grader, part):
    assert part in grader_problems(grader)[0]


def test_a_grader_with_a_problem_gives_no_reward_and_says_why():
    result = grade({"type": "python", "source": "…"}, {}, "x")
    assert (result.reward, result.errors["other_error"]) == (0.0, True)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(json_values, st.sampled_from([EXACT, CLOSE, BOTH]), st.sampled_from(["type", "input", "graders", "operation"]))
def test_no_grader_makes_grading_fail(value, grader, name):
    broken = {**grader, name: value}
    assert isinstance(grader_problems(broken), tuple)
    assert isinstance(grade(broken, {"label": "x"}, "y").reward, float)
