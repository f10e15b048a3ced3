"""Requests as people write them: numbers of numpy, further keys of the method, and what would be lost in silence."""

import numpy as np
import pytest

import tunebook as tb

RULE = {"type": "python", "source": "def grade(sample, item): return 1"}
REINFORCED = {"model": "o4-mini", "training_file": "f", "validation_file": "v", "method": "reinforcement"}


def errors(request):
    return [problem.field for problem in request.problems() if problem.severity == "error"]


def test_numbers_of_numpy_are_numbers():
    request = tb.JobRequest(
        model="gpt-4.1-nano", training_file="f", n_epochs=np.int64(3), learning_rate_multiplier=np.float64(0.1)
    )

    assert errors(request) == []
    assert type(request.n_epochs) is int


def test_a_grid_takes_arrays(tmp_path):
    space = {"n_epochs": np.array([1, 2]), "learning_rate_multiplier": np.linspace(0.1, 0.2, 2)}

    sweep = tb.Sweep(tb.JobRequest(model="gpt-4.1-nano", training_file="f"), space, folder=tmp_path / "sweep")

    assert len(sweep.plan) == 4


def test_further_keys_of_the_method_are_merged_into_it():
    extra = {"method": {"reinforcement": {"response_format": {"type": "json_schema"}}}}
    request = tb.JobRequest(**REINFORCED, grader=RULE, extra=extra)

    method = request.to_json()["method"]
    assert method["type"] == "reinforcement"
    assert method["reinforcement"]["grader"] == RULE
    assert method["reinforcement"]["response_format"] == {"type": "json_schema"}
    assert errors(request) == []


def test_what_contradicts_the_requests_own_fields_is_refused():
    request = tb.JobRequest(model="gpt-4.1-nano", training_file="f", extra={"method": {"type": "dpo"}})

    assert errors(request) == ["extra"]


@pytest.mark.parametrize("grader", [{}, {"name": "x"}])
def test_a_grader_without_a_type_is_an_error(grader):
    assert "grader" in errors(tb.JobRequest(**REINFORCED, grader=grader))


def test_the_same_file_for_training_and_validation_is_a_warning():
    request = tb.JobRequest(model="gpt-4.1-nano", training_file="f", validation_file="f")

    assert [(p.field, p.severity) for p in request.problems()] == [("validation_file", "warning")]
