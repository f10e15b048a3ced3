"""What is there, what it costs, what needs what: from records typed in here."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebook.errors import RequestError
from tunebook.experiments.stock.inventory import ORDER
from tunebook.experiments.stock.stocktaking import build_inventory, needs_of_running_jobs
from tunebook.service.management import last_days

NOW = datetime(2026, 11, 23, tzinfo=UTC)
BASE = "gpt-4.1-nano-2025-04-14"
DONE, GOING, FAILED = (f"ftjob-{letter * 32}" for letter in "abc")
MODEL = f"{BASE}.ft-{DONE[6:]}"


def job(job_id, status="succeeded", **more):
    made = {"fine_tuned_model": f"{BASE}.ft-{job_id[6:]}"} if status == "succeeded" else {}
    return {"id": job_id, "model": BASE, "status": status, "training_file": "f-train", **made, **more}


def file(file_id, purpose="fine-tune", **more):
    return {"id": file_id, "purpose": purpose, "filename": f"{file_id}.jsonl", "bytes": 1000, "created_at": 5, **more}


JOBS = [
    job(DONE, validation_file="f-valid", result_files=["f-result"]),
    job(GOING, "running", model=MODEL, training_file="f-next", result_files=["f-growing"]),
    job(FAILED, "failed", training_file="f-train"),
]
FILES = [
    *(file(name) for name in ("f-train", "f-valid", "f-next", "f-stray")),
    file("f-result", "fine-tune-results"),
    file("f-growing", "fine-tune-results"),
    file("f-orphan", "fine-tune-results"),
    file("f-batch", "batch"),
]
LIVE = [{"name": "support", "model": f"{MODEL}:ckpt-step-3", "sku": "Standard", "created_at": None}]


def inventory(jobs=JOBS, files=FILES, deployments=LIVE, **more):
    return build_inventory(place="contoso", jobs=jobs, files=files, deployments=deployments, now=NOW, **more)


def test_it_counts_what_is_there_and_what_it_costs():
    found = inventory()

    assert found.sentence.startswith(
        "contoso holds 1 deployment, 1 model, 4 files, 3 result files, 1 job without a model. "
        "They cost $1.70 an hour, $1,241 a month."
    )
    assert found.gauges["files"] == (7, 100)
    assert found.gauges["deployments of fine-tuned models"] == (1, 10)
    assert found.notes == ("Left alone and not listed: 1 file of other purposes.",)


def test_what_a_running_job_needs_is_never_deleted():
    plan = inventory().plan(["f-next", "f-growing", DONE, "support", "f-stray"])

    assert [step.id for step in plan.steps] == ["support", "f-stray"]
    assert {each.item.id for each in plan.refused} == {"f-next", "f-growing", DONE}
    assert all(GOING in each.reason for each in plan.refused)


@pytest.mark.parametrize("status", ["pending", "queued", "paused", "pausing", "resuming", "something new"])
def test_a_job_that_has_not_ended_for_certain_counts_as_running(status):
    needs = needs_of_running_jobs([job(GOING, status, training_file="f-next", validation_file="f-valid")])

    assert set(needs) == {"f-next", "f-valid", GOING}


def test_a_job_that_starts_from_a_checkpoints_id_protects_every_model():
    found = inventory(jobs=[job(DONE), job(GOING, "running", model="ftchkpt-1")], deployments=[])

    assert [each.item.id for each in found.plan([DONE]).refused] == [DONE]


def test_the_order_is_deployment_model_files():
    idle = [job(DONE, result_files=["f-result"])]

    plan = inventory(jobs=idle).plan(["f-result", "f-train", DONE, "support"])

    assert [step.id for step in plan.steps] == ["support", DONE, "f-train", "f-result"]
    assert "That saves $1.70 an hour" in plan.sentence


def test_a_model_with_a_deployment_stays_unless_that_goes_too():
    plan = inventory(jobs=[job(DONE)]).plan([DONE])

    assert plan.steps == ()
    assert plan.refused[0].reason == "it is deployed as support. Select the deployment too."


def test_where_deployments_cannot_be_read_no_model_is_deleted():
    plan = inventory(jobs=[job(DONE), job(FAILED, "failed")], deployments=None).plan([DONE, FAILED])

    assert [step.id for step in plan.steps] == [FAILED]
    assert "whether it is deployed cannot be read" in plan.refused[0].reason


def test_what_seems_unused_is_said_with_the_reason():
    found = {item.id: item.unused for item in inventory().unused}

    assert found == {
        FAILED: "the job ended as failed and made no model",
        "f-stray": "no job uses it",
        "f-orphan": "its job is gone",
    }


def test_a_deployment_nobody_called_is_unused_and_one_without_counts_is_not_known():
    calls = {"support": datetime(2026, 11, 10, tzinfo=UTC)}

    assert inventory().items[0].unused is None
    assert inventory(calls=calls).items[0].unused == "last called 13 days ago"
    assert inventory(calls={}).items[0].unused == "no call was counted in the last 30 days"
    assert inventory(calls={"support": NOW}).items[0].unused is None


def test_azure_monitors_counts_give_the_last_day_with_a_call():
    told = {
        "value": [
            {
                "timeseries": [
                    {
                        "metadatavalues": [{"name": {"value": "modeldeploymentname"}, "value": "support"}],
                        "data": [
                            {"timeStamp": "2026-11-18T00:00:00Z", "total": 3.0},
                            {"timeStamp": "2026-11-19T00:00:00Z", "total": 0.0},
                            {"timeStamp": "2026-11-20T00:00:00Z"},
                        ],
                    },
                    {"metadatavalues": [{"value": "silent"}], "data": [{"timeStamp": "2026-11-18T00:00:00Z"}]},
                ]
            }
        ]
    }

    assert last_days(told, NOW) == {"support": datetime(2026, 11, 19, tzinfo=UTC)}


def test_a_file_the_service_refused_is_unused():
    (item,) = inventory(jobs=[], files=[file("f", status="error")], deployments=[]).items

    assert item.unused == "the service refused it"


def test_things_are_found_by_key_id_or_name():
    found = inventory(files=[*FILES, file("f-again", filename="f-stray.jsonl")])

    assert found.find("file:f-train").id == found.find("f-train").id == "f-train"
    assert found.find(MODEL).id == DONE
    with pytest.raises(RequestError, match=r"'f-stray\.jsonl' names 2 things .*file:f-stray, file:f-again"):
        found.find("f-stray.jsonl")
    with pytest.raises(RequestError, match="'nothing' is not at contoso"):
        found.plan(["nothing"])


def test_the_frame_has_one_row_an_item():
    frame = inventory().frame

    assert len(frame) == 10
    assert frame.set_index("key").loc["deployment:support", "usd_per_hour"] == 1.70


def test_names_from_outside_are_escaped():
    evil = [file("<script>", filename="<script>")]
    found = inventory(files=evil, jobs=[], deployments=[{**LIVE[0], "name": "<script>"}])

    for html in (found._repr_html_(), found.plan([item.key for item in found.items])._repr_html_()):
        assert "<script>" not in html
        assert "&lt;script&gt;" in html


IDS = st.sampled_from(["a" * 32, "b" * 32, "c" * 32])
STATUS = st.sampled_from(["succeeded", "failed", "running", "pending", "paused", "new"])
RANDOM_JOBS = st.lists(
    st.builds(
        lambda hex_, status, start, train: job(
            f"ftjob-{hex_}", status, model=f"{BASE}.ft-{start}", training_file=train
        ),
        IDS,
        STATUS,
        IDS,
        st.sampled_from(["f-train", "f-valid"]),
    ),
    unique_by=lambda each: each["id"],
)


@given(RANDOM_JOBS, st.lists(IDS, max_size=3))
def test_whatever_is_selected_no_plan_breaks_a_running_job_or_a_deployment(jobs, deployed):
    live = [{"name": f"d{n}", "model": f"{BASE}.ft-{hex_}", "sku": "Standard"} for n, hex_ in enumerate(deployed)]
    found = inventory(jobs=jobs, deployments=live)

    plan = found.plan(found.items)

    needed = needs_of_running_jobs(jobs)
    assert not [step for step in plan.steps if step.id in needed]
    kinds = [ORDER.index(step.kind) for step in plan.steps]
    assert kinds == sorted(kinds)
    gone = {step.key for step in plan.steps}
    assert all(f"deployment:{name}" in gone for step in plan.steps for name in step.first)
