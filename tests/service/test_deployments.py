"""Deploying at the embedded service over HTTP, and what goes wrong on the way to it."""

import itertools

import pytest
from openai import AuthenticationError

from tunebook.errors import JobNotFinished, RequestError, ServiceError
from tunebook.service import JobRequest, connect
from tunebook.service.deployments import deployable_name

ACCOUNT = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/embedded"
    "/providers/Microsoft.CognitiveServices/accounts/embedded"
)
names = (f"d{number}" for number in itertools.count())


def arm(code, message):
    return {"error": {"code": code, "message": message}}


def quiet(_):
    """Where sentences go that the test does not read."""


@pytest.fixture
def job(ws, tuned):
    return ws.jobs.retrieve(tuned[0])


@pytest.fixture
def deployed(ws, job):
    """A deployment of the tuned model, deleted at the end."""
    name = next(names)
    yield ws.deployments.create(job, name=name, say=quiet)
    if name in {each.name for each in ws.deployments.list()}:
        ws.deployments.delete(name)


def test_a_job_is_deployed_and_answers_under_the_name_given(ws, job):
    said = []

    deployment = ws.deployments.create(job, name="colours-v1", sku="globalstandard", capacity=3, say=said.append)

    reply = ws.client.chat.completions.create(model="colours-v1", messages=[{"role": "user", "content": "Say red"}])
    assert (deployment.state, deployment.sku, deployment.capacity) == ("Succeeded", "GlobalStandard", 3)
    assert reply.model == deployment.model == job.job.fine_tuned_model
    assert "$1.70 an hour" in said[0]
    assert "it answers" in said[-1]
    ws.deployments.delete("colours-v1")


def test_a_checkpoint_is_deployed_as_the_sdk_lists_it(ws, job):
    first = job.checkpoints()[0]

    deployment = ws.deployments.create(first, name=next(names), say=quiet)

    assert deployment.model == first.fine_tuned_model_checkpoint
    assert ":ckpt-step-" in deployment.model
    deployment.delete()


def test_the_checkpoint_of_a_diagnosis_is_deployed_by_its_name():
    assert deployable_name({"step": 3, "epoch": 1.0, "name": "base.ft-1:ckpt-step-3"}) == "base.ft-1:ckpt-step-3"
    with pytest.raises(RequestError, match="None names nothing that can be deployed"):
        deployable_name(None)


def test_creating_it_again_leaves_it_as_it_is(ws, job, deployed):
    said = []

    again = ws.deployments.create(job, name=deployed.name, say=said.append)

    assert again.model == deployed.model
    assert "serves" in said[0]
    assert "already" in said[0]


def test_a_taken_name_is_refused_before_it_would_replace_what_it_serves(ws, job, deployed):
    other = job.checkpoints()[0]

    with pytest.raises(RequestError, match=rf"'{deployed.name}' is taken: it serves .*Choose another name"):
        ws.deployments.create(other, name=deployed.name, say=quiet)


def test_capacity_is_changed_while_it_serves(deployed):
    assert deployed.update(capacity=7).capacity == 7
    with pytest.raises(RequestError, match="capacity=0"):
        deployed.update(capacity=0)


def test_after_deleting_the_service_no_longer_knows_it(ws, deployed):
    deployed.delete()

    assert deployed.name not in {each.name for each in ws.deployments.list()}
    with pytest.raises(ServiceError, match="404 DeploymentNotFound"):
        ws.deployments.retrieve(deployed.name)


def test_waiting_goes_on_until_the_data_plane_answers_too(mishap, job):
    """The management plane says Succeeded while the data plane does not know the deployment yet."""
    missing = {"error": {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}}
    mishap("POST", "/chat/completions", 404, missing, times=2)
    said = []

    deployment = mishap.ws.deployments.create(job.job.fine_tuned_model, name=next(names), say=said.append)

    assert any("provisioned; waiting until it answers (the data plane says DeploymentNotFound)" in s for s in said)
    assert sum("/chat/completions" in path for _, path in mishap.seen) == 3
    deployment.delete()


def test_what_never_answers_ends_with_what_to_do(mishap, job):
    missing = {"error": {"code": "DeploymentNotFound", "message": "no"}}
    mishap("POST", "/chat/completions", 404, missing, times=1000)
    clock = itertools.count(0, 40).__next__
    name = next(names)

    with pytest.raises(ServiceError, match=rf"does not answer after 100 s.*It exists and is billed.*wait\('{name}'\)"):
        mishap.ws.deployments.create(
            job.job.fine_tuned_model, name=name, say=quiet, timeout_s=100, sleep=quiet, clock=clock
        )
    mishap.ws.deployments.delete(name)


def test_without_rights_the_role_that_is_needed_is_named(mishap, job):
    denied = arm("AuthorizationFailed", "The client does not have authorization to perform deployments/write.")
    mishap("PUT", "/deployments/", 403, denied)

    with pytest.raises(ServiceError, match=r"403 AuthorizationFailed.*'Cognitive Services OpenAI Contributor'"):
        mishap.ws.deployments.create(job.job.fine_tuned_model, name=next(names), say=quiet)


def test_missing_rights_are_found_before_anything_is_asked_for(mishap, job):
    reader = {"value": [{"actions": ["Microsoft.CognitiveServices/*/read"], "notActions": []}]}
    mishap("GET", "/providers/Microsoft.Authorization/permissions", 200, reader)

    with pytest.raises(RequestError, match="role: your roles do not grant"):
        mishap.ws.deployments.create(job.job.fine_tuned_model, name=next(names), say=quiet)
    assert not [path for method, path in mishap.seen if method == "PUT"]


def test_quota_and_sku_are_read_where_the_resource_tells_them(mishap, job):
    model = job.job.fine_tuned_model
    sku = {"name": "Standard", "usageName": "OpenAI.Standard.nano-finetune", "capacity": {"maximum": 500}}
    mishap("GET", f"{ACCOUNT}?", 200, {"location": "swedencentral", "name": "embedded"}, times=9)
    mishap("GET", f"{ACCOUNT}/models?", 200, {"value": [{"name": model, "skus": [sku]}]}, times=9)
    usage = {"name": {"value": "OpenAI.Standard.nano-finetune"}, "currentValue": 40, "limit": 100}
    mishap("GET", "/locations/swedencentral/usages", 200, {"value": [usage]}, times=9)

    fits = mishap.ws.deployments.check(model, name="x", capacity=60)
    over = mishap.ws.deployments.check(model, name="x", capacity=61)
    other = mishap.ws.deployments.check(model, name="x", sku="developer")

    assert [f.outcome for f in fits.findings if f.check in ("SKU", "region", "quota")] == ["fine"] * 3
    assert "60 of 100 thousand tokens per minute are free" in over.refused[0].message
    assert [f.check for f in other.refused] == ["SKU"]


def test_when_deployments_were_last_called_is_not_known_without_counts(ws):
    assert ws.deployments.last_calls() is None


def test_a_linked_scope_without_rights_names_the_reader_role(mishap, job):
    linked = arm("LinkedAuthorizationFailed", "no permission 'workspaces/models/read' on the linked scope(s)")
    mishap("PUT", "/deployments/", 403, linked)

    with pytest.raises(ServiceError, match="Reader role on the scope the message names"):
        mishap.ws.deployments.create(job.job.fine_tuned_model, name=next(names), say=quiet)


def test_used_up_quota_says_what_can_be_done(mishap, job):
    full = arm("InsufficientQuota", "This operation require 50 new capacity in quota Tokens Per Minute (thousands).")
    mishap("PUT", "/deployments/", 400, full)

    with pytest.raises(ServiceError, match=r"InsufficientQuota.*Ask for less with capacity="):
        mishap.ws.deployments.create(job.job.fine_tuned_model, name=next(names), capacity=50, say=quiet)


def test_the_tenth_tuned_deployment_is_the_last(start):
    """The quota as the embedded service holds it, set to 1."""
    running = start("--limit=tuned_deployments=1", "--idle", 600)
    ws = connect(running.endpoint, api_key=running.api_key, environ={})
    ws.poll_interval_s = (0.02, 0.1)
    file = running.upload()
    job = ws.jobs.create(JobRequest(model="gpt-4.1-nano", training_file=file, n_epochs=1, batch_size=6)).wait()
    ws.deployments.create(job, name="one", say=quiet)

    with pytest.raises(ServiceError, match=r"InsufficientQuota.*the most there may be"):
        ws.deployments.create(job, name="two", say=quiet)


def test_a_region_without_the_model_says_where_to_go(mishap, job):
    mishap("GET", f"{ACCOUNT}?", 200, {"location": "West US 3", "name": "embedded"}, times=9)
    unsupported = arm("DeploymentModelNotSupported", "The model is not supported in this region.")
    mishap("PUT", "/deployments/", 400, unsupported)
    said = []

    with pytest.raises(ServiceError, match=r'DeploymentModelNotSupported.*sku="globalstandard"'):
        mishap.ws.deployments.create(job.job.fine_tuned_model, name=next(names), say=said.append)
    assert "northcentralus, swedencentral, not in westus3" in said[0]


def test_a_failed_provisioning_gives_the_reason_of_the_operation(mishap, job):
    failed = {"name": "x", "sku": {"name": "Standard"}, "properties": {"provisioningState": "Failed"}}
    mishap("GET", "/operationResults/", 200, {"status": "Failed", "error": {"code": "x", "message": "No capacity."}})
    name = next(names)
    mishap("GET", f"/deployments/{name}?", 200, failed)

    with pytest.raises(ServiceError, match=r"ended as Failed\. No capacity\."):
        mishap.ws.deployments.create(job.job.fine_tuned_model, name=name, say=quiet)
    mishap.ws.deployments.delete(name)


def test_a_model_the_resource_does_not_have_is_said_as_the_service_says_it(ws):
    unknown = f"gpt-4.1-nano-2025-04-14.ft-{'0' * 32}"

    preflight = ws.deployments.check(unknown, name="x")
    assert [f.outcome for f in preflight.findings if f.check == "model"] == ["doubtful"]
    with pytest.raises(ServiceError, match="DeploymentModelNotSupported"):
        ws.deployments.create(unknown, name=next(names), say=quiet)


def test_a_refused_key_is_not_taken_for_a_deployment_that_is_not_ready(mishap, job):
    mishap("POST", "/chat/completions", 401, {"error": {"code": "401", "message": "Access denied"}})
    name = next(names)

    with pytest.raises(AuthenticationError):
        mishap.ws.deployments.create(job.job.fine_tuned_model, name=name, say=quiet)
    mishap.ws.deployments.delete(name)


def test_a_running_job_has_nothing_to_deploy_and_says_what_to_wait_for(ws, service):
    slow = ws.jobs.create(JobRequest(model="gpt-4.1-nano", training_file=service.upload(), n_epochs=50, batch_size=1))

    with pytest.raises(JobNotFinished, match=r"has no model or checkpoint to deploy\. Wait until it has ended"):
        deployable_name(slow)
    slow.cancel()


def test_a_paused_job_is_deployed_from_its_checkpoint(start, until):
    running = start("--pace", 0.05, "--idle", 600)
    ws = connect(running.endpoint, api_key=running.api_key, environ={})
    ws.poll_interval_s = (0.02, 0.1)
    job = ws.jobs.create(JobRequest(model="gpt-4.1-nano", training_file=running.upload(), n_epochs=50, batch_size=1))
    with pytest.raises(
        RequestError, match=r"cannot be paused\. Only a job that is running and has trained at least one"
    ):
        job.pause()
    until(lambda: any(event.type == "metrics" for event in job.events()))

    job.pause()
    until(lambda: job.refresh().status == "paused")

    assert (
        ws.deployments.create(job, name="paused", say=quiet).model == job.checkpoints()[-1].fine_tuned_model_checkpoint
    )
    with pytest.raises(RequestError, match="is paused and cannot be paused"):
        job.pause()
    assert job.resume().status in ("resuming", "running")
    job.cancel()
    with pytest.raises(RequestError, match=r"is cancelled and cannot be resumed\. Only a paused job can be"):
        job.resume()


def test_a_job_is_continued_from_its_model_by_a_new_request(ws, job, service):
    request = job.continue_with(service.upload(), suffix="again", n_epochs=1)

    assert (request.model, request.suffix) == (job.job.fine_tuned_model, "again")
    assert ws.jobs.create(request).wait().status == "succeeded"


def test_a_job_shows_when_what_is_tuned_by_it_retires(ws, service):
    job = ws.jobs.create(JobRequest(model="gpt-4.1-mini", training_file=service.upload(), n_epochs=1))

    assert "retires on 2027-10-14" in job._repr_html_()
    job.wait()


def test_a_deployment_shows_its_terms(deployed):
    assert "an hour" in deployed._repr_html_()
