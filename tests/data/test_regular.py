"""The quick judgement of tool calls, parts, weights and pairs: never milder than the close look, and the same keys."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunebook.data.records import record_keys
from tunebook.data.rules.gate import LineChecker

SYSTEM = {"role": "system", "content": "Be kind."}
USER = {"role": "user", "content": "Where is order 7?"}
ANSWER = {"role": "assistant", "content": "On its way."}
FUNCTION = {
    "name": "find",
    "parameters": {"type": "object", "properties": {"id": {}, "n": {}}, "required": ["id"]},
}
TOOLS = [{"type": "function", "function": FUNCTION}]


def call(name="c1", function="find", arguments='{"id": 7}'):
    return {"id": name, "type": "function", "function": {"name": function, "arguments": arguments}}


CALLS = {"role": "assistant", "tool_calls": [call()]}
RESULT = {"role": "tool", "tool_call_id": "c1", "name": "find", "content": "sent"}
PICTURE = {"type": "image_url", "image_url": {"url": "https://pictures.contoso.com/7.png", "detail": "low"}}
PARTS = {"role": "user", "content": [{"type": "text", "text": "What is this?"}, PICTURE]}
OTHER = {"role": "assistant", "content": "No idea."}

GOOD = {
    "supervised": [
        {"messages": [SYSTEM, USER, ANSWER]},
        {"messages": [USER, ANSWER, USER, OTHER]},
        {"messages": [SYSTEM, USER, CALLS, RESULT, ANSWER], "tools": TOOLS, "parallel_tool_calls": False},
        {"messages": [USER, {**CALLS, "content": None}]},
        {"messages": [USER, {**CALLS, "tool_calls": [call(), call("c2")]}, {**RESULT, "tool_call_id": "c2"}, RESULT,
                      ANSWER]},
        {"messages": [USER, ANSWER], "tools": []},
        {"messages": [SYSTEM, PARTS, ANSWER]},
        {"messages": [USER, {**OTHER, "weight": 0}, USER, {**ANSWER, "weight": 1}]},
    ],
    "dpo": [
        {"input": {"messages": [SYSTEM, USER], "tools": TOOLS}, "preferred_output": [ANSWER],
         "non_preferred_output": [OTHER]},
        {"input": {"messages": [USER]}, "preferred_output": [CALLS, RESULT, ANSWER], "non_preferred_output": [OTHER]},
    ],
    "reinforcement": [
        {"messages": [{"role": "developer", "content": "Be short."}, USER], "reference_answer": {"a": [1]}},
        {"messages": [PARTS], "answer": 4},
    ],
}  # fmt: skip
EACH = [(method, record) for method, records in GOOD.items() for record in records]


def judged(record, method):
    """(quick judgement, findings of the close look, its keys)."""
    checker, line = LineChecker(method, max_tokens=65_536), json.dumps(record).encode()
    read, problems = checker.closely(line)
    return checker.regular(line), problems, record_keys(read) if isinstance(read, dict) else None


@pytest.mark.parametrize(("method", "record"), EACH)
def test_records_in_good_order_need_no_close_look(method, record):
    regular, problems, keys = judged(record, method)

    assert regular is not None
    assert (list(problems), regular[0]) == ([], keys)


def places(value, path=()):
    """Every place in a decoded value."""
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


ODD = st.sampled_from(
    [None, "", " ", "x", "a b", 0, 1, 0.5, True, [], ["x"], {}, "user", "tool", "assistant", "c9", "{}", "[1]", "{",
     '{"id": 1, "z": 2}', '{"n": 1}', "data:image/png;base64,AAAA", "http://localhost/x.png",
     "https://a.local/b", "https://a.b/c.gif",
     "https://", "high", USER, ANSWER,
     CALLS, RESULT, PARTS, SYSTEM, PICTURE, [USER, ANSWER], [CALLS], TOOLS, "show your chain of thought"]
).map(copy.deepcopy)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_whatever_is_changed_the_quick_judgement_is_never_milder_than_the_close_look(data):
    method, record = data.draw(st.sampled_from(EACH))
    record = copy.deepcopy(record)
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from([place for place in places(record) if place] or [("messages",)]))
        holder = record
        for key in path[:-1]:
            holder = holder[key]
        match data.draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                holder[path[-1]] = data.draw(ODD)
            case "remove":
                holder.pop(path[-1]) if path[-1] in holder or isinstance(holder, list) else None
            case "add" if isinstance(holder, list):
                holder.insert(path[-1], data.draw(ODD))
            case _:
                holder[
                    data.draw(st.sampled_from(["name", "weight", "tools", "id", "refusal", "tool_call_id", "a b"]))
                ] = data.draw(ODD)

    regular, problems, keys = judged(record, method)

    if regular is not None:
        assert problems == []
        assert regular[0] == keys


def test_a_large_picture_does_not_send_a_line_to_the_close_look():
    import base64

    picture = base64.b64encode(b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(100_000)).decode()
    part = {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64," + picture}}
    record = {"messages": [{"role": "user", "content": [part]}, ANSWER]}

    regular, problems, _ = judged(record, "supervised")

    assert (regular[1], problems) == (True, [])
    record["messages"][1] = {"role": "assistant", "content": "long " * 20_000}
    assert judged(record, "supervised")[0] is None  # too many bytes of text to be sure of its tokens


def test_definitions_are_judged_once_for_each_list_of_tools():
    checker = LineChecker("supervised", max_tokens=65_536)
    for name, expected in (("find", True), ("find it", False), ("find", True)):
        tools = [{"type": "function", "function": {"name": name}}]
        record = {"messages": [USER, {**CALLS, "tool_calls": [call(function=name)]}], "tools": tools}
        assert (checker.regular(json.dumps(record).encode()) is not None) is expected
