"""Graders: rewards worked out by hand, formulas that cannot run code, problems said in words."""

from __future__ import annotations

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebook.graders import grade, not_gradable, problems, sample_of, starter
from tunebook.graders.formulas import FormulaError, read_formula
from tunebook.graders.similarity import METRICS, bleu, common_length, fuzzy_match, gleu, rouge_l, rouge_n

EXACT, CLOSE, BOTH = (starter(kind, ["label"]) for kind in ("string_check", "text_similarity", "multi"))


def reward(grader, item, text):
    return grade(grader, item, sample_of(text)).reward


# ---- string_check ----


@pytest.mark.parametrize(
    ("operation", "text", "expected"),
    [
        ("eq", "Yes", 1), ("eq", "yes", 0), ("ne", "yes", 1), ("ne", "Yes", 0),
        ("like", "Oh Yes!", 1), ("like", "oh yes", 0), ("ilike", "oh yes", 1), ("ilike", "no", 0),
    ],
)  # fmt: skip
def test_string_check_compares_input_with_reference(operation, text, expected):
    assert reward({**EXACT, "operation": operation}, {"label": "Yes"}, text) == expected


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
    result = grade(BOTH, {"label": "abcd"}, sample_of("abcx"))
    assert result.reward == pytest.approx(0.375)
    assert result.sub_rewards == {"exact": 0.0, "close": 0.75}


def test_a_formula_without_a_value_is_an_error_and_no_reward():
    result = grade({**BOTH, "calculate_output": "1 / exact"}, {"label": "a"}, sample_of("b"))
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
    assert reward(grader, {"label": "b"}, '{"labels": [{"name": "a"}, {"name": "b"}]}') == 1


def test_an_answer_that_is_no_json_is_a_parse_error():
    result = grade({**EXACT, "input": "{{sample.output_json.x}}"}, {"label": "b"}, sample_of("not json"))
    assert (result.reward, result.errors["sample_parse_error"]) == (0.0, True)


def test_a_missing_variable_is_an_error():
    result = grade(EXACT, {}, sample_of("b"))
    assert (result.reward, result.errors["invalid_variable_error"]) == (0.0, True)
    assert "item.label" in result.problem


def test_tool_calls_of_an_answer_are_looked_into():
    call = {"type": "function", "function": {"name": "find", "arguments": "{}"}}
    grader = {**EXACT, "input": "{{sample.output_tools[0].function.name}}"}
    assert grade(grader, {"label": "find"}, sample_of("", [call])).reward == 1


def test_braces_inside_an_answer_are_not_filled_in_again():
    assert reward(EXACT, {"label": "{{item.label}}"}, "{{item.label}}") == 1


# ---- what cannot be graded ----


def test_a_grader_that_asks_a_model_is_refused_not_made_up():
    result = grade(starter("score_model"), {"answer": "x"}, sample_of("x"))
    assert (result.reward, result.errors["other_error"]) == (0.0, True)
    assert "asks another model" in result.problem


def test_what_is_handed_in_grades_the_rest():
    half = {"score_model": lambda *_: 0.5}
    assert grade(starter("score_model"), {"answer": "x"}, sample_of("x"), half).reward == 0.5


@pytest.mark.parametrize(
    ("grader", "said"),
    [
        (starter("python"), "runs code"),
        ({**CLOSE, "evaluation_metric": "meteor"}, "'meteor' is not worked out here"),
        (
            {**BOTH, "graders": {"exact": EXACT, "close": starter("endpoint")}},
            "grader.graders.close has type 'endpoint'",
        ),
    ],
)
def test_what_is_not_graded_here_is_said_with_the_reason(grader, said):
    assert list(problems(grader)) == []
    assert said in next(not_gradable(grader))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(json_values, st.sampled_from([EXACT, CLOSE, BOTH]), st.sampled_from(["type", "input", "graders", "operation"]))
def test_no_grader_makes_grading_fail(value, grader, name):
    broken = {**grader, name: value}
    assert isinstance(list(problems(broken)), list)
    assert isinstance(reward(broken, {"label": "x"}, "y"), float)
