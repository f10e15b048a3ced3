"""A sweep among gateways that lose, delay and double requests: each trial is one job, or its double is named."""

import pytest
from contrary import DROPPED, Carried, Reply, page, refusal, unwrapped

import tunebook as tb

GRID = {"n_epochs": [1, 2, 3]}


@pytest.fixture
def sweep(world, tmp_path):
    """Three trials; every job has succeeded by the time it is looked at."""

    def ended(call):
        for job in world.jobs:
            job["status"] = "succeeded"
        return world._carry_out(call)

    world.answers("GET", "fine_tuning/jobs", ended, always=True)
    return tb.Sweep(tb.JobRequest(model="gpt-4.1-nano", training_file="file-1"), GRID, folder=tmp_path / "sweep")


def run(sweep, ws):
    said = []
    sweep.run(ws, show=lambda *_: None, say=said.append, sleep=lambda _: None)
    assert sweep.plan["state"].tolist() == ["ended"] * 3
    return said


@pytest.mark.parametrize(
    "lost", [Carried(), Carried(page()), Carried(refusal(500, "x", "x")), Carried(unwrapped(404, "Resource not found"))]
)
def test_a_trial_whose_answer_is_lost_is_one_job(world, there, sweep, lost):
    world.answers("POST", "jobs", lost, lost)

    said = run(sweep, there)

    assert len(world.jobs) == 3
    assert not any("as well" in line for line in said)


def test_a_trial_that_did_not_arrive_is_looked_for_with_patience_and_sent_again(world, there, sweep):
    world.answers("POST", "jobs", DROPPED)

    said = run(sweep, there)

    assert len(world.jobs) == 3
    assert [line.partition("): ")[2] for line in said] == [
        "its answer was lost. Looking whether it was created.",
        "the service does not have it. It is sent again.",
    ]


def test_a_doubled_request_is_named_with_the_call_that_cancels_it(world, there, sweep):
    def doubled(call):
        first = world._carry_out(call)
        world._carry_out(call)
        return first

    world.answers("POST", "jobs", doubled)

    said = run(sweep, there)

    assert len(world.jobs) == 4
    (double,) = {job["id"] for job in world.jobs} - set(sweep.plan["job_id"])
    assert said == [line for line in said if line.endswith(f'ws.jobs.retrieve("{double}").cancel()')]
    assert len(said) == 1


@pytest.mark.parametrize("gateway", [unwrapped(404, "Resource not found"), Reply(409, b"<html>Conflict</html>")])
def test_one_refusal_of_a_gateway_does_not_refuse_a_trial(world, there, sweep, gateway):
    world.answers("POST", "jobs", gateway)

    run(sweep, there)

    assert len(world.jobs) == 3


def test_a_refusal_of_the_service_refuses_the_trial_at_once(world, there, sweep):
    world.answers("POST", "jobs", refusal(400, "invalidPayload", "No such model."))

    sweep.run(there, show=lambda *_: None, say=str, sleep=lambda _: None)

    assert sweep.plan["state"].tolist() == ["refused", "ended", "ended"]
