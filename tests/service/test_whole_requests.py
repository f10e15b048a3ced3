"""Whole requests of every method and every grader, as JSON, as code and in a shell; and what is found before sending.

The bodies have the keys of the service's own examples (reinforcement fine-tuning, preference optimization, REST).
"""

import json
from datetime import date

import pytest

import tunebook as tb
from tunebook.errors import RequestError
from tunebook.graders import KINDS, starter

BASE = {"model": "o4-mini-2025-04-16", "training_file": "file-1", "validation_file": "file-2"}
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "reply", "strict": True, "schema": SCHEMA}}
TOOLS = [{"name": "look_up", "server_url": "https://tools.example/look_up", "headers": {"X-Key": "k"}}]
WANDB = [{"type": "wandb", "wandb": {"project": "support", "tags": ["first"]}}]
EXACT = {
    "type": "string_check",
    "name": "right",
    "operation": "eq",
    "input": "{{sample.output_json.city}}",
    "reference": "{{item.city}}",
}
CLOSE = {
    "type": "text_similarity",
    "name": "close",
    "evaluation_metric": "rouge_l",
    "input": "{{sample.output_text}}",
    "reference": "{{item.city}}",
    "pass_threshold": 0.5,
}
JUDGED = {
    "type": "score_model",
    "name": "judged",
    "model": "o3-mini-2025-01-31",
    "input": [
        {"role": "system", "content": "Grade from 0 to 1."},
        {"role": "user", "content": [{"type": "input_text", "text": "{{item.city}}: {{sample.output_text}}"}]},
    ],
    "range": [0, 1],
    "sampling_params": {"seed": 1, "temperature": 1, "top_p": 1, "max_completions_tokens": 256},
}
CODE = {
    "type": "python",
    "name": "scored",
    "source": "def grade(sample, item):\n    return 1.0",
    "image_tag": "2025-05-08",
}
BOTH = {
    "type": "multi",
    "name": "both",
    "graders": {"right": EXACT, "judged": JUDGED},
    "calculate_output": "0.75 * right + 0.25 * judged",
}
ASKED = {"type": "endpoint", "name": "mine", "url": "https://grader.example/grade", "rate_limit": 50}


def reinforcement(**more):
    return tb.JobRequest(**BASE, method="reinforcement", **({"grader": EXACT} | more))


def whole():
    """A request of every method, and one of reinforcement for every type of grader."""
    supervised = {**BASE, "model": "gpt-4.1-mini-2025-04-14"}
    yield tb.JobRequest(**supervised, n_epochs=2, prompt_loss_weight=0.1, integrations=WANDB, suffix="v1", seed=1)
    yield tb.JobRequest(**supervised, method="dpo", beta=0.1, l2_multiplier=0.1)
    for grader in (EXACT, CLOSE, JUDGED, CODE, BOTH, ASKED):
        yield reinforcement(grader=grader, response_format=FORMAT, tools=TOOLS, max_episode_steps=10, eval_samples=2)


REQUESTS = {request.grader["type"] if request.grader else request.method: request for request in whole()}


def test_a_supervised_request_has_the_keys_of_the_reference():
    assert REQUESTS["supervised"].to_json() == {
        "model": "gpt-4.1-mini-2025-04-14",
        "training_file": "file-1",
        "validation_file": "file-2",
        "suffix": "v1",
        "seed": 1,
        "integrations": WANDB,
        "method": {
            "type": "supervised",
            "supervised": {"hyperparameters": {"n_epochs": 2, "prompt_loss_weight": 0.1}},
        },
    }


def test_a_preference_request_has_the_keys_of_the_reference():
    assert REQUESTS["dpo"].to_json()["method"] == {
        "type": "dpo",
        "dpo": {"hyperparameters": {"beta": 0.1}, "l2_multiplier": 0.1},
    }


@pytest.mark.parametrize("grader", [EXACT, CLOSE, JUDGED, CODE, BOTH, ASKED], ids=lambda grader: grader["type"])
def test_a_reinforcement_request_has_the_keys_of_the_reference(grader):
    assert REQUESTS[grader["type"]].to_json() == {
        "model": "o4-mini-2025-04-16",
        "training_file": "file-1",
        "validation_file": "file-2",
        "method": {
            "type": "reinforcement",
            "reinforcement": {
                "grader": grader,
                "response_format": FORMAT,
                "tools": TOOLS,
                "max_episode_steps": 10,
                "hyperparameters": {"eval_samples": 2},
            },
        },
    }


def test_there_is_a_request_for_every_type_of_grader():
    assert set(KINDS) < REQUESTS.keys()


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS.keys())
def test_form_code_curl_and_json_say_the_same(request_):
    from tunebook.widgets.form.state import resolve
    from tunebook.widgets.form.values import values_of_job

    body = request_.to_json()
    code = request_.to_python().removeprefix("job = ws.jobs.create(tb.").removesuffix(")")
    curl = request_.to_curl("https://r.openai.azure.com").split("-d '", 1)[1].removesuffix("'").replace("'\\''", "'")
    form = resolve(values_of_job(body), tb.catalogue.load_catalogue(), today=date(2026, 11, 1))

    assert eval(code, {"JobRequest": tb.JobRequest}) == request_  # noqa: S307 - the text is our own
    assert json.loads(curl) == body
    assert form.request.to_json() == body
    assert [problem for problem in request_.problems() if problem.severity == "error"] == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"grader": {"type": "regex"}}, "type is 'regex'; use string_check"),
        ({"grader": {**EXACT, "input": "{{answer}}"}}, "{{answer}}, which names nothing"),
        ({"grader": {**CODE, "source": "def grade("}}, "does not compile"),
        ({"response_format": {"type": "object"}}, "is no schema; use"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}, "schema is None"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "string"}}}},
            "an answer is an object",
        ),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "x", "schema": {"type": "object", "properties": {"a": {"type": "txt"}}}},
                }
            },
            "properties.a.type: 'txt' is not",
        ),
        ({"tools": [{"name": "look_up"}]}, "[0].server_url is None; it must be the https:// address"),
        ({"tools": [*TOOLS, *TOOLS]}, "[1].name is 'look_up'; every tool needs a name of its own"),
        ({"tools": {"name": "x"}}, "is no list"),
        ({"max_episode_steps": 0}, "a whole number of at least 1"),
        ({"integrations": [{"type": "mlflow"}]}, "is no integration"),
    ],
)
def test_what_would_be_refused_is_said_at_its_field(given, said):
    (problem,) = [each for each in reinforcement(**given).problems() if each.severity == "error"]

    assert problem.field == next(iter(given))
    assert said in problem.message


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"grader": {**CODE, "source": "def grade(s, i):\n    while True: pass\n    return 1"}}, "the loop has no end"),
        ({"grader": {**CODE, "source": "def grade(s, i):\n    open('a', 'w')\n    return 1"}}, "writes to disk"),
        (
            {
                "response_format": {
                    **FORMAT,
                    "json_schema": {**FORMAT["json_schema"], "schema": {**SCHEMA, "required": []}},
                }
            },
            "missing: city",
        ),
    ],
)
def test_what_is_doubtful_is_a_warning(given, said):
    request = reinforcement(**given)

    assert not [each for each in request.problems() if each.severity == "error"]
    assert any(said in each.message for each in request.problems())


# ---- templates against the file ----


@pytest.fixture
def items(ws, tmp_path):
    """The id of an uploaded file whose items have a `label`."""
    path = tmp_path / "items.jsonl"
    rows = [{"messages": [{"role": "user", "content": f"Say {n}."}], "label": "yes"} for n in range(10)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return ws.files.upload(path).id


def test_a_template_that_no_example_of_the_file_fills_is_found_before_sending(ws, items):
    before = len(ws.jobs.list())
    wrong = {"model": "o4-mini", "training_file": items, "validation_file": items, "method": "reinforcement"}

    with pytest.raises(RequestError, match=r"\{\{item.answr\}\} is in no example of file-"):
        ws.jobs.create(tb.JobRequest(**wrong, grader=starter("string_check", ["answr"])))
    assert len(ws.jobs.list()) == before

    job = ws.jobs.create(tb.JobRequest(**wrong, grader=starter("string_check", ["label"]), n_epochs=1))
    assert job.cancel().status == "cancelled"
