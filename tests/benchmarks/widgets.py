"""How much of the kernel the widgets take: run `python tests/benchmarks/widgets.py` (about three minutes).

Prints one row per promise. "Held" is how long the main thread was kept from running: a heartbeat there notes the
longest gap during each tick, while the tick is made on the watching thread, as in a notebook.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import statistics
import sys
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np

T0 = 1_790_000_000
BEAT_S = 0.0005


def event(step: int, total: int, rng: np.random.Generator) -> dict:
    """A metrics event of a job that learns, then overfits."""
    fall = 3.0 * np.exp(-4 * step / total)
    data = {"step": step, "total_steps": total, "train_loss": float(0.2 + fall + abs(rng.normal(0, 0.05)))}
    if step % 5 == 0:
        rise = 0.5 * max(0.0, step / total - 0.4)
        data["valid_loss"] = float(0.3 + fall + rise + abs(rng.normal(0, 0.05)))
    message = f"Step {step}: training loss={data['train_loss']}"
    return {"id": f"e{step}", "created_at": T0 + step, "level": "info", "message": message, "data": data}


def snapshot(events: tuple, status: str = "running", job_id: str = "ftjob-bench"):
    """The picture the poller would make of these events, made as it makes it."""
    from tunebook.analysis.results import Results
    from tunebook.service.watching import JobSnapshot

    job = {"id": job_id, "model": "gpt-4.1-mini-2025-04-14", "status": status, "created_at": T0, "suffix": job_id[-8:]}
    job["hyperparameters"] = {"n_epochs": 3, "batch_size": 4, "learning_rate_multiplier": 0.1}
    results = Results.from_events(list(events), name=job_id)
    return JobSnapshot(job, results, events=events, read_at=T0 + len(events))


class Heart(threading.local):
    """The longest gap between two beats on the main thread, while `work` runs on another."""

    def gap(self, work) -> float:
        done = threading.Event()

        def run() -> None:
            work()
            done.set()

        threading.Thread(target=run, daemon=True).start()
        longest, last = 0.0, time.perf_counter()
        while not done.is_set():
            time.sleep(BEAT_S)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
        return longest - BEAT_S


def spread(values: list[float]) -> str:
    """Median and 95th percentile in milliseconds."""
    return f"{1000 * statistics.median(values):6.1f} ms median, {1000 * float(np.quantile(values, 0.95)):6.1f} ms p95"


def live_cell_ticks(n: int = 40) -> tuple[str, bool]:
    from tunebook.widgets.live.cell import LiveCell

    rng, total = np.random.default_rng(0), 2000
    events = tuple(event(step, total, rng) for step in range(1, total + 1))
    cell = LiveCell(SimpleNamespace(name="bench"), "ftjob-bench")
    cell.show_snapshot(snapshot(events[: total - n - 1]))
    heart, held = Heart(), []
    for left in range(n, 0, -1):

        def tick(left: int = left) -> None:
            cell.show_snapshot(snapshot(events[: total - left]))

        held.append(heart.gap(tick))
    cell.close()
    return spread(held), statistics.median(held) <= 0.030


def board_ticks(n: int = 40) -> tuple[str, bool]:
    from tunebook.widgets.tables.board_feed import Entry
    from tunebook.widgets.tables.job_board import Board

    rng = np.random.default_rng(0)
    long = tuple(event(step, 400, rng) for step in range(1, 401))
    workspace = SimpleNamespace(name="bench", embedded=False)
    moment = [0.0]
    board = Board((workspace,), clock=lambda: moment[0])
    entries = {f"ftjob-{i:04}": Entry(snapshot(long, "succeeded", f"ftjob-{i:04}"), complete=True) for i in range(99)}
    board.receive(workspace, entries)
    heart, held = Heart(), []
    for i in range(n):
        moment[0] += 5.0

        def tick(i: int = i) -> None:
            moved = Entry(snapshot(long[: 300 + i], "running", "ftjob-live"))
            board.receive(workspace, entries | {"ftjob-live": moved})

        held.append(heart.gap(tick))
    board.find.value = "ftjob"
    began = time.perf_counter()
    board.find.value = "ftjob-00"
    filtered = time.perf_counter() - began
    board.close()
    return f"{spread(held)}; a filter {1000 * filtered:.0f} ms", statistics.median(held) <= 0.100


class Crowded(BaseHTTPRequestHandler):
    """A service with 1,000 files and 1,000 jobs; counts what is asked of it."""

    asked: list[str] = []  # noqa: RUF012 - one server, one list
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if "/files" in self.path:
            files = [
                {"id": f"file-{i:032x}", "object": "file", "bytes": 1000 + i, "created_at": T0 + i,
                 "filename": f"train-{i}.jsonl", "purpose": "fine-tune", "status": "processed"}
                for i in range(1000)
            ]  # fmt: skip
            body = {"object": "list", "data": files, "has_more": False}
        else:
            limit = int(self.path.rpartition("limit=")[2] or 20)
            jobs = [
                {"id": f"ftjob-{i:032x}", "object": "fine_tuning.job", "created_at": T0 + i, "status": "succeeded",
                 "model": "gpt-4.1-mini-2025-04-14", "training_file": "file-1", "seed": 1, "suffix": f"j{i}",
                 "hyperparameters": {"n_epochs": 3}, "fine_tuned_model": f"m{i}"}
                for i in range(limit)
            ]  # fmt: skip
            body = {"object": "list", "data": jobs, "has_more": True}
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def form_appears() -> tuple[str, bool]:
    from tunebook.service import connect
    from tunebook.widgets import job_form

    server = ThreadingHTTPServer(("127.0.0.1", 0), Crowded)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    workspace = connect(f"http://127.0.0.1:{server.server_port}", api_key="none", environ={})
    _ = workspace.files, workspace.jobs
    began = time.perf_counter()
    form = job_form(workspace)
    form._static()
    form.load()
    appeared = time.perf_counter() - began
    while not form.start_from.records:
        time.sleep(0.005)
    filled = time.perf_counter() - began
    server.shutdown()
    words = f"{1000 * appeared:.0f} ms, its lists after {1000 * filled:.0f} ms with {len(Crowded.asked)} requests"
    return words, appeared < 0.5 and len(Crowded.asked) <= 3


def memory_mb() -> float:
    """Resident memory now; where the system does not say, the most there ever was."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize() / 1e6
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def eight_hours(tick_s: float = 5.0) -> tuple[str, bool]:
    """A 2,000-step job watched for eight hours of simulated time, a look every five seconds."""
    import ipywidgets

    from tunebook.widgets.live.cell import LiveCell

    rng, total, ticks = np.random.default_rng(0), 2000, int(8 * 3600 / tick_s)
    events = tuple(event(step, total, rng) for step in range(1, total + 1))
    now = [float(T0)]

    def follow(*_: object, looks: int = ticks, **__: object):
        last, shown = None, -1
        for tick in range(looks):
            now[0] += tick_s
            steps = 1 + (total - 2) * tick // looks
            if steps != shown:
                last, shown = snapshot(events[:steps]), steps
            yield {"ftjob-bench": last}
        yield {"ftjob-bench": snapshot(events, "succeeded")}

    def watched(looks: int) -> None:
        each = partial(follow, looks=looks)
        cell = LiveCell(SimpleNamespace(name="bench"), "ftjob-bench", follow=each, clock=lambda: now[0])
        cell.start()
        cell.ended.wait()
        cell._watcher.join()
        cell.close()

    watched(ticks // 30)  # what is loaded, and reserved, for one job of this size is not growth
    gc.collect()
    widgets_before = len(ipywidgets.widgets.widget._instances)
    threads_before, memory_before, began = threading.active_count(), memory_mb(), time.perf_counter()
    watched(ticks)
    gc.collect()
    grown = memory_mb() - memory_before
    threads, left = (
        threading.active_count() - threads_before,
        len(ipywidgets.widgets.widget._instances) - widgets_before,
    )
    figures = "matplotlib.pyplot" in sys.modules
    each = (time.perf_counter() - began) / ticks
    words = (
        f"{grown:+.1f} MB, {threads} threads, {left} widgets, {'pyplot' if figures else 'no pyplot'} left; "
        f"{1000 * each:.1f} ms of processor a look"
    )
    return words, grown < 20 and threads == 0 and left == 0 and not figures


ROWS = (
    ("live cell, 2,000 steps: main thread held a tick (<= 30 ms)", live_cell_ticks),
    ("board, 100 jobs: main thread held a tick (<= 100 ms)", board_ticks),
    ("form, 1,000 files and 1,000 jobs: appears in (< 500 ms)", form_appears),
    ("eight hours of watching leave behind (< 20 MB)", eight_hours),
)


def main() -> int:
    import tunebook.analysis
    import tunebook.service

    _ = tunebook.service.follow, tunebook.analysis.diagnose  # imports are not what is measured
    live_cell_ticks(2)
    failed = 0
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for promise, measure in ROWS:
        words, kept = measure()
        failed += not kept
        print(f"{'kept  ' if kept else 'BROKEN'}  {promise:62} {words}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
