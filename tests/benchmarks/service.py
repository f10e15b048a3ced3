"""How fast and how light the embedded service is: `python tests/benchmarks/service.py [--quick | --soak [MINUTES]]`.

Measures, against a real process over HTTP:

    start           seconds from the command to its line
    memory          resident MB of the server at rest, after its first job, and of a worker while it trains
    requests        job retrieves per second of one client and of ten, nothing training
    crowd           p50/p99 of a job retrieve: 50 jobs queued, 10 clients 20 times a second each, two jobs training
    overhead        training tokens per second of a job over HTTP next to the trainer called in a loop on the same
                    batches, nothing else: what rows, events, checkpoints, saved states and the process cost

    --soak          twenty minutes (or so many) of everything at once: 20 pollers, uploads, training, deletes, wrong
                    keys, half-open connections, imports from a server that misbehaves; memory, descriptors and the
                    log of the first and the last fifth of it, and p99 of a retrieve

Ten clients in one process would measure that process: each client is one of its own.
"""

import argparse
import http.client
import json
import multiprocessing
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil

KEY = "benchmark"
CLIENTS, RATE = 10, 20  # as many clients, each as often a second


class Caller:
    """One kept-open connection."""

    def __init__(self, endpoint):
        self._line = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=60)

    def __call__(self, method, path, body=None, kind="application/json"):
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        self._line.request(method, path, data, {"api-key": KEY, "content-type": kind})
        reply = self._line.getresponse()
        content = reply.read()
        if reply.status >= 300:
            raise RuntimeError(f"{method} {path}: {reply.status} {content[:200]!r}")
        return content

    def json(self, *arguments, **options):
        return json.loads(self(*arguments, **options))


@contextmanager
def serving(*options):
    """A fresh service; (endpoint, process, seconds it took to answer)."""
    with tempfile.TemporaryDirectory() as state:
        began = time.perf_counter()
        command = [sys.executable, "-m", "tunebook_local", "--state", state, "--key", KEY, "--json", *options]
        with (Path(state) / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        endpoint = json.loads(process.stdout.readline())["endpoint"]
        try:
            yield endpoint, psutil.Process(process.pid), time.perf_counter() - began
        finally:
            process.terminate()
            process.wait(30)


def examples(count):
    """Question and answer pairs, each different."""
    for n in range(count):
        question = {"role": "user", "content": f"What is the square of {n}, and of {n + 1}?"}
        yield {"messages": [question, {"role": "assistant", "content": f"They are {n * n} and {(n + 1) ** 2}."}]}


def upload(call, count):
    lines = b"".join(json.dumps(example).encode() + b"\n" for example in examples(count))
    head = b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n--b\r\n'
    head += b'Content-Disposition: form-data; name="file"; filename="f.jsonl"\r\n\r\n'
    form = head + lines + b"\r\n--b--\r\n"
    file = call.json("POST", "/openai/v1/files", form, kind="multipart/form-data; boundary=b")["id"]
    while call.json("GET", f"/openai/v1/files/{file}")["status"] != "processed":
        time.sleep(0.01)
    return file


def submit(call, file, **settings):
    body = {"model": "gpt-4.1-mini", "training_file": file, "hyperparameters": settings, "seed": 1}
    return call.json("POST", "/openai/v1/fine_tuning/jobs", body)["id"]


def ended(call, job):
    while True:
        found = call.json("GET", f"/openai/v1/fine_tuning/jobs/{job}")
        if found["status"] in ("succeeded", "failed", "cancelled"):
            return found
        time.sleep(0.05)


def megabytes(process):
    return process.memory_info().rss / 2**20


# -- requests ---------------------------------------------------------------------------------------------


def ask_flat_out(endpoint, path, seconds, answers):
    call, count, until = Caller(endpoint), 0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        call("GET", path)
        count += 1
    answers.put(count / seconds)


def ask_steadily(endpoint, path, seconds, answers):
    """RATE times a second; how long each answer took, in seconds."""
    call, took, began = Caller(endpoint), [], time.perf_counter()
    for turn in range(int(RATE * seconds)):
        time.sleep(max(0.0, began + turn / RATE - time.perf_counter()))
        asked = time.perf_counter()
        call("GET", path)
        took.append(time.perf_counter() - asked)
    answers.put(took)


def crowd(ask, clients, *arguments):
    """What each of the clients, a process each, has to say."""
    answers = multiprocessing.Queue()
    crew = [multiprocessing.Process(target=ask, args=[*arguments, answers]) for _ in range(clients)]
    for each in crew:
        each.start()
    said = [answers.get() for _ in crew]
    for each in crew:
        each.join()
    return said


# -- the measurements -------------------------------------------------------------------------------------


def measure_requests(seconds):
    with serving() as (endpoint, process, start):
        call = Caller(endpoint)
        call("GET", "/openai/v1/models")
        at_rest = megabytes(process)
        file = upload(call, 20)
        job = submit(call, file, n_epochs=1, batch_size=4)
        ended(call, job)
        path = f"/openai/v1/fine_tuning/jobs/{job}"
        one = crowd(ask_flat_out, 1, endpoint, path, seconds)[0]
        ten = sum(crowd(ask_flat_out, CLIENTS, endpoint, path, seconds))
        print(f"start      {start:.2f} s")
        later, asked = megabytes(process), (one + ten) * seconds
        print(f"memory     {at_rest:.0f} MB at rest, {later:.0f} MB after a job and {asked:.0f} requests")
        print(f"requests   {one:.0f}/s from one client, {ten:.0f}/s from {CLIENTS}")


def measure_crowd(seconds):
    roomy = ("--running", "2", "--limit", "queued_jobs=1000")
    with serving(*roomy) as (endpoint, process, _):
        call = Caller(endpoint)
        file = upload(call, 400)
        jobs = [submit(call, file, n_epochs=50, batch_size=1) for _ in range(52)]
        while sum(call.json("GET", f"/openai/v1/fine_tuning/jobs/{job}")["status"] == "running" for job in jobs) < 2:
            time.sleep(0.05)
        time.sleep(1)
        path = f"/openai/v1/fine_tuning/jobs/{jobs[0]}"
        took = sorted(t for each in crowd(ask_steadily, CLIENTS, endpoint, path, seconds) for t in each)
        workers = [megabytes(child) for child in process.children()]
        p99 = took[int(len(took) * 0.99)]
        print(
            f"crowd      {len(took)} retrieves: p50 {statistics.median(took) * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms, "
            f"longest {took[-1] * 1e3:.0f} ms; {len(workers)} jobs training, 50 queued"
        )
        print(f"memory     {max(workers):.0f} MB a training worker, {megabytes(process):.0f} MB the server")


def measure_overhead(count, epochs):
    from tunebook_local.model.trainer import Training, resolve_hyperparameters

    settings = {"n_epochs": epochs, "batch_size": 8}
    with serving() as (endpoint, _, _):
        call = Caller(endpoint)
        job = ended(call, submit(call, upload(call, count), **settings))
        lines = call("GET", f"/openai/v1/files/{job['result_files'][0]}/content").count(b"\n") - 1
        events = call.json("GET", f"/openai/v1/fine_tuning/jobs/{job['id']}/events?limit=1000")["data"]
    told = {event["message"].split(":")[0]: event["created_at"] for event in events}
    whole = told["Job succeeded."] - told["Training started."]  # whole seconds: the job must be long enough
    rows = list(examples(count))
    training = Training(
        rows, None, method="supervised", hyperparameters=resolve_hyperparameters(settings, count, "supervised"), seed=1
    )
    began = time.perf_counter()
    steps = sum(1 for _ in training.steps())
    bare = time.perf_counter() - began
    tokens = job["trained_tokens"]
    print(
        f"overhead   {steps} steps ({lines} rows): {tokens / whole:.0f} tokens/s over HTTP, {tokens / bare:.0f} bare "
        f"({bare / whole:.2f} of bare)"
    )


# -- everything at once -----------------------------------------------------------------------------------


def bad_server():
    """The address of a server that answers each request with another kind of nonsense."""
    listener = socket.create_server(("127.0.0.1", 0))
    nonsense = (
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000,
        b"",
    )

    def serve():
        for turn in range(sys.maxsize):
            line, _ = listener.accept()
            with suppress(OSError), line:
                line.recv(65536)
                line.sendall(nonsense[turn % len(nonsense)])

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def work(endpoint):
    """Upload, train, read, delete: what people do."""
    call = Caller(endpoint)
    dated = "?api-version=2025-04-01-preview"
    file = upload(call, 100)
    job = ended(call, submit(call, file, n_epochs=1, batch_size=8))
    call("GET", f"/openai/v1/files/{job['result_files'][0]}/content")
    call("DELETE", f"/openai/fine_tuning/jobs/{job['id']}{dated}")
    for each in (file, job["result_files"][0]):
        call("DELETE", f"/openai/v1/files/{each}")


def knock(endpoint):
    """Come with a wrong key, a hundred times."""
    line = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=60)
    for _ in range(100):
        line.request("GET", "/openai/v1/models", headers={"api-key": "wrong"})
        line.getresponse().read()
    time.sleep(1)


def hang(endpoint):
    """Open a hundred connections, say half a word on each, and leave them open for a while."""
    host, port = urlsplit(endpoint).netloc.split(":")
    lines = [socket.create_connection((host, int(port)), timeout=10) for _ in range(100)]
    for line in lines:
        with suppress(OSError):
            line.sendall(b"GET /op")
    time.sleep(3)
    for line in lines:
        line.close()


def fetch_nonsense(endpoint, bad):
    call = Caller(endpoint)
    body = {"purpose": "fine-tune", "filename": "f", "content_url": bad}
    file = call.json("POST", "/openai/files/import?api-version=2025-04-01-preview", body)["id"]
    while call.json("GET", f"/openai/v1/files/{file}")["status"] == "pending":
        time.sleep(0.05)
    call("DELETE", f"/openai/v1/files/{file}")
    time.sleep(0.5)


def again_and_again(until, act, *arguments):
    """Act until the time is over; a thread. What goes wrong is told, and is the benchmark's failure."""

    def run():
        while time.perf_counter() < until:
            try:
                act(*arguments)
            except (OSError, http.client.HTTPException):  # a half-open neighbour can push a silent connection out
                time.sleep(0.1)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def soak(minutes):
    with serving("--limit", "connections=300", "--limit", "jobs_per_resource=1000") as (endpoint, process, _):
        call, bad = Caller(endpoint), bad_server()
        polled = submit(call, upload(call, 50), n_epochs=1, batch_size=8)
        path, seconds = f"/openai/v1/fine_tuning/jobs/{polled}", minutes * 60
        ended(call, polled)
        log = Path(call.json("GET", "/tunebook")["state"]) / "log"
        until = time.perf_counter() + seconds
        acts = [(work,), (work,), (knock,), (hang,), (fetch_nonsense, bad)]
        threads = [again_and_again(until, act, endpoint, *more) for act, *more in acts]
        samples = []

        def look():
            samples.append((megabytes(process), process.num_fds(), log.stat().st_size / 1e3))
            time.sleep(seconds / 60)

        threads.append(again_and_again(until, look))
        took = sorted(t for each in crowd(poll, 4, endpoint, path, seconds) for t in each)
        for thread in threads:
            thread.join()
    fifth = max(1, len(samples) // 5)
    first, last = (
        list(map(statistics.median, zip(*part, strict=True))) for part in (samples[:fifth], samples[-fifth:])
    )
    for what, early, late in zip(("memory MB", "descriptors", "log kB"), first, last, strict=True):
        print(f"soak       {what}: {early:.1f} in the first fifth, {late:.1f} in the last")
    print(f"soak       {len(took)} retrieves: p50 {statistics.median(took) * 1e3:.1f} ms, ", end="")
    print(f"p99 {took[int(len(took) * 0.99)] * 1e3:.1f} ms, longest {took[-1] * 1e3:.0f} ms")


def poll(endpoint, path, seconds, answers):
    """Five pollers, twice a second each; how long each answer took, in seconds."""
    took = []

    def one():
        call, until = Caller(endpoint), time.perf_counter() + seconds
        while time.perf_counter() < until:
            asked = time.perf_counter()
            try:
                call("GET", path)
            except (OSError, http.client.HTTPException):  # pushed out while it was silent
                call = Caller(endpoint)
                continue
            took.append(time.perf_counter() - asked)
            time.sleep(0.5)

    pollers = [threading.Thread(target=one) for _ in range(5)]
    for each in pollers:
        each.start()
    for each in pollers:
        each.join()
    answers.put(took)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a third of the time, rougher figures")
    wanted = "everything at once for so many minutes (20), and nothing else"
    parser.add_argument("--soak", type=float, nargs="?", const=20.0, metavar="MINUTES", help=wanted)
    options = parser.parse_args()
    if options.soak:
        soak(options.soak)
        return
    seconds = 5 if options.quick else 15
    measure_requests(seconds / 3)
    measure_crowd(seconds)
    measure_overhead(2000, 3 if seconds < 10 else 8)


if __name__ == "__main__":
    sys.exit(main())
