"""Python and model graders in the embedded service: run where it was asked for, within limits, or refused."""

from __future__ import annotations

import csv
import io
import os

import openai
import pytest

from tunebook.graders import GradingError, grade, sample_of, starter
from tunebook_local.model.python_graders import PythonGraders

PYTHON = starter("python", ["answer"])
ITEMS = [{"messages": [{"role": "user", "content": f"Say {n}."}], "answer": "yes"} for n in range(10)]


def grading(line, text="yes", *, above="", **limits):
    """The reward, or the flag and the words, of a grader with this line for its body."""
    source = f"{above}\ndef grade(sample, item):\n    {line}\n"
    with PythonGraders(**limits) as python:
        try:
            return python({"source": source}, {"answer": "yes"}, sample_of(text))
        except GradingError as error:
            return error.flag, str(error)


# ---- the process it runs in ----


def test_the_source_sees_sample_and_item():
    assert grading("return sample['output_text'] == item['answer']") == 1.0
    assert grading("return sample['output_json']['score']", '{"score": 0.25}') == 0.25
    assert grading("import numpy; return numpy.float64(0.5)") == 0.5


def test_one_process_grades_many_answers_and_keeps_what_the_source_keeps():
    with PythonGraders() as python:
        counting = {"source": "seen = []\ndef grade(sample, item):\n    seen.append(1)\n    return len(seen)"}
        assert [python(counting, {}, sample_of("x")) for _ in range(3)] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("return 1 / 0", "ZeroDivisionError: division by zero (line 3)"),
        ("return item['answr']", "KeyError: 'answr' (line 3)"),
        ("return 'high'", "'high', which is no finite number"),
        ("return float('nan')", "no finite number"),
        ("raise SystemExit", "SystemExit"),
        ("open('/tmp/tunebook-graded', 'w')", "may not write to disk: '/tmp/tunebook-graded'"),
        ("import os; os.open('x', os.O_CREAT | os.O_WRONLY)", "may not write to disk"),
        ("import os; os.mkdir('x')", "may not do this: os.mkdir"),
        ("import os; os.system('true')", "may not do this: os.system"),
        ("import subprocess; subprocess.run(['true'])", "may not do this: subprocess.Popen"),
        ("import socket; socket.create_connection(('127.0.0.1', 9))", "may not do this: socket."),
    ],
)
def test_what_the_source_raises_or_may_not_do_is_its_error(line, said):
    flag, words = grading(line)
    assert flag == "python_grader_runtime_error"
    assert said in words


def test_a_loop_is_ended_and_after_three_no_other_is_begun():
    source = {"source": "def grade(sample, item):\n    while True: pass"}
    with PythonGraders(time_s=1) as python:
        told = []
        for _ in range(4):
            with pytest.raises(GradingError) as error:
                python(source, {}, sample_of("x"))
            told.append(str(error.value))
    assert told[:3] == ["the grader took longer than 1 s; does it loop?"] * 3
    assert told[3] == "the grader's process had to be ended 3 times in a row"


def test_memory_has_a_limit():
    assert "MemoryError" in grading("return len(bytearray(2**30))", memory_bytes=2**29)[1]


def test_what_it_prints_goes_nowhere_and_a_flood_of_words_is_no_reply():
    assert grading("print('{\"reward\": 7}'); return 0.5") == 0.5
    assert len(grading("raise ValueError('x' * 10**6)")[1]) < 1000


def test_nothing_of_the_environment_is_inherited(monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "SECRET")
    line = "import os; return float('AZURE_OPENAI_API_KEY' in os.environ or 'HOME' in os.environ)"
    assert os.environ["AZURE_OPENAI_API_KEY"] == "SECRET"
    assert grading(line) == 0.0


def test_the_flag_and_the_words_stand_in_the_result():
    with PythonGraders() as python:
        result = grade(
            {**PYTHON, "source": "def grade(s, i):\n    return 1 / 0"}, {}, sample_of("x"), {"python": python}
        )
    assert (result.reward, result.errors["python_grader_runtime_error"]) == (0.0, True)
    assert "ZeroDivisionError" in result.errors["python_grader_runtime_error_details"]


# ---- over HTTP ----


def test_python_is_off_unless_it_was_asked_for(service):
    with pytest.raises(openai.BadRequestError, match="started without --run-graders"):
        service.sdk.fine_tuning.alpha.graders.validate(grader=PYTHON)


@pytest.fixture(scope="module")
def running(start_once):
    return start_once("--run-graders")


def test_a_grader_that_fails_says_so_in_the_apis_own_words(running):
    graders = running.sdk.fine_tuning.alpha.graders
    right = graders.run(grader=PYTHON, model_sample="yes", item={"answer": "yes"})
    broken = graders.run(grader=PYTHON, model_sample="yes", item={})

    assert right.reward == 1.0
    assert broken.metadata.errors.python_grader_runtime_error is True
    assert "KeyError: 'answer'" in broken.metadata.errors.python_grader_runtime_error_details
    with pytest.raises(openai.BadRequestError, match="does not compile"):
        graders.validate(grader={**PYTHON, "source": "def grade("})


def reinforced(running, grader):
    """The rows of the result file of a job with this grader."""
    method = {"grader": grader, "hyperparameters": {"n_epochs": 1, "batch_size": 5}}
    job = running.sdk.fine_tuning.jobs.create(
        model="o4-mini",
        training_file=running.upload(ITEMS),
        validation_file=running.upload(ITEMS[:3]),
        seed=1,
        method={"type": "reinforcement", "reinforcement": method},
    )
    job = running.ended(job.id)
    assert job.status == "succeeded", job.error
    return list(csv.DictReader(io.StringIO(running.sdk.files.content(job.result_files[0]).text)))


def test_a_job_is_graded_by_its_code(running):
    always = {**PYTHON, "source": "def grade(sample, item):\n    return 0.75"}
    assert [float(row["train_mean_reward"]) for row in reinforced(running, always)] == [0.75, 0.75]


def test_the_errors_of_its_code_stand_in_the_result_file(running):
    broken = {**PYTHON, "source": "def grade(sample, item):\n    return item['x']"}
    row = reinforced(running, broken)[0]
    assert row["errors/graders/python/scored/errors/train_python_grader_runtime_error_mean"] == "1.0"


def test_a_model_grader_asks_a_deployment_of_the_service(running):
    judge = {**starter("score_model", ["answer"]), "model": "judge"}
    graders = running.sdk.fine_tuning.alpha.graders
    with pytest.raises(openai.BadRequestError, match="'judge' that grades is no deployment of this service"):
        graders.validate(grader=judge)

    talk = [{"messages": [*judge["input"], {"role": "assistant", "content": "0.5"}]}] * 12
    taught = running.sdk.fine_tuning.jobs.create(
        model="gpt-4.1-nano", training_file=running.upload(talk), hyperparameters={"n_epochs": 20}, seed=1
    )
    name = running.ended(taught.id).fine_tuned_model
    deploy(running, "judge", name)
    deploy(running, "talker", "gpt-4.1-nano")

    assert graders.run(grader=judge, model_sample="yes", item={"answer": "yes"}).reward == 0.5
    lost = graders.run(grader={**judge, "model": "talker"}, model_sample="yes", item={"answer": "yes"})
    assert lost.metadata.errors.model_grader_parse_error is True
    assert {float(row["train_mean_reward"]) for row in reinforced(running, judge)} == {0.5}


def deploy(running, name, model):
    from tunebook.service import connect

    connect(running.endpoint, api_key=running.api_key, environ={}).deployments.create(model, name=name, say=str)
