"""Mending, converting, reading frames, and the reading list."""

import json

import numpy as np
import pandas as pd
import pytest

import tunebook as tb
from tunebook.errors import DataError

USER = {"role": "user", "content": "Is it raining?"}
GOOD = {"role": "assistant", "content": "Yes."}


def chat(asked, said):
    return {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]}


def mended(tmp_path, data, **options):
    path = tmp_path / "f.jsonl"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return tb.read_dataset(path, **options).fix()


def test_a_good_file_is_not_touched(tmp_path):
    data = json.dumps(chat("a", "b"), indent=None, separators=(" , ", " : ")).encode() + b"\n"

    ds, changes = mended(tmp_path, data)

    assert ds.to_bytes(bom=False) == data
    assert len(changes) == 0
    assert repr(changes) == "Nothing to mend."


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ("[{a},\n{b}]", "in a JSON array"),
        ("{a},\n{b},\n", "2 x comma at the end removed (lines 1, 2)"),
        ("{a}{b}\n", "several examples put on lines of their own"),
        ("{a}\n\ufeff{b}\n", "byte order mark removed (line 2)"),
        ("{a}\n\n{b}\n{}\n", "empty example left out (line 4)"),
        ("{a}\n{b}\n{a}\n", "repeated example left out (line 3)"),
    ],
)
def test_lines_are_put_in_order(tmp_path, data, what):
    a, b = chat("a", "1"), chat("b", "2")
    text = data.replace("{a}", json.dumps(a)).replace("{b}", json.dumps(b))

    ds, changes = mended(tmp_path, text)

    assert ds.examples == [a, b]
    assert what in repr(changes)


def test_raw_tabs_inside_texts_are_written_as_escapes(tmp_path):
    ds, changes = mended(tmp_path, json.dumps(chat("a\tb", "c")).replace("\\t", "\t") + "\n")

    assert ds.examples == [chat("a\tb", "c")]
    assert "raw control characters written as escapes (line 1)" in repr(changes)


def test_python_notation_and_other_encodings_are_rewritten(tmp_path):
    example = chat("it's", "né")

    assert mended(tmp_path, f"{example}\n")[0].examples == [example]
    assert mended(tmp_path, json.dumps(example, ensure_ascii=False).encode("utf-16"))[0].examples == [example]


@pytest.mark.parametrize(
    ("record", "method", "fixed"),
    [
        ({"messages": [{**USER, "weight": 1}, GOOD], "id": 1}, "supervised", {"messages": [USER, GOOD]}),
        ({"messages": [{**USER, "role": "Human"}, {**GOOD, "role": "gpt"}]}, "supervised", {"messages": [USER, GOOD]}),
        (
            {"messages": [USER, {**GOOD, "weight": True, "content": {"a": 1}}]},
            "supervised",
            {"messages": [USER, {**GOOD, "weight": 1, "content": '{"a":1}'}]},
        ),
        (
            {
                "messages": [
                    USER,
                    {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {}}}]},
                ]
            },
            "supervised",
            {
                "messages": [
                    USER,
                    {
                        "role": "assistant",
                        "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}, "type": "function"}],
                    },
                ]
            },
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "input_image", "image_url": "https://a.b/c.png"}]},
                    GOOD,
                ]
            },
            "supervised",
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a.b/c.png"}}]},
                    GOOD,
                ]
            },
        ),
        (
            {"input": [USER], "preferred_output": "Yes.", "non_preferred_output": GOOD | {"content": "No."}, "id": 1},
            "dpo",
            {
                "input": {"messages": [USER]},
                "preferred_output": [GOOD],
                "non_preferred_output": [GOOD | {"content": "No."}],
            },
        ),
        (
            {"messages": [{**USER, "content": "a\0b"}], "x": 1},
            "reinforcement",
            {"messages": [{**USER, "content": "ab"}], "x": 1},
        ),
    ],
)
def test_what_is_safe_to_mend_is_mended_and_passes(record, method, fixed):
    ds, changes = tb.read_dataset([record], method=method).fix()

    assert ds.examples == [fixed]
    assert len(changes) > 0
    assert ds.check(min_examples=0).ok


TOLD = {"role": "system", "content": "Be brief."}
TOOLS = [{"type": "function", "function": {"name": "find"}}]


@pytest.mark.parametrize(
    ("record", "fixed"),
    [
        ({"system": "Be brief.", "messages": [USER, GOOD]}, {"messages": [TOLD, USER, GOOD]}),
        ({"system": [{"text": "Be brief."}], "messages": [USER, GOOD]}, {"messages": [TOLD, USER, GOOD]}),
        ({"instructions": "Be brief.", "messages": [TOLD, USER, GOOD]}, {"messages": [TOLD, USER, GOOD]}),
        ({"messages": [USER, {"role": "assistant", "text": "Yes."}]}, {"messages": [USER, GOOD]}),
        ({"messages": json.dumps([USER, GOOD]), "tools": "[]"}, {"messages": [USER, GOOD], "tools": []}),
        ({"messages": [json.dumps(USER), json.dumps(GOOD)]}, {"messages": [USER, GOOD]}),
        ({"messages": [USER, {**GOOD, "weight": None, "id": "m1"}], "source": "x"}, {"messages": [USER, GOOD]}),
        (
            {"input": {"messages": [USER]}, "preferred_completion": [GOOD], "non_preferred_completion": [GOOD],
             "tools": TOOLS, "system": "Be brief."},
            {"input": {"messages": [TOLD, USER], "tools": TOOLS}, "preferred_output": [GOOD],
             "non_preferred_output": [GOOD]},
        ),
    ],
)  # fmt: skip
def test_what_stands_in_the_wrong_place_is_moved_to_the_right_one(record, fixed):
    ds, changes = tb.read_dataset([record]).fix()

    assert list(ds) == [fixed]
    assert len(changes) > 0


@pytest.mark.parametrize(
    "record",
    [
        {"messages": [USER, GOOD], "context": "It is March."},
        {"messages": [USER, GOOD], "weight": 0},
        {"messages": [USER, GOOD], "label": "rain"},
        {"messages": [TOLD, USER, GOOD], "system": "Be kind."},
        {"messages": [USER, {**GOOD, "reasoning": "Clouds."}]},
        {"messages": [{**USER, "tool_calls": [{"id": "c1"}]}, GOOD]},
        {"input": {"messages": [USER], "tools": TOOLS}, "tools": [], "preferred_output": [GOOD],
         "non_preferred_output": [TOLD], "score": 3},
    ],
)  # fmt: skip
def test_what_may_mean_something_is_left_where_it_is_and_warned_about(record):
    ds, _ = tb.read_dataset([record]).fix()

    kept = json.dumps(ds[0])
    assert all(f'"{key}"' in kept for key in {**record, **record.get("messages", [{}])[-1]} if key != "tools")
    assert ds.check(min_examples=0).problems


def test_what_needs_a_decision_is_left_alone(tmp_path):
    data = '{"messages": [{"role": "user", "content": "x"}]}\nnot json\n'

    ds, changes = mended(tmp_path, data, method="supervised")

    assert ds.to_bytes(bom=False).decode() == data
    assert len(changes) == 0


def test_changes_are_escaped_in_the_notebook():
    _, changes = tb.read_dataset([{"messages": [USER, GOOD], "<script>": None}], method="supervised").fix()

    assert "<script" not in changes._repr_html_()
    assert "key `<script>` removed" in repr(changes)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"prompt": "Is it raining?\n\n###\n\n", "completion": " Yes. END"}, {"messages": [USER, GOOD]}),
        ({"prompt": "Is it raining?", "completion": "Yes."}, {"messages": [USER, GOOD]}),
        (
            {
                "conversations": [{"from": "human", "value": "Is it raining?"}, {"from": "gpt", "value": "Yes."}],
                "system": "S",
            },
            {"messages": [{"role": "system", "content": "S"}, USER, GOOD]},
        ),
        (
            {"instruction": "Is it", "input": "raining?", "output": "Yes."},
            {"messages": [{**USER, "content": "Is it\n\nraining?"}, GOOD]},
        ),
        ({"question": "Is it raining?", "answer": "Yes."}, {"messages": [USER, GOOD]}),
        (
            {"prompt": "Is it raining?", "chosen": "Yes.", "rejected": "No."},
            {
                "input": {"messages": [USER]},
                "preferred_output": [GOOD],
                "non_preferred_output": [{**GOOD, "content": "No."}],
            },
        ),
        (
            {"chosen": [USER, GOOD], "rejected": [USER, {**GOOD, "content": "No."}]},
            {
                "input": {"messages": [USER]},
                "preferred_output": [GOOD],
                "non_preferred_output": [{**GOOD, "content": "No."}],
            },
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "value": "Is it raining?"}]}, GOOD]},
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "Is it raining?"}]}, GOOD]},
        ),
    ],
)
def test_other_formats_become_the_service_s(record, expected):
    assert tb.read_dataset([record]).convert().examples == [expected]


def test_separators_are_taken_off_only_when_nearly_all_have_them():
    records = [{"prompt": f"{n} ->", "completion": f" {n}\n"} for n in range(9)] + [
        {"prompt": "x ->", "completion": " y"}
    ]

    converted = tb.read_dataset(records).convert(system="Count.")

    assert converted[0] == {"messages": [{"role": "system", "content": "Count."}, *chat("0", "0")["messages"]]}
    assert tb.read_dataset([{"prompt": "a ->", "completion": "b"}, {"prompt": "c", "completion": "d"}]).convert()[
        0
    ] == chat("a ->", "b")


def test_an_unknown_form_is_refused_with_its_keys():
    with pytest.raises(DataError, match="keys of the first example: left, right"):
        tb.read_dataset([{"left": 1, "right": 2}]).convert()


def test_a_frame_is_read_by_its_usual_names():
    frame = pd.DataFrame({"id": [1, 2], "Prompt": ["a", "b"], "label": ["x", None]})

    ds = tb.read_dataset(frame, system="Sort.")

    assert ds[0] == {"messages": [{"role": "system", "content": "Sort."}, *chat("a", "x")["messages"]]}
    assert ds[1]["messages"][2]["content"] == ""


def test_columns_can_be_named_for_every_method():
    frame = pd.DataFrame({"q": ["a"], "good": ["x"], "bad": ["y"], "score": np.array([3])})

    assert tb.read_dataset(frame, columns={"user": "q", "assistant": "good"})[0] == chat("a", "x")
    assert tb.read_dataset(frame, columns={"user": "q", "preferred": "good", "non_preferred": "bad"}).method == "dpo"
    rft = tb.read_dataset(frame, columns={"user": "q", "gold": "score"}, method="reinforcement")
    assert rft[0] == {"messages": [{"role": "user", "content": "a"}], "gold": 3}


def test_a_column_of_messages_is_taken_as_it_is_even_as_text():
    example = chat("a", "b")
    frame = pd.DataFrame({"messages": [example["messages"], json.dumps(example["messages"])], "tools": [None, "[]"]})

    assert tb.read_dataset(frame).examples == [example, {**example, "tools": []}]


@pytest.mark.parametrize(
    ("frame", "options", "said"),
    [
        (pd.DataFrame({"a": [1], "b": [2]}), {}, 'no column for "user"; its columns are a, b'),
        (pd.DataFrame({"prompt": [1]}), {}, "No column for the answer"),
        (pd.DataFrame({"q": ["x"]}), {"columns": {"user": "quest"}}, "'user': 'quest'"),
        (pd.DataFrame({"prompt": []}), {}, "no rows"),
    ],
)
def test_a_frame_that_does_not_fit_says_which_columns_it_has(frame, options, said):
    with pytest.raises(DataError, match=said):
        tb.read_dataset(frame, **options)


def test_the_reading_list_names_what_stands_out():
    chance = np.random.default_rng(0)
    words = [f"word{n}" for n in range(300)]
    examples = [chat(" ".join(chance.choice(words, 20)), " ".join(chance.choice(words, 10))) for _ in range(80)]
    examples[7] = chat(" ".join(chance.choice(words, 2_000)), "far too long a question")
    examples[9]["messages"][1]["content"] = "ok"
    examples[11]["messages"][1]["content"] = "I'm sorry, but I can't help with that request today."

    frame = tb.read_dataset(examples).reading_list(5)

    assert frame.columns.tolist() == ["line", "why", "value", "prompt", "answer"]
    whys = set(zip(frame["line"], frame["why"], strict=True))
    assert {(8, "much longer than the rest"), (10, "hardly an answer"), (12, "a refusal, one of 1")} <= whys
    assert len(frame) <= 20


def test_the_reading_list_of_labels_shows_the_rare_ones_and_the_balance():
    ds = tb.read_dataset([chat(f"message {n}", "rare" if n == 50 else "yes" if n % 3 else "no") for n in range(100)])

    frame = ds.reading_list()

    assert frame.loc[frame["line"] == 51, "why"].tolist() == ["an answer hardly ever given"]
    assert frame.attrs["answers"]["kinds"] == 3
    assert 1.9 < frame.attrs["answers"]["effective"] < 2.2
