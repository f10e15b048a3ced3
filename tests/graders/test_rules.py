"""What is wrong with a grader, said in a sentence with the value and the way out, before anything is sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebook.graders import KINDS, doubts, problems, starter, unfilled

EXACT, CLOSE, BOTH = (starter(kind, ["label"]) for kind in ("string_check", "text_similarity", "multi"))
ASKING, PYTHON = starter("score_model", ["label"]), starter("python", ["label"])
GRADE = "def grade(sample, item):\n    return 1\n"


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_a_starter_of_each_type_that_nothing_stands_against(kind):
    assert list(problems(starter(kind, ["label"]))) == []
    assert list(doubts(starter(kind, ["label"]))) == []
    assert unfilled(starter(kind, ["label"]), [{"label": "x"}]) == []


def test_a_starter_names_the_key_that_likely_holds_the_answer():
    assert starter("string_check", ["id", "label"])["reference"] == "{{item.label}}"
    assert starter("string_check", ["id"])["reference"] == "{{item.id}}"


@pytest.mark.parametrize(
    ("grader", "said"),
    [
        (None, "must be an object"),
        ({}, "grader.type is None; use string_check"),
        ({"type": "regex"}, "grader.type is 'regex'; use string_check, text_similarity, score_model, python, multi"),
        ({"type": []}, "grader.type is []"),
        ({**EXACT, "operation": "equals"}, "operation is 'equals'; use eq, ne, like, ilike"),
        ({**EXACT, "operation": []}, "operation is []"),
        ({**EXACT, "input": 5}, "input is 5"),
        ({**EXACT, "input": "{{sample.text}}"}, "{{sample.text}}, which names nothing"),
        ({**CLOSE, "evaluation_metric": "cosine"}, "evaluation_metric is 'cosine'"),
        ({**ASKING, "model": ""}, "model is ''; it must name the model"),
        ({**ASKING, "input": "Score it."}, "must be a list of messages"),
        ({**ASKING, "input": [{"role": "user"}]}, "content is None"),
        ({**ASKING, "input": [{"role": "user", "content": [{"type": "audio"}]}]}, "parts of type input_text"),
        ({**ASKING, "input": [{"role": "user", "content": "{{answer}}"}]}, "{{answer}}, which names nothing"),
        ({**ASKING, "range": [1, 0]}, "two numbers, the lower first"),
        ({"type": "label_model", "model": "m", "input": []}, "evaluations and parts of a multi grader alone"),
        ({"type": "endpoint", "url": "grader"}, "url is 'grader'"),
        ({**BOTH, "graders": {}}, "at least one grader"),
        ({**BOTH, "graders": 5}, "graders is 5"),
        ({**BOTH, "graders": {"exact": BOTH}}, "only one level"),
        ({**BOTH, "graders": {"exact": {**EXACT, "operation": "x"}}}, "grader.graders.exact.operation is 'x'"),
        ({**BOTH, "calculate_output": "other"}, "names 'other'"),
        ({**BOTH, "calculate_output": None}, "must be a formula"),
    ],
)
def test_problems_are_named_with_the_value_and_the_way_out(grader, said):
    assert said in next(problems(grader))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "must define grade(sample, item)"),
        ("def grade(sample, item)\n    return 1", "does not compile, line 1: expected ':'"),
        ("def score(sample, item):\n    return 1", "has no function grade"),
        ("def grade(sample):\n    return 1", "line 1: grade(sample) takes other arguments"),
        ("def grade(sample, item):\n    print(1)", "returns nothing"),
        ("#" * 300_000, "300000 bytes; 262144 are the most"),
    ],
)
def test_a_python_grader_is_read_before_it_is_sent(source, said):
    assert said in next(problems({**PYTHON, "source": source}))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("while True: item", "line 2: the loop has no end"),
        ("open('log', 'w')", "line 2: open writes to disk"),
        ("open('log', mode='a')", "writes to disk"),
        ("Path('x').write_text('y')", "write_text writes to disk"),
        ("os.remove('x')", "os.remove writes to disk"),
        ("import requests", "requests reaches the network"),
        ("from subprocess import run", "subprocess reaches other programs"),
    ],
)
def test_what_the_box_of_a_python_grader_forbids_is_a_doubt(line, said):
    grader = {**PYTHON, "source": f"def grade(sample, item):\n    {line}\n    return 1\n"}
    assert list(problems(grader)) == []
    assert said in next(doubts(grader))


@pytest.mark.parametrize(
    "line", ["while True: break", "open('words.txt')", "'a'.replace('a', 'b')", "sample.copy()", "import re"]
)
def test_what_is_harmless_is_no_doubt(line):
    grader = {**PYTHON, "source": f"def grade(sample, item):\n    {line}\n    return 1\n"}
    assert list(doubts(grader)) == []


def test_a_grader_without_a_name_or_with_an_image_tag_is_worth_a_second_look():
    assert "grader.name is missing" in next(doubts({**EXACT, "name": ""}))
    assert "image_tag" in next(doubts({**PYTHON, "image_tag": "2025-05-08"}))


# ---- templates against the items ----


@pytest.mark.parametrize(
    ("grader", "missing"),
    [
        ({**EXACT, "reference": "{{item.answr}}"}, ["item.answr"]),
        ({**EXACT, "reference": "{{ item.a.b[1] }}"}, []),
        ({**EXACT, "reference": "{{item.a.c}}"}, ["item.a.c"]),
        ({**BOTH, "graders": {"exact": {**EXACT, "reference": "{{item.x}} {{item.y}}"}}}, ["item.x", "item.y"]),
        (starter("score_model", ["answr"]), ["item.answr"]),
        ({**PYTHON, "source": GRADE.replace("1", 'item["answr"]["b"]')}, ["item.answr.b"]),
        ({**PYTHON, "source": GRADE.replace("1", 'item.get("answr", 0) + item["answer"]')}, []),
    ],
)
def test_what_no_item_has_is_found_in_every_type(grader, missing):
    assert unfilled(grader, [{"id": 1}, {"answer": "x", "a": {"b": [1, 2]}}]) == missing


def test_no_more_items_are_read_than_are_needed():
    def items():
        yield {"label": "x"}
        raise AssertionError("read on")

    assert unfilled(EXACT, items()) == []


@given(st.text(max_size=60))
def test_any_source_is_read_without_an_error(source):
    grader = {**PYTHON, "source": source}
    assert all(isinstance(told, str) for told in (*problems(grader), *doubts(grader), *unfilled(grader, [{}])))
