"""Deploying when a job has ended: said before, done once, taken up again after a restart."""

from __future__ import annotations

import json
import threading

import pytest

import tunebook as tb
from tunebook.errors import RequestError
from tunebook.service.when_done import DeployOrder, Orders


@pytest.fixture
def connected(service, tmp_path):
    """Workspaces at the embedded service with a state folder of this test's own."""

    def connect(endpoint=service.endpoint, said=None):
        workspace = tb.connect(
            endpoint, api_key=service.api_key, state=tmp_path, environ={}, say=(said if said is not None else []).append
        )
        workspace.poll_interval_s = (0.02, 0.1)
        return workspace

    return connect


def started(workspace, service, **more):
    """A job that takes some time yet."""
    request = tb.JobRequest(
        model="gpt-4.1-nano", training_file=service.upload(), validation_file=service.upload(), n_epochs=2, batch_size=4
    )
    return workspace.jobs.create(request, **more)


def settled(workspace, until, job):
    return until(lambda: (found := order_of(workspace, job)) and not found.open and found)


def order_of(workspace, job):
    return next((order for order in workspace.deployments.orders() if order.job == job.id), None)


def test_what_it_will_cost_and_what_ends_it_is_said_at_once(connected, service, until):
    workspace, said = connected(), []
    job = started(workspace, service)
    order = job.deploy_when_done("said-first", "standard", say=said.append)

    assert order.state == "waiting"
    assert "an hour" in said[0]
    assert "Removed after 15 days without a call" in " ".join(said)
    assert settled(workspace, until, job).state == "done"


@pytest.mark.parametrize("checkpoint", ["diagnosis", "last"])
def test_the_checkpoint_chosen_is_deployed_when_the_job_has_ended(connected, service, until, checkpoint):
    workspace = connected()
    job = started(workspace, service, deploy={"name": f"when-done-{checkpoint}", "checkpoint": checkpoint}, say=str)
    order = settled(workspace, until, job)
    job.wait()

    chosen = tb.diagnose(job.run()).checkpoint["name"] if checkpoint == "diagnosis" else job.deployable
    assert (order.state, order.model) == ("done", chosen)
    assert workspace.deployments.retrieve(order.name).model == chosen


def test_an_order_outlives_the_process_and_two_that_take_it_up_deploy_once(connected, service, mishap, until):
    first = connected()
    job = started(first, service)
    order = DeployOrder(job.id, "outlives", "standard", 1, "last", "embedded")
    Orders(first, first.deployments.create)._write(order)  # as a process leaves it that was killed at once

    detour, said = mishap.ws.endpoint, []
    workspaces = [connected(detour, said), connected(detour, said)]

    assert settled(workspaces[0], until, job).state == "done"
    assert said == [f"outlives is still to be deployed when {job.id} has ended: taken up again."] * 2
    assert len([1 for method, path in mishap.seen if method == "PUT" and "deployments/outlives" in path]) == 1


def test_one_that_died_while_it_deployed_is_carried_on_without_a_second_deployment(connected, service):
    workspace = connected()
    job = started(workspace, service).wait()
    workspace.deployments.create(job, name="half-way", say=str)
    orders = Orders(workspace, workspace.deployments.create)
    orders._write(DeployOrder(job.id, "half-way", "standard", 1, "last", "embedded", "deploying", job.deployable))

    order = orders.carry_out(job.id, sleep=threading.Event().wait)
    assert order.state == "done"
    assert "it answers" in order.note


def test_nothing_is_deployed_when_the_job_does_not_succeed(connected, service, until):
    workspace = connected()
    job = started(workspace, service)
    job.cancel()
    job.deploy_when_done("never", say=str)

    order = settled(workspace, until, job)
    assert (order.state, order.note) == ("given up", "the job is cancelled")


def test_what_would_be_refused_is_refused_before_the_job_is_created(connected, service):
    workspace = connected()
    before = len(workspace.jobs.list())

    with pytest.raises(RequestError, match="'a b' cannot be a deployment's name"):
        started(workspace, service, deploy={"name": "a b"})
    with pytest.raises(RequestError, match="checkpoint='best' is none of diagnosis, last"):
        started(workspace, service, deploy={"name": "ok", "checkpoint": "best"})
    assert len(workspace.jobs.list()) == before


def test_a_job_has_one_order_which_can_be_withdrawn(connected, service):
    workspace = connected()
    job = started(workspace, service)
    orders = Orders(workspace, workspace.deployments.create)
    orders._write(DeployOrder(job.id, "one", "standard", 1, "last", "embedded"))

    with pytest.raises(RequestError, match="to be deployed as 'one' already"):
        orders.add(job, name="two", sku="standard", capacity=1, checkpoint="last")
    assert workspace.deployments.withdraw(job.id).state == "withdrawn"
    with pytest.raises(RequestError, match="it is withdrawn"):
        workspace.deployments.withdraw(job.id)
    job.cancel()


def test_orders_of_another_resource_and_files_that_are_none_are_left_alone(connected, tmp_path):
    folder = tmp_path / "deploy-when-done"
    folder.mkdir()
    other = DeployOrder("ftjob-1", "theirs", "standard", 1, "last", "https://other.openai.azure.com")
    (folder / "ftjob-1.json").write_text(json.dumps(vars(other)))
    (folder / "ftjob-2.json").write_text("{")

    assert connected().deployments.orders() == []


def test_foreign_texts_are_text_in_the_card():
    order = DeployOrder("ftjob-1", "<script>", "standard", 1, "last", "embedded", note="<script>")

    assert "<script>" not in order._repr_html_()
