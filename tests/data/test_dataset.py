"""Reading, looking at, splitting and writing a dataset."""

import json

import pytest

import tunebook as tb
from tunebook.errors import DataError


def chat(question, answer, system="Be brief."):
    return {
        "messages": [
            {"role": "system", "content": system},
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    }


TEN = [chat(f"What is {n} + {n}?", f"It is {2 * n}.") for n in range(10)]


@pytest.fixture
def ten(tmp_path):
    path = tmp_path / "ten.jsonl"
    path.write_text("".join(json.dumps(example) + "\n" for example in TEN), "utf-8")
    return path


def test_a_file_gives_its_examples_as_parsed(ten):
    ds = tb.read_dataset(ten)

    assert len(ds) == 10
    assert ds.examples == TEN
    assert (ds.name, ds.method, ds.path) == ("ten.jsonl", "supervised", ten)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + "\n".join(map(json.dumps, TEN)),  # byte order mark, no final newline
        "\r\n".join(map(json.dumps, TEN)) + "\r\n",
        "\n".join(map(json.dumps, TEN)) + "\n\n\n \n",
    ],
    ids=["bom", "crlf", "blank lines at the end"],
)
def test_outward_forms_of_a_file_make_no_difference(tmp_path, text):
    path = tmp_path / "f.jsonl"
    path.write_bytes(text.encode())

    ds = tb.read_dataset(path)

    assert ds.examples == TEN
    assert ds.check().ok


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: p / "none.jsonl", "no such file"),
        (lambda p: p, "a folder, not a file"),
        (lambda p: (p / "e.jsonl").write_bytes(b"") or p / "e.jsonl", "the file is empty"),
    ],
)
def test_what_cannot_be_read_at_all_is_an_error_naming_the_path(tmp_path, make, said):
    with pytest.raises(DataError, match=said) as caught:
        tb.read_dataset(make(tmp_path))

    assert str(tmp_path) in str(caught.value)


def test_a_list_of_examples_is_a_dataset():
    ds = tb.read_dataset(TEN)

    assert ds.examples == TEN
    assert ds.path is None


def test_written_files_have_no_mark_and_read_back_equal(tmp_path):
    path = tb.read_dataset(TEN).write(tmp_path / "out.jsonl")

    assert path.read_bytes().startswith(b'{"messages"')
    assert tb.read_dataset(path).examples == TEN
    assert list(tmp_path.iterdir()) == [path]


def test_the_mark_that_the_documentation_asks_for_is_one_argument_away(tmp_path):
    ds = tb.read_dataset(TEN[:2])

    assert ds.to_bytes(bom=True).startswith(b'\xef\xbb\xbf{"messages"')
    assert ds.write(tmp_path / "a.jsonl", bom=True).read_bytes() == ds.to_bytes(bom=True)
    assert ds.to_bytes().count(b"\n") == 2


def test_a_split_is_repeatable_and_loses_nothing():
    ds = tb.read_dataset(TEN)

    train, valid = ds.split(valid=0.2, seed=3)
    again, _ = ds.split(valid=0.2, seed=3)

    assert (len(train), len(valid)) == (8, 2)
    assert again.examples == train.examples
    assert sorted(map(str, train.examples + valid.examples)) == sorted(map(str, TEN))


def test_a_split_that_leaves_nothing_says_so():
    with pytest.raises(DataError, match="leaves one part empty"):
        tb.read_dataset(TEN).split(valid=10)


def test_head_keeps_the_first_examples():
    assert tb.read_dataset(TEN).head(3).examples == TEN[:3]


def test_a_file_that_changed_under_the_dataset_is_noticed(ten):
    ds = tb.read_dataset(ten)
    ten.write_text("{}\n", "utf-8")

    with pytest.raises(DataError, match="has changed"):
        ds.check()


def test_dollars_in_a_row_are_no_mathematics_in_the_notebook():
    page = tb.read_dataset([chat("It costs $5, then $10.", "Yes.")])._repr_html_()

    assert "It costs <span>$</span>5, then <span>$</span>10." in page


def test_foreign_text_is_escaped_in_the_notebook():
    ds = tb.read_dataset([chat("<script>alert(1)</script>", "no")], name="<script>name")

    page = ds._repr_html_() + ds.check()._repr_html_()

    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_a_pipe_or_a_device_is_refused_at_once(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")

    for path in ("/dev/zero", tmp_path / "pipe"):
        with pytest.raises(DataError, match="a pipe or a device"):
            tb.read_dataset(path)


def test_a_path_may_begin_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    tb.read_dataset(TEN).write("~/ten.jsonl")

    assert list(tb.read_dataset("~/ten.jsonl")) == TEN
