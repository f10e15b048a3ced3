"""What a live cell shows beyond what the poller asks for: the number of steps, and checkpoints as they come."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from openai import OpenAIError

from tunebook.widgets.chart import measured

if TYPE_CHECKING:
    from tunebook.service import JobSnapshot, Workspace

_COUNTED_BYTES = 20_000_000  # training files above this are not fetched to count their rows


class Supplement:
    """Completes the pictures of one job, on the watching thread.

    Asks once for the rows of the training file, where the service does not tell the number of steps, and for the
    checkpoints once an epoch. What cannot be read is left as it was: the poller says what is wrong with the service.
    """

    def __init__(self, workspace: Workspace, job_id: str, n_train: int | None = None) -> None:
        self._workspace, self._job_id, self._n_train = workspace, job_id, n_train
        self._epochs = 0
        self._checkpoints: tuple[Any, ...] = ()

    def __call__(self, snapshot: JobSnapshot) -> JobSnapshot:
        """The picture with total steps and the checkpoints made so far."""
        if self._n_train is None and snapshot.step is not None and snapshot.total_steps is None:
            self._n_train = training_rows(self._workspace, snapshot)
        if snapshot.n_train is None and self._n_train:
            snapshot = replace(snapshot, n_train=self._n_train)
        if snapshot.ended or snapshot.status == "paused" or snapshot.results is None:
            return snapshot  # the poller has read the checkpoints
        full = measured(snapshot.results.frame, "full_valid_loss")[0]
        epochs = max(len(full), int(snapshot.epoch or 0))
        if epochs > self._epochs:
            try:
                found = self._workspace.jobs.retrieve(self._job_id).checkpoints()
                self._checkpoints = tuple(c.to_dict(mode="json") for c in found)
                self._epochs = epochs
            except OpenAIError:
                pass
        if len(self._checkpoints) <= len(snapshot.checkpoints):
            return snapshot
        return replace(snapshot, checkpoints=self._checkpoints)


def training_rows(workspace: Workspace, snapshot: JobSnapshot) -> int:
    """Rows of the job's training file, which tell how many steps it will take; 0 when that is not to be had."""
    file_id = snapshot.job.get("training_file")
    try:
        if not file_id or (workspace.files.retrieve(file_id).bytes or 0) > _COUNTED_BYTES:
            return 0
        return sum(1 for line in workspace.files.content(file_id).splitlines() if line.strip())
    except OpenAIError:
        return 0
