"""Watching jobs: one poller for any number of them, one frozen picture of each.

A tick costs one list call, plus one events call for each job that can have news; once an epoch, one for its
checkpoints; and once, where the service does not tell the number of steps, the training file, whose rows tell it. A
status that is not known is not an end. A transient error keeps the last good picture and says since when it is stale;
the SDK has retried by then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from openai import APIConnectionError, APIStatusError, NotFoundError, OpenAIError

from tunebook.analysis.run import Run
from tunebook.errors import ResultsError
from tunebook.service.connection import Workspace
from tunebook.service.jobs import Job, as_json
from tunebook.service.once import AWAY
from tunebook.service.pacing import next_interval

_LISTED = 100
_COUNTED_BYTES = 20_000_000  # training files above this are not fetched to count their rows

# What each state means, for a person; Azure's nine, then the names OpenAI itself uses.
STATES: Mapping[str, str] = {
    "created": "Accepted; it will be put in the queue.",
    "pending": "Waiting in the queue, or its files are being checked. Minutes to hours are normal.",
    "running": "Training.",
    "pausing": "Pausing: the checkpoint is being made and evaluated for safety.",
    "paused": "Paused. Its checkpoint can be deployed; resume it to finish.",
    "resuming": "Going on from its checkpoint.",
    "succeeded": "Done. The model and its checkpoints can be deployed.",
    "cancelled": "Cancelled. What had been trained until then is billed.",
    "failed": "Failed. The error says why.",
    "validating_files": "The files are being checked.",
    "queued": "Waiting in the queue.",
}
# Nothing happens to a job in these states but that it leaves them, and the list tells that.
_QUIET = frozenset({"created", "pending", "queued", "paused"})


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class JobSnapshot(Run):
    """One job at one moment: a Run so far, and when it was read. Times are Unix seconds.

    `results` is what events have said so far, the result file after the end; `checkpoints` are read once an epoch
    (`epochs_read` of them so far). n_train: rows of the training file, None while nobody asked, 0 when that is not to
    be had. `stale_since` is set while the service cannot be reached, `problem` says why.

    >>> for snapshots in tb.service.follow(ws, [job.id]):
    ...     snapshot = snapshots[job.id]
    >>> snapshot.status, snapshot.step, snapshot.total_steps
    ('succeeded', 6, 6)
    """

    read_at: float
    n_train: int | None = None
    epochs_read: int = 0
    stale_since: float | None = None
    problem: str | None = None

    @property
    def job_id(self) -> str:
        return self.id

    @property
    def status_text(self) -> str:
        return STATES.get(self.status, f"The service says {self.status!r}; it is still going.")

    @property
    def step(self) -> int | None:
        """The last step reported; None before the first."""
        return int(self.results.frame["step"].iloc[-1]) if self.results is not None and len(self.results) else None

    @property
    def last_losses(self) -> dict[str, float]:
        """The newest train and validation loss reported, by their names for people."""
        if self.results is None:
            return {}
        columns = {
            "train loss": "train_loss",
            "valid loss": "valid_loss",
            "train reward": "train_mean_reward",
            "valid reward": "full_valid_mean_reward",
        }
        frame = self.results.frame
        losses = {label: frame[column].dropna() for label, column in columns.items() if column in frame}
        return {label: float(values.iloc[-1]) for label, values in losses.items() if len(values)}

    @property
    def n_epochs(self) -> int | None:
        return self.hyperparameters["n_epochs"]

    @property
    def total_steps(self) -> int | None:
        """Steps of the whole job: as the service said, or from rows, batch size and epochs when all are known."""
        batch = self.hyperparameters["batch_size"]
        if (total := super().total_steps) is None and self.n_epochs and batch and self.n_train:
            return self.n_epochs * -(-self.n_train // batch)
        return total

    @property
    def epoch(self) -> float | None:
        """Epochs trained so far, as a fraction: 1.5 is the middle of the second."""
        if self.step is None or not self.total_steps or not self.n_epochs:
            return None
        return self.step / self.total_steps * self.n_epochs

    @property
    def progress(self) -> float | None:
        """How much of the training is done, 0 to 1; None while nobody knows."""
        if self.status == "succeeded":
            return 1.0
        if self.step is None or not self.total_steps:
            return None
        return min(1.0, self.step / self.total_steps)

    @property
    def error(self) -> str | None:
        """Why a job failed, in the service's words."""
        return (self.job.get("error") or {}).get("message") or None

    @property
    def created_at(self) -> int | None:
        return self.job.get("created_at")

    @property
    def finished_at(self) -> int | None:
        return self.job.get("finished_at")

    @property
    def estimated_finish(self) -> int | None:
        return self.job.get("estimated_finish")

    def line(self) -> str:
        """The picture in one line, for a terminal."""
        parts = [self.status]
        if self.step is not None:
            parts.append(f"step {self.step}" + (f"/{self.total_steps}" if self.total_steps else ""))
            parts += [f"{label} {value:.3f}" for label, value in self.last_losses.items()]
        if self.error:
            parts.append(self.error)
        if self.status == "paused":
            parts.append(f'goes on with ws.jobs.retrieve("{self.id}").resume()')
        if self.problem:
            parts.append(f"last reached at {time.strftime('%H:%M:%S', time.localtime(self.read_at))}: {self.problem}")
        return ", ".join(parts)


def follow(
    workspace: Workspace,
    job_ids: Iterable[str],
    *,
    n_train: int | None = None,
    sleep: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.time,
) -> Iterator[Mapping[str, JobSnapshot]]:
    """Pictures of the jobs, one mapping (id -> JobSnapshot) a tick, until all have ended.

    n_train: rows of the training file, which tell the number of steps where the service does not; None has them
    counted once, 0 does without. Pauses between ticks grow while nothing changes. Stopping the iteration stops the
    watching, never a job.
    Raises the SDK's error for what watching on cannot mend: a wrong key, no rights, a job that does not exist.

    >>> [snapshots[job.id].ended for snapshots in tb.service.follow(ws, [job.id])]
    [True]
    """
    wanted = tuple(dict.fromkeys(job_ids))
    seen: Mapping[str, JobSnapshot] = {}
    shortest, longest = workspace.poll_interval_s
    pause = shortest
    while True:
        before, seen = seen, look(workspace, wanted, seen, now=clock(), n_train=n_train)
        yield seen
        if len(seen) == len(wanted) and all(snapshot.ended for snapshot in seen.values()):
            return
        pause = next_interval(pause, changed=news(before, seen), shortest_s=shortest, longest_s=longest)
        sleep(pause)


def look(
    workspace: Workspace,
    job_ids: Iterable[str],
    seen: Mapping[str, JobSnapshot],
    *,
    now: float,
    n_train: int | None = None,
) -> dict[str, JobSnapshot]:
    """One tick: the pictures in `seen` brought up to date; jobs that have ended are not asked about again.

    While the service cannot be reached, the last pictures come back marked stale; with none yet, the error is raised.
    """
    pictures = dict(seen)
    try:
        for job in _read_jobs(workspace, [i for i in job_ids if i not in seen or not seen[i].ended]):
            rows = n_train if n_train is not None else _rows_known(pictures.values(), job.job.training_file)
            pictures[job.id] = _supplemented(workspace, _advance(seen.get(job.id), job, now, rows), job)
    except AWAY as error:
        if not pictures:
            raise
        for job_id, snapshot in pictures.items():
            if not snapshot.ended:
                since = snapshot.stale_since or now
                pictures[job_id] = replace(snapshot, stale_since=since, problem=_why(error, workspace))
    return pictures


def news(before: Mapping[str, JobSnapshot], after: Mapping[str, JobSnapshot]) -> bool:
    """Whether a status changed or an event came between two ticks."""
    return any(
        job_id not in before
        or (before[job_id].status, len(before[job_id].events)) != (snapshot.status, len(snapshot.events))
        for job_id, snapshot in after.items()
    )


def _read_jobs(workspace: Workspace, job_ids: list[str]) -> Iterator[Job]:
    """The jobs as they are now: one list call, and one more for each that is too old to be in the list."""
    listed = {}
    if len(job_ids) > 1:
        page = workspace.client.fine_tuning.jobs.list(limit=_LISTED)
        listed = {job.id: job for job in page.data}  # this page alone: iterating would walk all of them
    for job_id in job_ids:
        yield Job(workspace, listed[job_id]) if job_id in listed else workspace.jobs.retrieve(job_id)


def _advance(previous: JobSnapshot | None, job: Job, now: float, n_train: int | None) -> JobSnapshot:
    """The next picture of a job. Asks for events only when there can be new ones."""
    record = as_json(job.job)
    if previous is None:
        previous = JobSnapshot(record, read_at=now)
    elif previous.status == job.status and job.status in _QUIET:
        return replace(previous, job=record, read_at=now, n_train=n_train, stale_since=None, problem=None)
    events, results, checkpoints = previous.events, previous.results, previous.checkpoints
    if new := tuple(as_json(event) for event in job.events(after=events[-1]["id"] if events else None)):
        events += new
        from tunebook.analysis.results import Results

        measured = Results.from_events(list(events), name=job.id)
        results = measured if len(measured) else None
    if job.status == "paused" or job.ended:
        with suppress(NotFoundError, ResultsError):  # deleted, or damaged: what the events said is left
            results = job.results() if job.job.result_files else results
        checkpoints = tuple(as_json(c) for c in job.checkpoints())
    return JobSnapshot(
        record,
        results,
        checkpoints,
        events,
        read_at=now,
        n_train=n_train,
        epochs_read=previous.epochs_read,
    )


def _rows_known(pictures: Iterable[JobSnapshot], training_file: str) -> int | None:
    """The rows of a training file, where they were counted for this job or for another that trains on it."""
    same = (p.n_train for p in pictures if p.job.get("training_file") == training_file)
    return next((rows for rows in same if rows is not None), None)


def _supplemented(workspace: Workspace, snapshot: JobSnapshot, job: Job) -> JobSnapshot:
    """The picture with the number of steps, and with the checkpoints made so far while the job trains.

    What cannot be read now is asked for again later, and spoils nothing: the events have been read.
    """
    if snapshot.step is None:
        return snapshot
    if snapshot.total_steps is None and snapshot.n_train is None:
        try:
            snapshot = replace(snapshot, n_train=_training_rows(workspace, job))
        except AWAY:
            return snapshot
    epochs = _epochs_trained(snapshot)
    if snapshot.ended or snapshot.status == "paused" or epochs <= snapshot.epochs_read:
        return snapshot
    try:
        return replace(snapshot, checkpoints=tuple(as_json(c) for c in job.checkpoints()), epochs_read=epochs)
    except AWAY:
        return snapshot
    except OpenAIError:
        return replace(snapshot, epochs_read=epochs)  # this job has none to tell of: not asked at each tick


def _training_rows(workspace: Workspace, job: Job) -> int:
    """Rows of the job's training file; 0 when it is too large to be fetched for that, or not there any more."""
    try:
        if (workspace.files.retrieve(job.job.training_file).bytes or 0) > _COUNTED_BYTES:
            return 0
        return sum(1 for line in workspace.files.content(job.job.training_file).splitlines() if line.strip())
    except AWAY:
        raise
    except OpenAIError:
        return 0


def _epochs_trained(snapshot: JobSnapshot) -> int:
    """Epochs that have ended: a full validation is made at the end of each, and where there is none, steps tell."""
    measured = 0
    if snapshot.results is not None and "full_valid_loss" in snapshot.results.frame:
        measured = int(snapshot.results.frame["full_valid_loss"].notna().sum())
    return max(measured, int(snapshot.epoch or 0))


def _why(error: APIConnectionError | APIStatusError, workspace: Workspace) -> str:
    if isinstance(error, APIStatusError):
        return f"the service answers {error.status_code}"
    if workspace.embedded:
        return "the embedded service has ended, or came back elsewhere: ws = tb.connect() finds it, then watch again"
    return "the service cannot be reached"
