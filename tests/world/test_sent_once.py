"""A create whose answer is lost is never sent twice: the service is asked for it first."""

import openai
import pytest
from contrary import DROPPED, LOST, Carried, Reply, page, refusal, unwrapped

from tunebook.errors import ServiceError
from tunebook.service import JobRequest

REQUEST = JobRequest(model="gpt-4.1-nano", training_file="file-1")


def create(ws, said, request=REQUEST):
    return ws.jobs.create(request, say=said.append, sleep=lambda _: None)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        refusal(500, "internalFailure", "x"),
        Reply(502, b"<html>Bad gateway</html>"),
        page(),
        Reply(200, b"null"),
        Reply(200, b""),
        Reply(200, {}),
        Reply(200, b'{"id": "ftjo', cut=6),
        unwrapped(404, "Resource not found"),
    ],
    ids=["dropped", "500", "502", "page", "null", "empty", "object", "cut", "404 of a gateway"],
)
@pytest.mark.parametrize("request_", [REQUEST, JobRequest(model="m", training_file="f", seed=7, suffix="mine")])
def test_a_job_whose_answer_is_lost_is_found_and_not_sent_again(world, there, answer, request_):
    world.answers("POST", "jobs", Carried(answer))
    said = []

    job = create(there, said, request_)

    assert [job.id] == [kept["id"] for kept in world.jobs]
    assert world.count("POST", "jobs") == 1
    assert said[-1].endswith("it was created.")


def test_a_request_that_did_not_arrive_is_sent_again_and_that_is_told(world, there):
    world.answers("POST", "jobs", DROPPED)
    said = []

    job = create(there, said)

    assert [job.id] == [kept["id"] for kept in world.jobs]
    assert "Sending it again" in said[1]


def test_a_job_of_the_same_request_from_before_is_not_taken_for_the_new_one(world, there):
    request = JobRequest(model="m", training_file="f", seed=3)
    first = create(there, [], request)
    world.answers("POST", "jobs", LOST)

    second = create(there, [], request)

    assert first.id != second.id
    assert len(world.jobs) == 2


def test_a_double_that_arrives_late_is_named_with_the_call_that_cancels_it(world, there):
    there.poll_interval_s = (0.001, 0.001)
    world.answers("POST", "jobs", DROPPED, Carried(times=2, answer=refusal(500, "x", "x")))
    said = []

    job = create(there, said)

    double = next(kept["id"] for kept in world.jobs if kept["id"] != job.id)
    assert said[-1].endswith(f'ws.jobs.retrieve("{double}").cancel()')


def test_a_create_that_a_gateway_doubles_is_told_although_nothing_was_lost(world, there):
    world.answers("POST", "jobs", lambda call: (world._carry_out(call), world._carry_out(call))[0])
    said = []

    job = create(there, said)

    (double,) = {kept["id"] for kept in world.jobs} - {job.id}
    assert said == [
        f"job on file-1: {job.id} is the one; {double} was created as well, and is not needed: "
        f'ws.jobs.retrieve("{double}").cancel()'
    ]


def test_patience_outlasts_a_gateway_that_delivers_late(world, there):
    there.poll_interval_s = (0.05, 0.2)
    world.answers("POST", "jobs", Carried(after_s=0.3))

    job = there.jobs.create(REQUEST, say=str)

    assert [job.id] == [kept["id"] for kept in world.jobs]


def test_a_refusal_of_the_service_itself_is_raised_at_once(world, there):
    world.answers("POST", "jobs", refusal(409, "conflict", "Another file."), always=True)

    with pytest.raises(openai.ConflictError):
        create(there, [])

    assert len(world.calls) == 1


def test_when_each_answer_is_lost_the_last_word_says_where_to_look(world, there):
    world.answers("POST", "jobs", DROPPED, always=True)

    with pytest.raises(ServiceError, match=r"sent 3 times.* look with ws\.jobs\.list\(\)"):
        create(there, [])


def test_a_service_that_cannot_be_asked_either_is_not_sent_the_request_again(world, there):
    there.client = there.client.with_options(max_retries=0)
    world.answers("POST", "jobs", LOST)
    world.answers("GET", "jobs", refusal(503, "x", "x"), always=True)

    with pytest.raises(ServiceError, match="cannot be asked"):
        create(there, [])

    assert world.count("POST", "jobs") == 1
