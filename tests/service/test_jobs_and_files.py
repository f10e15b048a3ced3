"""The door against the real service over HTTP: upload, create, follow, results, errors."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from tunebook.analysis import Run
from tunebook.data import read_dataset
from tunebook.errors import DataError, JobNotFinished, RequestError, ServiceError
from tunebook.service import JobRequest, connect, follow
from tunebook.service.jobs import Job, as_json

EXAMPLES = [
    {"messages": [{"role": "user", "content": f"Say {n}"}, {"role": "assistant", "content": f"{n} it is."}]}
    for n in range(12)
]


@pytest.fixture(scope="session")
def finished(service):
    """One small job, trained to its end with a validation file, and its workspace."""
    ws = connect(service.endpoint, api_key=service.api_key, environ={})
    ws.poll_interval_s = (0.02, 0.2)
    train, valid = (ws.files.upload(read_dataset(part)).id for part in (EXAMPLES, EXAMPLES[:4]))
    request = JobRequest(
        model="gpt-4.1-nano",
        training_file=train,
        validation_file=valid,
        n_epochs=2,
        batch_size=3,
        seed=1,
        suffix="tiny",
    )
    return ws.jobs.create(request).wait(timeout_s=60)


def test_an_uploaded_dataset_is_processed_and_starts_with_a_byte_order_mark(ws):
    sent = []

    file = ws.files.upload(read_dataset(EXAMPLES), name="mine.jsonl", progress=lambda *told: sent.append(told))

    assert (file.status, file.filename) == ("processed", "mine.jsonl")
    assert sent[-1] == (file.bytes, file.bytes)
    assert ws.files.content(file.id).startswith(b"\xef\xbb\xbf{")


def test_a_missing_file_is_named(ws, tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.jsonl"):
        ws.files.upload(tmp_path / "nowhere.jsonl")


def test_a_file_the_service_refuses_says_so(ws, tmp_path):
    (tmp_path / "prose.jsonl").write_text("not json\n" * 12)

    with pytest.raises(DataError, match=r"prose\.jsonl .* refused"):
        ws.files.upload(tmp_path / "prose.jsonl")


def test_a_deleted_file_is_gone(ws):
    file = ws.files.upload(read_dataset(EXAMPLES))

    ws.files.delete(file.id)

    assert file.id not in {listed.id for listed in ws.files.list()}


def test_a_finished_job_has_results_events_and_checkpoints(finished):
    run = finished.run()

    assert finished.status == "succeeded"
    assert run.results.frame["step"].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert run.results.frame["full_valid_loss"].notna().sum() == 2
    assert [c["step_number"] for c in run.checkpoints] == [4, 8]
    assert run.events[-1]["message"].startswith("Training tokens billed")
    assert run.hyperparameters == {"n_epochs": 2, "batch_size": 3, "learning_rate_multiplier": 0.1}
    assert finished.differences == ()


def test_events_after_one_that_is_known_are_only_the_later_ones(finished):
    events = finished.events()

    assert [e.id for e in finished.events(after=events[-3].id)] == [e.id for e in events[-2:]]


def test_a_request_the_service_would_refuse_is_not_sent(ws):
    before = len(ws.jobs.list(limit=100))

    with pytest.raises(RequestError, match="suffix"):
        ws.jobs.create(JobRequest(model="gpt-4.1-nano", training_file="file-1", suffix="no dots."))

    assert len(ws.jobs.list(limit=100)) == before


SAY_THREE = {
    "type": "string_check",
    "name": "three",
    "operation": "eq",
    "input": "{{sample.output_text}}",
    "reference": "3",
}
ASKED = [{"messages": [{"role": "user", "content": f"Say {n}"}]} for n in range(12)]
PAIRS = [
    {"input": {"messages": [{"role": "user", "content": f"Say {n}"}]}}
    | {f"{kind}_output": [{"role": "assistant", "content": f"{n} {kind}"}] for kind in ("preferred", "non_preferred")}
    for n in range(12)
]


@pytest.mark.parametrize(
    ("examples", "settings"),
    [
        (PAIRS, {"model": "gpt-4.1-mini", "method": "dpo", "beta": 0.3, "l2_multiplier": 0.1}),
        (
            ASKED,
            {"model": "o4-mini", "method": "reinforcement", "grader": SAY_THREE, "reasoning_effort": "low"}
            | {"compute_multiplier": 0.5, "eval_interval": 2, "eval_samples": 2},
        ),
    ],
    ids=["dpo", "reinforcement"],
)
def test_the_settings_of_a_method_are_accepted_as_they_were_asked(ws, examples, settings):
    file = ws.files.upload(read_dataset(examples)).id
    request = JobRequest(training_file=file, validation_file=file, n_epochs=1, **settings)

    job = ws.jobs.create(request)

    accepted = Run(job=as_json(job.job)).hyperparameters
    assert {name: accepted[name] for name in request.hyperparameters} == request.hyperparameters
    assert job.differences == ()
    job.cancel()


def test_an_unknown_model_is_refused_in_the_services_words(ws, finished):
    with pytest.raises(openai.BadRequestError, match="gpt-9"):
        ws.jobs.create(JobRequest(model="gpt-9", training_file=finished.job.training_file))


@pytest.fixture
def waiting_job(start):
    """A job that cannot start because another holds the only place, and the service it waits at."""
    running = start("--running", 1, "--pace", 0.05)
    ws = connect(running.endpoint, api_key=running.api_key, environ={})
    file = ws.files.upload(read_dataset(EXAMPLES))
    ws.jobs.create(JobRequest(model="gpt-4.1-nano", training_file=file.id, batch_size=1, n_epochs=50))
    return ws.jobs.create(JobRequest(model="gpt-4.1-nano", training_file=file.id)), running


def test_a_job_without_a_first_step_has_no_results_yet(waiting_job):
    job, _ = waiting_job

    with pytest.raises(JobNotFinished, match=job.id):
        job.results()
    assert job.cancel().ended


def test_following_ends_with_the_last_job_and_pictures_tell_step_and_epoch(finished):
    ws = finished.workspace
    pictures = [dict(tick) for tick in follow(ws, [finished.id], n_train=12, sleep=lambda _: None)]

    last = pictures[-1][finished.id]
    assert (last.ended, last.step, last.total_steps, last.epoch) == (True, 8, 8, 2.0)
    assert last.status_text == "Done. The model and its checkpoints can be deployed."


def test_watched_waits_without_holding_the_event_loop(finished):
    watched = finished.workspace.jobs.retrieve(finished.id).watched(timeout_s=30)
    with ThreadPoolExecutor(1) as aside:  # Playwright, where it ran before, keeps a loop running in this thread
        job = aside.submit(asyncio.run, watched).result()

    assert job.status == "succeeded"


def test_what_the_service_accepted_otherwise_than_asked_is_told(finished):
    asked = JobRequest(model="gpt-4.1-nano", training_file="file-1", n_epochs=4, batch_size=3, suffix="tiny", seed=1)

    assert Job(finished.workspace, finished.job, asked=asked).differences == (
        "n_epochs: asked for 4, the service accepted 2.",
    )


def test_a_wrong_key_is_the_sdks_own_error(service):
    ws = connect(service.endpoint, api_key="wrong", environ={})

    with pytest.raises(openai.AuthenticationError):
        ws.jobs.list()


def test_an_unreachable_service_keeps_the_last_picture_and_says_since_when(waiting_job):
    job, running = waiting_job
    ws = job.workspace
    ws.client = ws.client.with_options(max_retries=0)
    clock = iter([100.0, 107.0])
    ticks = follow(ws, [job.id], sleep=lambda _: running.kill(), clock=lambda: next(clock))

    first, second = (dict(next(ticks))[job.id] for _ in range(2))

    assert (first.stale_since, second.stale_since) == (None, 107.0)
    assert (second.status, second.read_at) == ("pending", 100.0)
    assert second.problem.startswith("the embedded service has ended, or came back elsewhere")


def test_the_embedded_service_is_started_once_and_found_again(tmp_path):
    said = []

    first = connect(state=tmp_path, environ={}, say=said.append)
    second = connect("local", state=tmp_path, environ={}, say=said.append)

    assert first.endpoint == second.endpoint
    assert len(said) == 1
    assert "embedded service" in said[0]
    assert first.client.api_key not in repr(first) + first._repr_html_() + said[0]


def test_a_state_folder_that_cannot_be_written_is_named(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("here is no folder")

    with pytest.raises(ServiceError, match="TUNEBOOK_STATE"):
        connect("local", state=blocked / "state")
