"""The one table of statuses, and the store that moves jobs by it."""

from dataclasses import replace

import pytest

from tunebook_local.desk import Desk
from tunebook_local.desk.history import as_dotnet
from tunebook_local.desk.jobs import pause_job
from tunebook_local.desk.records import CheckpointRow, EventRow, FileRow, JobRow
from tunebook_local.desk.refusals import Refusal
from tunebook_local.desk.states import ENDED, STATUSES, TRANSITIONS, after, before
from tunebook_local.desk.store import Store, Superseded

JOB = JobRow(
    id="ftjob-1",
    created_at=1,
    status="pending",
    model="m",
    base_model="m",
    fine_tuned_model="m.ft-1",
    training_file="file-1",
    training_blob="b",
    seed=1,
    method="supervised",
    training_type="Standard",
    requested={"n_epochs": "auto"},
)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_what_has_ended_moves_no_more():
    assert {"succeeded", "failed", "cancelled"} == ENDED
    assert not any(status in ENDED for status, _ in TRANSITIONS)


def test_every_status_can_still_end():
    reach = set(ENDED)
    for _ in STATUSES:
        reach |= {status for (status, _), to in TRANSITIONS.items() if to in reach}

    assert reach == STATUSES


def test_a_job_can_be_paused_only_while_it_runs_and_resumed_only_while_paused():
    assert before("pause") == ("running",)
    assert before("resume") == ("paused",)
    assert after("pending", "pause") is None


def test_a_running_job_can_be_paused_once_it_has_trained_a_step(store):
    desk = Desk(store)
    store.add(replace(JOB, status="running", step=0), replace(JOB, id="ftjob-2", status="running", step=1))

    with pytest.raises(Refusal, match="has not trained a step yet"):
        pause_job(desk, "ftjob-1")
    assert pause_job(desk, "ftjob-2").status == "pausing"


def test_the_store_moves_a_job_by_the_table_and_refuses_what_is_not_in_it(store):
    store.add(JOB)

    assert store.move("ftjob-1", "pause") is None
    assert store.move("ftjob-1", "start", step=3).status == "running"
    assert store.get(JobRow, id="ftjob-1") == replace(JOB, status="running", step=3)


def test_a_worker_that_was_replaced_can_write_nothing_more(store):
    store.add(replace(JOB, worker="new", result_file="file-r"))

    with pytest.raises(Superseded):
        store.advance("ftjob-1", "old", rows=[(1, "1,2")])
    with pytest.raises(Superseded):
        store.move("ftjob-1", "start", worker="old")


def test_what_is_told_twice_is_there_once_as_it_was_told_first(store):
    file = FileRow("file-r", 1, "results.csv", "fine-tune-results", "processed", bytes=0)
    store.add(replace(JOB, worker="w", result_file="file-r"), file)
    told = {"rows": [(1, "1,0.5")], "events": [EventRow("e1", "ftjob-1", 1, "info", "message", "Step 1", "step:1")]}
    point = CheckpointRow("c1", "ftjob-1", 1, 1, "m.ft-1", {"step": 1.0}, "w1")
    store.advance("ftjob-1", "w", **told, checkpoint=point)
    again = [replace(told["events"][0], id="e2")]
    store.advance("ftjob-1", "w", rows=[(1, "1,0.5"), (2, "2,é")], events=again, checkpoint=replace(point, id="c2"))

    assert store.result_text("file-r") == "1,0.5\n2,é\n".encode()
    assert store.get(FileRow, id="file-r").bytes == len("1,0.5\n2,é\n".encode())
    assert [event.id for event in store.all(EventRow)] == ["e1"]
    assert [each.id for each in store.all(CheckpointRow)] == ["c1"]


def test_nothing_more_is_said_about_a_job_that_has_ended(store):
    store.add(replace(JOB, status="cancelled", worker="w"))
    late = EventRow("e1", "ftjob-1", 1, "info", "message", "Step 9", "step:9")

    assert store.advance("ftjob-1", "w", events=[late], step=9) == "cancelled"
    assert store.all(EventRow) == []
    assert store.get(JobRow, id="ftjob-1").step == 0


def test_a_transaction_that_fails_leaves_nothing(store):
    def both():
        with store.transaction():
            store.add(JOB)
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        both()

    assert store.get(JobRow, id="ftjob-1") is None


def test_a_store_with_a_column_of_an_older_version_is_still_read(store):
    with store.transaction() as db:
        db.execute("ALTER TABLE jobs ADD COLUMN state_step")
    store.add(JOB)

    assert Store(store.folder).get(JobRow, id="ftjob-1") == JOB


def test_pages_go_on_after_the_last_one_seen(store):
    store.add(*(replace(JOB, id=f"ftjob-{n}") for n in range(5)))
    newest = store.all(JobRow, newest_first=True, limit=2)
    rest = store.all(JobRow, newest_first=True, after=newest[-1])

    assert [job.id for job in newest] == ["ftjob-4", "ftjob-3"]
    assert [job.id for job in rest] == ["ftjob-2", "ftjob-1", "ftjob-0"]


def test_blobs_nobody_names_are_swept_and_those_of_waiting_jobs_stay(store):
    for name in ("b", "stray"):
        (store.blobs / name).write_bytes(b"x")
    store.add(JOB)
    store.sweep()
    assert [path.name for path in store.blobs.iterdir()] == ["b"]

    store.move("ftjob-1", "cancel", finished_at=5)
    store.sweep()
    assert list(store.blobs.iterdir()) == []


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (3.814697265625e-06, "3.814697265625E-06"),
        (0.6786, "0.6786"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
    ],
)
def test_numbers_in_messages_are_printed_the_services_way(value, printed):
    assert as_dotnet(value) == printed
