"""A job request: what goes over the wire, and what is caught before it does."""

import json
from dataclasses import replace

import pytest

from tunebook.graders import starter
from tunebook.service.request import JobRequest

GRADER = starter("string_check")
REQUEST = JobRequest(model="gpt-4.1-mini", training_file="file-1", validation_file="file-2", n_epochs=2, seed=7)


def test_what_is_left_to_the_service_is_left_out_of_the_body():
    assert REQUEST.to_json() == {
        "model": "gpt-4.1-mini",
        "training_file": "file-1",
        "validation_file": "file-2",
        "seed": 7,
        "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}},
    }


def test_beta_belongs_to_dpo_alone():
    assert "beta" not in JobRequest(model="m", training_file="f", beta=0.3).hyperparameters
    assert JobRequest(model="m", training_file="f", method="dpo", beta=0.3).hyperparameters == {"beta": 0.3}


def test_the_shown_python_makes_the_same_request():
    shown = REQUEST.to_python().removeprefix("job = ws.jobs.create(tb.").removesuffix(")")

    assert eval(shown, {"JobRequest": JobRequest}) == REQUEST  # noqa: S307 - the text is our own


def test_the_shown_curl_carries_the_body_and_no_key():
    shown = JobRequest(model="it's", training_file="f").to_curl("https://r.openai.azure.com")

    assert '-H "api-key: $AZURE_OPENAI_API_KEY"' in shown
    body = shown.split("-d '", 1)[1].removesuffix("'").replace("'\\''", "'")
    assert json.loads(body)["model"] == "it's"


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("model", {"model": ""}),
        ("n_epochs", {"n_epochs": 0}),
        ("n_epochs", {"n_epochs": 1.5}),
        ("batch_size", {"batch_size": True}),
        ("learning_rate_multiplier", {"learning_rate_multiplier": -0.1}),
        ("learning_rate_multiplier", {"learning_rate_multiplier": float("nan")}),
        ("suffix", {"suffix": "has.dot"}),
        ("suffix", {"suffix": "x" * 65}),
        ("seed", {"seed": 2**31}),
        ("training_type", {"training_type": 1}),
        ("grader", {"method": "reinforcement", "validation_file": "file-2"}),
        ("validation_file", {"method": "reinforcement", "grader": GRADER}),
        ("metadata", {"metadata": {f"k{i}": "v" for i in range(17)}}),
        ("metadata", {"metadata": {"k": "v" * 513}}),
    ],
)
def test_what_the_service_would_refuse_is_an_error_at_its_field(field, changes):
    request = JobRequest(**{"model": "gpt-4.1-mini", "training_file": "file-1"} | changes)

    assert [(p.field, p.severity) for p in request.problems() if p.severity == "error"] == [(field, "error")]


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("learning_rate_multiplier", {"learning_rate_multiplier": 2.0}),
        ("model", {"model": "gpt-9"}),
        ("method", {"model": "gpt-4o-mini", "method": "dpo"}),
        ("training_type", {"model": "gpt-oss-20b"}),
        ("training_type", {"training_type": "Turbo"}),
        ("method", {"method": "grpo"}),
        ("suffix", {"suffix": "x" * 41}),
    ],
)
def test_what_is_doubtful_is_a_warning_and_may_be_sent(field, changes):
    request = JobRequest(**{"model": "gpt-4.1-mini", "training_file": "file-1"} | changes)

    assert [(p.field, p.severity) for p in request.problems()] == [(field, "warning")]


def test_settings_of_dpo_go_where_the_api_and_its_guide_put_them():
    body = JobRequest(model="m", training_file="f", method="dpo", beta=0.3, l2_multiplier=0.1, n_epochs=2).to_json()

    assert body["method"]["dpo"] == {"hyperparameters": {"n_epochs": 2, "beta": 0.3}, "l2_multiplier": 0.1}


REINFORCEMENT = JobRequest(
    model="o4-mini",
    training_file="file-1",
    validation_file="file-2",
    method="reinforcement",
    grader=GRADER,
    reasoning_effort="low",
    compute_multiplier=1.5,
    eval_interval=5,
    eval_samples=2,
)


def test_settings_of_reinforcement_stand_beside_its_grader():
    numbers = {"compute_multiplier": 1.5, "eval_interval": 5, "eval_samples": 2, "reasoning_effort": "low"}

    assert REINFORCEMENT.to_json()["method"]["reinforcement"] == {
        "hyperparameters": numbers,
        "grader": GRADER,
    }
    assert "    eval_interval=5," in REINFORCEMENT.to_python()
    assert '"compute_multiplier": 1.5' in REINFORCEMENT.to_curl("https://r.openai.azure.com")


@pytest.mark.parametrize(
    ("field", "value", "range_"),
    [
        ("n_epochs", 51, "a whole number from 1 to 50"),
        ("batch_size", 257, "a whole number from 1 to 256"),
        ("compute_multiplier", 0.00001, "a number above 1e-05, at most 10"),
        ("compute_multiplier", 10.5, "a number above 1e-05, at most 10"),
        ("eval_interval", 0, "a whole number of at least 1"),
        ("eval_samples", 1.5, "a whole number of at least 1"),
        ("reasoning_effort", "extreme", "one of default, low, medium, high"),
    ],
)
def test_a_number_outside_its_published_range_is_named_with_the_range(field, value, range_):
    (problem,) = replace(REINFORCEMENT, **{field: value}).problems()

    assert (problem.field, problem.severity) == (field, "error")
    assert range_ in problem.message


def test_beta_has_an_upper_end():
    (problem,) = JobRequest(model="gpt-4.1-mini", training_file="f", method="dpo", beta=2.5).problems()

    assert problem.message == '2.5 is not a number above 0, at most 2. Give one, or "auto".'


def test_a_setting_of_another_method_is_not_sent_and_that_is_said():
    request = JobRequest(model="gpt-4.1-mini", training_file="f", beta=0.3, eval_interval=5)

    assert request.hyperparameters == {}
    assert [str(p) for p in request.problems()] == [
        "beta: belongs to dpo; with supervised it is not sent.",
        "eval_interval: belongs to reinforcement; with supervised it is not sent.",
    ]
