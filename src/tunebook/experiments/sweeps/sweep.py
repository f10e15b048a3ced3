"""Running a sweep without losing a job: within the quota, through restarts and errors, each job sent once."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import openai
import pandas as pd

from tunebook.analysis.run import Run
from tunebook.catalogue import load_catalogue
from tunebook.errors import RequestError, TunebookError
from tunebook.experiments.run_folders import archive, read_runs
from tunebook.experiments.sweeps.doubts import Doubts
from tunebook.experiments.sweeps.guard import LOSER_PATIENCE, Alarm, Guard
from tunebook.experiments.sweeps.manifest import FILE, OPEN, Entry, Manifest, locked, read_manifest, told
from tunebook.experiments.sweeps.plan import Size, check_budget, draw, grid, plan_frame, trials
from tunebook.experiments.sweeps.progress import SweepBoard
from tunebook.service.connection import Workspace
from tunebook.service.once import in_doubt
from tunebook.service.pacing import intervals, next_interval
from tunebook.service.request import JobRequest
from tunebook.service.watching import JobSnapshot, look, news
from tunebook.show import Card, Inline, Shown, Span, Table, Text
from tunebook.words import count, money, plural, setting

# What a person may do about a running job on the grounds of its picture: None, "pause" or "cancel".
Decide = Callable[[JobSnapshot], str | None]
Show = Callable[[Manifest, Mapping[str, JobSnapshot]], object]

# Whether the request arrived is not known after one of these.
_IN_DOUBT = (openai.APIConnectionError, openai.InternalServerError)
_AWAY = (*_IN_DOUBT, openai.RateLimitError)
_MOST_AWAY_S = 900.0
# Answers that are about this request; others (no rights, a wrong key) would meet every trial alike.
_THIS_REQUEST = (400, 404, 409, 422)
# The job has ended, or gone, since it was last looked at: there is nothing left to steer.
_TOO_LATE = (openai.BadRequestError, openai.ConflictError, openai.NotFoundError, RequestError)
_MOST_ROWS = 24  # of the plan in a notebook: the first and the last


class _EndedError(Exception):
    """Raised in the pause between two ticks to end a watching in the background."""


_GONE = {"state": "gone", "note": "deleted at the service meanwhile"}


class Sweep(Shown):
    """Jobs that differ in hyperparameters, planned from one request.

    base: the request all share. space: `{name: [values]}` for a grid, or with `draws=N` lists and scipy.stats
    distributions; or a list of settings, e.g. from `tunebook.analysis.suggest`. seeds: replicates of each.
    file_tokens, file_examples: tokens and examples of the training file, for the cost; of several, by their ids.
    budget_tokens, budget_usd: never exceeded; a plan that would is refused. stop_losers: a job whose probability of
    beating the best of the others falls below this (0.05, say) is paused, with a line that says why and what it saves;
    resume it to go on. folder: where the manifest and the archived runs go, by default `sweeps/<identity>`.

    `plan` is a frame, known before anything is sent. `run(ws)` sends, follows and archives; it may be interrupted and
    called again, or reopened with `Sweep.open(folder)`.

    >>> request = tb.JobRequest(model="gpt-4.1-nano", training_file="file-1", validation_file="file-2")
    >>> sweep = tb.Sweep(request, {"n_epochs": [2, 4], "learning_rate_multiplier": [0.1, 0.2]}, file_tokens=50_000)
    >>> sweep.plan[["n_epochs", "learning_rate_multiplier", "tokens"]]
           n_epochs  learning_rate_multiplier  tokens
    trial
    0             2                       0.1  100000
    1             4                       0.1  200000
    2             2                       0.2  100000
    3             4                       0.2  200000
    """

    def __init__(
        self,
        base: JobRequest,
        space: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        seeds: int = 1,
        draws: int | None = None,
        seed: int = 0,
        file_tokens: Size = None,
        file_examples: Size = None,
        budget_tokens: float | None = None,
        budget_usd: float | None = None,
        stop_losers: float | None = None,
        folder: str | os.PathLike[str] | None = None,
    ) -> None:
        if not isinstance(space, Mapping):
            settings = [dict(setting) for setting in space]
        elif draws is None:
            settings = grid(space)
        else:
            settings = draw(space, draws, seed=seed)
        identity = secrets.token_hex(3)
        path = Path(folder) if folder else Path("sweeps") / identity
        if (path / FILE).exists():
            raise RequestError(
                f"{path}: a sweep is there already. Go on with Sweep.open({str(path)!r}), or choose another."
            )
        planned = trials(base, settings, identity=identity, seeds=seeds)
        if stop_losers is not None:
            Guard(share=stop_losers)  # refuses what is no share before anything is planned
        self._remember(Manifest(path, tuple(map(Entry, planned)), file_tokens, file_examples, stop_losers))
        check_budget(self.plan, budget_tokens=budget_tokens, budget_usd=budget_usd)

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Sweep:
        """A sweep that was run before, from its manifest: nothing that was sent will be sent again.

        >>> request = tb.JobRequest(model="gpt-4.1-nano", training_file="file-1")
        >>> tb.Sweep(request, {"n_epochs": [1, 2]}, folder="sweeps/later").stop(ws)  # planned, and not sent
        >>> tb.Sweep.open("sweeps/later").plan["state"].tolist()
        ['stopped', 'stopped']
        """
        sweep = cls.__new__(cls)
        sweep._remember(read_manifest(folder))
        return sweep

    def _remember(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self._thread: Thread | None = None  # of what runs in the background
        self._ending = Event()  # asks it to end
        self._error: Exception | None = None  # what ended it

    @property
    def folder(self) -> Path:
        return self.manifest.folder

    @property
    def examples(self) -> dict[str, int]:
        """Training file id -> examples, where the sweep was told."""
        told = self.manifest.file_examples
        files = {entry.trial.request.training_file for entry in self.manifest.entries}
        return dict(told) if isinstance(told, Mapping) else {} if told is None else dict.fromkeys(files, told)

    @property
    def plan(self) -> pd.DataFrame:
        """One row a job: settings, seed, `tokens` and `usd` (NaN when not known), `state`, `job_id`."""
        entries = self.manifest.entries
        manifest = self.manifest
        trials = [entry.trial for entry in entries]
        frame = plan_frame(trials, file_tokens=manifest.file_tokens, file_examples=manifest.file_examples)
        frame["state"] = [entry.state for entry in entries]
        frame["job_id"] = pd.Series([entry.job_id for entry in entries], index=frame.index, dtype="object")
        return frame

    @property
    def cost(self) -> str:
        """What the whole plan costs, in words: tokens, and dollars where the catalogue has the price."""
        plan = self.plan
        if plan["tokens"].isna().any():
            return "cost not known: give file_tokens"
        dollars = money(plan["usd"].sum()) if plan["usd"].notna().all() else "no price in the catalogue"
        return f"{plan['tokens'].sum():,.0f} tokens in all, {dollars}"

    def run(
        self,
        workspace: Workspace,
        *,
        at_once: int | None = None,
        guard: Decide | None = None,
        background: bool = False,
        show: Show | None = None,
        say: Callable[[str], object] | None = None,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> Sweep:
        """Send what has not been sent, follow everything to its end, archive each job. Returns the sweep.

        at_once: jobs at the service at the same time; by default as many as may run and queue. guard: called with the
        picture of each running job; what it answers ("pause", "cancel") is done. background: return at once and go on
        on a thread, so that other cells can run; `wait` waits for the end, and raises what went wrong. show: called
        once a tick, by default a board of the trials (in a terminal one line). say: gets a sentence when a request's
        answer was lost, and for a job that came to be twice; by default the board does.
        Ctrl-C stops the watching and no job; `run` again goes on. Jobs that are paused are not waited for.
        Raises TunebookError when another process, or the background, runs this sweep.

        >>> files = [ws.files.upload(name).id for name in ("train.jsonl", "valid.jsonl")]
        >>> request = tb.JobRequest(model="gpt-4.1-nano", training_file=files[0], validation_file=files[1])
        >>> sweep = tb.Sweep(request, {"n_epochs": [1, 2]}, folder="sweeps/epochs").run(ws)
        >>> [run.status for run in sweep.runs()]
        ['succeeded', 'succeeded']
        """
        if self._thread is not None and self._thread.is_alive():
            raise TunebookError(f"{self.folder}: this sweep runs in the background. Call `wait()`, or `stop(ws)`.")
        how: tuple[Any, ...] = (workspace, at_once or _quota(), guard, show, say)
        if not background:
            self._watch(*how, sleep=sleep, clock=clock)
            return self
        self._ending.clear()
        begun = Event()
        self._thread = Thread(target=self._in_background, args=(begun, how, clock), name="tunebook-sweep", daemon=True)
        self._thread.start()
        begun.wait()
        return self

    def wait(self) -> Sweep:
        """Wait for what runs in the background, if anything does; raises what ended it before its time."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error
        return self

    def _in_background(self, begun: Event, how: tuple[Any, ...], clock: Callable[[], float]) -> None:
        """Until all jobs have ended, or `stop` is called. The first picture is shown before the cell ends."""

        def sleep(seconds: float) -> None:
            begun.set()
            if self._ending.wait(seconds):
                raise _EndedError

        try:
            self._watch(*how, sleep=sleep, clock=clock)
        except _EndedError:
            pass
        except Exception as error:
            self._error = error
        finally:
            begun.set()

    def _watch(
        self,
        workspace: Workspace,
        limit: int,
        guard: Decide | None,
        show: Show | None,
        say: Callable[[str], object] | None,
        *,
        sleep: Callable[[float], object],
        clock: Callable[[], float],
    ) -> None:
        with self._held():
            before = self.runs() if self.manifest.count("ended") else []
            board = SweepBoard(self.plan, before, practice=getattr(workspace, "embedded", False))
            doubts = Doubts(say or board.say)
            guards = [_told(guard, board.acts), _told(self._losers(before, say or board.say), board.acts)]
            with closing(board):
                self._follow(workspace, limit, [g for g in guards if g], show or board, doubts, sleep, clock)
                with suppress(*_AWAY):
                    doubts.name_doubles(workspace, self.manifest, last=True)

    def _follow(
        self,
        workspace: Workspace,
        limit: int,
        guards: Sequence[Decide],
        show: Show,
        doubts: Doubts,
        sleep: Callable[[float], object],
        clock: Callable[[], float],
    ) -> None:
        pictures: Mapping[str, JobSnapshot] = {}
        shortest, longest = workspace.poll_interval_s
        pause, away_s = shortest, 0.0
        if self.manifest.count("sending"):
            sleep(shortest)  # what a killed process sent last may still be on its way
        while self.manifest.count(*OPEN):
            before, noted = pictures, self.manifest
            try:
                self.manifest = doubts.settle(workspace, self.manifest)
                self._submit(workspace, limit + len(_paused(pictures)), doubts)
                doubts.name_doubles(workspace, self.manifest)
                pictures = self._look(workspace, before, clock())
                self._steer(workspace, pictures, guards)
                self._put_away(workspace, pictures)
                away, away_s = False, 0.0
            except _AWAY:
                if away_s > _MOST_AWAY_S:
                    raise
                away = True
            show(self.manifest, pictures)
            if self.manifest.count(*OPEN) == len(_paused(pictures)):
                return
            changed = self.manifest is not noted or news(before, pictures)
            pause = next_interval(pause, changed=changed, shortest_s=shortest, longest_s=longest)
            sleep(pause)
            # The pauses slept are counted, not the clock: that jumps, and goes on while a laptop is closed.
            away_s += pause if away else 0.0

    def resume(self, workspace: Workspace, **how: Any) -> Sweep:
        """Take up a stopped or interrupted sweep again; `how` as in `run`."""
        with self._held():
            for entry in self.manifest.having("stopped"):
                state = "sent" if entry.job_id else "planned"
                self.manifest = self.manifest.update(entry.trial.index, state=state)
        return self.run(workspace, **how)

    def stop(self, workspace: Workspace) -> None:
        """Cancel what is at the service and send no more. What was planned is remembered for `resume`."""
        self._ending.set()
        self.wait()
        with self._held():
            doubts, pauses = Doubts(print), intervals(*workspace.poll_interval_s)
            while self.manifest.count("sending"):
                self.manifest = doubts.settle(workspace, self.manifest)
                if self.manifest.count("sending"):
                    time.sleep(next(pauses))
            for entry in self.manifest.having("planned"):
                self.manifest = self.manifest.update(entry.trial.index, state="stopped")
            for entry in self.manifest.having("sent"):
                try:
                    job = workspace.jobs.retrieve(entry.job_id or "")
                    if not job.ended:
                        with suppress(*_TOO_LATE):
                            job.cancel()
                    archive(job, self._runs_folder)
                    self.manifest = self.manifest.update(entry.trial.index, state="ended", note=job.status)
                except openai.NotFoundError:
                    self.manifest = self.manifest.update(entry.trial.index, **_GONE)

    def runs(self) -> list[Run]:
        """The archived jobs, failed and cancelled ones too, for `tb.compare`."""
        return read_runs(self._runs_folder)

    @contextmanager
    def _held(self) -> Iterator[None]:
        """The sweep for this process alone, as it is on disk: another process may have gone on with it meanwhile."""
        if not (self.folder / FILE).exists():
            self.manifest.write()
        with locked(self.folder):
            self.manifest = read_manifest(self.folder)
            yield

    @property
    def _runs_folder(self) -> Path:
        return self.folder / "runs"

    def _submit(self, workspace: Workspace, limit: int, doubts: Doubts) -> None:
        """Send planned jobs while there is room for them."""
        for entry in self.manifest.having("planned"):
            if self.manifest.count("sent", "sending") >= limit:
                return
            index = entry.trial.index
            self.manifest = self.manifest.update(index, state="sending")
            doubts.sent()
            try:
                job = workspace.jobs.create(entry.trial.request, retries=0)
            except _IN_DOUBT:
                return  # it stays `sending` and is asked for at the next tick
            except openai.APIStatusError as error:
                if _quota_is_full(error):
                    self.manifest = self.manifest.update(index, state="planned")
                    return
                if in_doubt(error) and not doubts.refused(index):
                    return  # a gateway's words: the service may have it, and is asked
                if error.status_code not in _THIS_REQUEST:  # a wrong key, say: no job would be taken
                    self.manifest = self.manifest.update(index, state="planned")
                    raise
                self.manifest = self.manifest.update(index, state="refused", note=error.message)
            else:
                self.manifest = self.manifest.update(index, state="sent", job_id=job.id)

    def _look(self, workspace: Workspace, before: Mapping[str, JobSnapshot], now: float) -> Mapping[str, JobSnapshot]:
        while True:
            ids = [entry.job_id for entry in self.manifest.having("sent") if entry.job_id]
            try:
                return look(workspace, ids, {i: s for i, s in before.items() if i in ids}, now=now) if ids else before
            except openai.NotFoundError:
                if not self._drop_missing(workspace):
                    raise

    def _drop_missing(self, workspace: Workspace) -> bool:
        """Whether a job was missing."""
        before = self.manifest
        for entry in self.manifest.having("sent"):
            try:
                workspace.jobs.retrieve(entry.job_id or "")
            except openai.NotFoundError:
                self.manifest = self.manifest.update(entry.trial.index, **_GONE)
        return self.manifest is not before

    def _losers(self, ended: Iterable[Run], say: Callable[[str], object]) -> Guard | None:
        """The guard that pauses what will hardly beat the best of the others; `ended` are those archived before.

        What was paused before and goes on was told to by a person, and is left alone.
        """
        if self.manifest.stop_losers is None:
            return None

        def stopped(alarm: Alarm) -> None:
            say(alarm.message)
            for entry in self.manifest.having("sent"):
                if entry.job_id == alarm.job_id:
                    self.manifest = self.manifest.update(entry.trial.index, note=alarm.loses)

        share = self.manifest.stop_losers
        spared = [entry.job_id for entry in self.manifest.having("sent") if entry.job_id and entry.note]
        how: dict[str, Any] = {"patience": LOSER_PATIENCE, "usd": self._usd, "spared": spared, "notify": stopped}
        losers = Guard("pause", incumbent="best", share=share, only_losers=True, **how)
        for run in ended:
            losers.see(run)
        return losers

    def _usd(self, job_id: str) -> float | None:
        plan = self.plan
        known = plan.loc[plan["job_id"] == job_id, "usd"].dropna()
        return float(known.iloc[0]) if len(known) else None

    def _steer(self, workspace: Workspace, pictures: Mapping[str, JobSnapshot], guards: Sequence[Decide]) -> None:
        for job_id, snapshot in pictures.items():
            for guard in guards:
                verdict = guard(snapshot)
                if verdict in ("pause", "cancel"):
                    with suppress(*_TOO_LATE):
                        getattr(workspace.jobs.retrieve(job_id), verdict)()
                    break

    def _put_away(self, workspace: Workspace, pictures: Mapping[str, JobSnapshot]) -> None:
        """Archive what has ended; only then is it `ended`, so that a crash in between archives it again."""
        for entry in self.manifest.having("sent"):
            picture = pictures.get(entry.job_id or "")
            if picture is not None and picture.ended:
                try:
                    with told(self.folder):
                        archive(workspace.jobs.retrieve(picture.job_id), self._runs_folder)
                    self.manifest = self.manifest.update(entry.trial.index, state="ended", note=picture.status)
                except openai.NotFoundError:
                    self.manifest = self.manifest.update(entry.trial.index, **_GONE)

    def __repr__(self) -> str:
        states = self.plan["state"].value_counts()
        numbers = ", ".join(f"{count} {state}" for state, count in states.items())
        return f"<Sweep of {plural(len(self.manifest.entries), 'job')} in {self.folder}: {numbers}; {self.cost}>"

    def _card(self) -> Card:
        plan = self.plan.dropna(axis="columns", how="all")
        say: Mapping[str, Callable[[Any], Inline]] = {"tokens": count, "usd": money, "suffix": _name, "job_id": _name}
        rows: list[tuple[Inline, ...]] = [
            (str(trial), *(say.get(str(name), setting)(value) for name, value in row.items()))
            for trial, row in zip(plan.index, plan.to_dict("records"), strict=True)
        ]
        if len(rows) > _MOST_ROWS:
            rows[_MOST_ROWS // 2 : -_MOST_ROWS // 2] = [("…",) * (len(plan.columns) + 1)]
        words = {"suffix", "model", "state", "job_id", "training_file", "training_type", "reasoning_effort"}
        numeric = [at for at, name in enumerate(plan, 1) if name not in words]
        sentence = (f"Sweep of {plural(len(plan), 'job')} in ", Span(str(self.folder), "code"), f", {self.cost}")
        return Card(Text(sentence), Table(("trial", *plan), rows, numeric=numeric, labelled=True))


def _told(guard: Decide | None, acts: dict[str, str]) -> Decide | None:
    """The guard, with what it has done written down by job id; what is no `Guard` sees running jobs alone."""
    if guard is None:
        return None

    def decide(snapshot: JobSnapshot) -> str | None:
        act = guard(snapshot) if snapshot.status == "running" or isinstance(guard, Guard) else None
        if act is not None:
            acts[snapshot.id] = f"{act} at step {snapshot.step}"
        return act

    return decide


def _name(value: Any) -> Span:
    return Span(setting(value), "code")


def _paused(pictures: Mapping[str, JobSnapshot]) -> list[str]:
    """Jobs that wait for a person: they neither run nor queue, and watching them would never end."""
    return [job_id for job_id, snapshot in pictures.items() if snapshot.status == "paused"]


def _quota() -> int:
    facts = load_catalogue()
    return facts.limit("running_jobs") + facts.limit("queued_jobs")


def _quota_is_full(error: openai.APIStatusError) -> bool:
    return error.status_code == 429 or error.code in ("quotaExceeded", "tooManyRequests")
