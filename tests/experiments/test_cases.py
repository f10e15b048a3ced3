"""What examples of each method ask, and what they expect."""

from tunebook.data import read_dataset
from tunebook.experiments.evaluation.cases import comparable_text, conversation_key, read_case, read_cases

USER = {"role": "user", "content": "What colour?"}
SYSTEM = {"role": "system", "content": "Be brief."}
RED = {"role": "assistant", "content": "Red."}
CALL = {
    "role": "assistant",
    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "look", "arguments": '{"b": 1, "a": 2}'}}],
}


def test_the_last_assistant_message_is_expected_and_not_sent():
    case = read_case({"messages": [SYSTEM, USER, RED]})

    assert (case.messages, case.reference, case.system, case.prompt) == (
        (SYSTEM, USER),
        "Red.",
        "Be brief.",
        "What colour?",
    )


def test_earlier_turns_are_sent_without_their_training_weight():
    case = read_case({"messages": [USER, {**RED, "weight": 0}, USER, RED]})

    assert case.messages == (USER, RED, USER)
    assert case.prompt == "user: What colour?\nassistant: Red.\nuser: What colour?"


def test_a_conversation_that_ends_with_the_user_expects_nothing():
    case = read_case({"messages": [USER, RED, USER]})

    assert (case.reference, len(case.messages)) == (None, 3)


def test_a_preference_pair_expects_the_preferred_output():
    pair = {
        "input": {"messages": [USER], "tools": [{"type": "function"}]},
        "preferred_output": [RED],
        "non_preferred_output": [CALL],
    }

    case = read_case(pair)

    assert (case.messages, case.reference, case.tools) == ((USER,), "Red.", [{"type": "function"}])


def test_a_reinforcement_example_keeps_its_fields_for_a_score_of_yours():
    assert read_case({"messages": [USER], "answer": "Red."}).example["answer"] == "Red."


def test_tool_calls_and_parts_are_told_as_text():
    assert comparable_text(CALL) == '[{"arguments": {"a": 2, "b": 1}, "name": "look"}]'
    assert comparable_text({"content": [{"type": "text", "text": "See "}, {"type": "image_url"}]}) == "See [image_url]"
    assert comparable_text({"content": None}) == ""


def test_cases_that_ask_the_same_have_the_same_key():
    same = conversation_key([SYSTEM, USER]), conversation_key([{**USER, "content": " What\n colour? "}])

    assert same[0] == same[1]
    assert conversation_key([USER, RED]) != same[0]


def test_lines_that_hold_no_example_are_passed_over(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"messages": [{"role": "user", "content": "x"}]}\n\nprose\n[1]\n{"messages": []}\n')

    cases = list(read_cases(read_dataset(path)))

    assert [(case.index, case.prompt) for case in cases] == [(0, "x"), (1, "")]
