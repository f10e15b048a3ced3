"""A paused job: waiting for it ends, and how it goes on is said."""

import pytest


@pytest.fixture
def paused(world, there):
    world.jobs.append(
        {"id": "ftjob-1", "object": "fine_tuning.job", "created_at": 1, "status": "paused", "model": "m"}
        | {"training_file": "f"}
    )
    return there.jobs.retrieve("ftjob-1")


def test_waiting_for_a_paused_job_ends_and_says_how_it_goes_on(paused, capsys):
    assert paused.wait(timeout_s=5).status == "paused"

    said = capsys.readouterr().out
    assert said.startswith("ftjob-1 is paused, by a person or by the service")
    assert said.endswith('It goes on with ws.jobs.retrieve("ftjob-1").resume().\n')


def test_the_services_own_reason_is_told(world, paused):
    from contrary import Reply

    event = {"id": "e", "object": "fine_tuning.job.event", "created_at": 1, "level": "info"}
    message = "Job paused: the cost limit of $5,000 is reached."
    world.answers("GET", "events", Reply(200, {"object": "list", "data": [event | {"message": message}]}))

    assert "The service says: Job paused: the cost limit of $5,000 is reached. It goes on" in paused.pause_told()


def test_a_line_of_a_terminal_names_resume(paused):
    from tunebook.service.watching import look

    line = look(paused.workspace, ["ftjob-1"], {}, now=0.0)["ftjob-1"].line()

    assert line == 'paused, goes on with ws.jobs.retrieve("ftjob-1").resume()'
