"""An operation that Azure has and this service has not is told from one that nobody has."""

import pytest

DATED = {"api-version": "2025-04-01-preview"}


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("POST", "/openai/v1/assistants", 404, "stands in for fine-tuning"),
        ("GET", "/openai/v1/batches", 404, "Azure's batches"),
        ("POST", "/openai/deployments/d/completions?api-version=2024-10-21", 404, "Azure's completions"),
        ("POST", "/openai/v1/embeddings", 400, "The embeddings operation does not work with the specified model"),
        ("POST", "/openai/v1/files/import", 404, "dated addresses only"),
        ("POST", "/openai/files/file-1?api-version=2024-10-21", 405, "not POST but"),
        ("GET", "/openai/v1/fiels", 404, "Resource not found"),
    ],
)
def test_the_answer_says_which_it_is(service, method, path, status, said):
    with service.http() as http:
        reply = http.request(method, path, json={} if method == "POST" else None)

    assert reply.status_code == status
    assert said in reply.json()["error"]["message"]


def test_a_typo_is_nothing_but_not_found(service):
    with service.http() as http:
        assert http.get("/openai/v1/fiels").json()["error"]["message"] == "Resource not found"


def test_a_projects_address_has_the_dated_family_too(service):
    with service.http(params=DATED) as http:
        assert http.get("/api/projects/mine/openai/files").status_code == 200
        body = {"purpose": "fine-tune", "filename": "f", "content_url": "http://127.0.0.1:9/f"}
        assert http.post("/api/projects/mine/openai/files/import", json=body).status_code == 201


@pytest.mark.parametrize("model", ["ministral-3b", "QWEN-32B", "gpt-oss-20b", "llama-3.3-70b-instruct", "GPT-4.1"])
def test_a_model_is_known_in_any_case(service, model):
    with service.http() as http:
        assert http.get(f"/openai/v1/models/{model}").status_code == 200


def test_in_openais_dialect_a_tuned_model_has_a_name_of_openais(start):
    service = start("--dialect", "openai")
    settings = {"model": "gpt-4.1-mini", "training_file": service.upload(), "suffix": "mine"}
    job = service.sdk.fine_tuning.jobs.create(hyperparameters={"n_epochs": 2, "batch_size": 12}, **settings)
    name = service.ended(job.id).fine_tuned_model
    points = service.sdk.fine_tuning.jobs.checkpoints.list(job.id).data

    assert name.split(":")[:4] == ["ft", "gpt-4.1-mini-2025-04-14", "tunebook", "mine"]
    assert {point.fine_tuned_model_checkpoint for point in points} == {name, f"{name}:ckpt-step-1"}
    asked = service.sdk.chat.completions.create(model=name, messages=[{"role": "user", "content": "Hi"}], max_tokens=2)
    assert asked.model == name
