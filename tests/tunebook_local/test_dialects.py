"""The same service in OpenAI's words, and in the plainer ones of Azure's dated addresses."""

import openai
import pytest


@pytest.fixture(scope="module")
def other(start_for_module, tmp_path_factory):
    """A service in OpenAI's dialect."""
    return start_for_module("--dialect", "openai", state=tmp_path_factory.mktemp("openai"))


def test_openais_dialect_says_every_key_and_its_own_words(other):
    file = other.upload()
    body = {"model": "gpt-4o-mini", "training_file": file, "suffix": "mine", "seed": 1}
    with other.http() as http:
        job = http.post("/v1/fine_tuning/jobs", json=body).json()
        done = other.ended(job["id"])
        error = http.get("/fine_tuning/jobs/ftjob-0").json()

    assert job["status"] == "queued"
    assert job["hyperparameters"] == {"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}
    assert job["method"] == {"type": "supervised", "supervised": {"hyperparameters": job["hyperparameters"]}}
    assert (job["error"], job["fine_tuned_model"], job["finished_at"], job["trained_tokens"]) == (None,) * 4
    assert (job["result_files"], job["integrations"], job["metadata"]) == ([], [], {})
    assert (job["user_provided_suffix"], "suffix" in job, "trainingType" in job) == ("mine", False, False)
    assert done.status == "succeeded"
    assert error["error"] == {
        "message": "The specified fine-tuning job 'ftjob-0' does not exist on this resource.",
        "type": "invalid_request_error",
        "param": None,
        "code": "notFound",
    }


def test_openais_dialect_counts_steps_in_its_events(other):
    job = other.sdk.fine_tuning.jobs.create(
        model="gpt-4o-mini", training_file=other.upload(), hyperparameters={"n_epochs": 1, "batch_size": 6}
    )
    other.ended(job.id)
    metrics = [event for event in other.sdk.fine_tuning.jobs.list_events(job.id) if event.type == "metrics"]

    assert [event.message.split(":")[0] for event in metrics] == ["Step 1/2"]
    assert metrics[0].data["total_steps"] == 2


def test_openais_dialect_answers_in_a_models_own_name_and_can_delete_it(other):
    job = other.sdk.fine_tuning.jobs.create(model="gpt-4o-mini", training_file=other.upload())
    model = other.ended(job.id).fine_tuned_model
    said = other.sdk.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "How many?"}], max_tokens=3
    )

    assert said.model == model
    assert other.sdk.models.delete(model).deleted
    with pytest.raises(openai.NotFoundError):
        other.sdk.models.retrieve(model)
    with pytest.raises(openai.NotFoundError):
        other.sdk.models.delete(model)


def test_azure_has_no_bare_addresses_and_deletes_no_models(service):
    with service.http() as http:
        assert http.get("/models").status_code == 404
        assert http.delete("/openai/v1/models/gpt-4.1-mini").status_code in (404, 405)


def test_a_projects_address_serves_v1_and_takes_no_version(service):
    with service.http() as http:
        assert http.get("/api/projects/p/openai/v1/models").status_code == 200
        refused = http.get("/api/projects/p/openai/v1/models?api-version=preview")

    assert "not allowed" in refused.json()["error"]["message"]


def test_dated_addresses_tell_more_about_models_and_name_the_target_of_an_error(service):
    version = {"api-version": "2024-10-21"}
    with service.http(params=version) as http:
        model = http.get("/openai/models/gpt-4.1-mini").json()
        created = http.post("/openai/fine_tuning/jobs", json={"model": "gpt-4.1-mini"}).json()
        listed = http.get("/openai/fine_tuning/jobs").json()
        paused = http.post("/openai/fine_tuning/jobs/ftjob-0/pause")

    assert model["capabilities"]["fine_tune"] is True
    assert model["lifecycle_status"] == "generally-available"
    assert isinstance(model["deprecation"]["inference"], int)
    assert created["error"]["target"] == "training_file"
    assert listed.keys() == {"object", "data", "has_more"}
    assert paused.json()["error"]["code"] == "404"  # not in this version


def test_a_dated_job_answers_201_with_its_location(service):
    with service.http(params={"api-version": "2025-04-01-preview"}) as http:
        reply = http.post("/openai/fine_tuning/jobs", json={"model": "gpt-4.1-mini", "training_file": service.upload()})
        assert reply.status_code == 201
        assert http.get(reply.headers["location"]).json()["id"] == reply.json()["id"]


def test_models_say_that_they_are_stand_ins(service):
    assert {model.owned_by for model in service.sdk.models.list()} == {"tunebook-embedded-stand-in"}


@pytest.mark.parametrize("what", ["events", "checkpoints"])
def test_events_and_checkpoints_are_also_listed_by_post(service, what):
    with service.http() as http:
        file = service.upload()
        job = http.post("/openai/v1/fine_tuning/jobs", json={"model": "gpt-4.1-mini", "training_file": file}).json()[
            "id"
        ]
        service.ended(job)
        address = f"/openai/v1/fine_tuning/jobs/{job}/{what}"
        assert http.post(address).json() == http.get(address).json()
        first = http.get(address, params={"limit": 1}).json()
        second = http.get(address, params={"limit": 1, "after": first["last_id"]}).json()
        unknown = http.get(address, params={"after": "nothing"})

    assert first["has_more"] is True
    assert second["first_id"] != first["first_id"]
    assert unknown.status_code == 404
