"""Copying a checkpoint: prerequisites judged on typed-in facts, the copy itself against the embedded service."""

from dataclasses import replace

import pytest

from tunebook.errors import RequestError, ServiceError
from tunebook.service.copying import CopyFacts, check_copy, copy_checkpoint, judge_copy, read_copy

THERE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/contoso-west"
FACTS = CopyFacts(
    checkpoint="m.ft-1",
    destination="contoso-west",
    region="westus3",
    kept=("m.ft-1",),
    destination_jobs=1,
    public=True,
    identities=("/x/copier",),
)


@pytest.fixture
def job(ws, tuned):
    return ws.jobs.retrieve(tuned[0])


def test_a_checkpoint_is_copied_and_keeps_its_name(job):
    copy = copy_checkpoint(job, THERE, region="westus3")

    assert not copy.failed
    copy.wait()
    assert [(to.name, to.region, to.status) for to in copy.destinations] == [("contoso-west", "westus3", "Completed")]
    assert copy.model == job.job.fine_tuned_model
    assert "under exactly this name" in repr(copy)
    assert read_copy(job).ended


def test_an_earlier_checkpoint_can_be_copied_by_the_sdks_object(job):
    first = job.checkpoints()[0]

    assert (
        copy_checkpoint(job, THERE, checkpoint=first, region="westus3").checkpoint == first.fine_tuned_model_checkpoint
    )


def test_a_copy_that_fails_half_way_says_where_it_is_not(mishap, tuned):
    job = mishap.ws.jobs.retrieve(tuned[0])
    half = {
        "checkpointedModelName": "m.ft-1",
        "copiedAccountDetails": [
            {"destinationResourceId": THERE, "region": "westus3", "status": "Completed"},
            {"destinationResourceId": f"{THERE}-2", "region": "uksouth", "status": "Failed"},
        ],
    }
    copy = copy_checkpoint(job, THERE, region="westus3")
    mishap("GET", "/copy", 200, half)

    copy.wait()

    assert [to.name for to in copy.failed] == ["contoso-west-2"]
    assert "contoso-west-2 (uksouth): Failed" in copy.sentence
    assert "ask for the copy again" in copy.sentence


def test_a_copy_that_takes_too_long_says_how_it_stands(mishap, tuned):
    job = mishap.ws.jobs.retrieve(tuned[0])
    copy = copy_checkpoint(job, THERE, region="westus3")
    going = {"copiedAccountDetails": [{"destinationResourceId": THERE, "region": "westus3", "status": "InProgress"}]}
    mishap("GET", "/copy", 200, going, times=9)
    times = iter((0, 5, 50))

    with pytest.raises(ServiceError, match=r"still under way after 10 s.*InProgress"):
        copy.wait(timeout_s=10, sleep=lambda _: None, clock=lambda: next(times))


def test_what_is_refused_names_the_prerequisites_that_could_not_be_seen(mishap, tuned):
    mishap("POST", "/copy", 403, {"error": {"code": "forbidden", "message": "No access to the destination."}})

    with pytest.raises(ServiceError, match=r"No access to the destination\..*user-assigned managed identity"):
        copy_checkpoint(mishap.ws.jobs.retrieve(tuned[0]), THERE, region="westus3")


def test_a_checkpoint_the_job_does_not_keep_is_refused_before_anything_is_asked(job):
    with pytest.raises(RequestError, match=r"does not keep 'm\.ft-9'"):
        copy_checkpoint(job, THERE, checkpoint="m.ft-9", region="westus3")


def test_a_resource_cannot_be_copied_to_itself(ws, job):
    with pytest.raises(RequestError, match="it is the resource the checkpoint is in"):
        copy_checkpoint(job, ws, region="local")


def test_the_region_of_a_resource_id_has_to_be_given(job):
    with pytest.raises(RequestError, match="region='westus3'"):
        copy_checkpoint(job, THERE)
    with pytest.raises(ServiceError, match="stands in the portal under Properties"):
        copy_checkpoint(job, "contoso-west", region="westus3")


def test_the_destinations_jobs_are_counted_when_a_workspace_is_given(start, job):
    from tunebook.service import connect

    running = start("--idle", 600)
    empty = connect(running.endpoint, api_key=running.api_key, environ={})

    preflight = check_copy(job, empty, region="westus3")

    assert [f.outcome for f in preflight.findings if f.check == "destination's jobs"] == ["refused"]


def test_when_all_is_known_and_right_nothing_is_refused():
    assert judge_copy(FACTS).ok


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"destination_jobs": 0}, "needs at least one fine-tuning job"),
        ({"public": False}, "public network access has to be on"),
        ({"identities": ()}, "user-assigned managed identity that has the role 'Azure AI User'"),
        ({"kept": ()}, "does not keep 'm.ft-1'"),
        ({"same": True}, "the resource the checkpoint is in"),
    ],
)
def test_a_prerequisite_known_not_to_be_met_is_refused(change, words):
    (refusal,) = judge_copy(replace(FACTS, **change)).refused

    assert words in refusal.message
