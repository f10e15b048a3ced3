"""A job request: what goes over the wire, and what is caught before it does."""

import json

import pytest

from tunebook.service.request import JobRequest

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
        ("suffix", {"suffix": "x" * 41}),
        ("seed", {"seed": 2**31}),
        ("training_type", {"training_type": "Turbo"}),
        ("grader", {"method": "reinforcement", "validation_file": "file-2"}),
        ("validation_file", {"method": "reinforcement", "grader": {"type": "string_check"}}),
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
    ],
)
def test_what_is_doubtful_is_a_warning_and_may_be_sent(field, changes):
    request = JobRequest(**{"model": "gpt-4.1-mini", "training_file": "file-1"} | changes)

    assert [(p.field, p.severity) for p in request.problems()] == [(field, "warning")]


def test_foreign_text_is_escaped_in_the_html():
    assert "<script>" not in JobRequest(model="<script>", training_file="f")._repr_html_()
