"""What tests of several rooms share: the embedded service in a process of its own, and a workspace at it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pytest

EXAMPLE = {"messages": [{"role": "user", "content": "How many?"}, {"role": "assistant", "content": "Three of them."}]}
ENDED = ("succeeded", "failed", "cancelled")
_GRACE_S = 30  # on a busy machine
RUN = "TUNEBOOK_TEST_RUN"  # in the environment of every process that these tests start


def pytest_configure():
    os.environ[RUN] = uuid.uuid4().hex
    os.environ["TUNEBOOK_STATE"] = tempfile.mkdtemp(prefix="tunebook-tests-")  # without what a person keeps there


def pytest_sessionfinish():
    """Each test ends what it started. What still runs is named and ended: the notebooks' service lives on by design."""
    for process in left_services(os.environ[RUN]):
        print(f"\nleft running: {' '.join(process.cmdline())} (process {process.pid})", file=sys.stderr)
        process.kill()
    shutil.rmtree(os.environ["TUNEBOOK_STATE"], ignore_errors=True)


def left_services(run):
    """Embedded services and their workers that processes of this run have started and nobody has ended."""
    import psutil

    found = [process for process in psutil.process_iter() if is_ours(process, run)]
    return psutil.wait_procs(found, timeout=_GRACE_S)[1]  # a worker ends a moment after its server


def is_ours(process, run):
    import psutil

    try:
        return process.environ().get(RUN) == run and any("tunebook_local" in word for word in process.cmdline())
    except psutil.Error:
        return False


@pytest.fixture(autouse=True)
def no_service_outlives_its_test(request):
    """The kit starts a service and lets it live on: one in a test's own folder ends with the test."""
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    records = [] if folder is None else [*folder.glob("service.json"), *folder.glob("*/service.json")]
    for record in records:
        import psutil

        with suppress(psutil.NoSuchProcess, ValueError, KeyError, OSError):
            process = psutil.Process(json.loads(record.read_text())["pid"])
            if is_ours(process, os.environ[RUN]):
                process.terminate()
                process.wait(20)


@dataclass
class Running:
    """A running service: where it is, its key, its state folder, and the process itself."""

    endpoint: str
    api_key: str = field(repr=False)
    state: Path
    process: subprocess.Popen = field(repr=False)

    @cached_property
    def sdk(self):
        """An openai client that is made once: making one takes longer than a request."""
        return self.client()

    def client(self, **options):
        """An openai client, as anyone would make it."""
        from openai import OpenAI

        return OpenAI(base_url=f"{self.endpoint}/openai/v1/", api_key=self.api_key, **options)

    def dated_client(self, version="2025-04-01-preview", **options):
        """One for the dated addresses."""
        from openai import AzureOpenAI

        return AzureOpenAI(azure_endpoint=self.endpoint, api_key=self.api_key, api_version=version, **options)

    def http(self, **options):
        """A bare HTTP client that sends the key."""
        import httpx

        options.setdefault("headers", {"api-key": self.api_key})
        return httpx.Client(base_url=self.endpoint, timeout=30, trust_env=False, **options)

    def upload(self, examples=None, *, count=12, name="train.jsonl"):
        """Upload examples (or `count` tiny ones) and wait until the file is processed; its id."""
        content = b"".join(json.dumps(each).encode() + b"\n" for each in examples or [EXAMPLE] * count)
        file = self.sdk.files.create(file=(name, content), purpose="fine-tune")
        return self.sdk.files.wait_for_processing(file.id, poll_interval=0.02, max_wait_seconds=20).id

    def job(self, job_id):
        """The job as it is now."""
        return self.sdk.fine_tuning.jobs.retrieve(job_id)

    def ended(self, job_id, *, within=30.0):
        """The job once it has ended."""
        return until(lambda: (job := self.job(job_id)).status in ENDED and job, within=within)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    def kill(self):
        self.process.kill()
        self.process.wait(20)


def until(condition, *, within=30.0):
    """Ask again and again until the answer is true; the answer. Another process is watched: it takes real time."""
    deadline = time.monotonic() + within
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"still not so after {within} s"
        time.sleep(0.02)


def start_service(state, *options):
    """Start `python -m tunebook_local` on this folder and wait for its line."""
    command = [sys.executable, "-m", "tunebook_local", "--state", str(state), "--json", *map(str, options)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    line = process.stdout.readline()
    process.stdout.close()
    if not line:
        raise RuntimeError(f"the service did not start: exit code {process.wait(5)}")
    record = json.loads(line)
    return Running(record["endpoint"], record["api_key"], Path(state), process)


@pytest.fixture(scope="session")
def service():
    """One service for all tests that need nothing special: azure dialect, as fast as it can, large quotas."""
    state = tempfile.mkdtemp(prefix="tunebook-test-")
    roomy = [f"--limit={name}=100000" for name in ("jobs_per_resource", "queued_jobs", "files_per_resource")]
    running = start_service(state, "--idle", 600, *roomy)
    yield running
    running.stop()
    shutil.rmtree(state, ignore_errors=True)


@pytest.fixture(name="until")
def waiting():
    """`until(condition)`: ask until the answer is true."""
    return until


@pytest.fixture
def start(tmp_path):
    """Start services with options of one's own; all are stopped at the end."""
    yield from starting(tmp_path)


@pytest.fixture(scope="module")
def start_once(tmp_path_factory):
    """The same, for services that the tests of one module share."""
    yield from starting(tmp_path_factory.mktemp("module"))


def starting(folder):
    started = []

    def begin(*options, state=None):
        started.append(start_service(state or folder / "state", *options))
        return started[-1]

    yield begin
    for running in started:
        if running.process.poll() is None:
            running.kill()


@pytest.fixture
def ws(service):
    """A workspace at the embedded service that looks at its jobs often."""
    from tunebook.service import connect

    workspace = connect(service.endpoint, api_key=service.api_key, environ={})
    workspace.poll_interval_s = (0.02, 0.2)
    return workspace


@dataclass
class Step:
    """What goes wrong: `times` requests with this method and this text in their path, after the first `after` ones."""

    method: str
    path: str
    status: int
    body: object
    times: int = 1
    after: int = 0


class Detour:
    """A way to the embedded service on which single requests go wrong, as `steps` say; the others are passed on.

    `seen` lists (method, path) of all of them.
    """

    def __init__(self, endpoint):
        import http.client
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

        detour, target = self, endpoint.removeprefix("http://")
        self.steps, self.seen, self._lock = [], [], threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                content = self.rfile.read(int(self.headers.get("content-length") or 0))
                step = detour.step(self.command, self.path)
                if step is not None:
                    status, kind, body = step.status, "application/json", json.dumps(step.body).encode()
                    headers = []
                else:
                    passed = http.client.HTTPConnection(target, timeout=30)
                    passed.request(self.command, self.path, content, dict(self.headers))
                    reply = passed.getresponse()
                    status, kind, body = reply.status, reply.getheader("content-type", ""), reply.read()
                    own = ("content-length", "content-type", "transfer-encoding", "connection", "date", "server")
                    headers = [(name, value) for name, value in reply.getheaders() if name.lower() not in own]
                    passed.close()
                self.send_response(status)
                for name, value in [("content-type", kind), ("content-length", str(len(body))), *headers]:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - http.server's names

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def step(self, method, path):
        with self._lock:
            self.seen.append((method, path))
            for step in self.steps:
                if step.times and step.method == method and step.path in path:
                    if step.after:
                        step.after -= 1
                        continue
                    step.times -= 1
                    return step
        return None

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class Mishap:
    """`mishap(method, path, status, body, times=1, after=0)` adds a `Step`; `ws` is a workspace on the detour."""

    def __init__(self, service):
        self.ws = self.to(service)

    def __call__(self, *args, **more):
        self._detour.steps.append(Step(*args, **more))

    def to(self, running):
        """A workspace with a detour to another service."""
        from tunebook.service import connect

        self.close()
        self._detour = Detour(running.endpoint)
        workspace = connect(self._detour.endpoint, api_key=running.api_key, environ={})
        workspace.poll_interval_s = (0.02, 0.05)
        return workspace

    @property
    def seen(self):
        return self._detour.seen

    def close(self):
        if hasattr(self, "_detour"):
            self._detour.close()


@pytest.fixture
def mishap(service):
    """What goes wrong on the way to the embedded service."""
    begun = Mishap(service)
    yield begun
    begun.close()


@pytest.fixture(scope="session")
def tuned(service):
    """A finished job with two checkpoints, trained on a handful of colours: (id, training file, validation file)."""
    colours = ["red", "blue", "green", "black", "white", "pink", "grey", "brown", "gold", "teal", "plum", "sand"]
    examples = [
        {"messages": [{"role": "user", "content": f"Say {c}"}, {"role": "assistant", "content": f"{c}!"}]}
        for c in colours
    ]
    train, valid = service.upload(examples), service.upload(examples[:4], name="valid.jsonl")
    job = service.sdk.fine_tuning.jobs.create(
        model="gpt-4.1-nano",
        training_file=train,
        validation_file=valid,
        seed=1,
        suffix="colours",
        hyperparameters={"n_epochs": 2, "batch_size": 4},
    )
    assert service.ended(job.id).status == "succeeded"
    return job.id, train, valid


@pytest.fixture(scope="session")
def pair(service, tuned):
    """Names of two deployments at the embedded service: the base model, and the one that learned the colours."""
    from tunebook.service import connect

    ws = connect(service.endpoint, api_key=service.api_key, environ={})
    ws.poll_interval_s = (0.02, 0.1)
    ws.deployments.create("gpt-4.1-nano", name="colours-base", say=str)
    ws.deployments.create(ws.jobs.retrieve(tuned[0]), name="colours-tuned", say=str)
    return "colours-base", "colours-tuned"


def measurements(low, rise, *, steps=120):
    """A result file: the loss falls to `low`, and from a third of the way rises by the fraction `rise`."""
    import numpy as np
    import pandas as pd

    step = np.arange(1, steps + 1)
    noise = np.random.default_rng(0)
    valid = low * (1 + 2 * np.exp(-step / 8) + rise * np.maximum(step / steps - 1 / 3, 0) * 1.5)
    frame = pd.DataFrame({"step": step, "train_loss": 0.2 + 1.5 * np.exp(-step / 20)})
    frame["valid_loss"] = valid * np.exp(noise.normal(0, 0.01, steps))
    frame["train_mean_token_accuracy"], frame["valid_mean_token_accuracy"] = 0.9, 0.85
    return frame.to_csv(index=False)


def write_run(folder, suffix, *, n_epochs, multiplier, low, rise):
    """A run folder, as `tb.archive` leaves it."""
    home = folder / f"ftjob-{suffix}"
    home.mkdir(parents=True)
    settings = {"n_epochs": n_epochs, "batch_size": 4, "learning_rate_multiplier": multiplier}
    per_epoch = 120 // n_epochs
    name = f"gpt-4.1-nano-2025-04-14.ft-{suffix}"
    job = {
        "id": home.name,
        "model": "gpt-4.1-nano-2025-04-14",
        "suffix": suffix,
        "status": "succeeded",
        "seed": 1,
        "training_file": "file-train",
        "validation_file": "file-valid",
        "created_at": 1_790_000_000,
        "finished_at": 1_790_000_600,
        "trained_tokens": 60_000 * n_epochs,
        "fine_tuned_model": name,
        "method": {"type": "supervised", "supervised": {"hyperparameters": settings}},
    }
    kept = [
        {"step_number": at, "fine_tuned_model_checkpoint": name if at == 120 else f"{name}:ckpt-step-{at}"}
        for at in range(per_epoch, 121, per_epoch)
    ][-3:]
    (home / "job.json").write_text(json.dumps(job))
    (home / "checkpoints.json").write_text(json.dumps(kept))
    (home / "results.csv").write_text(measurements(low, rise))


@pytest.fixture(scope="session")
def run_folders(tmp_path_factory):
    """A folder of four archived jobs with known curves: `long` overfits, `calm` is the best."""
    folder = tmp_path_factory.mktemp("archive") / "runs"
    write_run(folder, "calm", n_epochs=3, multiplier=0.1, low=0.40, rise=0.0)
    write_run(folder, "hasty", n_epochs=3, multiplier=0.4, low=0.55, rise=0.0)
    write_run(folder, "long", n_epochs=6, multiplier=0.1, low=0.42, rise=0.6)
    write_run(folder, "short", n_epochs=2, multiplier=0.2, low=0.48, rise=0.0)
    return folder


@pytest.fixture
def at_a_terminal():
    """Type an answer to the command's question as a person does: (exit code, what the terminal showed)."""
    pty = pytest.importorskip("pty", reason="no such terminals on Windows")

    def run(arguments, environ, *, types):
        child, terminal = pty.fork()
        if child == 0:
            os.execve(sys.executable, [sys.executable, "-m", "tunebook", *arguments], environ)  # noqa: S606
        shown = b""
        while b"[y/N]" not in shown:
            shown += os.read(terminal, 1000)
        os.write(terminal, types.encode())
        with suppress(OSError):  # the command has ended
            while more := os.read(terminal, 1000):
                shown += more
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode()

    return run
