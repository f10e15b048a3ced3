"""Which rows look wrong: planted faults come first with their evidence, in a clean file nothing stands out."""

import json
from pathlib import Path

import numpy as np
import pytest

import tunebook as tb
from tunebook.data import Suspect, Suspects
from tunebook.data.likeness.held_out import HeldOut, kernels, share_of_wrong

FRUIT = ["apple", "pear", "plum", "cherry", "quince", "fig", "grape", "melon"]
TOOLS = ["hammer", "saw", "drill", "chisel", "file", "clamp", "plane", "wrench"]
TOWNS = [
    "Oslo",
    "Bergen",
    "Lima",
    "Quito",
    "Cairo",
    "Tunis",
    "Delhi",
    "Osaka",
    "Seoul",
    "Hanoi",
    "Turin",
    "Porto",
    "Ghent",
    "Bruges",
    "Graz",
    "Linz",
]
DISHES = [
    "soup",
    "stew",
    "bread",
    "salad",
    "noodles",
    "dumplings",
    "pancakes",
    "risotto",
    "curry",
    "omelette",
    "pie",
    "tart",
    "waffles",
    "porridge",
]

TICKETS = Path(__file__).parents[2] / "data" / "support_tickets.jsonl"


def chat(prompt, answer):
    return {"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]}


def labelled():
    """60 orders, each for two things of one kind; the answer is the kind."""
    kinds = [("fruit", FRUIT), ("tool", TOOLS)]
    return [
        chat(f"please order one {things[n % 8]} and one {things[(n * 3 + n // 8 + 1) % 8]}", kind)
        for n in range(30)
        for kind, things in kinds
    ]


def told():
    """60 questions about dishes in towns; the answer speaks of both, and ends with a full stop."""
    pairs = [(town, dish) for dish in DISHES for town in TOWNS][::3][:60]
    return [chat(f"Where in {t} is {d} good?", f"In {t} the {d} is best at the market by the river.") for t, d in pairs]


def answer(example, text):
    example["messages"][-1]["content"] = text


def first(suspects, n):
    return [(row.line, row.kind, row.why) for row in suspects.rows[:n]]


def test_a_wrong_label_comes_first_with_what_rows_like_it_say():
    examples = labelled()
    answer(examples[6], "tool")

    found = tb.read_dataset(examples).suspects(progress=False)

    assert first(found, 1) == [(7, "label", "tool, where rows like it say fruit")]
    row = found.rows[0]
    assert row.loss > 4 * row.neighbours  # what is told apart: held out, it is not what its like would be
    assert row.loss > row.trained


def test_wrong_labels_in_number_stand_out():
    tickets = tb.read_dataset(TICKETS)[:500]  # about one in eleven is wrong in one key

    found = tb.read_dataset(tickets, name="tickets").suspects(progress=False)

    assert {row.kind for row in found.outstanding} == {"label"}
    assert 10 <= len(found.outstanding) <= 50
    assert found.rows[: len(found.outstanding)] == found.outstanding


def test_a_wrong_key_of_a_json_answer_is_named():
    examples = labelled()
    for example in examples:
        answer(example, json.dumps({"kind": example["messages"][-1]["content"], "note": "x"}))
    answer(examples[6], '{"kind": "tool", "note": "x"}')

    assert first(tb.read_dataset(examples).suspects(progress=False), 1) == [
        (7, "label", "kind: tool, where rows like it say fruit")
    ]


def test_swapped_answers_are_sent_home():
    examples = told()
    swapped = [3, 20, 37, 50]
    said = [examples[at]["messages"][-1]["content"] for at in swapped]
    for at, text in zip(swapped, said[1:] + said[:1], strict=True):
        answer(examples[at], text)

    found = tb.read_dataset(examples).suspects(progress=False)

    assert sorted(row.line for row in found.rows[:4]) == [4, 21, 38, 51]
    assert {row.kind for row in found.rows[:4]} == {"displaced"}


def test_a_cut_answer_comes_first_with_where_it_stops():
    examples = told()
    answer(examples[10], examples[10]["messages"][-1]["content"][:-18])

    found = tb.read_dataset(examples).suspects(progress=False)

    assert (found.rows[0].line, found.rows[0].kind) == (11, "cut")
    assert found.rows[0].why.startswith("the answer stops at ")


@pytest.mark.parametrize("make", [labelled, told])
def test_in_a_clean_file_nothing_stands_out(make):
    found = tb.read_dataset(make(), name="clean").suspects(progress=False)

    assert found.outstanding == ()
    assert found.sentence == "clean: nothing stands out among 60 rows."
    assert "A hint of a small model" in repr(found)


def test_all_rows_are_in_the_frame_and_the_file_is_left_alone():
    dataset = tb.read_dataset(labelled())
    before = dataset.to_bytes()

    frame = dataset.suspects(progress=False).to_frame()

    assert sorted(frame["line"]) == list(range(1, 61))
    assert list(frame.columns) == [
        "line", "kind", "why", "stands_out", "doubt", "loss", "trained", "neighbours", "prompt", "answer",
    ]  # fmt: skip
    assert dataset.to_bytes() == before


def test_foreign_text_is_shown_as_text():
    foreign = "<script>alert(1)</script>"
    row = Suspect(1, "label", f"{foreign}, where rows like it say a", True, 0.9, 4.0, 1.0, 0.2, foreign, foreign)

    page = Suspects(foreign, (row,))._repr_html_()

    assert "<script>" not in page
    assert page.count("&lt;script&gt;") == 4


@pytest.mark.parametrize(
    ("examples", "said"),
    [
        (labelled()[:29], "29 rows with an answer, and suspects() needs 30"),
        ([chat(f"order {n}", "yes") for n in range(40)], "all rows have the same answer"),
        ([chat(f"order {n}", "") for n in range(40)], "0 rows with an answer"),
        (
            [
                {
                    "input": {"messages": [{"role": "user", "content": f"order {n}"}]},
                    "preferred_output": [{"role": "assistant", "content": "yes"}],
                    "non_preferred_output": [{"role": "assistant", "content": "no"}],
                }
                for n in range(40)
            ],
            "reads supervised files, and this is a dpo one",
        ),
    ],
)
def test_what_cannot_be_judged_is_refused_with_a_sentence(examples, said):
    with pytest.raises(tb.DataError, match=said.replace("(", r"\(").replace(")", r"\)")):
        tb.read_dataset(examples).suspects(progress=False)


def test_the_closed_form_is_what_training_without_the_row_gives():
    (kernel,) = kernels(["red apple", "green apple", "red car", "green car", "blue apple", "blue car"])
    target = np.array([[1.0], [1.0], [0.0], [0.0], [1.0], [0.0]])
    left_out, _ = HeldOut(kernel).predict(target)

    rest = [1, 2, 3, 4, 5]
    by_hand = [
        (kernel[0, rest] + 1) @ np.linalg.solve(kernel[np.ix_(rest, rest)] + 1 + ridge * np.eye(5), target[rest])
        for ridge in (0.1, 0.3, 1.0, 3.0)
    ]
    assert np.isclose(np.array(by_hand)[:, 0], left_out[0, 0]).any()


def test_the_share_of_wrong_rows_is_found_from_their_odds():
    chance = np.random.default_rng(0)
    wrong = chance.random(4000) < 0.1
    seen = chance.normal(np.where(wrong, 3.0, 0.0))

    mixture = share_of_wrong(3 * seen - 4.5)  # log odds of N(3, 1) to N(0, 1)

    assert abs(mixture.share - 0.1) < 0.02
    assert abs(mixture.doubt.sum() - wrong.sum()) < 40  # calibrated: as many as are expected
