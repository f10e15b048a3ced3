"""A guard over running jobs: it diagnoses what is known so far and says, pauses or cancels when a run overfits,
its reward is hacked, or it will hardly beat an incumbent.

Looking many times at a noisy curve finds a rise sooner or later. So a guard wants to see it several times in a row,
each time with more measurements than before. `tests/benchmarks/diagnosis.py` measures what that costs and saves.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import openai

from tunebook.analysis.curves.diagnosis import Diagnosis, diagnose
from tunebook.analysis.curves.forecast import Forecast, behind, ended, forecast
from tunebook.analysis.curves.standing import FRESH, PATIENCE, Standing, look
from tunebook.analysis.results import Results
from tunebook.analysis.run import Run
from tunebook.errors import RequestError
from tunebook.service.watching import JobSnapshot, follow
from tunebook.show import Card, Text
from tunebook.words import money, number, percent, probability

if TYPE_CHECKING:
    from tunebook.service.connection import Workspace

ACTS = ("notify", "pause", "cancel")
_ALARMING = ("overfitting", "diverged")
_RIVALS = 3  # of the others, how many a job is measured by
# Looks in a row at which a job of a sweep has to lose (`tests/benchmarks/forecast.py --sweeps`): an error costs no more
# than the resuming of a paused job.
LOSER_PATIENCE = 2


@dataclass(frozen=True, eq=False)
class Alarm:
    """A job that goes wrong: at which step it was noticed, the diagnosis, and what is done about it.

    loses: where it is a loser, why, as a sentence, after its `forecast`.
    """

    job_id: str
    step: int
    act: str
    diagnosis: Diagnosis
    forecast: Forecast | None = None
    loses: str = ""

    @property
    def message(self) -> str:
        done = {"pause": "It is being paused.", "cancel": "It is being cancelled."}.get(self.act, "Nothing was done.")
        return f"{self.job_id}, step {self.step:,}: {self.loses or self.diagnosis.told} {done}"

    def __repr__(self) -> str:
        return f"Alarm({self.message})"

    def _repr_html_(self) -> str:
        return str(Card(Text(self.message, "warning")).html()) + self.diagnosis._repr_html_()


class Guard:
    """Decides on running jobs: `sweep.run(ws, guard=tb.Guard("cancel"))`, or `for alarm in guard.watch(ws, ids)`.

    act: "notify", "pause" (its checkpoint can be deployed, and it can be resumed) or "cancel". patience: alarming looks
    in a row before acting. fresh: the share of new measurements that makes a look a new one. confidence: how sure each
    look must be. min_rise: the rise of validation loss that counts.
    incumbent: what a job has to beat, a number, a run or a comparison, or "best": the best of the jobs this guard has
    seen. share: a job whose probability of that is less, patience looks in a row, is acted on. usd: tells of a job id
    what the job costs in all, for the money saved. spared: ids of jobs that are left alone.
    only_losers: act on jobs that will hardly beat the incumbent, and on nothing else.
    notify: called with each `Alarm`, e.g. `tb.Webhook()`. Keeps every alarm in `alarms`; raises one for a job at most.

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
        incumbent: Any = None,
        share: float = 0.05,
        usd: Callable[[str], float | None] = lambda job_id: None,  # noqa: ARG005
        spared: Iterable[str] = (),
        only_losers: bool = False,
        notify: Callable[[Alarm], object] | None = None,
    ) -> None:
        if act not in ACTS:
            raise RequestError(f"act is {act!r}; a guard can {', '.join(ACTS[:-1])} or {ACTS[-1]}.")
        if patience < 1:
            raise RequestError(f"patience is {patience}; a guard looks at least once before it acts.")
        if not 0 < share < 0.5:
            raise RequestError(f"share is {share}; a probability above 0 and below 0.5 is asked for, such as 0.05.")
        self.act = act
        self.patience = patience
        self.fresh = fresh
        self.confidence = confidence
        self.min_rise = min_rise
        self.notify = notify
        self.incumbent = incumbent
        self.share = share
        self.usd = usd
        self.alarms: list[Alarm] = []
        self._ahead: dict[str, Forecast] = {}
        self._losing: dict[str, int] = {}
        self._over: set[str] = set()
        self._standing: dict[str, Standing] = {}
        self.only_losers = only_losers
        self._spoken: set[str] = set(spared)

    def decide(
        self, job_id: str, results: Results | None, *, n_epochs: int | None = None, total_steps: int | None = None
    ) -> Alarm | None:
        """Look at what is known of a job so far; the alarm when it is time to act, else None.

        A look without enough new measurements is none, so it may be called as often as one likes. Whether it loses can
        be said with total_steps alone.
        """
        before = self._standing.get(job_id, Standing())
        if results is None or job_id in self._spoken:
            return None
        judge = partial(diagnose, results, n_epochs=n_epochs, confidence=self.confidence, min_rise=self.min_rise)
        now = look(before, results, judge, fresh=self.fresh, patience=self.patience)
        self._standing[job_id] = now
        if now is before or now.latest is None:
            return None
        found = now.latest.verdict in _ALARMING or bool(now.latest.findings)
        wrong = found and now.looks >= self.patience and not self.only_losers
        loses = "" if wrong else self.losing(job_id, results, total_steps)
        if not wrong and not loses:
            return None
        self._spoken.add(job_id)
        step = int(results.frame["step"].iloc[-1])
        alarm = Alarm(job_id, step, self.act, now.latest, self._ahead.get(job_id), loses)
        self.alarms.append(alarm)
        if self.notify is not None:
            self.notify(alarm)
        return alarm

    def see(self, run: Run) -> None:
        """Take in a job that has ended: with `incumbent="best"` the others are measured by it."""
        new = run.id not in self._over and run.status == "succeeded"
        if self.incumbent == "best" and new and run.results is not None and len(run.results):
            self._over.add(run.id)
            self._ahead[run.id] = ended(run.results)

    def losing(self, job_id: str, results: Results, total_steps: int | None) -> str:
        """Why a job will hardly beat the incumbent, as a sentence; empty as long as it may, or it cannot be said."""
        if self.incumbent is None:
            return ""
        others = {i: f for i, f in self._ahead.items() if i != job_id}
        best = self.incumbent == "best"
        mine = forecast(results, total_steps=total_steps, incumbent=None if best else self.incumbent)
        self._ahead[job_id] = mine
        levels = {i: float(np.mean(f.lowest)) for i, f in others.items() if f.lowest is not None}
        # Whoever beats it most surely: one that has ended, or one that runs and promises much.
        over = [i for i in sorted(levels, key=levels.__getitem__) if i in self._over][:1]
        rivals = {*over, *sorted(levels, key=levels.__getitem__)[:_RIVALS]} if best else {""}
        lags_of = {i: lags for i in rivals if (lags := behind(mine, others.get(i))) is not None}
        rival = min(lags_of, key=lambda i: float((lags_of[i] < 0).mean()), default="")
        lags = lags_of.get(rival)
        p = 1.0 if lags is None else float((lags < 0).mean())
        self._losing[job_id] = self._losing.get(job_id, 0) + 1 if p < self.share else 0
        if lags is None or self._losing[job_id] < self.patience:
            return ""
        left = 1 - (mine.step or 0) / (mine.total_steps or 1)
        usd = self.usd(job_id)
        saved = percent(left) + " of its steps" + ("" if usd is None else f", {money(left * usd)}")
        short = percent(math.expm1(float(np.quantile(lags, self.share))))
        of = rival or f"{number(mine.incumbent, 3)}"
        return (
            f"It will hardly beat {of}: {mine.told}; {probability(p)} for its best checkpoint. That saves {saved}. "
            f"With a curve {short} better it would have gone on; resumed it goes on to its end."
        )

    def __call__(self, snapshot: JobSnapshot) -> str | None:
        """ "pause" or "cancel" when that is to be done with the job of a picture now, else None."""
        if snapshot.ended:
            self.see(snapshot)
        if snapshot.status != "running":
            return None
        # Epochs so far are not the job's epochs: without the steps of the whole job they would mislead.
        alarm = self.decide(snapshot.job_id, snapshot.results, total_steps=snapshot.total_steps)
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
