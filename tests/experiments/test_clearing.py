"""Cleaning up at the embedded service: a dry run by default, the only order that works, everything confirmed."""

import json

import pytest
from openai import NotFoundError

from tunebook.experiments.stock.clearing import cleanup_plan, clear
from tunebook.experiments.stock.stocktaking import take_inventory
from tunebook.service import JobRequest, connect


def begin(running):
    """A finished, deployed job: (workspace, job, training file)."""
    ws = connect(running.endpoint, api_key=running.api_key, environ={})
    ws.poll_interval_s = (0.02, 0.1)
    train = running.upload()
    job = ws.jobs.create(JobRequest(model="gpt-4.1-nano", training_file=train, n_epochs=1, batch_size=6)).wait()
    ws.deployments.create(job, name="live", say=str)
    ws.running = running
    return ws, job, train


@pytest.fixture
def own(start):
    """A service of one's own, for tests that delete."""
    return begin(start("--idle", 600))


@pytest.fixture(scope="module")
def kept(start_once):
    """One that is only looked at."""
    return begin(start_once("--idle", 600))


def everything(ws):
    return [item.key for item in take_inventory(ws).items]


def test_by_default_nothing_is_deleted(kept, tmp_path):
    ws, _, _ = kept
    before = everything(ws)

    cleared = clear(ws, take_inventory(ws).plan(before), log=tmp_path / "log.jsonl")

    assert cleared.dry_run
    assert f"{len(before)} would be deleted" in cleared.sentence
    assert everything(ws) == before
    assert not (tmp_path / "log.jsonl").exists()


def test_everything_goes_in_the_only_order_that_works_and_is_listed(own, tmp_path):
    ws, job, train = own
    plan = take_inventory(ws).plan(everything(ws))
    told = []

    cleared = clear(ws, plan, dry_run=False, log=tmp_path / "log.jsonl", told=told.append)

    assert [each.outcome for each in cleared.deletions] == ["deleted"] * 4
    assert [each.kind for each in told] == ["deployment", "model", "file", "result file"]
    assert everything(ws) == []
    with pytest.raises(NotFoundError):
        ws.jobs.retrieve(job.id)
    with pytest.raises(NotFoundError):
        ws.files.retrieve(train)
    listed = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [each["id"] for each in listed] == [step.id for step in plan.steps]
    assert str(tmp_path / "log.jsonl") in cleared.sentence


def test_what_a_job_needs_that_started_after_the_plan_stays(own, tmp_path):
    ws, job, train = own
    plan = take_inventory(ws).plan(everything(ws))
    slow = ws.jobs.create(JobRequest(model=job.job.fine_tuned_model, training_file=train, n_epochs=50, batch_size=1))

    cleared = clear(ws, plan, dry_run=False, log=tmp_path / "log.jsonl")

    kept = {each.id: each.reason for each in cleared.deletions if each.outcome == "kept"}
    assert set(kept) == {job.id, train}
    assert all(slow.id in reason for reason in kept.values())
    assert ws.files.retrieve(train).id == train
    slow.cancel()


def test_a_deployment_that_cannot_be_deleted_keeps_its_model(own, mishap):
    ws, job, _ = own
    detour = mishap.to(ws.running)
    denied = {"error": {"code": "AuthorizationFailed", "message": "no deployments/delete"}}
    mishap("DELETE", "/deployments/live", 403, denied)

    cleared = clear(detour, take_inventory(detour).plan(["live", job.id]), dry_run=False, log=None)

    assert [each.outcome for each in cleared.deletions] == ["failed", "kept"]
    assert "'Cognitive Services OpenAI Contributor'" in cleared.deletions[0].reason
    assert cleared.deletions[1].reason == "its deployment live is still there."


def test_a_model_that_is_deployed_is_refused_by_plan_and_service_alike(kept):
    ws, job, _ = kept

    plan = take_inventory(ws).plan([job.id])

    assert plan.refused[0].reason.startswith("it is deployed as live")
    with pytest.raises(Exception, match="it has the deployment 'live'"):
        ws.dated_client.delete(f"/fine_tuning/jobs/{job.id}", cast_to=object)


def test_what_is_gone_already_is_reported_and_the_rest_goes_on(own, tmp_path):
    ws, _, train = own
    stray = ws.running.upload(name="stray.jsonl")
    plan = take_inventory(ws).plan([train, stray])
    ws.files.delete(train)

    cleared = clear(ws, plan, dry_run=False, log=tmp_path / "log.jsonl")

    assert {each.id: each.outcome for each in cleared.deletions} == {train: "deleted", stray: "deleted"}
    assert [each.reason for each in cleared.deletions if each.id == train] == ["it was gone already."]


def test_the_plan_for_what_seems_unused_takes_nothing_in_use(kept):
    ws, _, _ = kept
    stray = ws.running.upload(name="stray.jsonl")

    plan = cleanup_plan(ws)

    assert stray in {step.id for step in plan.steps}
    assert {step.kind for step in plan.steps} == {"file"}


def test_outcomes_from_outside_are_escaped(kept):
    ws, _, _ = kept
    evil = ws.running.upload(name="<script>.jsonl")

    html = clear(ws, take_inventory(ws).plan([evil]))._repr_html_()

    assert "<script>" not in html
