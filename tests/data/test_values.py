"""Files that are JSON but not lines: everything is read that can be, and what cannot is told with its place."""

import json

import pytest

import tunebook as tb
from tunebook.data.values import pieces, values


def chat(n):
    return {"messages": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": f"a{n}"}]}


def line(n):
    return json.dumps(chat(n))


def pretty(n):
    return json.dumps(chat(n), indent=2)


def array(*numbers):
    return json.dumps([chat(n) for n in numbers])


def read(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text, "utf-8")
    return tb.read_dataset(path)


def test_brackets_inside_texts_do_not_split_values():
    assert values(b'{"a": "}{"} , [1, {"b": "]"}]\n{}') == [b'{"a": "}{"}', b'[1, {"b": "]"}]', b"{}"]


@pytest.mark.parametrize(
    "text",
    [
        f"{array(1, 2)}{array(3)}",
        f"{array(1, 2)}\n{array(3)}\n",
        f"{array(1)}\n{line(2)}\n{line(3)}",
        f"[{array(1, 2)}, {array(3)}]",
        f"[{pretty(1)},\n{pretty(2)}]\n{pretty(3)}",
        f"{pretty(1)}\n{array(2, 3)}",
        f"{pretty(1)},\n{pretty(2)},\n{pretty(3)},",
        f"\ufeff{array(1, 2)}\n\ufeff{array(3)}",
    ],
)
def test_arrays_and_values_that_follow_one_another_are_read_to_the_end(tmp_path, text):
    ds = read(tmp_path, text)
    mended, _ = ds.fix()

    assert list(ds) == list(mended) == [chat(1), chat(2), chat(3)]
    assert ds.check().to_json()["unread"] == []
    assert mended.check(min_examples=0).ok


@pytest.mark.parametrize(
    ("between", "at", "size"),
    [
        ("// the second half", 19, 18),
        ("# {}", 19, 4),
        ("/* a\nb */", 19, 9),
        ("-----", 19, 5),
        (";", 19, 1),
        ("EOF", 19, 3),
    ],
)
def test_comments_and_rules_between_examples_are_told_and_left_out_by_fix(tmp_path, between, at, size):
    ds = read(tmp_path, f"{pretty(1)}\n{between}\n{pretty(2)}\n")
    report = ds.check()
    mended, changes = ds.fix()

    at = pretty(1).count("\n") + 2
    assert (len(ds), report.to_json()["unread"]) == (2, [{"line": at, "bytes": size}])
    assert [(p.line, p.severity) for p in report.problems if p.rule == "unread"] == [(at, "warning")]
    assert f"between the examples left out (line {at})" in repr(changes)
    assert mended.check(min_examples=0).ok


def test_null_between_examples_is_told_and_left_out_by_fix(tmp_path):
    ds = read(tmp_path, f"[{line(1)}, null, {line(2)}]")
    mended, changes = ds.fix()

    assert [p.rule for p in ds.check(min_examples=0).errors] == ["json-array", "not-an-object"]
    assert "null left out (line 2)" in repr(changes)
    assert list(mended) == [chat(1), chat(2)]


@pytest.mark.parametrize(
    ("text", "examples", "unread"),
    [
        (f"[{line(1)},\n{line(2)},\n{line(3)[:40]}", [1, 2], [{"line": 3, "bytes": 40}]),
        (f"[{line(1)},\n{line(2)[:-3]},\n{line(3)}]", [1, 3], [{"line": 2, "bytes": len(line(2)) - 2}]),
        (f"[{pretty(1)},{pretty(2).replace('q2', 'q2', 1)[:-9]},{pretty(3)}]", [1, 3], None),
        (f"[{line(1)},\n{line(2)},", [1, 2], [{"line": 2, "bytes": 1}]),
        (f"[{line(1)},\n{line(2)}", [1, 2], []),
        (f"{line(1)[:-2]}\n{pretty(2)}", [2], None),
    ],
)
def test_what_is_damaged_or_cut_off_costs_no_other_example_and_is_never_called_ready(tmp_path, text, examples, unread):
    ds = read(tmp_path, text)
    report = ds.check(min_examples=0)
    mended, _ = ds.fix()

    assert list(ds) == [chat(n) for n in examples]
    assert [p.rule for p in report.errors if p.rule in ("unread", "truncated", "not-json")]
    assert unread is None or report.to_json()["unread"] == unread
    assert not mended.check(min_examples=0).ok
    again = tb.read_dataset(mended.write(tmp_path / "b.jsonl"))
    assert not again.check(min_examples=0).ok


def test_a_line_break_inside_a_text_becomes_an_escape(tmp_path):
    ds = read(tmp_path, "[" + line(1).replace("q1", "two\nlines") + "]")

    assert ds[0]["messages"][0]["content"] == "two\nlines"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('[{"role": "user", "content": "q1"}, {"role": "assistant", "content": "a1"}]\n' * 2, "bare-messages"),
        (json.dumps(line(1)) + "\n", "double-encoded"),
        (json.dumps([line(1), line(1)]), "double-encoded"),
        (line(1).replace('"a1"', '"a1", "weight": None') + "\n", "python-literal"),
        (line(1)[:-1] + ', "parallel_tool_calls": False, "tools": null}\n', "python-literal"),
    ],
)
def test_an_example_in_another_guise_is_named_once_and_mended(tmp_path, text, rule):
    ds = read(tmp_path, text)
    mended, _ = ds.fix()

    found = [p.rule for p in ds.check(min_examples=0).errors if p.rule != "json-array"]
    assert set(found) == {rule}
    assert [m["content"] for m in mended[0]["messages"]] == ["q1", "a1"]
    assert mended.check(min_examples=0).ok


@pytest.mark.parametrize(
    "run", [b"}", b"{\n", b'{"a":{', b'["x",', b'"\t', b'{"a":"\t', b'{"a":[\n', b'{"a":[', b"# \n", b"/*"]
)
def test_nothing_is_read_again_and_again(run):
    assert len(b"".join(piece.data for piece in pieces(run * 20_000))) <= 20_000 * len(run)
