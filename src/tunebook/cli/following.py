"""Jobs followed in a terminal: a bar each, or a line whenever a status changes."""

from __future__ import annotations

import sys
from collections.abc import Callable

from tqdm import tqdm

from tunebook.service import JobSnapshot, Workspace, follow
from tunebook.service.webhooks import telling


def follow_jobs(
    workspace: Workspace,
    labels: dict[str, str],
    *,
    n_train: int | None = None,
    notify: Callable[[JobSnapshot], object] | None = None,
) -> dict[str, JobSnapshot]:
    """The last picture of each job, once all have ended or are paused; `labels`: job id -> what it is called."""
    following = follow if notify is None else telling(follow, notify)
    show = _Bars(labels) if sys.stderr.isatty() else _Lines(labels)
    last: dict[str, JobSnapshot] = {}
    try:
        for pictures in following(workspace, labels, n_train=n_train):
            last = dict(pictures)
            show(last)
            if len(last) == len(labels) and all(each.ended or each.status == "paused" for each in last.values()):
                break
    finally:
        show.close()
    return last


class _Bars:
    """A tqdm bar for each job."""

    def __init__(self, labels: dict[str, str]) -> None:
        width = max(map(len, labels.values()))
        layout = "{desc}  {bar:24}  {postfix}"
        self._bars = {
            job_id: tqdm(total=1.0, desc=label.ljust(width), position=place, bar_format=layout, leave=True)
            for place, (job_id, label) in enumerate(labels.items())
        }

    def __call__(self, pictures: dict[str, JobSnapshot]) -> None:
        for job_id, snapshot in pictures.items():
            bar = self._bars[job_id]
            done = (snapshot.step or 0) / snapshot.total_steps if snapshot.total_steps else 0.0
            bar.n = 1.0 if snapshot.status == "succeeded" else min(done, 1.0)
            bar.set_postfix_str(snapshot.line(), refresh=True)

    def close(self) -> None:
        for bar in self._bars.values():
            bar.close()


class _Lines:
    """A printed line for each change of status."""

    def __init__(self, labels: dict[str, str]) -> None:
        self._labels = labels
        self._said: dict[str, str] = {}

    def __call__(self, pictures: dict[str, JobSnapshot]) -> None:
        for job_id, snapshot in pictures.items():
            if self._said.get(job_id) != snapshot.status:
                self._said[job_id] = snapshot.status
                print(f"{self._labels[job_id]}: {snapshot.line()}", file=sys.stderr)

    def close(self) -> None:
        """Lines need no closing."""
