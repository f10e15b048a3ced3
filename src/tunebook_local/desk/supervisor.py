"""Gives waiting jobs a worker process, as many at once as the quotas allow, and replaces workers that died.

One thread in the server. It also ends the syntax scans of uploaded files, and knows whether anything is going on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from tunebook_local.desk import Desk
from tunebook_local.desk.evals import GOING_ON, end_run, work_off
from tunebook_local.desk.files import fetch_file, give_up, remove_expired, scan_file
from tunebook_local.desk.history import message_event
from tunebook_local.desk.log import complain
from tunebook_local.desk.records import EvalRunRow, FileRow, JobRow
from tunebook_local.desk.refusals import Refusal
from tunebook_local.desk.states import WANTS_WORKER
from tunebook_local.desk.uploads import expire_uploads

_BUSY_TICK_S = 0.02  # between two looks at the workers, while some run
_TICK_S = 0.1  # … at the jobs and files that wait, while some do
_IDLE_TICK_S = 1.0  # … at everything: what people ask for wakes the supervisor at once
_SIGKILL = 9
_SCANS_AT_ONCE = 4
_IMPORTS_AT_ONCE = 16  # places of their own: a server that drips holds up no scan
_CRASHES_ALLOWED = 3  # deaths in a row without a step between them; failures of a scan or an import
_LONGEST_REST_S = 60.0  # between two tries
_PATIENCE_S = 10.0  # for workers to save their state when the service stops
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

Settle = Callable[[Desk, FileRow], None]  # what ends a pending file's wait


@dataclass
class _Running:
    process: subprocess.Popen[bytes]
    token: str
    pool: str


class Supervisor:
    """`start` it first; `wake` it after a change it should not wait for; `stop` it at the end."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.store, self.clock = desk, desk.store, desk.clock
        self._running: dict[str, _Running] = {}
        self._scans: dict[str, threading.Thread] = {}
        self._imports: dict[str, threading.Thread] = {}
        self._evaluating: threading.Thread | None = None
        self._failures: Counter[str] = Counter()  # file -> how often its scan or import has failed
        self._not_before: dict[str, float] = {}  # job -> when a job whose worker has crashed may have another
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self) -> None:
        """Forget the workers of an earlier server process, then begin."""
        self.store.change(JobRow, {}, worker=None)
        self.store.clear_left_overs()
        self._thread.start()

    def wake(self) -> None:
        """Look at the jobs and files now."""
        self._wake.set()

    def stop(self) -> None:
        """Let the workers save their state and end."""
        self._stop.set()
        self._wake.set()
        self._thread.join()
        for running in self._running.values():
            if running.process.stdin is not None:
                running.process.stdin.close()  # the worker saves and ends
        deadline = time.monotonic() + _PATIENCE_S
        if self._evaluating is not None:
            self._evaluating.join(_PATIENCE_S)  # to the end of the item it is at
        for running in self._running.values():
            try:
                running.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait()

    @property
    def busy(self) -> bool:
        """Whether a job has a worker or waits for one."""
        return bool(self._running) or self.store.count(JobRow, status=WANTS_WORKER) > 0

    # -- the thread ---------------------------------------------------------------------------------------

    def _watch(self) -> None:
        looked, waiting = -_IDLE_TICK_S, 0  # when everything was looked at, not only the workers
        woken = True
        while not self._stop.is_set():
            try:
                buried = self._bury()
                if woken or buried or time.monotonic() - looked > _TICK_S:
                    looked = time.monotonic()
                    waiting = self._settle_files() + self._start_workers() + self._evaluate()
                    remove_expired(self.desk)
                    expire_uploads(self.desk)
            except Exception as error:  # a full disk, say: the next round may do better, and the service must go on
                complain(error)
                time.sleep(_TICK_S)
            pause = _BUSY_TICK_S if self._running else _TICK_S if waiting else _IDLE_TICK_S
            woken = self._wake.wait(pause)
            self._wake.clear()

    def _settle_files(self) -> int:
        """Begin the imports and scans that are due; how many files wait for theirs to end."""
        pace, pending = self.clock.pace_s, self.store.all(FileRow, status="pending")
        self._failures = Counter({file.id: self._failures[file.id] for file in pending if self._failures[file.id]})
        due = [file for file in pending if self.clock.elapsed(file.ready_at - pace) >= pace]
        imports = [file for file in due if file.source_url is not None]
        self._imports = self._begin(fetch_file, imports, self._imports, _IMPORTS_AT_ONCE)
        scans = [file for file in due if file.source_url is None]
        self._scans = self._begin(scan_file, scans, self._scans, _SCANS_AT_ONCE)
        return len(pending)

    def _begin(
        self, work: Settle, files: list[FileRow], threads: dict[str, threading.Thread], most: int
    ) -> dict[str, threading.Thread]:
        """Give each file a thread while there is room; the threads at work."""
        threads = {name: thread for name, thread in threads.items() if thread.is_alive()}
        for file in files:
            if file.id not in threads and len(threads) < most:
                # A daemon: an import that hangs must not keep the service from stopping; the next start tries again.
                threads[file.id] = threading.Thread(target=self._settle, args=[work, file], daemon=True)
                threads[file.id].start()
        return threads

    def _settle(self, work: Settle, file: FileRow) -> None:
        try:
            work(self.desk, file)
        except Refusal as refusal:
            give_up(self.desk, file, str(refusal))
        except Exception as error:  # a full disk, say: the file is still pending, and a later round tries again
            complain(error)
            self._failures[file.id] += 1
            self._stop.wait(min(_LONGEST_REST_S, 2.0 ** self._failures[file.id] * _TICK_S))
            if self._failures[file.id] >= _CRASHES_ALLOWED:
                with suppress(Exception):  # then not even that can be written down now
                    give_up(self.desk, file, f"The file could not be read: {error}.")
        finally:
            self.store.close()

    def _evaluate(self) -> int:
        """Begin the evaluation run that is next, when no other goes on; how many there are."""
        runs = self.store.all(EvalRunRow, status=GOING_ON)
        if runs and not (self._evaluating and self._evaluating.is_alive()):
            self._evaluating = threading.Thread(target=self._work_off, args=[runs[0]], daemon=True)
            self._evaluating.start()
        return len(runs)

    def _work_off(self, run: EvalRunRow) -> None:
        try:
            work_off(self.desk, run, self._stop.is_set)
        except Exception as error:
            complain(error)
            with suppress(Exception):  # a full disk, say: then the next round tries again
                reason = {"code": "internalFailure", "message": f"The run could not go on: {error}."}
                end_run(self.desk, run, "failed", error=reason)
        finally:
            self.store.close()

    def _bury(self) -> int:
        """Take note of workers that have ended, and say how many; a job that still wants one will get another.

        The worker of a job that was cancelled is not waited for: it may still be reading its file.
        """
        before = len(self._running)
        for job_id, running in list(self._running.items()):
            job = self.store.get(JobRow, id=job_id)
            unwanted = job is None or job.status == "cancelled"
            if unwanted:
                running.process.kill()
                running.process.wait()
            code = running.process.poll()
            if code is None:
                continue
            if job is not None and job.worker == running.token:
                self._release(job, code)
            if unwanted:
                self.store.clear_job_folder(job_id)
            del self._running[job_id]  # last: what failed above is tried again in the next round
            if running.process.stdin is not None:
                running.process.stdin.close()
        return before - len(self._running)

    def _release(self, job: JobRow, code: int) -> None:
        # A worker killed from outside says nothing about the job; one that fails by itself will fail again.
        crashes = job.crashes + (code not in (0, -signal.SIGTERM, -_SIGKILL))
        if crashes >= _CRASHES_ALLOWED and job.status in WANTS_WORKER:
            self._give_up(job)
            return
        if crashes > job.crashes:
            self._not_before[job.id] = time.monotonic() + 2.0**crashes * _TICK_S
        self.store.change(JobRow, {"id": job.id}, worker=None, crashes=crashes)

    def _give_up(self, job: JobRow) -> None:
        message = "A system error was encountered, please try again later"
        error = {"code": "internalFailure", "message": message, "param": None}
        with self.store.transaction():
            self.store.add(message_event(job.id, self.clock, message, level="error"))
            self.store.move(job.id, "fail", error=error, finished_at=int(self.clock.now()), worker=None)

    def _start_workers(self) -> int:
        """Give waiting jobs workers, oldest first, while there is room; how many jobs were waiting."""
        waiting = self.store.all(JobRow, status=WANTS_WORKER, worker=None)
        taken = Counter(running.pool for running in self._running.values())
        for job in waiting:
            early = time.monotonic() < self._not_before.get(job.id, 0.0)
            room = taken[_pool(job)] < self.desk.limits.running(job.training_type)
            if job.id not in self._running and room and not early:
                self._start_worker(job)
                taken[_pool(job)] += 1
        return len(waiting)

    def _start_worker(self, job: JobRow) -> None:
        token = uuid.uuid4().hex
        # Only while it is still wanted: it may have been cancelled or deleted this moment.
        if not self.store.change(JobRow, {"id": job.id, "status": WANTS_WORKER, "worker": None}, worker=token):
            return
        command = [sys.executable, "-m", "tunebook_local.desk.worker", "--state", str(self.store.folder)]
        command += ["--job", job.id, "--token", token, "--pace", str(self.clock.pace_s)]
        command += ["--clock", str(self.clock.file)] if self.clock.file else []
        command += ["--run-graders"] if self.desk.run_graders else []
        command += [f"--limit={name}={value}" for name, value in self.desk.limits.overrides.items()]
        try:
            with (self.store.job_folder(job.id) / "worker.log").open("ab") as log:
                process = subprocess.Popen(  # noqa: S603 - our own module, no shell
                    command,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, **_ONE_THREAD},
                )
        except OSError:
            self.store.change(JobRow, {"id": job.id, "worker": token}, worker=None)
            raise
        self._running[job.id] = _Running(process, token, _pool(job))


def _pool(job: JobRow) -> str:
    return "developer" if job.training_type == "Developer" else "standard and global"
