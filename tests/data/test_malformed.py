"""What is said about lines and files that are not JSON Lines, and that no bytes at all can stop the report."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tunebook as tb
from tunebook.data.malformed import explain_line, explain_shape
from tunebook.data.rules.gate import check_lines

GOOD = b'{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}'


def check(path, data, **options):
    path.write_bytes(data)
    return tb.read_dataset(path, **options).check()


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (GOOD + b",", "comma-joined"),
        (GOOD + GOOD, "several-on-a-line"),
        (GOOD + b", " + GOOD, "several-on-a-line"),
        (GOOD[:-3], "truncated"),
        (b"\xef\xbb\xbf" + GOOD, "bom-inside"),
        (b"[1, 2]", "not-an-object"),
        (b'"text"', "not-an-object"),
        (b"{", "not-json"),
        (b"{'messages': []}", "python-literal"),
        (b'{"a": NaN}', "not-finite"),
        (b'{"a": "\\ud83d"}', "lone-surrogate"),
        (b'{"a": "caf\xe9"}', "not-utf-8"),
        (b'{{"input": {}}', "not-json"),
        ("{“messages”: []}".encode(), "not-json"),
        (b"prompt,completion", "not-json"),
        (b'{"a": 1e999}', "number-range"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "too-deep"),
        (b"\0" * 100, "not-json"),
        (b'{"a": "x\ty"}', "raw-control"),
        (b'{"a": "x\0y"}', "raw-control"),
    ],
)
def test_each_way_a_line_goes_wrong_has_its_own_explanation(line, rule):
    found = [p for p in check_lines([GOOD, line], method="supervised", min_examples=0) if p.line]

    assert [(p.line, p.rule, p.path, p.severity) for p in found] == [(2, rule, "$", "error")]
    assert found[0].message
    assert found[0].fix


def test_a_pair_of_surrogates_is_a_character():
    assert explain_line(b'{"a": "\\ud83d\\ude42"').rule == "truncated"


@pytest.mark.parametrize(
    ("data", "kind", "rule"),
    [
        (GOOD + b"\n" + GOOD, "lines", None),
        (b"[" + GOOD + b",\n" + GOOD + b"]", "array", "json-array"),
        (json.dumps(json.loads(GOOD), indent=2).encode(), "pretty", "pretty-printed"),
        (GOOD.decode().encode("utf-16"), "utf-16", "utf-16"),
        (GOOD.decode().encode("utf-16-le"), "utf-16", "utf-16"),
        (GOOD.decode().encode("utf-16-be"), "utf-16", "utf-16"),
        (b"\x1f\x8b\x08" + bytes(20), "binary", "binary-file"),
        (b"PK\x03\x04" + bytes(20), "binary", "binary-file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "binary", "binary-file"),
        (bytes(500), "binary", "binary-file"),
        (b"\xef\xbb\xbf", "binary", "no-examples"),
        (b"\n \r\n\n", "binary", "no-examples"),
        (GOOD + b",\n" + GOOD + b",\n", "lines", None),
        (GOOD[:-2] + b"\n" + GOOD, "lines", None),
    ],
)
def test_a_file_of_another_form_is_recognised_by_its_head(data, kind, rule):
    shape = explain_shape(data)

    assert shape.kind == kind
    assert (shape.problem.rule if shape.problem else None) == rule


def test_the_report_does_not_call_a_file_utf_8_that_is_not(tmp_path):
    accented = GOOD.replace(b"Hi", "Hé".encode("latin-1")) if b"Hi" in GOOD else b'{"a": "\xe9"}'

    assert "not UTF-8, no byte order mark" in check(tmp_path / "a.jsonl", accented).file
    assert ", UTF-8 no byte order mark" in check(tmp_path / "b.jsonl", "é".encode() * 40_000).file  # head ends in one


def test_the_examples_inside_a_file_of_another_form_are_checked_too(tmp_path):
    bad = b'{"messages": []}'
    report = check(tmp_path / "a.json", b"[" + b",\n ".join([GOOD] * 11 + [bad]) + b"]")

    assert (report.examples, report.ok) == (12, False)
    assert {p.rule for p in report.errors} == {"json-array", "no-messages"}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_file_in_another_encoding_is_read_all_the_same(tmp_path, encoding):
    report = check(tmp_path / "a.jsonl", (GOOD.decode() + "\r\n").encode(encoding) * 1)

    assert report.examples == 1
    assert report.errors[0].rule == "utf-16"


def test_pretty_printed_examples_keep_their_texts(tmp_path):
    records = [json.loads(GOOD), {"messages": [{"role": "user", "content": 'a "b" {c} \\ \n'}]}]
    path = tmp_path / "a.json"
    path.write_text("\n".join(json.dumps(record, indent=4) for record in records), "utf-8")

    ds = tb.read_dataset(path)

    assert ds.examples == records
    assert ds.to_bytes(bom=False).count(b"\n") == 2


def test_a_hundred_megabytes_on_one_line_are_looked_at_and_reported(tmp_path):
    line = (
        b'{"messages":[{"role":"user","content":"' + b"word " * 20_000_000 + b'"},{"role":"assistant","content":"b"}]}'
    )
    path = tmp_path / "long.jsonl"
    path.write_bytes(line)

    report = tb.read_dataset(path).check(tokens="none", progress=False)

    assert {p.rule for p in report.errors} == {"message-too-long", "too-long", "too-few-examples"}


def test_a_line_longer_than_any_example_is_not_held():
    from io import BytesIO

    from tunebook.data.lines import read_blocks

    data = GOOD + b"\n" + b"x" * 5_000 + b"\n" + GOOD + b"\n"

    lines = [line for block in read_blocks(BytesIO(data), block=100, longest=1_000) for line in block.split(b"\n")]

    assert [1_000 < len(line) <= 1_100 for line in lines if line != GOOD] == [True]
    assert lines.count(GOOD) == 2


def test_ten_thousand_levels_in_the_arguments_of_a_call_are_no_trouble():
    arguments = json.dumps("[" * 10_000)
    line = (
        '{"messages":[{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{"id":"1","type":"function",'
        f'"function":{{"name":"f","arguments":{arguments}}}}}]}}]}}'
    )

    assert [p.rule for p in check_lines([line.encode()], method="supervised", min_examples=0)] == ["arguments-json"]


LONG = 200_000


@pytest.mark.parametrize(
    "data",
    [
        b"{}" + b" " * LONG + b"x",
        b'}{"a":"' + b'\\"' * LONG,
        b"{" * LONG,
        b"{}" * LONG,
        b"}" * LONG,
        b'{"a":' + b": " * LONG,
        b'{"messages":[' + b"1," * LONG + b"1]}",
        GOOD[:40] + b"eyJh-" * LONG + GOOD[40:],
        GOOD[:40] + b"a@b." * LONG + GOOD[40:],
        GOOD[:40] + b"show " * LONG + GOOD[40:],
    ],
    ids=lambda data: data[:12].decode(),
)
def test_long_runs_of_anything_are_read_once(tmp_path, data):
    """A rule that reads a run again from each of its places would not come back."""
    report = check(tmp_path / "a.jsonl", data)
    tb.read_dataset(tmp_path / "a.jsonl").fix()

    assert not report.ok


KEYS = (
    "messages role content weight tool_calls function arguments id type tools input preferred_output name text from "
    "non_preferred_output parameters tool_call_id image_url url functions function_call prompt completion value chosen"
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(["user", "x", ""])
JSON = st.recursive(
    SCALARS,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from(KEYS.split(" ")), v, max_size=4),
    max_leaves=12,
)
JSON_LINES = st.lists(JSON, max_size=4).map(lambda values: "\n".join(map(json.dumps, values)).encode())
PIECES = [GOOD, *(bytes([c]) for c in b'\n{}[]",:\\ \0\xff'), b"\\ud83d", b"null"]
FRAGMENTS = st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(min_size=1, max_size=300) | FRAGMENTS | JSON_LINES)
def test_no_bytes_at_all_stop_the_report(tmp_path, data):
    path = tmp_path / "any.jsonl"
    path.write_bytes(data or b" ")

    for method in ("supervised", "dpo", "reinforcement"):
        ds = tb.read_dataset(path, method=method)
        report = ds.check()
        json.dumps(report.to_json())
        mended, changes = ds.fix()
        mended.check()
        assert repr(report)
        assert repr(changes)
        assert report._repr_html_() + ds._repr_html_() + changes._repr_html_()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(1, len(GOOD) * 3), at=st.integers(0, len(GOOD) * 3), byte=st.integers(0, 255))
def test_a_truncated_or_damaged_file_gives_a_report(tmp_path, cut, at, byte):
    data = bytearray((GOOD + b"\n") * 3)
    data[at] = byte
    path = tmp_path / "cut.jsonl"
    path.write_bytes(bytes(data[:cut]))

    report = tb.read_dataset(path).check()

    assert not report.ok  # three examples are too few in any case
