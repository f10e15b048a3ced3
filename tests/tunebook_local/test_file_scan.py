"""What the service looks at when a file arrives: its syntax, nothing else; and where imports may come from."""

import json
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunebook_local.desk.files import scan
from tunebook_local.desk.imports import ImportRefused, check_url


@pytest.mark.parametrize(
    ("content", "examples"),
    [
        (b'{"a": 1}\n', 1),
        (b'\xef\xbb\xbf{"a": 1}\r\n{"b": 2}', 2),
        (b'{"a": 1}\n\n   \n{"b": 2}\n\n', 2),
        ('{"a": "é<script>"}\n'.encode(), 1),
    ],
)
def test_json_lines_are_counted(content, examples):
    assert scan(BytesIO(content)) == (examples, None)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "No valid json line found in file"),
        (b"\n\n", "No valid json line found in file"),
        (b'{"a": 1}\n{oops\n', "line 2 is not valid JSON"),
        (b'{"a": 1}\n[1]\n', "line 2 is not a JSON object"),
        (b'[{"a": 1}]', "line 1 is not a JSON object"),
        (b'{\n "a": 1\n}', "line 1 is not valid JSON"),
        (b'{"a": "\xff"}\n', "line 1 is not UTF-8"),
        (b"[" * 200_000, "line 1 is not"),
        ('{"a": 1}'.encode("utf-16"), "line 1 is not UTF-8"),
    ],
)
def test_what_is_no_json_lines_is_told_with_its_line(content, said):
    assert said in scan(BytesIO(content))[1]


@given(st.binary(max_size=200))
def test_any_bytes_are_scanned_without_an_exception(content):
    examples, complaint = scan(BytesIO(content))

    assert (complaint is None) <= (examples > 0)


@settings(max_examples=40)
@given(st.lists(st.dictionaries(st.text(), st.integers() | st.text()), min_size=1, max_size=5))
def test_any_json_objects_pass(examples):
    lines = "\n".join(map(json.dumps, examples))

    assert scan(BytesIO(lines.encode())) == (len(examples), None)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/x", "https://localhost/x", "http://[::1]/x", "http://data.example/x?sig=1"]
)
def test_imports_come_from_this_machine_or_an_allowed_host(url):
    assert check_url(url, ("data.example",)) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/x",
        "http://169.254.169.254/metadata",
        "http://10.0.0.1/x",
        "http://0x7f.evil.example/x",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "http://user@evil.example:80\\@127.0.0.1/",
        "http://127.0.0.1.evil.example/x",
        "//127.0.0.1/x",
        "http://[::1/x",
        "",
        None,
        7,
    ],
)
def test_everything_else_is_refused(url):
    with pytest.raises(ImportRefused, match="content_url"):
        check_url(url, ("data.example",))
