"""Deployments of the management plane, and talking to what is deployed."""

import openai
import pytest

ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a"
VERSION = {"api-version": "2024-10-01"}
ASK = [{"role": "user", "content": "How many?"}]


@pytest.fixture(scope="module")
def tuned(service):
    """A job whose model has learned its one answer."""
    job = service.sdk.fine_tuning.jobs.create(
        model="gpt-4.1-mini",
        training_file=service.upload(count=12),
        hyperparameters={"n_epochs": 4, "batch_size": 2},
        seed=1,
    )
    return service.ended(job.id)


@pytest.fixture
def arm(service):
    with service.http(params=VERSION) as client:
        yield client
        for each in client.get(f"{ACCOUNT}/deployments").json()["value"]:
            client.delete(f"{ACCOUNT}/deployments/{each['name']}")


def body(model, **sku):
    wanted = {"format": "OpenAI", "name": model, "version": "1"}
    return {"sku": {"name": "standard", "capacity": 1, **sku}, "properties": {"model": wanted}}


def deploy(arm, model, name="d"):
    reply = arm.put(f"{ACCOUNT}/deployments/{name}", json=body(model))
    assert reply.status_code in (200, 201), reply.text
    return name


def test_a_deployment_is_accepted_first_and_succeeds_later(arm, tuned):
    address = f"{ACCOUNT}/deployments/support-v1"
    made = arm.put(address, json=body(tuned.fine_tuned_model))

    assert made.status_code == 201
    assert made.json()["properties"]["provisioningState"] == "Accepted"
    assert arm.get(address).json() == {
        "id": address,
        "name": "support-v1",
        "type": "Microsoft.CognitiveServices/accounts/deployments",
        "sku": {"name": "standard", "capacity": 1},
        "properties": {
            "model": {"format": "OpenAI", "name": tuned.fine_tuned_model, "version": "1"},
            "provisioningState": "Succeeded",
            "currentCapacity": 1,
            "capabilities": {"chatCompletion": "true"},
        },
    }
    assert arm.get(made.headers["azure-asyncoperation"]).json()["status"] == "Succeeded"
    assert [each["name"] for each in arm.get(f"{ACCOUNT}/deployments").json()["value"]] == ["support-v1"]
    assert arm.get(f"{ACCOUNT}/deployments/support-v1/skus").status_code == 200


def test_the_case_of_azures_fixed_words_does_not_matter(arm, tuned):
    deploy(arm, tuned.fine_tuned_model)

    assert arm.get(ACCOUNT.upper().replace("/S/", "/s/") + "/DEPLOYMENTS/d").status_code == 200


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"properties": {"model": {"format": "OpenAI", "name": "gpt-9"}}}, "DeploymentModelNotSupported"),
        ({"properties": {}}, "InvalidResourceProperties"),
        ({"sku": {"name": "cheap", "capacity": 1}}, "InvalidResourceProperties"),
        ({"sku": {"name": "standard", "capacity": 0}}, "InvalidCapacity"),
        ({"sku": None}, "InvalidResourceProperties"),
    ],
)
def test_a_deployment_that_cannot_be_is_refused_with_a_code(arm, tuned, change, code):
    reply = arm.put(f"{ACCOUNT}/deployments/d", json=body(tuned.fine_tuned_model) | change)

    assert (reply.status_code, reply.json()["error"]["code"]) == (400, code)
    assert arm.get(f"{ACCOUNT}/deployments/d").status_code == 404


def test_there_is_room_for_ten_deployments_of_fine_tuned_models(arm, tuned):
    for number in range(10):
        deploy(arm, tuned.fine_tuned_model, f"d{number}")
    eleventh = arm.put(f"{ACCOUNT}/deployments/d10", json=body(tuned.fine_tuned_model))

    assert eleventh.json()["error"]["code"] == "InsufficientQuota"


def test_the_azure_sdk_creates_changes_lists_and_deletes(service, tuned):
    from azure.core.pipeline.policies import SansIOHTTPPolicy
    from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient

    class Key(SansIOHTTPPolicy):
        def on_request(self, request):
            request.http_request.headers["Authorization"] = f"Bearer {service.api_key}"

    client = CognitiveServicesManagementClient(
        object(), "s", base_url=service.endpoint, authentication_policy=Key(), credential_scopes=["local/.default"]
    )
    made = client.deployments.begin_create_or_update("g", "a", "by-sdk", body(tuned.fine_tuned_model)).result(20)
    changed = client.deployments.begin_update("g", "a", "by-sdk", {"sku": {"name": "standard", "capacity": 5}}).result(
        20
    )

    assert (made.name, made.properties.provisioning_state) == ("by-sdk", "Succeeded")
    assert changed.sku.capacity == 5
    assert [each.name for each in client.deployments.list("g", "a")] == ["by-sdk"]
    client.deployments.begin_delete("g", "a", "by-sdk").result(20)
    assert list(client.deployments.list("g", "a")) == []


def test_a_deployed_model_says_what_it_has_learned(service, arm, tuned):
    name = deploy(arm, tuned.fine_tuned_model)
    reply = service.sdk.chat.completions.create(model=name, messages=ASK, temperature=0)

    assert reply.choices[0].message.content == "Three of them."
    assert reply.choices[0].finish_reason == "stop"
    assert reply.model == tuned.fine_tuned_model
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (3 + 3 + 1 + 3, 4)


def test_a_streamed_answer_is_the_same_answer(service, arm, tuned):
    name = deploy(arm, tuned.fine_tuned_model)
    chunks = list(
        service.dated_client().chat.completions.create(
            model=name, messages=ASK, temperature=0, stream=True, stream_options={"include_usage": True}
        )
    )

    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == "Three of them."
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage.completion_tokens == 4


def test_seed_length_stop_and_number_of_choices_do_what_they_say(service, arm, tuned):
    name = deploy(arm, tuned.fine_tuned_model)

    def ask(**more):
        return service.sdk.chat.completions.create(model=name, messages=ASK, **more)

    warm = [ask(seed=5, temperature=2.0).choices[0].message.content for _ in range(2)]
    assert warm[0] == warm[1]
    cut = ask(max_tokens=1, temperature=0).choices[0]
    assert (cut.finish_reason, "Three of them.".startswith(cut.message.content)) == ("length", True)
    assert ask(stop=[" of"], temperature=0).choices[0].message.content == "Three"
    assert [choice.index for choice in ask(n=2, max_tokens=2).choices] == [0, 1]


@pytest.mark.parametrize(
    "change",
    [
        {"messages": []},
        {"messages": [{"role": "wizard", "content": "x"}]},
        {"messages": [{"role": "user"}]},
        {"temperature": 3},
        {"max_tokens": 0},
        {"n": 100},
        {"stop": [1]},
        {"stream": "yes"},
    ],
)
def test_a_chat_request_that_does_not_fit_is_a_400(service, arm, tuned, change):
    deploy(arm, tuned.fine_tuned_model)
    with service.http() as http:
        reply = http.post("/openai/v1/chat/completions", json={"model": "d", "messages": ASK} | change)

    assert reply.status_code == 400


def test_a_deployment_nobody_made_is_not_found_in_azures_words(service):
    with pytest.raises(openai.NotFoundError, match="The API deployment for this resource does not exist") as refused:
        service.sdk.chat.completions.create(model="nobody", messages=ASK)

    assert refused.value.code == "DeploymentNotFound"


def test_a_checkpoint_is_deployed_by_name_or_id_and_a_base_model_by_name_and_version(service, arm, tuned):
    points = service.sdk.fine_tuning.jobs.checkpoints.list(tuned.id).data
    for name, model in (("by-name", points[1].fine_tuned_model_checkpoint), ("by-id", points[1].id)):
        deploy(arm, model, name)
    base = {"format": "OpenAI", "name": "gpt-4.1-mini", "version": "2025-04-14"}
    arm.put(f"{ACCOUNT}/deployments/base", json=body("") | {"properties": {"model": base}}).raise_for_status()

    answers = [
        service.sdk.chat.completions.create(model=name, messages=ASK, temperature=0)
        for name in ("by-name", "by-id", "base")
    ]
    assert answers[0].model == answers[1].model == points[1].fine_tuned_model_checkpoint
    assert answers[0].choices == answers[1].choices
    assert answers[2].model == "gpt-4.1-mini-2025-04-14"


def test_a_model_with_a_deployment_cannot_be_deleted(service, arm, tuned):
    deploy(arm, service.sdk.fine_tuning.jobs.checkpoints.list(tuned.id).data[2].fine_tuned_model_checkpoint, "kept")
    reply = arm.delete(f"/openai/fine_tuning/jobs/{tuned.id}", params={"api-version": "2024-10-21"})

    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "unexpectedEntityState")
    assert "it has the deployment 'kept'" in reply.json()["error"]["message"]


def test_a_model_being_trained_further_cannot_be_deleted(service, tuned):
    model, file = tuned.fine_tuned_model, service.upload()
    heir = service.sdk.fine_tuning.jobs.create(model=model, training_file=file, hyperparameters={"n_epochs": 50})
    with service.http() as http:
        reply = http.delete(f"/openai/fine_tuning/jobs/{tuned.id}", params={"api-version": "2024-10-21"})
    service.sdk.fine_tuning.jobs.cancel(heir.id)

    assert reply.status_code == 400
    assert f"the job '{heir.id}' is training it further" in reply.json()["error"]["message"]


def test_provisioning_takes_its_time_and_a_developer_deployment_ends_after_a_day(start, tmp_path):
    clock = tmp_path / "now"

    def at(moment):
        (tmp_path / "next").write_text(str(moment))
        (tmp_path / "next").replace(clock)

    at(1000)
    service = start("--clock", clock, "--pace", 10)
    base = {"format": "OpenAI", "name": "gpt-4.1-nano", "version": "2025-04-14"}
    with service.http(params=VERSION) as arm:
        address = f"{ACCOUNT}/deployments/d"
        arm.put(address, json={"sku": {"name": "developertier"}, "properties": {"model": base}}).raise_for_status()
        states = []
        for moment in (1005, 1015, 1025, 1000 + 24 * 3600):
            at(moment)
            states.append(arm.get(address).json().get("properties", {}).get("provisioningState"))
            if moment == 1015:
                with pytest.raises(openai.BadRequestError, match="not ready"):
                    service.sdk.chat.completions.create(model="d", messages=ASK)

    assert states == ["Accepted", "Creating", "Succeeded", None]


def test_a_checkpoint_is_copied_to_another_resource_by_those_who_know_it_is_a_preview(service, tuned):
    point = service.sdk.fine_tuning.jobs.checkpoints.list(tuned.id).data[0]
    address = f"/openai/v1/fine_tuning/jobs/{tuned.id}/checkpoints/{point.fine_tuned_model_checkpoint}/copy"
    wanted = {"destinationResourceId": ACCOUNT, "region": "westus"}
    header = {"aoai-copy-ft-checkpoints": "preview"}
    with service.http() as http:
        assert http.post(address, json=wanted).status_code == 400
        assert http.get(address, headers=header).status_code == 404
        begun = http.post(address, json=wanted, headers=header).json()
        done = http.get(address, headers=header).json()

    assert begun["copiedAccountDetails"] == [wanted | {"status": "InProgress"}]
    assert done == {
        "checkpointedModelName": point.fine_tuned_model_checkpoint,
        "fineTuningJobId": tuned.id,
        "copiedAccountDetails": [wanted | {"status": "Completed"}],
    }
