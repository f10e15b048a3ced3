"""A guard over running jobs: it diagnoses what is known so far and says, pauses or cancels when a run overfits
or its reward is hacked.

Looking many times at a noisy curve finds a rise sooner or later. So a guard wants to see it several times in a row,
each time with more measurements than before. `tests/benchmarks/diagnosis.py` measures what that costs and saves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import openai

from tunebook.analysis.curves.diagnosis import Diagnosis, diagnose
from tunebook.analysis.curves.standing import FRESH, PATIENCE, Standing, look
from tunebook.analysis.results import Results
from tunebook.errors import RequestError
from tunebook.service.watching import JobSnapshot, follow
from tunebook.show import Card, Text

if TYPE_CHECKING:
    from tunebook.service.connection import Workspace

ACTS = ("notify", "pause", "cancel")
_ALARMING = ("overfitting", "diverged")


@dataclass(frozen=True, eq=False)
class Alarm:
    """A job that goes wrong: at which step it was noticed, the diagnosis, and what is done about it."""

    job_id: str
    step: int
    act: str
    diagnosis: Diagnosis

    @property
    def message(self) -> str:
        done = {"pause": "It is being paused.", "cancel": "It is being cancelled."}.get(self.act, "Nothing was done.")
        return f"{self.job_id}, step {self.step:,}: {self.diagnosis.told} {done}"

    def __repr__(self) -> str:
        return f"Alarm({self.message})"

    def _repr_html_(self) -> str:
        return str(Card(Text(self.message, "warning")).html()) + self.diagnosis._repr_html_()


class Guard:
    """Decides on running jobs: `sweep.run(ws, guard=tb.Guard("cancel"))`, or `for alarm in guard.watch(ws, ids)`.

    act: "notify", "pause" (its checkpoint can be deployed, and it can be resumed) or "cancel". patience: alarming looks
    in a row before acting. fresh: the share of new measurements that makes a look a new one. confidence: how sure each
    look must be. min_rise: the rise of validation loss that counts.
    notify: called with each `Alarm`. Keeps every alarm in `alarms`; raises one for a job at most.

    >>> guard = tb.Guard("cancel", patience=2)
    >>> seen = tb.load_results("results.csv").frame
    >>> for steps in range(10, 121, 10):
    ...     if alarm := guard.decide("ftjob-1", tb.load_results(seen.head(steps))):
    ...         print(alarm.message)
    ftjob-1, step ...: Validation loss rose ... It is being cancelled.
    """

    def __init__(
        self,
        act: str = "notify",
        *,
        patience: int = PATIENCE,
        fresh: float = FRESH,
        confidence: float = 0.95,
        min_rise: float = 0.05,
        notify: Callable[[Alarm], object] | None = None,
    ) -> None:
        if act not in ACTS:
            raise RequestError(f"act is {act!r}; a guard can {', '.join(ACTS[:-1])} or {ACTS[-1]}.")
        if patience < 1:
            raise RequestError(f"patience is {patience}; a guard looks at least once before it acts.")
        self.act = act
        self.patience = patience
        self.fresh = fresh
        self.confidence = confidence
        self.min_rise = min_rise
        self.notify = notify
        self.alarms: list[Alarm] = []
        self._standing: dict[str, Standing] = {}
        self._spoken: set[str] = set()

    def decide(self, job_id: str, results: Results | None, *, n_epochs: int | None = None) -> Alarm | None:
        """Look at what is known of a job so far; the alarm when it is time to act, else None.

        A look without enough new measurements is none, so it may be called as often as one likes.
        """
        before = self._standing.get(job_id, Standing())
        if results is None or job_id in self._spoken:
            return None
        judge = partial(diagnose, results, n_epochs=n_epochs, confidence=self.confidence, min_rise=self.min_rise)
        now = look(before, results, judge, fresh=self.fresh, patience=self.patience)
        self._standing[job_id] = now
        if now is before or now.latest is None or now.looks < self.patience:
            return None
        if now.latest.verdict not in _ALARMING and not now.latest.findings:
            return None
        self._spoken.add(job_id)
        alarm = Alarm(job_id, int(results.frame["step"].iloc[-1]), self.act, now.latest)
        self.alarms.append(alarm)
        if self.notify is not None:
            self.notify(alarm)
        return alarm

    def __call__(self, snapshot: JobSnapshot) -> str | None:
        """ "pause" or "cancel" when that is to be done with the job of a picture now, else None."""
        if snapshot.status != "running":
            return None
        # Epochs so far are not the job's epochs: without the steps of the whole job they would mislead.
        alarm = self.decide(snapshot.job_id, snapshot.results)
        return alarm.act if alarm is not None and alarm.act != "notify" else None

    def watch(
        self,
        workspace: Workspace,
        job_ids: Iterable[str],
        *,
        sleep: Callable[[float], Any] = time.sleep,
        clock: Callable[[], float] = time.time,
        follow: Callable[..., Iterator[Mapping[str, JobSnapshot]]] = follow,
    ) -> Iterator[Alarm]:
        """Follow jobs until all have ended, act, and yield each alarm as it is raised."""
        for pictures in follow(workspace, list(job_ids), sleep=sleep, clock=clock):
            for snapshot in pictures.values():
                before = len(self.alarms)
                act = self(snapshot)
                if act is not None:
                    _steer(workspace, snapshot.job_id, act)
                yield from self.alarms[before:]

    def __repr__(self) -> str:
        return f"Guard({self.act!r}, patience={self.patience}; {len(self.alarms)} alarms)"


def _steer(workspace: Workspace, job_id: str, act: str) -> None:
    """Pause or cancel; a job that has ended or is pausing already in the meantime is left as it is."""
    job = workspace.jobs.retrieve(job_id)
    if job.status != "running":
        return
    try:
        (job.pause if act == "pause" else job.cancel)()
    except (openai.BadRequestError, openai.ConflictError, RequestError):
        return
