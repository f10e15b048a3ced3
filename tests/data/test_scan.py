"""The quick scan of a block finds every line whose texts have something to report."""

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tunebook.data.rules.scan import suspects, suspicious
from tunebook.data.rules.texts import check_texts

TELLING = [
    b"sk-abcdefghijklmnopqrst",
    b"AKIAABCDEFGHIJKLMNOP",
    b"AIza" + b"x" * 35,
    b"eyJhbGciOiJIUzI1",
    b"-----BEGIN",
    b"AccountKey=",
    b"JQQJ99",
    b"ghp_" + b"a" * 36,
    b"gho_" + b"a" * 36,
    b"ghr_" + b"a" * 36,
    b"github_pat_",
    b"hf_" + b"b" * 30,
    b"a@b",
    b"<|",
    b"\\u0000",
    b"\\ufffd",
    b"\\uFFFD",
    b"\\u00c3\\u00a9",
    b"\\u00E2\\u20AC",
    "\ufffd".encode(),
    "Ã©".encode(),
    "â€™".encode(),
]
QUIET = [
    b"x",
    b"yz",
    b"\n",
    b"_",
    b"risk-free",
    b"find_order",
    b"@",
    b"<",
    b"|",
    b"\\u00e9",
    "né".encode(),
    b"EG",
    b"AKI",
]


@settings(max_examples=300, deadline=None)
@given(parts=st.lists(st.sampled_from(TELLING + QUIET), max_size=12))
@example(parts=[b"@"])
@example(parts=[b"eyJhbGciOiJIUzI1", b".eyJhbGciOiJIUzI1", b".abcdefghijkl"])
@example(parts=[b"\\n", b"sk-abcdefghijklmnopqrst"])
def test_no_line_with_something_to_report_is_missed(parts):
    line = b'["' + b"".join(parts).replace(b"\n", b" ") + b'"]'

    if list(check_texts({"messages": json.loads(line)})):
        assert suspicious(line)
        assert list(suspects(b"first\n" + line + b"\nlast")) == [(6, 6 + len(line))]


def test_every_kind_is_found_at_even_and_odd_places():
    for telling in TELLING:
        for lead in (b"..", b"..."):
            block = b"first\n" + lead + telling + b"}]}\nlast"
            assert [block[begin:end] for begin, end in suspects(block)] == [lead + telling + b"}]}"]


def test_prose_is_left_alone():
    assert list(suspects("The work was free of risk; naïve? Yes, 100 %.\n".encode() * 50)) == []
