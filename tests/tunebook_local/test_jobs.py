"""A job from upload to result file, through the openai SDK, over HTTP."""

import re

import openai
import pytest


@pytest.fixture(scope="module")
def client(service):
    return service.sdk


@pytest.fixture(scope="module")
def file(service):
    return service.upload()


@pytest.fixture(scope="module")
def finished(service, client):
    """One small job, done: 12 examples, 4 epochs, with a validation file."""
    file = service.upload()
    job = client.fine_tuning.jobs.create(
        model="gpt-4.1-mini",
        training_file=file,
        validation_file=service.upload(count=3, name="valid.jsonl"),
        hyperparameters={"n_epochs": 4, "batch_size": 4},
        seed=7,
        suffix="demo-1",
        extra_body={"trainingType": "globalstandard"},
    )
    return service.ended(job.id)


def test_a_new_job_is_pending_and_has_no_key_that_is_null(service):
    file = service.upload()
    body = {"model": "gpt-4.1-nano", "training_file": file, "seed": 3, "trainingType": "developertier"}
    with service.http() as http:
        job = http.post("/openai/v1/fine_tuning/jobs", json=body).json()

    assert re.fullmatch("ftjob-[0-9a-f]{32}", job.pop("id"))
    assert isinstance(job.pop("created_at"), int)
    assert isinstance(job["hyperparameters"].pop("learning_rate_multiplier"), float)
    assert job == {
        "object": "fine_tuning.job",
        "status": "pending",
        "model": "gpt-4.1-nano-2025-04-14",
        "training_file": file,
        "hyperparameters": {"n_epochs": -1, "batch_size": -1},
        "seed": 3,
        "trainingType": "developerTier",
    }


def test_a_finished_job_names_its_model_its_result_file_and_its_tokens(finished):
    assert finished.status == "succeeded"
    assert finished.fine_tuned_model == f"gpt-4.1-mini-2025-04-14.ft-{finished.id.removeprefix('ftjob-')}-demo-1"
    assert finished.trained_tokens == 12 * (3 + 3 + 1 + 3 + 3 + 1 + 4) * 4  # per example: overhead, roles, texts
    assert finished.hyperparameters.n_epochs == 4
    assert finished.finished_at >= finished.created_at


def test_events_tell_the_recorded_story_newest_first(client, finished):
    events = list(client.fine_tuning.jobs.list_events(finished.id, limit=5))  # walks all pages
    told = [re.sub("=.*", "=…", event.message) for event in reversed(events)]

    assert "embedded stand-in" in told[0]
    assert told[1:] == [
        "Job enqueued. Waiting for jobs ahead to complete.",
        "Preprocessing running for file training file.",
        "Preprocessing completed for file training file.",
        "Preprocessing completed for file validation file.",
        "Job started.",
        "Data Import started.",
        "Finetuning started.",
        "Job queued, waiting for GPUs.",
        "Training started.",
        f"Created results file: {finished.result_files[0]}",
        "Step 1: training loss=…",
        "Step 10: training loss=…",
        "Job succeeded.",
        "Model Evaluation Passed.",
        f"Completed results file: {finished.result_files[0]}",
        f"Training tokens billed: {finished.trained_tokens}",
    ]


def test_the_three_newest_checkpoints_are_kept_and_the_last_has_the_models_name(client, finished):
    points = list(client.fine_tuning.jobs.checkpoints.list(finished.id))

    assert [point.step_number for point in points] == [12, 9, 6]
    assert [point.fine_tuned_model_checkpoint.removeprefix(finished.fine_tuned_model) for point in points] == [
        "",
        ":ckpt-step-9",
        ":ckpt-step-6",
    ]
    assert points[0].metrics.full_valid_loss > 0


def test_the_result_file_has_a_row_for_each_step(client, finished):
    lines = client.files.content(finished.result_files[0]).text.splitlines()

    assert lines[0].startswith("step,train_loss,train_mean_token_accuracy,train_error_rate,valid_loss")
    assert [line.split(",")[0] for line in lines[1:]] == [str(step) for step in range(1, 13)]
    file = client.files.retrieve(finished.result_files[0])
    assert (file.filename, file.purpose) == ("results.csv", "fine-tune-results")


def test_the_same_request_gives_the_same_result_file(service, client, finished):
    again = client.fine_tuning.jobs.create(
        model="gpt-4.1-mini",
        training_file=finished.training_file,
        validation_file=finished.validation_file,
        hyperparameters={"n_epochs": 4, "batch_size": 4},
        seed=7,
    )
    again = service.ended(again.id)

    assert client.files.content(again.result_files[0]).read() == client.files.content(finished.result_files[0]).read()


def test_a_file_that_does_not_fit_the_method_fails_the_job_in_preprocessing(service, client):
    wrong = [{"messages": [{"role": "user", "content": "no answer"}]}] * 10
    job = client.fine_tuning.jobs.create(model="gpt-4.1-mini", training_file=service.upload(wrong))
    job = service.ended(job.id)

    assert job.status == "failed"
    assert (job.error.code, job.error.param) == ("invalidPayload", "training_file")
    assert "line 1" in job.error.message


def test_nine_examples_are_too_few(service, client):
    job = client.fine_tuning.jobs.create(model="gpt-4.1-mini", training_file=service.upload(count=9))
    job = service.ended(job.id)

    assert job.status == "failed"
    assert "at least 10 examples" in job.error.message


def test_a_file_that_is_not_json_lines_ends_in_error(client, until):
    file = client.files.create(file=("bad.jsonl", b'{"messages": []}\n{oops\n'), purpose="fine-tune")
    file = until(lambda: (f := client.files.retrieve(file.id)).status != "pending" and f)

    assert file.status == "error"
    assert "line 2 is not valid JSON" in file.status_details
    with pytest.raises(openai.BadRequestError, match="cannot be used"):
        client.fine_tuning.jobs.create(model="gpt-4.1-mini", training_file=file.id)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "gpt-9"}, "does not exist. Known base models"),
        ({"training_file": "file-0"}, "training file 'file-0' does not exist"),
        ({"suffix": "a.b"}, "suffix 'a.b' is not valid"),
        ({"suffix": "x" * 65}, "at most 64 characters"),
        ({"seed": 2**31}, "seed must be a whole number from 0 to 2147483647"),
        ({"hyperparameters": {"n_epochs": 0}}, "n_epochs must be a whole number from 1 to 50; got 0"),
        ({"hyperparameters": {"batch_size": True}}, "batch_size must be a whole number"),
        ({"hyperparameters": {"learning_rate_multiplier": -1}}, "learning_rate_multiplier must be a number above 0"),
        ({"hyperparameters": {"nepochs": 1}}, "'nepochs' is not a hyperparameter"),
        ({"trainingType": "cheap"}, "The fineTuningJob field is required."),
        ({"trainingType": "Developer"}, "The fineTuningJob field is required."),
        ({"model": "Ministral-3B"}, "does not support fine-tuning with Standard TrainingType"),
        ({"model": "o4-mini"}, "requires the reinforcement method of finetuning"),
        ({"metadata": {"k": 1}}, "metadata must be an object"),
    ],
)
def test_a_request_the_service_would_refuse_is_refused_with_a_reason(service, file, change, said):
    body = {"model": "gpt-4.1-mini", "training_file": file} | change
    with service.http() as http:
        reply = http.post("/openai/v1/fine_tuning/jobs", json=body)

    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "invalidPayload"
    assert said in reply.json()["error"]["message"]


def test_an_ended_job_cannot_be_cancelled_and_the_refusal_is_not_retried(client, finished):
    with pytest.raises(openai.BadRequestError) as refused:
        client.fine_tuning.jobs.cancel(finished.id)

    assert refused.value.code == "unexpectedEntityState"
    assert "is succeeded" in refused.value.message


def test_markup_in_a_file_name_comes_back_as_it_was(client):
    name = "<script>alert('1')</script>/../../etc/passwd"
    file = client.files.create(file=(name, b"{}\n"), purpose="fine-tune")

    assert client.files.retrieve(file.id).filename == name
    assert client.files.content(file.id).read() == b"{}\n"


def test_a_model_can_be_trained_further(service, client, finished):
    job = client.fine_tuning.jobs.create(
        model=finished.fine_tuned_model, training_file=service.upload(count=10), seed=1
    )
    first = service.ended(job.id)
    losses = [line.split(",")[1] for line in client.files.content(first.result_files[0]).text.splitlines()[1:]]
    from_base = [line.split(",")[1] for line in client.files.content(finished.result_files[0]).text.splitlines()[1:]]

    assert first.model == finished.fine_tuned_model
    assert first.fine_tuned_model.startswith("gpt-4.1-mini-2025-04-14.ft-")
    assert float(losses[0]) < float(from_base[0]) / 2  # it begins where the other ended
