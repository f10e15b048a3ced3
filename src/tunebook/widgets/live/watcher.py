"""The thread behind a live cell: follows one job and hands each picture on.

The interpreter's list of running threads is the register of watchers, so none can be forgotten: running a cell again
stops the watcher its earlier run left behind.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunebook.service import JobSnapshot, Workspace

Follow = Callable[..., Iterator[Mapping[str, Any]]]


def follower() -> Follow:
    """The service's own poller, imported when it is first needed: it brings the SDK with it."""
    from tunebook.service.watching import follow

    return follow


class _StoppedError(Exception):
    """Raised inside the pause between two ticks, to end the following from there."""


class Watcher(threading.Thread):
    """Follows `job_ids` until all have ended or `stop` is called.

    receive: called on this thread with each mapping id -> JobSnapshot. failed: called once with the error that ended
    the watching. cell, count: the notebook cell and execution that started it, for `replace_watchers`.
    """

    def __init__(
        self,
        workspace: Workspace,
        job_ids: tuple[str, ...],
        *,
        receive: Callable[[Mapping[str, JobSnapshot]], None],
        failed: Callable[[BaseException], None],
        on_stop: Callable[[], None] | None = None,
        cell: str | None = None,
        count: int | None = None,
        follow: Follow | None = None,
        n_train: int | None = None,
    ) -> None:
        super().__init__(name=f"tunebook-watch-{job_ids[0] if job_ids else 'none'}", daemon=True)
        self.workspace, self.job_ids, self.cell, self.count = workspace, job_ids, cell, count
        self._receive, self._failed, self._on_stop = receive, failed, on_stop
        self._follow, self._n_train = follow, n_train
        self._wake = threading.Event()
        self._stopping = False
        self.ticked = threading.Event()

    def run(self) -> None:
        try:
            for pictures in (self._follow or follower())(
                self.workspace, self.job_ids, sleep=self._pause, clock=time.time, n_train=self._n_train
            ):
                if self._stopping:
                    return
                self._receive(pictures)
                self.ticked.set()
        except _StoppedError:
            pass
        except Exception as error:
            if not self._stopping:
                self._failed(error)

    def _pause(self, seconds: float) -> None:
        self._wake.wait(seconds)
        self._wake.clear()
        if self._stopping:
            raise _StoppedError

    def refresh(self) -> None:
        """Look now instead of at the next tick."""
        self._wake.set()

    def stop(self) -> None:
        """End the watching (never the job) without waiting for a request under way."""
        self._stopping = True
        self._wake.set()

    def replaced(self) -> None:
        """Stop, and let the view that this watcher fed close itself."""
        self.stop()
        if self._on_stop is not None:
            self._on_stop()


def replace_watchers(cell: str | None, count: int | None, job_ids: tuple[str, ...]) -> list[Watcher]:
    """Stop the watchers that an earlier run of this cell started; without cell ids, those of the same jobs."""
    old = [thread for thread in threading.enumerate() if isinstance(thread, Watcher)]
    replaced = [w for w in old if _is_replaced(w.cell, w.count, w.job_ids, cell, count, job_ids)]
    for watcher in replaced:
        watcher.replaced()
    return replaced


def _is_replaced(
    old_cell: str | None,
    old_count: int | None,
    old_ids: tuple[str, ...],
    cell: str | None,
    count: int | None,
    ids: tuple[str, ...],
) -> bool:
    if cell is not None and old_cell is not None:
        return cell == old_cell and (count != old_count or ids == old_ids)
    return ids == old_ids
