"""The file of answers: appended to, taken up again, never mixed with another evaluation's."""

import json

import pytest

from tunebook.errors import RequestError
from tunebook.experiments.evaluation.answers import AnswerLog, identity

HEADER = {"identity": "abc", "dataset": "d", "examples": 3, "models": {"base": "m"}, "settings": {}}


def log(path, header=HEADER, **options):
    return AnswerLog(path, header, **{"n": 3, "models": ("base", "tuned"), "samples": 2, **options})


def answer(example, model="base", sample=0, **more):
    return {"example": example, "model": model, "sample": sample, "answer": f"a{example}", **more}


def test_an_answer_is_found_again_by_its_place(tmp_path):
    with log(tmp_path / "sub" / "a.jsonl") as answers:
        answers.add(answer(2, "tuned", 1))

        assert answers.has(2, "tuned", 1)
        assert not answers.has(2, "tuned", 0)
        assert answers.get(2, "tuned", 1)["answer"] == "a2"
        assert answers.get(0, "base", 0) is None
        assert answers.count() == 1


def test_what_an_earlier_call_wrote_is_taken_up(tmp_path):
    with log(tmp_path / "a.jsonl") as answers:
        answers.add(answer(0))
        answers.add({"example": 0, "model": "base", "sample": 0, "grader": "g", "grade": 0.5})
    with log(tmp_path / "a.jsonl") as answers:
        answers.add(answer(1))

        assert [answers.has(n, "base", 0) for n in range(3)] == [True, True, False]
        assert answers.get(0, "base", 0, "g")["grade"] == 0.5
        assert answers.get(0, "base", 0)["answer"] == "a0"
    assert (tmp_path / "a.jsonl").read_text().count("tunebook answers") == 1


def test_a_line_cut_short_by_a_crash_is_cut_off_and_asked_again(tmp_path):
    path = tmp_path / "a.jsonl"
    with log(path) as answers:
        answers.add(answer(0))
        answers.add(answer(1))
    path.write_bytes(path.read_bytes()[:-7])
    with log(path) as answers:
        assert not answers.has(1, "base", 0)
        answers.add(answer(1))

    assert [json.loads(line).get("example") for line in path.read_text().splitlines()] == [None, 0, 1]


def test_a_file_without_even_a_header_is_begun_anew(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"kind": "tunebo')
    with log(tmp_path / "a.jsonl") as answers:
        assert answers.count() == 0


def test_the_file_of_another_evaluation_is_refused_with_what_differs(tmp_path):
    with log(tmp_path / "a.jsonl"):
        pass
    other = {**HEADER, "identity": "xyz", "settings": {"seed": 1}}

    with pytest.raises(
        RequestError, match=r"answers of another evaluation \(settings: \{\} there, \{'seed': 1\} now\)"
    ):
        log(tmp_path / "a.jsonl", other)


def test_a_file_that_is_none_of_ours_is_left_alone(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"messages": []}\n')

    with pytest.raises(RequestError, match="no file of answers"):
        log(tmp_path / "a.jsonl")
    assert (tmp_path / "a.jsonl").read_text() == '{"messages": []}\n'


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(RequestError, match=r"cannot be written here.*Give path="):
        log(tmp_path / "file" / "a.jsonl")


def test_half_a_surrogate_survives(tmp_path):
    with log(tmp_path / "a.jsonl") as answers:
        answers.add(answer(0, reason="\ud83d"))

        assert answers.get(0, "base", 0)["reason"] == "\ud83d"


def test_the_same_parts_have_the_same_identity():
    assert identity({"a": 1, "b": 2}) == identity({"b": 2, "a": 1}) != identity({"a": 1})
