"""What each rule finds in one record, and that good records of every kind are left in peace."""

import base64
import json
import struct

import pytest

from tunebook.data.rules.gate import check_lines

CALL, PART = "$.messages[1].tool_calls[0]", "$.messages[0].content[0]"
ARGUMENTS = f"{CALL}.function.arguments"
USER = {"role": "user", "content": "Is it raining?"}
GOOD = {"role": "assistant", "content": "Yes."}
SYSTEM = {"role": "system", "content": "Be brief."}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


BAD = {"role": "assistant", "content": "No."}
PAIR = {"input": {"messages": [USER]}, "preferred_output": [GOOD], "non_preferred_output": [BAD]}


def call(name="weather", arguments='{"city": "Oslo"}', key="c1", **more):
    function = {"name": name, "arguments": arguments}
    return {"role": "assistant", "tool_calls": [{"id": key, "type": "function", "function": function, **more}]}


def image(url, **more):
    return {"type": "image_url", "image_url": {"url": url, **more}}


def png(colour_type):
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", 1, 1, 8, colour_type, 0, 0, 0) + b"1234"


def data_uri(data, kind="png"):
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def findings(record, method="supervised", **options):
    line = json.dumps(record).encode()
    return [(p.rule, p.path, p.severity) for p in check_lines([line], method=method, min_examples=0, **options)]


@pytest.mark.parametrize(
    "record",
    [
        {"messages": [USER, GOOD]},
        {"messages": [SYSTEM, USER, GOOD, USER, GOOD]},
        {"messages": [{"role": "developer", "content": "Be brief."}, USER, GOOD]},
        {"messages": [USER, {**GOOD, "weight": 0}, USER, {**GOOD, "weight": 1}]},
        {"messages": [{**USER, "name": "Ada_1"}, GOOD]},
        {"messages": [USER, call()], "tools": [TOOL], "parallel_tool_calls": False},
        {"messages": [USER, call(), {"role": "tool", "tool_call_id": "c1", "content": "wet"}, GOOD], "tools": []},
        {"messages": [USER, {"role": "assistant", "content": None, **call()}]},
        {"messages": [USER, {"role": "assistant", "content": [{"type": "text", "text": "Yes."}]}]},
        {"messages": [USER, {**GOOD, "refusal": None, "tool_calls": None, "function_call": None, "audio": None}]},
        {"messages": [USER, {"role": "assistant", "content": None, "refusal": "I would rather not."}]},
        {"messages": [USER, {"role": "assistant", "content": "a\u2028b\u2029c\u0085 🙂"}], "tools": None},
        {"messages": [USER, USER, GOOD], "tools": [], "parallel_tool_calls": None},
        {"messages": [{"role": "user", "content": [image("http://example.com/picture?id=7")]}, GOOD]},
        {"messages": [{"role": "user", "content": [image("https://example.com/a.png", detail="low")]}, GOOD]},
        {"messages": [{"role": "user", "content": [image(data_uri(png(2)))]}, GOOD]},
    ],
    ids=lambda record: ",".join(m["role"] for m in record["messages"]),
)
def test_good_supervised_records_are_left_in_peace(record):
    assert findings(record) == []


def test_good_preference_and_reinforcement_records_are_left_in_peace():
    pair = {
        "input": {"messages": [USER]},
        "preferred_output": [GOOD],
        "non_preferred_output": [{**GOOD, "content": "No"}],
    }

    assert findings(pair, "dpo") == []
    assert findings({"messages": [USER], "reference_answer": "yes"}, "reinforcement") == []
    assert findings({"messages": [{"role": "developer", "content": "Go."}, USER], "x": 1}, "reinforcement") == []


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({}, ("missing-key", "$", "error")),
        ({"id": 1}, ("missing-key", "$.messages", "error")),
        ({"messages": "hello"}, ("wrong-type", "$.messages", "error")),
        ({"messages": []}, ("no-messages", "$.messages", "error")),
        ({"messages": ["hi", GOOD]}, ("wrong-type", "$.messages[0]", "error")),
        ({"messages": [{"content": "hi"}, GOOD]}, ("missing-role", "$.messages[0]", "error")),
        ({"messages": [{"role": "human", "content": "hi"}, GOOD]}, ("unknown-role", "$.messages[0].role", "error")),
        ({"messages": [{"role": ["user"], "content": "hi"}, GOOD]}, ("unknown-role", "$.messages[0].role", "error")),
        ({"messages": [USER]}, ("no-assistant", "$.messages", "error")),
        ({"messages": [USER, GOOD, USER]}, ("last-message", "$.messages[2]", "error")),
        ({"messages": [USER, {**GOOD, "weight": 0}]}, ("nothing-weighted", "$.messages", "error")),
        ({"messages": [USER, {**GOOD, "weight": 0.5}]}, ("weight-value", "$.messages[1].weight", "error")),
        ({"messages": [USER, {**GOOD, "weight": True}]}, ("weight-value", "$.messages[1].weight", "error")),
        ({"messages": [{**USER, "weight": 1}, GOOD]}, ("weight-role", "$.messages[0].weight", "error")),
        ({"messages": [USER, {"role": "assistant"}]}, ("content-missing", "$.messages[1].content", "error")),
        (
            {"messages": [USER, GOOD, USER, {"role": "assistant", "content": ""}]},
            ("empty-answer", "$.messages[3].content", "warning"),
        ),
        (
            {"messages": [USER, GOOD, USER, {"role": "assistant", "content": " \n"}]},
            ("empty-answer", "$.messages[3].content", "warning"),
        ),
        (
            {"messages": [{"role": "user", "content": "  "}, GOOD]},
            ("empty-content", "$.messages[0].content", "warning"),
        ),
        (
            {"messages": [USER, {"role": "assistant", "content": {"a": 1}}]},
            ("content-type", "$.messages[1].content", "error"),
        ),
        ({"messages": [{**USER, "name": "Ada Lovelace"}, GOOD]}, ("name", "$.messages[0].name", "error")),
        ({"messages": [{**USER, "name": "ada.l"}, GOOD]}, ("name", "$.messages[0].name", "warning")),
        ({"messages": [{**USER, "name": ""}, GOOD]}, ("name", "$.messages[0].name", "error")),
        ({"messages": [{**USER, "mood": "sad"}, GOOD]}, ("unknown-key", "$.messages[0].mood", "warning")),
        ({"messages": [USER, GOOD], "id": 7}, ("unknown-key", "$.id", "warning")),
        ({"messages": [USER, SYSTEM, GOOD]}, ("late-system", "$.messages[1].role", "note")),
        ({"data": [{"messages": [USER, GOOD]}]}, ("wrapped", "$.data", "error")),
        ({"prompt": "a", "completion": "b"}, ("prompt-completion", "$", "error")),
        ({"conversations": [{"from": "human", "value": "x"}]}, ("other-schema", "$", "error")),
        ({"instruction": "a", "input": "", "output": "b"}, ("other-schema", "$", "error")),
        ({"input": {}, "preferred_output": [], "non_preferred_output": []}, ("other-method", "$", "error")),
    ],
)
def test_what_is_wrong_with_a_conversation_is_named_with_its_place(record, expected):
    assert findings(record) == [expected]


@pytest.mark.parametrize(
    ("messages", "tools", "expected"),
    [
        ([USER, call(arguments={"city": "Oslo"})], [TOOL], ("arguments-type", ARGUMENTS, "error")),
        ([USER, call(arguments="not json")], [TOOL], ("arguments-json", ARGUMENTS, "warning")),
        ([USER, call(arguments="[1]")], None, ("arguments-object", ARGUMENTS, "warning")),
        ([USER, call(arguments="{}")], [TOOL], ("argument-missing", ARGUMENTS, "warning")),
        ([USER, call(arguments='{"city":"a","x":1}')], [TOOL], ("argument-unknown", ARGUMENTS, "warning")),
        ([USER, call(name="time")], [TOOL], ("tool-unknown", f"{CALL}.function.name", "warning")),
        ([USER, call(name="my tool")], None, ("function-name", f"{CALL}.function.name", "error")),
        ([USER, call(key="")], None, ("call-id", f"{CALL}.id", "error")),
        ([USER, call(type="tool")], None, ("tool-type", f"{CALL}.type", "error")),
        (
            [USER, {"role": "assistant", "content": "x", "tool_calls": []}],
            None,
            ("tool-calls", "$.messages[1].tool_calls", "error"),
        ),
        ([USER, call(), USER, GOOD], None, ("tool-call-unanswered", CALL, "error")),
        (
            [USER, {"role": "tool", "tool_call_id": "c9", "content": "?"}, GOOD],
            None,
            ("tool-answer-unmatched", "$.messages[1].tool_call_id", "error"),
        ),
        (
            [USER, {"role": "function", "name": "a b", "content": "?"}, GOOD],
            None,
            ("function-name", "$.messages[1].name", "error"),
        ),
        ([{**USER, "tool_calls": []}, GOOD], None, ("call-role", "$.messages[0].tool_calls", "error")),
        ([USER, GOOD], "[]", ("wrong-type", "$.tools", "error")),
        ([USER, GOOD], ["weather"], ("tool-definition", "$.tools[0]", "error")),
        ([USER, GOOD], [TOOL, TOOL], ("tool-twice", "$.tools[1].function.name", "error")),
        (
            [USER, GOOD],
            [{"type": "function", "function": {"name": "a.b"}}],
            ("function-name", "$.tools[0].function.name", "error"),
        ),
        (
            [USER, GOOD],
            [{"type": "function", "function": {"name": "f", "parameters": 1}}],
            ("tool-parameters", "$.tools[0].function.parameters", "error"),
        ),
    ],
)
def test_what_is_wrong_with_tools_is_named_with_its_place(messages, tools, expected):
    record = {"messages": messages} | ({} if tools is None else {"tools": tools})

    assert findings(record) == [expected]


def test_one_of_two_parallel_calls_left_without_an_answer_is_found():
    both = {"role": "assistant", "tool_calls": [*call()["tool_calls"], *call(key="c2")["tool_calls"]]}
    answer = {"role": "tool", "tool_call_id": "c2", "content": "wet"}

    assert findings({"messages": [USER, both, answer, GOOD]}) == [("tool-call-unanswered", CALL, "error")]


def test_legacy_functions_are_accepted_with_a_note():
    record = {
        "messages": [USER, {"role": "assistant", "function_call": {"name": "weather", "arguments": '{"city":"Oslo"}'}}],
        "functions": [TOOL["function"]],
    }

    assert findings(record) == [("legacy-functions", "$.functions", "note")]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "text", "value": "x"}, ("other-schema", PART, "error")),
        ({"type": "text"}, ("part-text", f"{PART}.text", "error")),
        ({"type": "input_text", "text": "x"}, ("part-type", f"{PART}.type", "error")),
        ("x", ("part-type", PART, "error")),
        ({"type": "image_url", "image_url": "https://a.b/c.png"}, ("image-url", f"{PART}.image_url", "error")),
        (image("photos/1.jpg"), ("image-url", f"{PART}.image_url.url", "error")),
        (image("http://localhost/a.png"), ("image-url", f"{PART}.image_url.url", "error")),
        (image("https://a.b/c.gif"), ("image-format", f"{PART}.image_url.url", "warning")),
        (image("https://a.b/c.png", detail="huge"), ("image-detail", f"{PART}.image_url.detail", "error")),
        (image("data:image/png;base64,@@@"), ("image-data", f"{PART}.image_url.url", "error")),
        (image(data_uri(b"GIF89a..")), ("image-format", f"{PART}.image_url.url", "error")),
        (image(data_uri(png(0))), ("image-mode", f"{PART}.image_url.url", "error")),
        (image(data_uri(png(6), "jpeg")), ("image-format", f"{PART}.image_url.url", "warning")),
        (image("data:image/png;base64," + "A" * 14_000_000), ("image-size", f"{PART}.image_url.url", "error")),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_with_a_part_is_named_with_its_place(part, expected):
    assert findings({"messages": [{"role": "user", "content": [part]}, GOOD]}) == [expected]


def test_pictures_of_jpeg_files_are_judged_by_their_frame_header():
    def jpeg(components):
        return b"\xff\xd8\xff\xe0\x00\x04JF" + b"\xff\xc0\x00\x11\x08\x00\x01\x00\x01" + bytes([components]) + bytes(9)

    assert findings({"messages": [{"role": "user", "content": [image(data_uri(jpeg(3), "jpeg"))]}, GOOD]}) == []
    assert findings({"messages": [{"role": "user", "content": [image(data_uri(jpeg(4), "jpeg"))]}, GOOD]}) == [
        ("image-mode", f"{PART}.image_url.url", "error")
    ]


@pytest.mark.parametrize("url", ["https://a.local.com/b.png", "http://localhost.example/c", "https://10.example/d"])
def test_names_that_only_look_like_the_own_network_are_public(url):
    assert findings({"messages": [{"role": "user", "content": [image(url)]}, GOOD]}) == []


@pytest.mark.parametrize("url", ["https://", "http:///a.png", "https://?a.png", "ftp://a.b/c.png", "a.png", ""])
def test_an_address_that_leads_nowhere_is_no_picture(url):
    record = {"messages": [{"role": "user", "content": [image(url)]}, GOOD]}

    assert findings(record) == [("image-url", f"{PART}.image_url.url", "error")]


def test_an_example_with_nothing_but_empty_answers_is_refused_and_one_with_a_later_answer_is_not():
    empty = {"role": "assistant", "content": ""}

    assert ("nothing-said", "$.messages", "error") in findings({"messages": [USER, empty]})
    assert ("nothing-said", "$.messages", "error") in findings({"messages": [USER, {**GOOD, "weight": 0}, empty]})
    assert [severity for _, _, severity in findings({"messages": [USER, empty, USER, GOOD]})] == ["warning"]


def test_a_function_may_give_back_nothing():
    asks = {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}
    record = {"messages": [USER, asks, {"role": "function", "name": "f", "content": None}, GOOD]}

    assert findings(record) == []
    del record["messages"][2]["content"]
    assert findings(record) == [("content-missing", "$.messages[2].content", "error")]


def test_limits_are_the_catalogues_and_a_file_of_ones_own_lies_over_it(tmp_path, monkeypatch):
    limit = '{{ value = {}, unit = "examples", source = "vision", dated = 2026-11-01 }}'
    own = tmp_path / "own.toml"
    own.write_text(f"[limits]\nimage_examples = {limit.format(2)}\nmin_examples = {limit.format(3)}\n")
    monkeypatch.setenv("TUNEBOOK_CATALOGUE", str(own))
    line = json.dumps({"messages": [{"role": "user", "content": [image("https://a.b/c.png")]}, GOOD]}).encode()

    assert [p.rule for p in check_lines([line] * 2, method="supervised")] == ["too-few-examples"]
    assert [(p.rule, p.value, p.severity) for p in check_lines([line] * 3, method="supervised")] == [
        ("image-examples", "3", "error")
    ]
    monkeypatch.delenv("TUNEBOOK_CATALOGUE")
    assert list(check_lines([line] * 11, method="supervised")) == []


def test_a_message_longer_than_the_service_takes_is_found_whether_or_not_tokens_are_asked_for():
    record = {"messages": [USER, {"role": "assistant", "content": "a" * 1_048_577}]}

    assert findings(record) == [("message-too-long", "$.messages[1].content", "error")]


def test_images_belong_to_the_user_and_have_a_limit():
    picture = image("https://a.b/c.png")

    assert findings({"messages": [USER, {"role": "assistant", "content": [picture]}]}) == [
        ("image-role", "$.messages[1].content[0]", "error")
    ]
    for count, expected in ((10, []), (11, ["warning"]), (64, ["warning"]), (65, ["error"])):
        record = {"messages": [{"role": "user", "content": [picture] * count}, GOOD]}
        assert [severity for _, _, severity in findings(record)] == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"input": [USER]}, ("wrong-type", "$.input", "error")),
        ({"input": "Is it raining?"}, ("wrong-type", "$.input", "error")),
        ({"input": {}}, ("missing-key", "$.input.messages", "error")),
        ({"input": {"messages": [USER, GOOD]}}, ("last-message", "$.input.messages[1]", "warning")),
        ({"preferred_output": "Yes."}, ("wrong-type", "$.preferred_output", "error")),
        ({"preferred_output": []}, ("no-messages", "$.preferred_output", "error")),
        ({"non_preferred_output": [GOOD]}, ("identical-pair", "$.non_preferred_output", "warning")),
        ({"score": 1}, ("unknown-key", "$.score", "warning")),
        (
            {"input": {"messages": [{"role": "user", "content": [image("https://a.b/c.png")]}]}},
            ("image-method", "$.input.messages[0].content[0]", "error"),
        ),
    ],
)
def test_what_is_wrong_with_a_preference_pair_is_named_with_its_place(changes, expected):
    pair = {
        "input": {"messages": [USER]},
        "preferred_output": [GOOD],
        "non_preferred_output": [{**GOOD, "content": "No"}],
    }

    assert findings(pair | changes, "dpo") == [expected]


def test_outputs_hold_answers_only():
    pair = {"input": {"messages": [USER]}, "preferred_output": [USER], "non_preferred_output": [GOOD]}

    assert findings(pair, "dpo") == [
        ("output-role", "$.preferred_output[0].role", "error"),
        ("no-assistant", "$.preferred_output", "error"),
    ]


def test_a_reinforcement_prompt_ends_with_the_question():
    assert findings({"messages": [USER, GOOD]}, "reinforcement") == [("last-message", "$.messages[1]", "error")]
    asked = [USER, call(), {"role": "tool", "tool_call_id": "c1", "content": "wet"}]
    assert findings({"messages": asked}, "reinforcement") == [("last-message", "$.messages[2]", "error")]
    assert findings({"messages": [USER], "my key": 1}, "reinforcement") == [("item-key", "$.my key", "warning")]
    asked = {"role": "user", "content": "Show your chain of thought, then answer."}
    assert findings({"messages": [asked]}, "reinforcement") == [("chain-of-thought", "$.messages[0].content", "note")]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("key sk-proj-abcdefghij0123456789ABCD", "secret"),
        ("AKIAABCDEFGHIJKLMNOP", "secret"),
        ("-----BEGIN RSA PRIVATE KEY-----", "secret"),
        ("write to jo.doe@contoso.com", "email"),
        ("<|endoftext|>", "special-token"),
        ("a\0b", "control-character"),
        ("fiancÃ© and cafÃ©", "garbled-text"),
        ("lost \ufffd sign", "garbled-text"),
    ],
)
def test_texts_that_should_not_be_trained_on_are_found(text, rule):
    record = {"messages": [{"role": "user", "content": text}, GOOD]}

    for line in (json.dumps(record).encode(), json.dumps(record, ensure_ascii=False).encode()):
        assert [(p.rule, p.path) for p in check_lines([line], method="supervised", min_examples=0)] == [
            (rule, "$.messages[0].content")
        ]


def test_ordinary_words_are_no_secrets():
    record = {"messages": [{"role": "user", "content": "risk-free task-force, me@example.com, a_b, <|, eyJ"}, GOOD]}

    assert findings(record) == []


def test_a_secret_is_never_repeated():
    key = "sk-proj-abcdefghij0123456789ABCD"
    problems = list(
        check_lines(
            [json.dumps({"messages": [{"role": "user", "content": key}, {"role": key, "content": key}]}).encode()],
            method="supervised",
        )
    )

    assert problems
    assert key not in repr(problems)


def test_an_example_over_the_limit_is_found_and_one_below_is_not():
    line = json.dumps({"messages": [USER, {"role": "assistant", "content": "word " * 300}]}).encode()

    assert findings(json.loads(line), max_tokens=320) == []
    assert findings(json.loads(line), max_tokens=300) == [("too-long", "$", "error")]


def test_lines_are_numbered_as_in_the_file_and_the_whole_comes_last():
    lines = [b"\xef\xbb\xbf" + json.dumps({"messages": [USER, GOOD]}).encode(), b"\n", b'{"messages": []}\n']

    found = list(check_lines(lines, method="supervised"))

    assert [(p.line, p.rule) for p in found] == [(3, "no-messages"), (None, "too-few-examples")]
    assert found[-1].value == "2"


def test_ten_examples_are_enough():
    line = json.dumps({"messages": [USER, GOOD]}).encode()

    assert list(check_lines([line] * 10, method="supervised")) == []
    assert [p.rule for p in check_lines([line] * 9, method="supervised")] == ["too-few-examples"]


def test_the_rules_need_neither_pandas_nor_scikit_learn_nor_numpy():
    import subprocess
    import sys

    heavy = {"pandas", "sklearn", "numpy", "scipy", "toktok"}
    code = f"import sys, tunebook.data.rules.gate; print({heavy} & set(sys.modules))"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
