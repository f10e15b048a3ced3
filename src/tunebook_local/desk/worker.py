"""One training job in a process of its own: `python -m tunebook_local.desk.worker --state DIR --job ID --token T`.

The server starts it and holds the other end of its standard input; when that closes (the server stops, or was
killed) the worker saves its state after the step at hand and ends. It writes through the store, in small
transactions, and only while the job carries its token: a worker that was replaced finds that out at its next
word and stops.

Whatever it writes can be written again: rows, events and checkpoints have a place in the job, and a step
repeated after a crash gives the same bytes, so a second telling changes nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunebook.graders import Means
from tunebook_local.desk import Desk
from tunebook_local.desk.clock import Clock
from tunebook_local.desk.grading import means_of
from tunebook_local.desk.history import (
    PREPROCESSED,
    PREPROCESSED_VALIDATION,
    PREPROCESSING,
    STARTED,
    STEP_EVENT_EVERY,
    SUCCEEDED,
    TRAINING,
    measured,
    message_event,
    step_event,
)
from tunebook_local.desk.limits import Limits
from tunebook_local.desk.naming import checkpoint_name, new_id
from tunebook_local.desk.preprocessing import Unusable, billed_tokens, check_file, encoding_of, read_examples
from tunebook_local.desk.records import CheckpointRow, DeploymentRow, EventRow, FileRow, JobRow
from tunebook_local.desk.states import ENDED
from tunebook_local.desk.store import Store, Superseded
from tunebook_local.model.trainer import Step, Training, format_row, resolve_hyperparameters, result_columns

_WRITE_S = 0.1  # how long finished steps may wait to be written together
_SAVE_S = 0.25  # least time between two saved training states …
_SAVE_SHARE = 0.05  # … and the largest share of the time that saving may take


class Stopped(Exception):
    """The job was cancelled, paused or is to be continued by another process: nothing more to do here."""


@dataclass
class Worker:
    """Runs one job. `stopping()` is true once the server is gone."""

    desk: Desk
    job_id: str
    token: str
    stopping: Callable[[], bool]
    means: Means
    training: Any = None
    state: str | None = None  # the file of the last saved training, when that was, how long it took
    saved_at: float = 0.0
    save_took_s: float = 0.0
    rows: list[tuple[int, str]] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store, self.clock, self.limits = self.desk.store, self.desk.clock, self.desk.limits

    def run(self) -> None:
        """The whole job, or what is left of it."""
        job = self._job()
        try:
            if job.status == "pending":
                self._preprocess(job)
            examples, validation = self._read(job)
            if job.resolved is None:
                self._resolve(job, examples)
            job = self._begin(self._job())
            self.state = job.state
            self._train(job, examples, validation)
            self._finish(job)
        except Unusable as error:
            self._fail(error)
        except Stopped:  # whoever ended, replaced or will continue the job sees to what is left
            return

    def _job(self) -> JobRow:
        job = self.store.get(JobRow, id=self.job_id)
        if job is None or job.worker != self.token:
            raise Superseded(self.job_id)
        return job

    # -- before training ----------------------------------------------------------------------------------

    def _preprocess(self, job: JobRow) -> None:
        self._say(PREPROCESSING)
        self._rest()
        self._check(job, job.training_blob, "training_file")
        self._say(PREPROCESSED)
        if job.validation_blob is not None:
            self._rest()
            self._check(job, job.validation_blob, "validation_file")
            self._say(PREPROCESSED_VALIDATION)

    def _read(self, job: JobRow) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        validation = [] if job.validation_blob is None else read_examples(self.store.blobs / job.validation_blob)
        return read_examples(self.store.blobs / job.training_blob), validation

    def _resolve(self, job: JobRow, examples: Sequence[Any]) -> None:
        """Decide what was left to the service, now that the file is known."""
        resolved = resolve_hyperparameters(job.requested, len(examples), job.method)
        file_tokens = self._count(job, examples)
        tokens = file_tokens * int(resolved["n_epochs"])
        if tokens > self.limits["job_tokens"]:
            raise Unusable(
                "invalidPayload",
                f"The job would train {tokens} tokens (those of the training file x n_epochs {resolved['n_epochs']}), "
                f"but a job may train {self.limits['job_tokens']}.",
                "training_file",
            )
        self.store.advance(self.job_id, self.token, resolved=resolved, file_tokens=file_tokens)

    def _count(self, job: JobRow, examples: Sequence[Any]) -> int:
        """The training file's tokens, counted by the first job that trains on it: loading a vocabulary takes time."""
        encoding = encoding_of(job.base_model)
        file = self.store.get(FileRow, id=job.training_file)
        counts = dict(file.tokens or {}) if file is not None else {}
        if encoding not in counts:
            counts[encoding] = billed_tokens(examples, job.base_model)
            self.store.change(FileRow, {"id": job.training_file}, tokens=counts)
        return int(counts[encoding])

    def _check(self, job: JobRow, blob: str, param: str) -> None:
        if not (self.store.blobs / blob).is_file():
            what = param.replace("_", " ")
            raise Unusable("invalidPayload", f"The content of the {what} is gone from the state folder.", param)
        check_file(self.store.blobs / blob, job.method, job.base_model, self.limits, param)

    def _begin(self, job: JobRow) -> JobRow:
        """Bring the job to running, as often as it takes: each message is said once."""
        if job.status == "pending":
            if self.store.move(self.job_id, "start", worker=self.token, started_at=self.clock.now()) is None:
                raise Stopped
        elif job.status == "resuming":
            if self.store.move(self.job_id, "restart", worker=self.token) is None:
                raise Stopped
            self._say("Job resumed.", f"resumed:{self.token}")
        for message in STARTED:
            self._say(message)
        if job.result_file is None:
            self._rest()
            self._create_result_file(job)
        return self._job()

    def _create_result_file(self, job: JobRow) -> None:
        header = ",".join(result_columns(job.method, job.validation_blob is not None, grader_of(job)))
        created_at = int(self.clock.now())
        file = FileRow(new_id("file"), created_at, "results.csv", "fine-tune-results", "processed", bytes=0)
        events = self._message_events(TRAINING, f"Created results file: {file.id}")
        with self.store.transaction():
            self.store.advance(self.job_id, self.token, result_file=file.id)
            self.store.add(file)
            self.store.advance(self.job_id, self.token, rows=[(0, header)], events=events)

    # -- training -----------------------------------------------------------------------------------------

    def _train(self, job: JobRow, examples: Sequence[Any], validation: Sequence[Any]) -> None:
        self.training = self._open_training(job, examples, validation)
        self.store.advance(self.job_id, self.token, total_steps=self.training.total_steps)
        started = written = self.saved_at = time.monotonic()
        first = self.training.done
        for step in self.training.steps():
            step_took, now = self.clock.timer(), time.monotonic()
            self._note(step)
            stop = self.stopping()
            save = stop or now - self.saved_at > max(_SAVE_S, self.save_took_s / _SAVE_SHARE)
            if save or step.ends_epoch or step.step == 1 or self.clock.pace_s or now - written > _WRITE_S:
                self._write(job, step, step_s=(now - started) / (step.step - first))
                written = time.monotonic()
            if save:
                self._save(step.step)
            if stop:
                raise Stopped
            self.clock.wait(self.clock.pace_s - step_took(), unless=self._interrupted)

    def _open_training(self, job: JobRow, examples: Sequence[Any], validation: Sequence[Any]) -> Training:
        folder = self.store.job_folder(self.job_id)
        for left_over in folder.glob("*.partial"):  # of a worker that was killed while it wrote
            left_over.unlink(missing_ok=True)
        weights = None if job.start_weights is None else self.store.jobs / job.start_weights
        arguments: dict[str, Any] = {
            "method": job.method,
            "hyperparameters": job.resolved,
            "seed": job.seed,
            "weights": weights,
            "grader": grader_of(job),
            "means": self.means,
        }
        if job.state is not None:
            try:
                return Training.resume(folder / job.state, examples, validation or None, **arguments)
            except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
                # From the beginning, then: it comes to the same, row by row.
                print(f"The saved state {job.state} cannot be read: {error!r}", file=sys.stderr)
        try:
            return Training(examples, validation or None, **arguments)
        except ValueError as error:
            raise Unusable(
                "invalidPayload", f"The model cannot be trained on this file: {error}", "training_file"
            ) from error

    def _note(self, step: Step) -> None:
        self.rows.append((step.step, format_row(step.row)))
        evaluated = step.row.get("full_valid_mean_reward") is not None
        if step.step == 1 or step.step % STEP_EVENT_EVERY == 0 or evaluated:
            self.events.append(step_event(self.job_id, self.clock, step.step, step.row))

    def _write(self, job: JobRow, step: Step, *, step_s: float) -> None:
        """Write what has been done since the last time; raises Stopped when the job is to go no further."""
        left = self.training.total_steps - step.step
        changes = {
            "step": max(job.step, step.step),
            "crashes": 0,
            "estimated_finish": math.ceil(self.clock.now() + left * max(step_s, self.clock.pace_s)),
        }
        point = self._checkpoint(job, step) if step.ends_epoch else None
        status = self.store.advance(
            self.job_id, self.token, rows=self.rows, events=self.events, checkpoint=point, **changes
        )
        self.rows, self.events = [], []
        if point is not None:
            self._give_up_old_weights()
        hours = (self.clock.now() - (job.started_at or self.clock.now())) / 3600
        if hours > self.limits["job_hours"]:
            raise Unusable("timeout", f"The job ran longer than {self.limits['job_hours']} hours.", "")
        if status in ENDED:
            raise Stopped
        if status == "pausing" and step.step >= job.step:
            self._pause(job, step)

    def _checkpoint(self, job: JobRow, step: Step) -> CheckpointRow:
        weights = f"weights-{step.step}-{self.token[:8]}.npz"  # never the file of a worker this one has replaced
        self.training.save_weights(self.store.job_folder(self.job_id) / weights)
        last = step.step == self.training.total_steps
        return CheckpointRow(
            id=new_id("checkpoint"),
            job=self.job_id,
            created_at=int(self.clock.now()),
            step=step.step,
            name=job.fine_tuned_model if last else checkpoint_name(job.fine_tuned_model, step.step),
            metrics=measured(step.row),
            weights=f"{self.job_id}/{weights}",
        )

    def _pause(self, job: JobRow, step: Step) -> None:
        """Save everything, make a checkpoint that can be deployed, and leave the job paused."""
        point = self._checkpoint(job, step)
        self._save(step.step)
        event = message_event(self.job_id, self.clock, "Job paused.", key=f"paused:{self.token}")
        with self.store.transaction():
            self.store.advance(self.job_id, self.token, checkpoint=point, events=[event])
            self.store.move(self.job_id, "settle", worker=self.token, estimated_finish=None)
        self._give_up_old_weights()
        raise Stopped

    def _save(self, step: int) -> None:
        """The training as it is, to go on from; the older one is removed once this one is known."""
        started = time.monotonic()
        folder, name = self.store.job_folder(self.job_id), f"state-{step}-{self.token[:8]}.npz"
        self.training.save(folder / name)
        self.store.advance(self.job_id, self.token, state=name)
        if self.state not in (None, name):
            (folder / str(self.state)).unlink(missing_ok=True)
        self.state, self.saved_at = name, time.monotonic()
        self.save_took_s = self.saved_at - started

    def _give_up_old_weights(self) -> None:
        """Keep the weights of the newest checkpoints, and of those deployed or being trained further."""
        points = self.store.all(CheckpointRow, job=self.job_id)
        points.sort(key=lambda point: point.step, reverse=True)
        for old in points[self.limits["checkpoints_kept"] :]:
            if old.weights is None or self._in_use(old):
                continue
            self.store.change(CheckpointRow, {"id": old.id}, weights=None)
            (self.store.jobs / old.weights).unlink(missing_ok=True)

    def _in_use(self, point: CheckpointRow) -> bool:
        deployed = self.store.count(DeploymentRow, weights=point.weights, deleted_at=None)
        continued = self.store.count(JobRow, start_weights=point.weights, finished_at=None)
        return bool(deployed or continued)

    # -- after training -----------------------------------------------------------------------------------

    def _finish(self, job: JobRow) -> None:
        tokens = (job.file_tokens or 0) * self.training.n_epochs
        words = (*SUCCEEDED, f"Completed results file: {job.result_file}", f"Training tokens billed: {tokens}")
        with self.store.transaction():
            self.store.advance(self.job_id, self.token, events=self._message_events(*words))
            ended = {"finished_at": int(self.clock.now()), "trained_tokens": tokens, "state": None}
            if self.store.move(self.job_id, "succeed", worker=self.token, **ended) is None:
                raise Stopped
        self.store.clear_job_folder(self.job_id)

    def _fail(self, error: Unusable) -> None:
        body = {"code": error.code, "message": error.message, "param": error.param or None}
        event = message_event(self.job_id, self.clock, f"Job failed. {error.message}", level="error")
        with self.store.transaction():
            self.store.advance(self.job_id, self.token, events=[event], rows=self.rows)
            ended = {"error": body, "finished_at": int(self.clock.now()), "state": None}
            self.store.move(self.job_id, "fail", worker=self.token, **ended)  # not if it was cancelled meanwhile
        self.store.clear_job_folder(self.job_id)

    # -- small words --------------------------------------------------------------------------------------

    def _message_events(self, *messages: str) -> list[EventRow]:
        return [message_event(self.job_id, self.clock, message) for message in messages]

    def _say(self, message: str, key: str | None = None) -> None:
        """Tell an event now. Raises Stopped when the job has been cancelled."""
        event = message_event(self.job_id, self.clock, message, key=key)
        if self.store.advance(self.job_id, self.token, events=[event]) in ENDED:
            raise Stopped

    def _rest(self) -> None:
        """Let a stage take its time, when this instance has a pace."""
        if self.clock.pace_s:
            self.clock.wait(self.clock.pace_s, unless=self._interrupted)
        if self.stopping():
            raise Stopped

    def _interrupted(self) -> bool:
        return self.stopping() or self._job().status not in ("pending", "running")


def grader_of(job: JobRow) -> Mapping[str, Any] | None:
    """The grader of a reinforcement job."""
    return job.method_body["reinforcement"]["grader"] if job.method == "reinforcement" and job.method_body else None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job named on the command line; 0 when it ended or is to be continued elsewhere."""
    parser = argparse.ArgumentParser(prog="tunebook_local.desk.worker")
    for name in ("--state", "--job", "--token"):
        parser.add_argument(name, required=True)
    parser.add_argument("--pace", type=float, default=0.0)
    parser.add_argument("--clock", type=Path)
    parser.add_argument("--limit", action="append", default=[])
    parser.add_argument("--run-graders", action="store_true")
    options = parser.parse_args(argv)
    if hasattr(os, "nice"):
        os.nice(10)  # people waiting for an answer come first
    gone = threading.Event()
    threading.Thread(target=_await_end_of_input, args=[gone], daemon=True).start()
    limits = Limits({name: int(value) for name, value in (limit.split("=") for limit in options.limit)})
    clock = Clock(options.pace, options.clock)
    desk = Desk(Store(Path(options.state)), clock, limits, run_graders=options.run_graders)
    with contextlib.suppress(Superseded), means_of(desk) as means:
        Worker(desk, options.job, options.token, gone.is_set, means).run()
    return 0


def _await_end_of_input(gone: threading.Event) -> None:
    while os.read(0, 1024):  # not through sys.stdin: its lock would be held when the interpreter ends
        pass
    gone.set()


if __name__ == "__main__":
    sys.exit(main())
