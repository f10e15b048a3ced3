"""Preference and reinforcement jobs over HTTP, and the graders that can be run on request."""

import csv
import io

import openai
import pytest

GRADER = {
    "type": "string_check",
    "name": "right",
    "operation": "eq",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
}
PAIRS = [
    {
        "input": {"messages": [{"role": "user", "content": f"Say {n}."}]},
        "preferred_output": [{"role": "assistant", "content": f"{n}, gladly."}],
        "non_preferred_output": [{"role": "assistant", "content": "No."}],
    }
    for n in range(10)
]
ITEMS = [{"messages": [{"role": "user", "content": f"Say {n}."}], "answer": "yes"} for n in range(10)]


def rows(service, job):
    text = service.sdk.files.content(job.result_files[0]).text
    return list(csv.DictReader(io.StringIO(text)))


def test_a_preference_job_takes_its_settings_from_either_place_and_trains(service):
    file = service.upload(PAIRS)
    inner = {"hyperparameters": {"n_epochs": 2, "batch_size": 5}, "beta": 0.2}  # as Microsoft's sample puts it
    job = service.sdk.fine_tuning.jobs.create(
        model="gpt-4.1-mini", training_file=file, seed=1, method={"type": "dpo", "dpo": inner}
    )
    job = service.ended(job.id)
    table = rows(service, job)

    assert job.status == "succeeded"
    assert job.method.dpo.hyperparameters.beta == 0.2
    assert job.method.dpo.hyperparameters.n_epochs == job.hyperparameters.n_epochs == 2
    assert [row["step"] for row in table] == ["1", "2", "3", "4"]
    assert float(table[-1]["train_loss"]) < float(table[0]["train_loss"]) == pytest.approx(0.6931, abs=1e-3)  # ln 2


def test_a_preference_file_that_is_a_chat_file_fails_the_job(service):
    job = service.sdk.fine_tuning.jobs.create(
        model="gpt-4.1-mini", training_file=service.upload(), method={"type": "dpo", "dpo": {}}
    )
    job = service.ended(job.id)

    assert job.status == "failed"
    assert "does not fit the dpo method: line 1" in job.error.message


def test_a_reinforcement_job_is_graded_and_its_file_has_rewards(service):
    method = {"grader": GRADER, "hyperparameters": {"n_epochs": 1, "batch_size": 5, "reasoning_effort": "low"}}
    job = service.sdk.fine_tuning.jobs.create(
        model="o4-mini",
        training_file=service.upload(ITEMS),
        validation_file=service.upload(ITEMS[:3]),
        seed=1,
        method={"type": "reinforcement", "reinforcement": method},
    )
    job = service.ended(job.id)
    table = rows(service, job)

    assert job.status == "succeeded", job.error
    assert {"train_mean_reward", "full_valid_mean_reward", "completion_tokens_mean"} <= table[0].keys()
    assert all(0 <= float(row["train_mean_reward"]) <= 1 for row in table)
    points = service.sdk.fine_tuning.jobs.checkpoints.list(job.id).data
    assert "train_mean_reward" in points[0].metrics.model_extra


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"validation_file": None}, "validation_file is required for the reinforcement method"),
        ({"method": {"type": "reinforcement", "reinforcement": {}}}, "grader is required"),
        (
            {"method": {"type": "reinforcement", "reinforcement": {"grader": {"type": "python", "source": "x"}}}},
            "has no function grade",
        ),
        ({"method": {"type": "tickling"}}, "method.type must be one of supervised, dpo, reinforcement"),
    ],
)
def test_a_reinforcement_request_that_cannot_be_is_refused(service, change, said):
    body = {
        "model": "o4-mini",
        "training_file": "file-1",
        "validation_file": "file-2",
        "method": {"type": "reinforcement", "reinforcement": {"grader": GRADER}},
    }
    with service.http() as http:
        reply = http.post("/openai/v1/fine_tuning/jobs", json=body | change)

    assert reply.status_code == 400
    assert said in reply.json()["error"]["message"]


def test_a_grader_can_be_run_and_validated(service):
    graders = service.sdk.fine_tuning.alpha.graders
    right = graders.run(grader=GRADER, model_sample="yes", item={"answer": "yes"})
    wrong = graders.run(grader=GRADER, model_sample="no", item={"answer": "yes"})
    lost = graders.run(grader=GRADER, model_sample="no", item={})

    assert (right.reward, wrong.reward) == (1.0, 0.0)
    assert (right.metadata.name, right.metadata.type) == ("right", "string_check")
    assert (wrong.metadata.errors.invalid_variable_error, lost.metadata.errors.invalid_variable_error) == (False, True)
    assert graders.validate(grader=GRADER).grader.operation == "eq"
    with pytest.raises(openai.BadRequestError, match="operation"):
        graders.validate(grader=GRADER | {"operation": "is"})


def test_the_headers_of_a_jobs_tools_are_never_repeated(service):
    tools = [{"name": "search", "server_url": "https://tool.example/search", "headers": {"X-Key": "SECRET"}}]
    body = {
        "model": "o4-mini",
        "training_file": service.upload(ITEMS),
        "validation_file": service.upload(ITEMS[:3]),
        "method": {"type": "reinforcement", "reinforcement": {"grader": GRADER, "tools": tools}},
    }
    with service.http() as http:
        made = http.post("/openai/v1/fine_tuning/jobs", json=body)
        job = made.json()["id"]
        told = [
            made.text,
            http.get(f"/openai/v1/fine_tuning/jobs/{job}").text,
            http.get("/openai/v1/fine_tuning/jobs").text,
        ]
        http.post(f"/openai/v1/fine_tuning/jobs/{job}/cancel")

    assert "tool.example" in told[1]
    assert not any("SECRET" in text for text in told)
