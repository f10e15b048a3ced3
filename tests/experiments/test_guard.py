"""A guard acts on runs that go wrong, late enough not to be fooled, once a job."""

import numpy as np
import pandas as pd
import pytest

from tunebook.analysis import Results
from tunebook.errors import RequestError
from tunebook.experiments.sweeps.guard import Guard
from tunebook.service.watching import JobSnapshot

STEPS = np.arange(1, 101)
FALLING = 2 * np.exp(-STEPS / 10) + 0.5
RISING = FALLING + np.clip(STEPS - 30, 0, None) * 0.01
TRAIN = 2 * np.exp(-STEPS / 20) + 0.1


def part(valid, k, train=TRAIN):
    return Results.from_frame(pd.DataFrame({"step": STEPS, "train_loss": train, "valid_loss": valid})[:k])


def picture(valid, k, status="running", job_id="ftjob-1"):
    return JobSnapshot({"id": job_id, "status": status}, part(valid, k), read_at=0.0)


def test_an_overfitting_run_is_cancelled_before_its_end_and_once():
    guard = Guard("cancel")
    acts = [guard(picture(RISING, k)) for k in range(5, 101, 5)]

    assert acts.count("cancel") == 1
    assert 35 < guard.alarms[0].step < 70
    assert guard.alarms[0].diagnosis.verdict == "overfitting"


def test_a_healthy_run_is_left_alone():
    guard = Guard("cancel")

    assert [guard(picture(FALLING, k)) for k in range(5, 101, 5)] == [None] * 20
    assert guard.alarms == []


def test_patience_delays_the_alarm():
    def stopped(patience):
        guard = Guard("cancel", patience=patience)
        for k in range(5, 101, 5):
            guard(picture(RISING, k))
        return guard.alarms[0].step

    assert stopped(1) < stopped(3) < stopped(5)


def test_looking_again_without_new_measurements_is_no_second_look():
    guard = Guard("cancel", patience=3)

    assert [guard.decide("ftjob-1", part(RISING, 80)) for _ in range(10)] == [None] * 10


def test_a_guard_that_notifies_does_nothing_to_the_job():
    told = []
    guard = Guard(notify=told.append)
    acts = [guard(picture(RISING, k)) for k in range(5, 101, 5)]

    assert acts == [None] * 20
    assert told == guard.alarms
    assert told[0].message.endswith("Nothing was done.")


def test_a_run_whose_training_breaks_down_is_stopped_without_validation():
    train = np.where(STEPS < 40, 2 - STEPS / 40, 1 + (STEPS - 40) / 10)
    guard = Guard("pause")
    alarms = [guard.decide("ftjob-1", part(np.full(100, np.nan), k, train)) for k in range(5, 101, 5)]

    assert [a.diagnosis.verdict for a in alarms if a] == ["diverged"]


def test_only_running_jobs_are_judged_and_each_alone():
    guard = Guard("cancel", patience=1)

    assert guard(picture(RISING, 80, status="pausing")) is None
    assert guard(picture(RISING, 80, job_id="ftjob-2")) == "cancel"
    assert guard(picture(RISING, 80, job_id="ftjob-3")) == "cancel"


def test_watching_steers_the_job_and_yields_the_alarm():
    done = []

    class Job:
        status = "running"

        def cancel(self):
            done.append("cancel")

    class Workspace:
        class jobs:  # noqa: N801 - as the workspace spells it
            @staticmethod
            def retrieve(job_id):
                done.append(job_id)
                return Job()

    pictures = iter([{"ftjob-1": picture(RISING, k)} for k in range(5, 101, 5)])
    guard = Guard("cancel")
    alarms = list(guard.watch(Workspace(), ["ftjob-1"], follow=lambda *_, **__: pictures))

    assert [alarm.job_id for alarm in alarms] == ["ftjob-1"]
    assert done == ["ftjob-1", "cancel"]


def test_what_a_guard_cannot_do_is_said():
    with pytest.raises(RequestError, match="act is 'stop'; a guard can notify, pause or cancel"):
        Guard("stop")


def test_foreign_text_is_escaped():
    guard = Guard(patience=1)
    alarm = guard.decide("<script>", part(RISING, 90))

    assert "<script>" not in alarm._repr_html_()


LOSING = FALLING + 0.3


def looks(guard, valid, job_id, until=100):
    """The first alarm as a job of 100 steps is looked at every five."""
    seen = (guard.decide(job_id, part(valid, k), total_steps=100) for k in range(5, until + 1, 5))
    return next((alarm for alarm in seen if alarm), None)


def test_a_job_that_will_hardly_beat_the_incumbent_is_stopped_early():
    alarm = looks(Guard("pause", incumbent=0.5), LOSING, "ftjob-1")

    assert alarm.step <= 60
    assert alarm.forecast.p_beats < 0.05
    assert alarm.diagnosis.verdict != "overfitting"


def test_a_job_as_good_as_the_incumbent_goes_on():
    assert looks(Guard("pause", incumbent=0.55), FALLING, "ftjob-1") is None


def test_the_best_of_those_seen_is_the_incumbent_of_the_others():
    guard = Guard("pause", incumbent="best")
    guard.see(JobSnapshot({"id": "ftjob-1", "status": "succeeded"}, part(FALLING, 100), read_at=0.0))

    assert looks(guard, FALLING, "ftjob-2") is None
    assert looks(guard, LOSING, "ftjob-3").job_id == "ftjob-3"


def test_the_decision_says_what_it_saves_and_what_would_have_changed_it():
    alarm = looks(Guard("pause", incumbent=0.5, usd={"ftjob-1": 10.0}.get), LOSING, "ftjob-1")

    assert "It will hardly beat 0.5: expected to end at 0.8" in alarm.message
    assert f"That saves {100 - alarm.step} % of its steps, ${(100 - alarm.step) / 10:.2f}." in alarm.message
    assert "better it would have gone on" in alarm.message


def test_a_job_that_is_spared_goes_on():
    assert looks(Guard("pause", incumbent=0.5, spared=["ftjob-1"]), LOSING, "ftjob-1") is None


def test_a_guard_of_losers_leaves_an_overfitting_job_alone():
    guard = Guard("pause", incumbent="best", only_losers=True)
    assert looks(guard, RISING, "ftjob-1") is None


def test_without_its_length_no_job_is_a_loser():
    guard = Guard("pause", incumbent=0.5)
    assert [guard.decide("ftjob-1", part(LOSING, k)) for k in range(5, 101, 5)] == [None] * 20


@pytest.mark.parametrize("share", [0, 0.5, -1])
def test_a_share_that_is_no_small_probability_is_refused(share):
    with pytest.raises(RequestError, match="share is"):
        Guard(share=share)
