"""A sweep loses no job and sends none twice: through a full queue, faults, deleted jobs, a killed process."""

import itertools
import random
import subprocess
import sys
import time
from collections import Counter

import httpx
import openai
import pytest

from tunebook.data import read_dataset
from tunebook.errors import RequestError, TunebookError
from tunebook.experiments import Sweep
from tunebook.service import JobRequest, connect

EXAMPLES = [
    {"messages": [{"role": "user", "content": f"Say {n}"}, {"role": "assistant", "content": f"{n} it is."}]}
    for n in range(12)
]
SPACE = {"n_epochs": [1, 2, 3], "learning_rate_multiplier": [0.05, 0.1, 0.2, 0.4]}


def sent(ws, sweep):
    """How often each trial of the sweep is at the service, by its identity."""
    own = set(sweep.plan["suffix"])
    suffixes = (getattr(job.job, "suffix", None) for job in ws.jobs.list(limit=100))
    return Counter(suffix for suffix in suffixes if suffix in own)


def opened(running):
    ws = connect(running.endpoint, api_key=running.api_key, environ={})
    ws.poll_interval_s = (0.02, 0.2)
    return ws


@pytest.fixture
def request_(ws):
    train, valid = (ws.files.upload(read_dataset(part)).id for part in (EXAMPLES, EXAMPLES[:3]))
    return JobRequest(model="gpt-4.1-nano", training_file=train, validation_file=valid, batch_size=4)


def test_a_sweep_trains_each_planned_job_and_archives_it(ws, request_, tmp_path):
    sweep = Sweep(request_, {"n_epochs": [1, 2]}, seeds=2, folder=tmp_path / "sweep").run(ws)

    told = sorted((run.hyperparameters["n_epochs"], run.seed, run.status) for run in sweep.runs())
    assert told == [(1, 0, "succeeded"), (1, 1, "succeeded"), (2, 0, "succeeded"), (2, 1, "succeeded")]
    assert set(sweep.plan["state"]) == {"ended"}


def test_the_card_is_the_plan_and_escapes_what_it_holds(tmp_path):
    request = JobRequest(model="gpt-4.1-nano", training_file="file-1", suffix="mine")
    sweep = Sweep(request, {"n_epochs": range(1, 31)}, file_tokens=1000, folder=tmp_path / "<script>")

    card = sweep._card()

    sentence = f"Sweep of 30 jobs in {tmp_path}/<script>, 465,000 tokens in all, $0.84"
    assert card.text().splitlines()[0] == sentence
    assert card.parts[1].head[3:] == (
        "n_epochs",
        "batch_size",
        "learning_rate_multiplier",
        "seed",
        "tokens",
        "usd",
        "state",
    )
    assert card.parts[1].rows[1][3:] == ("2", "auto", "auto", "0", "2,000", "under $0.01", "planned")
    assert [row[0] for row in card.parts[1].rows[11:14]] == ["11", "…", "18"]
    assert card.parts[1].rows[0][1].role == "code"  # a name to copy, not broken in two
    assert "<script>" not in sweep._repr_html_()


def test_running_a_finished_sweep_again_sends_nothing(ws, request_, tmp_path):
    Sweep(request_, {"n_epochs": [1, 2]}, folder=tmp_path / "sweep").run(ws)
    before = [job.id for job in ws.jobs.list(limit=100)]

    Sweep.open(tmp_path / "sweep").run(ws)

    assert [job.id for job in ws.jobs.list(limit=100)] == before


def test_a_folder_that_holds_a_sweep_takes_no_other(ws, request_, tmp_path):
    Sweep(request_, {"n_epochs": [1]}, folder=tmp_path / "sweep").run(ws)

    with pytest.raises(RequestError, match=r"Sweep\.open"):
        Sweep(request_, {"n_epochs": [2]}, folder=tmp_path / "sweep")


def test_never_more_jobs_are_at_the_service_than_asked(ws, request_, tmp_path):
    most = []

    def show(manifest, _):
        most.append(manifest.count("sent", "sending"))

    Sweep(request_, {"n_epochs": [1, 2, 3]}, seeds=2, folder=tmp_path / "s").run(ws, at_once=2, show=show)

    assert max(most) == 2


def test_a_full_queue_is_waited_for(start, tmp_path):
    ws = opened(start("--running", 1, "--limit=queued_jobs=2"))
    request = JobRequest(model="gpt-4.1-nano", training_file=ws.files.upload(read_dataset(EXAMPLES)).id, n_epochs=1)

    sweep = Sweep(request, {"batch_size": [1, 2, 3, 4, 6]}, folder=tmp_path / "sweep").run(ws)

    assert Counter(sweep.plan["state"]) == {"ended": 5}


def test_a_job_deleted_at_the_service_is_told_and_the_rest_goes_on(start, tmp_path):
    ws = opened(start("--running", 1))
    request = JobRequest(model="gpt-4.1-nano", training_file=ws.files.upload(read_dataset(EXAMPLES)).id)
    deleted = []

    def show(manifest, _):
        sent = [e.job_id for e in manifest.entries if e.state == "sent"]
        if len(sent) == 3 and not deleted:
            deleted.append(sent[-1])
            ws.jobs.retrieve(sent[-1]).cancel()
            address = f"{ws.endpoint}/openai/fine_tuning/jobs/{sent[-1]}?api-version=2025-04-01-preview"
            ws.client.delete(address, cast_to=object)

    sweep = Sweep(request, {"n_epochs": [8, 9, 10]}, folder=tmp_path / "sweep").run(ws, show=show)

    assert Counter(sweep.plan["state"]) == {"ended": 2, "gone": 1}
    assert len(sweep.runs()) == 2


def test_a_stopped_sweep_cancels_what_runs_and_resumes_with_what_was_planned(start, tmp_path):
    ws = opened(start("--running", 1))
    request = JobRequest(model="gpt-4.1-nano", training_file=ws.files.upload(read_dataset(EXAMPLES)).id)
    sweep = Sweep(request, {"n_epochs": [20, 21, 22, 23]}, folder=tmp_path / "sweep")

    class EnoughError(Exception):
        pass

    def show(manifest, _):
        if manifest.count("sent"):
            raise EnoughError

    with pytest.raises(EnoughError):
        sweep.run(ws, at_once=2, show=show)
    sweep.stop(ws)

    assert Counter(sweep.plan["state"]) == {"ended": 2, "stopped": 2}
    assert Counter(Sweep.open(tmp_path / "sweep").resume(ws).plan["state"]) == {"ended": 4}


def test_the_guard_cancels_what_it_condemns(ws, request_, tmp_path):
    condemned = []

    def guard(snapshot):
        condemned.append(snapshot.job_id)
        return "cancel"

    sweep = Sweep(request_, {"n_epochs": [50]}, folder=tmp_path / "sweep").run(ws, guard=guard)

    assert condemned
    assert [run.status for run in sweep.runs()] == ["cancelled"]


def test_two_processes_cannot_run_one_sweep(ws, request_, tmp_path):
    sweep = Sweep(request_, {"n_epochs": [1, 2]}, folder=tmp_path / "sweep")
    refused = []

    def show(*_):
        for verb in (Sweep.run, Sweep.resume, Sweep.stop):
            with pytest.raises(TunebookError, match="being run already") as error:
                verb(Sweep.open(tmp_path / "sweep"), ws)
            refused.append(error)

    sweep.run(ws, show=show)

    assert refused
    assert sent(ws, sweep) == Counter(sweep.plan["suffix"])


def test_a_sweep_that_another_process_went_on_with_is_taken_up_where_it_is(ws, request_, tmp_path):
    early = Sweep(request_, {"n_epochs": [1, 2]}, folder=tmp_path / "sweep")
    early.manifest.write()
    Sweep.open(tmp_path / "sweep").run(ws)

    early.run(ws)

    assert sent(ws, early) == Counter(early.plan["suffix"])
    assert Counter(early.plan["state"]) == {"ended": 2}


def test_ctrl_c_between_sent_and_noted_sends_nothing_twice(ws, request_, tmp_path, monkeypatch):
    create = ws.jobs.create

    def accepted_and_interrupted(request, **how):
        create(request, **how)
        raise KeyboardInterrupt

    sweep = Sweep(request_, {"n_epochs": [1, 2]}, folder=tmp_path / "sweep")
    with monkeypatch.context() as patch:
        patch.setattr(ws.jobs, "create", accepted_and_interrupted)
        with pytest.raises(KeyboardInterrupt):
            sweep.run(ws)

    sweep.run(ws)

    assert sent(ws, sweep) == Counter(sweep.plan["suffix"])
    assert Counter(sweep.plan["state"]) == {"ended": 2}


def test_a_clock_that_jumps_neither_ends_nor_hurries_a_sweep(start, tmp_path):
    ws = opened(start("--faults", "rate=0.3,kinds=500,seed=5"))
    request = JobRequest(model="gpt-4.1-nano", training_file=ws.files.upload(read_dataset(EXAMPLES)).id, n_epochs=1)
    times = itertools.cycle([1e9, 2e9, 5.0, 1.5e9, -1.0])
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        time.sleep(seconds)

    sweep = Sweep(request, {"batch_size": [1, 2, 3]}, folder=tmp_path / "sweep")
    sweep.run(ws, clock=lambda: next(times), sleep=sleep)

    assert Counter(sweep.plan["state"]) == {"ended": 3}
    assert max(slept) <= 0.2


def test_a_service_that_stays_away_is_given_up_after_a_quarter_of_an_hour_of_own_pauses(start, tmp_path):
    running = start()
    ws = opened(running)
    request = JobRequest(model="gpt-4.1-nano", training_file=ws.files.upload(read_dataset(EXAMPLES)).id, n_epochs=1)
    sweep = Sweep(request, {"batch_size": [1]}, folder=tmp_path / "sweep")
    running.kill()
    ws.client = ws.client.with_options(max_retries=0)
    ws.poll_interval_s = (100.0, 300.0)
    slept = []

    with pytest.raises(openai.APIConnectionError):
        sweep.run(ws, sleep=slept.append)

    assert 900 <= sum(slept) <= 1300


def test_a_quota_that_is_lowered_meanwhile_is_kept_to(ws, request_, tmp_path, monkeypatch):
    create, refusals = ws.jobs.create, []

    def lowered(request, **how):
        if sum(not job.ended for job in ws.jobs.list(limit=100)) >= 1:
            refusals.append(request)
            response = httpx.Response(429, request=httpx.Request("POST", "https://contoso.example"))
            raise openai.RateLimitError("quota", response=response, body={"code": "quotaExceeded"})
        return create(request, **how)

    monkeypatch.setattr(ws.jobs, "create", lowered)

    sweep = Sweep(request_, {"n_epochs": [1, 2, 3]}, folder=tmp_path / "sweep").run(ws)

    assert refusals
    assert Counter(sweep.plan["state"]) == {"ended": 3}


@pytest.mark.parametrize(("status", "kind"), [(401, openai.AuthenticationError), (403, openai.PermissionDeniedError)])
def test_a_key_without_rights_refuses_no_trial(ws, request_, tmp_path, monkeypatch, status, kind):
    def denied(*_, **__):
        response = httpx.Response(status, request=httpx.Request("POST", "https://contoso.example"))
        raise kind("no", response=response, body=None)

    sweep = Sweep(request_, {"n_epochs": [1, 2]}, folder=tmp_path / "sweep")
    with monkeypatch.context() as patch:
        patch.setattr(ws.jobs, "create", denied)
        with pytest.raises(kind):
            sweep.run(ws)
    assert Counter(sweep.plan["state"]) == {"planned": 2}

    assert Counter(sweep.run(ws).plan["state"]) == {"ended": 2}


def test_a_request_the_service_refuses_is_noted_with_its_words_and_the_rest_goes_on(ws, request_, tmp_path):
    settings = [{"n_epochs": 1}, {"n_epochs": 1, "training_file": "file-gone"}]

    sweep = Sweep(request_, settings, folder=tmp_path / "sweep").run(ws)

    assert sweep.plan["state"].tolist() == ["ended", "refused"]
    assert "file-gone" in sweep.manifest.entries[1].note


def test_jobs_the_guard_paused_are_not_waited_for_and_leave_room_for_others(start, tmp_path):
    ws = opened(start("--pace", 0.02))
    request = JobRequest(model="gpt-4.1-nano", training_file=ws.files.upload(read_dataset(EXAMPLES)).id, batch_size=4)
    asked = []

    def guard(snapshot):
        if snapshot.step is not None and snapshot.n_epochs == 50:
            asked.append(snapshot.job_id)
            return "pause"
        return None

    sweep = Sweep(request, {"n_epochs": [50, 1, 2]}, folder=tmp_path / "sweep").run(ws, at_once=1, guard=guard)

    assert asked
    assert sorted(sweep.plan["state"]) == ["ended", "ended", "sent"]
    sweep.stop(ws)
    assert Counter(sweep.plan["state"]) == {"ended": 3}


def test_a_result_file_deleted_at_the_service_keeps_no_job_from_being_archived(ws, request_, tmp_path, monkeypatch):
    def gone(_):
        response = httpx.Response(404, request=httpx.Request("GET", "https://contoso.example"))
        raise openai.NotFoundError("no such file", response=response, body=None)

    monkeypatch.setattr(ws.files, "content", gone)

    sweep = Sweep(request_, {"n_epochs": [1]}, folder=tmp_path / "sweep").run(ws)

    assert Counter(sweep.plan["state"]) == {"ended": 1}
    assert sweep.runs()[0].results is None


def answer(bare):
    """What one bare request comes to."""
    try:
        return bare.get("/openai/v1/fine_tuning/jobs").status_code
    except httpx.TransportError:
        return "dropped"


RUN = """
import sys
from tunebook.experiments import Sweep
from tunebook.service import connect
ws = connect(sys.argv[1], api_key=sys.argv[2], environ={})
ws.poll_interval_s = (0.02, 0.2)
Sweep.open(sys.argv[3]).run(ws, at_once=3)
"""


def test_twelve_jobs_are_each_sent_once_through_faults_and_ten_kills(start, tmp_path):
    running = start("--faults", "rate=0.15,kinds=429,500,disconnect,seed=3", "--pace", 0.2)
    ws = opened(running)
    train = ws.files.upload(read_dataset(EXAMPLES)).id
    folder = tmp_path / "sweep"
    request = JobRequest(model="gpt-4.1-nano", training_file=train, batch_size=4)
    Sweep(request, SPACE, folder=folder).manifest.write()
    draw = random.Random(1)  # noqa: S311 - moments to kill at, not secrets
    command = [sys.executable, "-c", RUN, running.endpoint, running.api_key, str(folder)]

    with running.http() as bare:  # a client that does not try again meets the faults
        assert {answer(bare) for _ in range(150)} == {200, 429, 500, "dropped"}

    for _ in range(10):
        process = subprocess.Popen(command)
        with pytest.raises(subprocess.TimeoutExpired):  # it has not ended: there is still something to interrupt
            process.wait(timeout=draw.uniform(1.2, 2.4))
        process.kill()
        process.wait()
    subprocess.run(command, check=True, timeout=90)

    sweep = Sweep.open(folder)
    suffixes = Counter(job.job.suffix for job in ws.jobs.list(limit=100))
    assert Counter(sweep.plan["state"]) == {"ended": 12}
    assert suffixes == Counter(sweep.plan["suffix"])
    assert len(sweep.runs()) == 12


def test_losers_are_paused_while_they_run_and_the_board_says_why(start, tmp_path):
    ws, said = opened(start()), []
    train, valid = (ws.files.upload(read_dataset(part)).id for part in (EXAMPLES, EXAMPLES[:3]))
    rates = {"learning_rate_multiplier": [2.0, 0.001]}
    files = {"training_file": train, "validation_file": valid}
    base = JobRequest(model="gpt-4.1-nano", **files, n_epochs=30, batch_size=2)

    sweep = Sweep(base, rates, stop_losers=0.05, folder=tmp_path / "sweep").run(ws, at_once=1, say=said.append)

    assert sweep.plan["state"].tolist() == ["ended", "sent"]
    assert "It will hardly beat" in said[0]
    assert "It will hardly beat" in sweep.manifest.entries[1].note
    assert Sweep.open(sweep.folder).manifest.stop_losers == 0.05
    loser = ws.jobs.retrieve(sweep.manifest.entries[1].job_id)
    loser.resume()  # a person says: go on
    sweep.run(ws, say=said.append)
    assert sweep.plan["state"].tolist() == ["ended", "ended"]
    assert len(said) == 1


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_a_share_of_losers_that_is_none_is_refused(request_, tmp_path, share):
    with pytest.raises(RequestError, match="share is"):
        Sweep(request_, {"n_epochs": [1]}, stop_losers=share, folder=tmp_path / "sweep")
