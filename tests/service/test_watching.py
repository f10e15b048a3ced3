"""The poller on a service typed in here: what it asks for, how often, and what it makes of the answers."""

from __future__ import annotations

from types import SimpleNamespace

import httpx
import openai
import pytest

from tunebook.service.jobs import Job
from tunebook.service.watching import follow, look

T0 = 1_790_000_000
SETTINGS = {"n_epochs": 2, "batch_size": 5, "learning_rate_multiplier": 0.1}


def event(step: int, **measured: float) -> dict:
    data = {"step": step, "train_loss": 1.0 / step, **measured}
    return {"id": f"e{step}", "created_at": T0 + step, "level": "info", "message": f"Step {step}", "data": data}


class Record(SimpleNamespace):
    """What the SDK gives: attributes, and `to_dict`."""

    def to_dict(self, mode: str) -> dict:
        del mode
        return dict(vars(self))


class Service:
    """Jobs and one training file of 12 rows (3 steps an epoch); `asked` lists what was asked, `errors` what fails."""

    poll_interval_s = (0.25, 2.0)

    def __init__(self, *job_ids: str) -> None:
        self.records = {job_id: self.record(job_id) for job_id in job_ids}
        self.told: dict[str, list[dict]] = {job_id: [] for job_id in job_ids}
        self.kept: dict[str, list[dict]] = {job_id: [] for job_id in job_ids}
        self.asked: list[str] = []
        self.errors: dict[str, Exception] = {}
        api = SimpleNamespace(
            list=lambda limit: self._say("list", SimpleNamespace(data=list(self.records.values())[:limit])),
            list_events=lambda job_id, limit: self._say(
                "events", [Record(**e) for e in self.told[job_id][::-1]][:limit]
            ),
            checkpoints=SimpleNamespace(
                list=lambda job_id, limit: self._say("checkpoints", [Record(**c) for c in self.kept[job_id]][:limit])
            ),
        )
        self.client = SimpleNamespace(fine_tuning=SimpleNamespace(jobs=api))
        self.jobs = SimpleNamespace(retrieve=lambda job_id: self._say("job", Job(self, self.records[job_id])))
        self.files = SimpleNamespace(
            retrieve=lambda _: self._say("file", SimpleNamespace(bytes=1000)),
            content=lambda _: self._say("rows", b"{}\n" * 12 + b"\n"),
        )

    @staticmethod
    def record(job_id: str, status: str = "running") -> Record:
        about = {"model": "gpt-4.1-mini", "training_file": "file-1", "result_files": [], "hyperparameters": SETTINGS}
        return Record(id=job_id, status=status, created_at=T0, **about)

    def _say(self, what: str, answer: object) -> object:
        self.asked.append(what)
        if what in self.errors:
            raise self.errors[what]
        return answer


def refusal(status: int) -> openai.APIStatusError:
    request = httpx.Request("GET", "https://contoso.example")
    kinds = {404: openai.NotFoundError, 503: openai.InternalServerError, 401: openai.AuthenticationError}
    return kinds[status]("no", response=httpx.Response(status, request=request), body=None)


@pytest.fixture
def service() -> Service:
    made = Service("ftjob-a")
    made.told["ftjob-a"] = [event(1)]
    return made


def test_the_rows_of_the_training_file_tell_the_steps_and_are_counted_once(service) -> None:
    first = look(service, ["ftjob-a"], {}, now=T0)
    second = look(service, ["ftjob-a"], first, now=T0 + 1)

    assert (first["ftjob-a"].total_steps, second["ftjob-a"].total_steps) == (6, 6)
    assert second["ftjob-a"].epoch == pytest.approx(1 / 3)
    assert service.asked.count("rows") == 1


def test_jobs_that_train_on_the_same_file_have_it_counted_once_between_them() -> None:
    service = Service("ftjob-a", "ftjob-b", "ftjob-c")
    service.told |= {job_id: [event(1)] for job_id in service.records}

    seen = look(service, service.records, {}, now=T0)

    assert [snapshot.total_steps for snapshot in seen.values()] == [6, 6, 6]
    assert service.asked.count("rows") == 1


def test_nothing_is_counted_when_the_service_tells_the_steps_or_the_caller_does_without(service) -> None:
    quiet = look(service, ["ftjob-a"], {}, now=T0, n_train=0)
    service.told["ftjob-a"] = [event(1, total_steps=6)]
    told = look(service, ["ftjob-a"], {}, now=T0)

    assert (quiet["ftjob-a"].total_steps, told["ftjob-a"].total_steps) == (None, 6)
    assert "rows" not in service.asked


def test_a_training_file_that_is_gone_is_asked_for_once_and_one_that_is_away_again(service) -> None:
    service.errors = {"file": refusal(503)}
    seen = look(service, ["ftjob-a"], {}, now=T0)
    assert seen["ftjob-a"].n_train is None

    service.errors = {"file": refusal(404)}
    seen = look(service, ["ftjob-a"], seen, now=T0 + 1)
    seen = look(service, ["ftjob-a"], seen, now=T0 + 2)

    assert (seen["ftjob-a"].n_train, seen["ftjob-a"].total_steps, seen["ftjob-a"].stale_since) == (0, None, None)
    assert service.asked.count("file") == 2


def test_checkpoints_come_at_the_end_of_each_epoch_while_the_job_trains(service) -> None:
    seen = look(service, ["ftjob-a"], {}, now=T0)
    assert "checkpoints" not in service.asked

    service.told["ftjob-a"] = [event(1), event(2), event(3, full_valid_loss=0.5)]
    service.kept["ftjob-a"] = [{"step_number": 3, "fine_tuned_model_checkpoint": "m:3"}]
    seen = look(service, ["ftjob-a"], seen, now=T0 + 1)
    seen = look(service, ["ftjob-a"], seen, now=T0 + 2)

    assert [c["step_number"] for c in seen["ftjob-a"].checkpoints] == [3]
    assert service.asked.count("checkpoints") == 1


def test_checkpoints_that_cannot_be_read_now_are_read_later_and_spoil_nothing(service) -> None:
    service.told["ftjob-a"] = [event(3, full_valid_loss=0.5)]
    service.kept["ftjob-a"] = [{"step_number": 3, "fine_tuned_model_checkpoint": "m:3"}]
    service.errors = {"checkpoints": refusal(503)}
    seen = look(service, ["ftjob-a"], {}, now=T0)
    assert (seen["ftjob-a"].step, seen["ftjob-a"].checkpoints) == (3, ())

    service.errors = {}
    seen = look(service, ["ftjob-a"], seen, now=T0 + 1)

    assert len(seen["ftjob-a"].checkpoints) == 1


def test_the_analysis_is_told_the_steps_of_the_whole_job_while_it_trains(service) -> None:
    snapshot = look(service, ["ftjob-a"], {}, now=T0)["ftjob-a"]

    assert (snapshot.step, snapshot.total_steps) == (1, 6)


def test_a_job_that_succeeded_has_made_all_its_steps(service) -> None:
    service.records["ftjob-a"] = Service.record("ftjob-a", "succeeded")
    service.told["ftjob-a"] = [event(6)]

    snapshot = look(service, ["ftjob-a"], {}, now=T0)["ftjob-a"]

    assert (snapshot.total_steps, snapshot.epoch) == (6, 2.0)
    assert snapshot.line() == "succeeded, step 6/6, train loss 0.167"
    assert "rows" not in service.asked


def test_a_service_away_for_minutes_leaves_the_last_picture_with_its_age_and_recovers(service) -> None:
    now = iter(range(T0, T0 + 10_000, 60))
    pauses = []
    ticks = follow(service, ["ftjob-a"], sleep=pauses.append, clock=lambda: float(next(now)))
    first = next(ticks)["ftjob-a"]
    service.errors = {"job": refusal(503)}
    away = [next(ticks)["ftjob-a"] for _ in range(5)]
    service.errors = {}
    back = next(ticks)["ftjob-a"]

    assert {(a.step, a.read_at, a.stale_since) for a in away} == {(first.step, T0, T0 + 60)}
    assert away[0].problem == "the service answers 503"
    assert (back.stale_since, back.problem) == (None, None)
    assert pauses[-1] == 2.0  # nothing new: the pauses have grown to the longest


@pytest.mark.parametrize("status", [401, 404])
def test_what_watching_on_cannot_mend_is_raised(service, status) -> None:
    seen = look(service, ["ftjob-a"], {}, now=T0)
    service.errors = {"job": refusal(status)}

    with pytest.raises(openai.APIStatusError):
        look(service, ["ftjob-a"], seen, now=T0 + 1)


def test_a_status_nobody_knows_is_not_an_end(service) -> None:
    service.records["ftjob-a"] = Service.record("ftjob-a", "defragmenting")

    ticks = follow(service, ["ftjob-a"], sleep=lambda _: None, clock=lambda: T0)

    assert [next(ticks)["ftjob-a"].ended for _ in range(3)] == [False, False, False]


def test_a_paused_job_is_not_asked_for_events_again_and_an_ended_one_for_nothing(service) -> None:
    service.records["ftjob-a"] = Service.record("ftjob-a", "paused")
    seen = look(service, ["ftjob-a"], {}, now=T0)
    service.asked.clear()
    look(service, ["ftjob-a"], seen, now=T0 + 1)
    assert service.asked == ["job"]

    service.records["ftjob-a"] = Service.record("ftjob-a", "cancelled")
    seen = look(service, ["ftjob-a"], seen, now=T0 + 2)
    service.asked.clear()
    look(service, ["ftjob-a"], seen, now=T0 + 3)
    assert service.asked == []


def test_a_hundred_jobs_cost_one_list_call_a_tick_and_events_of_those_alone_that_can_have_any() -> None:
    service = Service(*(f"ftjob-{n:03d}" for n in range(100)))
    running, waiting = list(service.records)[:3], list(service.records)[3:]
    for job_id in waiting:
        service.records[job_id].status = "pending"
    seen = look(service, service.records, {}, now=T0, n_train=12)
    assert (service.asked.count("list"), service.asked.count("events"), len(service.asked)) == (1, 100, 101)

    service.asked.clear()
    for step in range(1, 5):
        for job_id in running:
            service.told[job_id].append(event(step))
        seen = look(service, service.records, seen, now=T0 + step, n_train=12)
    assert (service.asked.count("list"), service.asked.count("events")) == (4, 4 * 3)
    assert len(seen[running[0]].events) == 4

    for record in service.records.values():
        record.status = "cancelled"
    seen = look(service, service.records, seen, now=T0 + 9, n_train=12)
    service.asked.clear()
    look(service, service.records, seen, now=T0 + 10, n_train=12)
    assert service.asked == []
