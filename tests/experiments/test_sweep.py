"""A sweep loses no job and sends none twice: through a full queue, faults, deleted jobs, a killed process."""

import random
import subprocess
import sys
from collections import Counter

import pytest

from tunebook.data import read_dataset
from tunebook.errors import RequestError
from tunebook.experiments import Sweep
from tunebook.service import JobRequest, connect

EXAMPLES = [
    {"messages": [{"role": "user", "content": f"Say {n}"}, {"role": "assistant", "content": f"{n} it is."}]}
    for n in range(12)
]
SPACE = {"n_epochs": [1, 2, 3], "learning_rate_multiplier": [0.05, 0.1, 0.2, 0.4]}


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
