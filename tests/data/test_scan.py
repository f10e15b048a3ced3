"""The quick scan of a block finds every line whose texts have something to report."""

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tunebook.data.rules.scan import suspects, suspicious
from tunebook.data.rules.texts import check_texts

FOUND = [
    b"https://a.blob.core.windows.net/b?sv=2024-11-04&sig=" + b"aB3%2F" * 6,
    b"api-key: 0123456789abcdef0123456789abcdef",
    b"The key is 0123456789abcdef0123456789ABCDEF.",
    b'OPENAI_KEY=\\"0123456789abcdef0123456789abcdef\\"',
    b"xoxb-123456789012-abcdefghijkl",
    b"xapp-1-A0123456789-abc",
    b"https://hooks.slack.com/services/T0123456/B0123456/abcdefghijkl",
    b"sk_live_0123456789abcdef",
    b"rk_test_0123456789abcdef",
    b"whsec_0123456789abcdefgh",
    b"glpat-0123456789abcdefghij",
    b"SG.0123456789abcdef.0123456789abcdefg",
    b"Server=db;User Id=sa;Password=Hunter2!x;",
    b"PWD=correct-horse",
    b"SharedAccessKey=0123456789abcdefghijklmnop=",
    b"abc8Q~0123456789abcdefghijklmnopqrstuvwx",
]
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
LEFT = [
    b"d41d8cd98f00b204e9800998ecf8427e is the checksum",
    b"Enter your password= and press Enter",
    b"password=<your password>",
    b"the key is under the mat",
    b"design=modern",
]


def test_secrets_of_many_shapes_are_found_and_masked():
    for secret in FOUND:
        line = b'["' + secret + b'"]'
        found = [p for p in check_texts({"messages": json.loads(line)}) if p.rule == "secret"]
        assert (secret, len(found), suspicious(line)) == (secret, 1, True)
        assert json.loads(line)[0][-9:] not in found[0].value


def test_what_only_looks_like_a_secret_is_left_alone():
    assert [text for text in LEFT if list(check_texts({"messages": [text.decode()]}))] == []


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
@given(parts=st.lists(st.sampled_from(TELLING + FOUND + QUIET), max_size=12))
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
