"""Whether the answers of two files are written in the same way, whatever they say."""

import json

import pytest

import tunebook as tb
from tunebook.data.likeness.answer_format import answers_of, format_differences


def chat(asked, said):
    return {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]}


def labels(food, price, *, turned=False):
    value = {"food": food, "price": price}
    return json.dumps(dict(reversed(value.items())) if turned else value)


@pytest.mark.parametrize(
    ("here", "there", "said"),
    [
        ('{"a":1,"b":2}', '{"b":2,"a":1}', ["JSON keys in another order (a, b; there b, a)"]),
        ('{"a":1}', '{"b":1}', ["other JSON keys (a; there b)"]),
        ('{"a":1}', "yes", ["written as JSON without spaces, there as bare text"]),
        ('{"a":1}', '{"a": 1}', ["written as JSON without spaces, there as JSON with spaces"]),
        ("yes", "```yes", ["written as bare text, there in a code fence"]),
        ("yes", " yes", ["in front no white space, there white space"]),
        ("yes", "yes\n", ["after the end no white space, there a newline"]),
        ("yes", "Yes", ["case: a small letter first, there a capital first"]),
        ("yes", "YES", ["case: a small letter first, there all capitals"]),
        ("yes", "yes.", ["closed with no mark, there `.`"]),
        ("yes", "no", []),
    ],
)
def test_each_way_of_writing_is_told_apart(here, there, said):
    assert list(format_differences([here] * 12, [there] * 12)) == said


def test_keys_in_an_order_drawn_at_random_are_no_difference():
    answers = [labels("good", "low", turned=n % 2 == 0) for n in range(40)]

    assert list(format_differences(answers[:20], answers[20:])) == []


def test_few_answers_say_nothing():
    assert list(format_differences(["yes"] * 9, ["Yes."] * 9)) == []


def test_a_trait_of_some_answers_only_is_told_with_its_shares():
    assert list(format_differences(["yes."] * 10, ["yes."] * 4 + ["yes"] * 3 + ["yes!"] * 3)) == [
        "closed with `.` 100 % of the time, there 40 %"
    ]


def test_a_check_against_a_validation_file_in_another_key_order_says_so():
    train = tb.read_dataset([chat(f"Plate {n}", labels("good", str(n))) for n in range(60)])
    valid = tb.read_dataset([chat(f"Dish {n}", labels("bad", str(n), turned=True)) for n in range(20)])

    found = [p for p in train.check(validation=valid).warnings if p.rule == "validation-format"]

    assert [p.message for p in found] == [
        "The answers are formatted differently: JSON keys in another order (food, price; there price, food)."
    ]
    assert "validation-format" not in {p.rule for p in train.check(validation=train.head(20)).problems}


def test_answers_are_the_last_of_the_assistant_and_the_preferred_of_a_pair():
    call = {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {}}]}
    pair = {
        "input": {"messages": [{"role": "user", "content": "Hi"}]},
        "preferred_output": [{"role": "assistant", "content": "A"}],
        "non_preferred_output": [{"role": "assistant", "content": "B"}],
    }

    assert answers_of([chat("Hi", "Yes"), {"messages": [call]}, pair, {"messages": [], "x": 1}]) == ["Yes", "A"]
