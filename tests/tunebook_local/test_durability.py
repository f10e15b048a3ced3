"""kill -9 of the server or of a worker, at random moments, many times: nothing acknowledged is lost.

The jobs end with the same result files, byte for byte, as jobs nobody disturbed.
"""

import json
import random
import signal
import threading
from functools import partial

import psutil

KILLS = 20
# Different answers, so that the losses move; enough steps (at least 10 ms each) to be hit on the way.
TRAIN = [
    {"messages": [{"role": "user", "content": f"What is {n} plus {n}?"}, {"role": "assistant", "content": f"{2 * n}."}]}
    for n in range(20)
]
PAIRS = [
    {
        "input": {"messages": [{"role": "user", "content": f"Number {n}?"}]},
        "preferred_output": [{"role": "assistant", "content": f"It is {n}."}],
        "non_preferred_output": [{"role": "assistant", "content": "No idea."}],
    }
    for n in range(15)
]
SETTINGS = {"n_epochs": 6, "batch_size": 1, "learning_rate_multiplier": 0.05}


def submit(service):
    """One supervised job with a validation file, one of preference pairs."""
    supervised = service.sdk.fine_tuning.jobs.create(
        model="gpt-4.1-mini",
        training_file=service.upload(TRAIN),
        validation_file=service.upload(TRAIN[:4]),
        method={"type": "supervised", "supervised": {"hyperparameters": SETTINGS}},
        seed=5,
    )
    preference = service.sdk.fine_tuning.jobs.create(
        model="gpt-4.1-mini",
        training_file=service.upload(PAIRS),
        method={"type": "dpo", "dpo": {"hyperparameters": SETTINGS}},
        seed=5,
    )
    return [supervised.id, preference.id]


def results(service, job_id):
    job = service.job(job_id)
    return service.sdk.files.content(job.result_files[0]).read() if job.result_files else b""


def new_rows(service, witness):
    return any(len(results(service, job)) > len(witness.rows[job]) for job in witness.jobs)


class Witness:
    """Remembers what the service has said, and holds it to it."""

    def __init__(self, jobs):
        self.jobs = jobs
        self.events = {job: {} for job in jobs}
        self.points = {job: {} for job in jobs}
        self.rows = dict.fromkeys(jobs, b"")
        self.files = {}

    def look(self, service):
        for job in self.jobs:
            said = {event.id: event.message for event in service.sdk.fine_tuning.jobs.list_events(job, limit=100)}
            assert self.events[job].items() <= said.items()
            self.events[job] = said
            points = {point.step_number: point.id for point in service.sdk.fine_tuning.jobs.checkpoints.list(job)}
            kept = sorted(self.points[job].keys() | points.keys())[-3:]
            assert points == {step: (self.points[job] | points)[step] for step in kept}
            self.points[job] = points
            rows = results(service, job)
            assert rows.startswith(self.rows[job])
            self.rows[job] = rows
        for name, content in self.files.items():
            assert service.sdk.files.content(name).read() == content

    def upload_until_it_dies(self, service, salt):
        """Upload small files as fast as it goes; those that were acknowledged are remembered."""
        with service.http() as http:
            for number in range(1000):
                content = json.dumps({"salt": salt, "number": number}).encode() * 50
                try:
                    reply = http.post(
                        "/openai/v1/files", data={"purpose": "assistants"}, files={"file": ("f", content)}
                    )
                except Exception:  # it died
                    return
                if reply.status_code == 200:
                    self.files[reply.json()["id"]] = content


def kill_something(service, chance, witness, salt):
    """kill -9 a worker, or the server in the middle of uploads; whether the server is gone."""
    workers = psutil.Process(service.process.pid).children()
    if workers and chance.random() < 0.5:
        victim = chance.choice(workers)
        victim.send_signal(signal.SIGKILL)
        return False
    uploads = threading.Thread(target=witness.upload_until_it_dies, args=[service, salt])
    uploads.start()
    uploads.join(chance.uniform(0.0, 0.1))
    service.kill()
    uploads.join(20)
    return True


def test_killed_at_random_moments_nothing_acknowledged_is_lost(start, until, tmp_path):
    chance = random.Random(11)  # noqa: S311 - chance, not secrecy
    calm = start(state=tmp_path / "calm")
    undisturbed = [results(calm, calm.ended(job, within=60).id) for job in submit(calm)]
    calm.stop()

    state, options = tmp_path / "shaken", ("--limit", "files_per_resource=100000", "--pace", "0.02")
    service = start(*options, state=state)
    jobs = submit(service)
    witness = Witness(jobs)
    for kill in range(KILLS):
        if kill % 3 == 0:  # let it get somewhere: the others may hit it before its first new step
            until(partial(new_rows, service, witness))
        if kill_something(service, chance, witness, kill):
            service = start(*options, state=state)
        threading.Event().wait(chance.uniform(0.0, 0.25))
        witness.look(service)
    assert any(service.job(job).status == "running" for job in jobs)

    service.kill()
    service = start(*options[:2], state=state)  # at full speed now
    ended = [service.ended(job, within=60) for job in jobs]
    witness.look(service)
    assert [job.status for job in ended] == ["succeeded", "succeeded"]
    assert [results(service, job) for job in jobs] == undisturbed
    assert list((state / "incoming").iterdir()) == []
    leftovers = [path.name for job in jobs for path in (state / "jobs" / job).glob("state-*")]
    assert leftovers == []


def test_a_state_that_cannot_be_read_costs_time_and_nothing_else(start, tmp_path, until):
    state = tmp_path / "state"
    request = {"model": "gpt-4.1-mini", "hyperparameters": {"n_epochs": 2, "batch_size": 1}, "seed": 1}
    first = start("--pace", "0.02", state=state)
    job = first.sdk.fine_tuning.jobs.create(training_file=first.upload(TRAIN), **request).id
    saved = until(lambda: list((state / "jobs" / job).glob("state-*.npz")))
    first.kill()
    for each in [*saved, *(state / "jobs" / job).glob("state-*.npz")]:
        each.write_bytes(b"rubbish")
    second = start(state=state)
    whole = second.sdk.fine_tuning.jobs.create(training_file=second.job(job).training_file, **request).id

    assert [second.ended(each).status for each in (job, whole)] == ["succeeded", "succeeded"]
    assert results(second, job) == results(second, whole)


def test_a_stopped_service_goes_on_where_it_was(start, tmp_path, until):
    state = tmp_path / "state"
    first = start("--pace", "0.02", state=state)
    job = first.sdk.fine_tuning.jobs.create(
        model="gpt-4.1-mini",
        training_file=first.upload(TRAIN),
        hyperparameters={"n_epochs": 5, "batch_size": 1},
        seed=1,
    ).id
    until(lambda: results(first, job).count(b"\n") > 12)
    first.stop()
    second = start("--pace", "0.02", state=state)
    until(lambda: second.job(job).status == "running" and second.sdk.fine_tuning.jobs.pause(job))
    until(lambda: second.job(job).status == "paused")
    second.kill()
    second = start(state=state)
    second.sdk.fine_tuning.jobs.resume(job)

    assert second.ended(job).status == "succeeded"
    log = (state / "jobs" / job / "worker.log").read_text()
    assert log == ""
    resumed = [event.message for event in second.sdk.fine_tuning.jobs.list_events(job)]
    assert resumed.count("Training started.") == 1
