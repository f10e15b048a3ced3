"""A job paused, resumed, cancelled, deleted: with the clock in the test's hand, step by step."""

import time

import openai
import pytest

MODEL = "gpt-4.1-mini"


class Stepped:
    """A service whose time stands still until the test moves it; a training step takes one second of it."""

    def __init__(self, folder, start, *options):
        self._file = folder / "now"
        self._now = 1_000_000.0
        self._write()
        self.service = start("--clock", self._file, "--pace", 1, *options, state=folder / "state")

    def _write(self):
        new = self._file.with_name("next")
        new.write_text(str(self._now))
        new.replace(self._file)

    def tick_until(self, condition):
        """Let a second pass, and another, until the condition holds."""
        deadline = time.monotonic() + 40
        while not condition():
            assert time.monotonic() < deadline
            self._now += 1
            self._write()
            time.sleep(0.01)  # the service is another process: it takes real time to notice

    def status(self, job):
        return self.service.job(job).status

    def steps(self, job):
        files = self.service.job(job).result_files
        return self.service.sdk.files.content(files[0]).read().count(b"\n") - 1 if files else 0

    def upload(self):
        client = self.service.sdk
        lines = b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n' * 10
        file = client.files.create(file=("f.jsonl", lines), purpose="fine-tune")
        assert client.files.retrieve(file.id).status == "pending"
        self.tick_until(lambda: client.files.retrieve(file.id).status == "processed")
        return file.id

    def job(self, n_epochs=3, **more):
        return self.service.sdk.fine_tuning.jobs.create(
            model=MODEL, training_file=self.upload(), hyperparameters={"n_epochs": n_epochs, "batch_size": 5}, **more
        ).id


@pytest.fixture(scope="module")
def stepped(start_for_module, tmp_path_factory):
    return Stepped(tmp_path_factory.mktemp("stepped"), start_for_module)


def test_a_job_pauses_with_a_checkpoint_resumes_and_ends_as_if_it_had_not_paused(stepped):
    sdk = stepped.service.sdk.fine_tuning.jobs
    job = stepped.job(seed=3)
    stepped.tick_until(lambda: stepped.steps(job) >= 2)
    assert sdk.pause(job).status == "pausing"
    stepped.tick_until(lambda: stepped.status(job) == "paused")
    paused_at = stepped.steps(job)
    points = [point.step_number for point in sdk.checkpoints.list(job)]
    assert points[0] == paused_at  # what can be deployed is what was trained, to the step

    with pytest.raises(openai.BadRequestError, match="is paused: it can be asked to pause only while running"):
        sdk.pause(job)
    assert sdk.resume(job).status == "resuming"
    stepped.tick_until(lambda: stepped.status(job) == "succeeded")
    untouched = stepped.job(seed=3)
    stepped.tick_until(lambda: stepped.status(untouched) == "succeeded")

    texts = [
        stepped.service.sdk.files.content(stepped.service.job(each).result_files[0]).read() for each in (job, untouched)
    ]
    assert texts[0] == texts[1]
    told = [event.message for event in sdk.list_events(job)][::-1]
    assert [m for m in told if m in ("Job pausing.", "Job paused.", "Job resuming.", "Job resumed.")] == [
        "Job pausing.",
        "Job paused.",
        "Job resuming.",
        "Job resumed.",
    ]
    assert len([m for m in told if m.startswith("Step 1:")]) == 1


def test_a_waiting_job_cannot_be_paused(stepped):
    job = stepped.job()
    with pytest.raises(openai.BadRequestError, match="is pending: it can be asked to pause only while running"):
        stepped.service.sdk.fine_tuning.jobs.pause(job)


def test_a_cancelled_job_stops_and_keeps_what_it_has_trained(stepped, until):
    job = stepped.job(n_epochs=40)
    stepped.tick_until(lambda: stepped.steps(job) >= 1)
    cancelled = stepped.service.sdk.fine_tuning.jobs.cancel(job)

    assert (cancelled.status, cancelled.fine_tuned_model) == ("cancelled", None)
    assert cancelled.finished_at is not None
    until(lambda: not list((stepped.service.state / "jobs" / job).glob("state-*")))
    assert 1 <= stepped.steps(job) < 80


def test_while_it_runs_a_job_says_when_it_will_end_by_its_measured_speed(stepped):
    job = stepped.job(n_epochs=40)
    assert stepped.service.job(job).estimated_finish is None  # nothing is measured yet
    stepped.tick_until(lambda: stepped.steps(job) >= 3)
    running = stepped.service.job(job)
    left = 80 - stepped.steps(job)

    assert running.estimated_finish >= running.created_at + left  # a step takes a second at this pace
    stepped.service.sdk.fine_tuning.jobs.cancel(job)


def test_an_ended_job_is_deleted_on_the_dated_addresses(stepped):
    job = stepped.job(n_epochs=1)
    with stepped.service.http() as http:
        address = f"/openai/fine_tuning/jobs/{job}?api-version=2024-10-21"
        refused = http.delete(address)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "unexpectedEntityState")
        stepped.tick_until(lambda: stepped.status(job) == "succeeded")
        result = stepped.service.job(job).result_files[0]
        assert http.delete(f"/openai/v1/fine_tuning/jobs/{job}").status_code in (404, 405)
        assert (http.delete(address).status_code, http.delete(address).status_code) == (204, 404)
    assert stepped.service.sdk.files.content(result).read().startswith(b"step,")
    assert not (stepped.service.state / "jobs" / job).exists()


def test_as_many_jobs_run_at_once_as_the_quota_of_their_pool_allows(start, tmp_path):
    stepped = Stepped(tmp_path, start, "--limit", "running_jobs=1", "--limit", "running_jobs_developer=1")
    file = stepped.upload()

    def job(tier):
        return stepped.service.sdk.fine_tuning.jobs.create(
            model=MODEL,
            training_file=file,
            hyperparameters={"n_epochs": 50},
            extra_body={"trainingType": tier},
        ).id

    first, second, third, developer = job("standard"), job("globalStandard"), job("standard"), job("developerTier")
    stepped.tick_until(lambda: stepped.status(first) == stepped.status(developer) == "running")
    assert (stepped.status(second), stepped.status(third)) == ("pending", "pending")
    stepped.service.sdk.fine_tuning.jobs.cancel(first)
    stepped.tick_until(lambda: stepped.status(second) == "running")
    assert stepped.status(third) == "pending"


def test_a_full_queue_refuses_the_next_job(start, tmp_path):
    stepped = Stepped(tmp_path, start, "--limit", "queued_jobs=1", "--running", "1")
    file = stepped.upload()
    create = stepped.service.client(max_retries=0).fine_tuning.jobs.create
    running = create(model=MODEL, training_file=file, hyperparameters={"n_epochs": 50}).id
    stepped.tick_until(lambda: stepped.status(running) == "running")
    create(model=MODEL, training_file=file)

    with pytest.raises(openai.BadRequestError, match="1 jobs are queued") as refused:
        create(model=MODEL, training_file=file)
    assert refused.value.code == "quotaExceeded"


def test_a_training_file_deleted_while_its_job_waits_is_still_trained_on(stepped, until):
    file = stepped.upload()
    job = stepped.service.sdk.fine_tuning.jobs.create(
        model=MODEL, training_file=file, hyperparameters={"n_epochs": 1, "batch_size": 5}
    ).id
    before = set((stepped.service.state / "blobs").iterdir())
    stepped.service.sdk.files.delete(file)
    stepped.tick_until(lambda: stepped.status(job) == "succeeded")

    until(lambda: len(before - set((stepped.service.state / "blobs").iterdir())) == 1)
