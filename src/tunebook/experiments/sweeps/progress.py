"""What a sweep shows while it runs: in a notebook a card of its trials, which is left as its picture; in a terminal
one line, said anew when it has changed."""

from __future__ import annotations

import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, TextIO

import pandas as pd

from tunebook import words
from tunebook.analysis.curves.diagnosis import Diagnosis, diagnose
from tunebook.analysis.curves.forecast import Forecast, forecast
from tunebook.analysis.curves.standing import Standing, look
from tunebook.analysis.curves.wording import verdict_span
from tunebook.analysis.run import Run
from tunebook.analysis.sweeps.rows import Column, jobs_table
from tunebook.experiments.sweeps.manifest import OPEN, Entry, Manifest
from tunebook.fields import short_names
from tunebook.plots.curves import newest, spark
from tunebook.service.states import state_span
from tunebook.service.watching import JobSnapshot
from tunebook.show import Card, Inline, Picture, Share, Span, Text

_DRAW_EVERY_S = 1.0  # nobody reads faster
_MOST_ROWS = 60
_JOBLESS = {"planned", "sending", "refused", "gone", "stopped"}
_COSTS = ("tokens", "usd")  # of the plan; what else differs between its rows tells the trials apart


@dataclass(frozen=True)
class TrialRow:
    """One trial so far. `done` is the share of its steps, NaN while nobody knows; `tokens` and `usd` are the plan's for
    the whole of it; `act` is what the guard did, `note` what went wrong; `ends` is where it is expected to end while it
    runs, with the 90 % interval."""

    trial: int
    settings: str
    status: str
    done: float
    spark: Picture | None
    loss: float
    verdict: str
    reason: str
    tokens: float
    usd: float
    act: str
    note: str
    ends: str = ""


def trial_rows(
    manifest: Manifest,
    runs: Mapping[str, Run],
    plan: pd.DataFrame,
    *,
    diagnoses: Mapping[str, Diagnosis],
    acts: Mapping[str, str],
    ahead: Mapping[str, Forecast] = MappingProxyType({}),
) -> list[TrialRow]:
    """A row for each entry of the manifest; `plan` is the sweep's, all other mappings go by job id."""
    told = [name for name in plan if name not in ("suffix", "state", "job_id", *_COSTS) and _differs(plan[name])]
    short = short_names()
    rows = []
    for entry, planned in zip(manifest.entries, plan.to_dict("records"), strict=True):
        run, diagnosis = runs.get(entry.job_id or ""), diagnoses.get(entry.job_id or "")
        frame = run.results.frame if run is not None and run.results is not None else None
        settings = ", ".join(f"{short.get(str(n), str(n))} {words.setting(planned[n])}" for n in told)
        rows.append(
            TrialRow(
                entry.trial.index,
                settings or entry.trial.identity,
                _status(entry, run),
                _done(entry, run),
                spark(frame),
                newest(frame),
                diagnosis.verdict if diagnosis else "",
                diagnosis.told if diagnosis else "",
                planned["tokens"],
                planned["usd"],
                acts.get(entry.job_id or "", ""),
                _trouble(entry, run),
                _ends(ahead.get(entry.job_id or ""), run),
            )
        )
    return rows


def _differs(column: pd.Series) -> bool:
    return len({words.setting(value) for value in column}) > 1


def _status(entry: Entry, run: Run | None) -> str:
    if entry.state == "sent" and run is not None:
        return run.status
    return entry.note if entry.state == "ended" else entry.state


def _done(entry: Entry, run: Run | None) -> float:
    share = 1.0 if entry.state == "ended" and entry.note == "succeeded" else getattr(run, "progress", None)
    return 0.0 if entry.state == "planned" else float("nan") if share is None else share


def _ends(ahead: Forecast | None, run: Run | None) -> str:
    if ahead is None or ahead.expected is None or ahead.interval90 is None or run is None or run.ended:
        return ""
    expected, low, high = words.aligned(ahead.expected, *ahead.interval90)
    return f"{expected} ({words.between(low, high)})"


def _trouble(entry: Entry, run: Run | None) -> str:
    if entry.state in ("refused", "gone"):
        return entry.note
    return getattr(run, "problem", None) or getattr(run, "error", None) or ""


def sentence(manifest: Manifest, rows: Sequence[TrialRow], *, practice: bool = False) -> str:
    """How far the sweep has come, and what that costs. practice: on the embedded service, which bills nothing."""
    total, ended = len(manifest.entries), len(manifest.entries) - manifest.count(*OPEN)
    doing = Counter(row.status for row, e in zip(rows, manifest.entries, strict=True) if e.state in ("sent", "sending"))
    going = [f"{n} {status.replace('_', ' ')}" for status, n in doing.items()]
    waiting = [f"{manifest.count('planned')} not sent"] if manifest.count("planned") else []
    states = ", ".join([f"{ended} of {words.plural(total, 'job')} ended", *going, *waiting])
    return "; ".join(filter(None, [states, _spent(rows, practice=practice)]))


def _spent(rows: Sequence[TrialRow], *, practice: bool) -> str:
    for name, say in (("usd", words.money), ("tokens", words.rough_count)):
        whole = [getattr(row, name) for row in rows]
        if not any(map(words.missing, whole)):
            so_far = sum(
                of * (0.0 if words.missing(row.done) else row.done) for of, row in zip(whole, rows, strict=True)
            )
            where = " tokens" if name == "tokens" else " on Azure" if practice else ""
            return f"about {say(so_far)} of {say(sum(whole))}{where}".replace("about under", "under")
    return ""


def trials_card(
    manifest: Manifest, rows: Sequence[TrialRow], said: Iterable[str] = (), *, practice: bool = False
) -> Card:
    """The sweep as a card: how far it is, its trials, and what was said on the way."""
    table = jobs_table(rows[:_MOST_ROWS], _columns(rows), labelled=True)
    more = len(rows) - _MOST_ROWS
    return Card(
        Text(sentence(manifest, rows, practice=practice)),
        table,
        Text(f"… and {more} more: sweep.plan has them all.") if more > 0 else None,
        *(Text(line, "warning") for line in said),
        title="Sweep",
        aside=f"in {manifest.folder}",
    )


def _columns(rows: Sequence[TrialRow]) -> list[Column[TrialRow]]:
    columns: list[Column[TrialRow]] = [
        Column("settings", "trial", _trial, False),
        Column("status", "state", _state, False),
        Column("done", "progress", lambda row: Share(words.percent(row.done, 0), share=row.done), False),
        Column("spark", "loss curve", lambda row: row.spark or "", False),
        Column("loss", "validation loss", lambda row: words.number(row.loss)),
        Column("verdict", "verdict so far", lambda row: verdict_span(row.verdict, row.reason), False),
    ]
    if any(row.ends for row in rows):
        columns.append(Column("ends", "expected end (90 %)", lambda row: Span(row.ends, "short")))
    if any(row.act for row in rows):
        columns.append(Column("act", "guard", lambda row: Span(row.act, "short"), False))
    return columns


def _state(row: TrialRow) -> Inline:
    """That of the job; or, in its own words, of a trial that has none."""
    return Span(row.status.capitalize(), "short muted") if row.status in _JOBLESS else state_span(row.status)


def _trial(row: TrialRow) -> Inline:
    note = [Span(f" {row.note[:120]}", "words muted")] if row.note else []
    return [Span(f"{row.trial} ", "muted"), Span(row.settings, "short"), *note]


class SweepBoard:
    """What `Sweep.run` shows by default; called once a tick with the manifest and the pictures of the jobs.

    plan: the sweep's; runs: those archived before. practice: on the embedded service. `acts` is filled by the sweep
    with what its guard did. In a notebook the card updates in place, from any thread.
    """

    def __init__(
        self,
        plan: pd.DataFrame,
        runs: Iterable[Run] = (),
        *,
        practice: bool = False,
        clock: Callable[[], float] = time.monotonic,
        stream: TextIO | None = None,
        display: Callable[..., Any] | None = None,
    ) -> None:
        self.acts: dict[str, str] = {}
        self._plan, self._practice, self._clock = plan, practice, clock
        self._stream = stream or sys.stderr
        self._display = display or _notebook_display()
        self._runs = {run.id: run for run in runs}
        self._standing: dict[str, Standing] = {}
        self._ahead: dict[str, Forecast] = {}
        self._said: list[str] = []
        self._seen: Manifest | None = None
        self._handle: Any = None
        self._shown: Any = None
        self._due = -float("inf")

    def __call__(self, manifest: Manifest, pictures: Mapping[str, JobSnapshot]) -> None:
        self._seen = manifest
        self._runs |= pictures
        if self._clock() >= self._due:
            self._draw(manifest)

    def say(self, line: str) -> None:
        """A sentence for the person who watches."""
        self._said.append(line)
        if self._display is None:
            print(line, file=self._stream)

    def close(self) -> None:
        """Show the last state."""
        if self._seen is not None:
            self._draw(self._seen)
        if self._display is None and self._shown is not None and self._stream.isatty():
            print(file=self._stream)

    def _draw(self, manifest: Manifest) -> None:
        self._due = self._clock() + _DRAW_EVERY_S
        how: dict[str, Any] = {"diagnoses": self._diagnosed(), "acts": self.acts, "ahead": self._ahead}
        rows = trial_rows(manifest, self._runs, self._plan, **how)
        if self._display is None:
            self._write(sentence(manifest, rows, practice=self._practice))
        else:
            card = trials_card(manifest, rows, self._said, practice=self._practice)
            self._put({"text/html": str(card.html()), "text/plain": card.text()})

    def _write(self, line: str) -> None:
        """In a terminal the line is written over itself; elsewhere each state of the jobs is said once."""
        if self._stream.isatty():
            new = line != self._shown
            if new:
                print(f"\r{line.ljust(len(self._shown or ''))}", end="", file=self._stream, flush=True)
        elif new := line.partition(";")[0] != str(self._shown).partition(";")[0]:
            print(line, file=self._stream, flush=True)
        if new:
            self._shown = line

    def _put(self, bundle: dict[str, str]) -> None:
        if self._handle is None:
            self._handle = self._display(bundle, raw=True, display_id=uuid.uuid4().hex)  # type: ignore[misc]
        elif bundle != self._shown:
            self._handle.update(bundle, raw=True)
        self._shown = bundle

    def _diagnosed(self) -> dict[str, Diagnosis]:
        for job_id, run in self._runs.items():
            if run.results is not None and len(run.results):
                before = self._standing.get(job_id, Standing())
                now = look(before, run.results, partial(diagnose, run), ended=run.ended)
                # A terminal's line has no room for it.
                if now is not before and not run.ended and self._display is not None:
                    self._ahead[job_id] = forecast(run, beside=[r for r in self._runs.values() if r.ended])
                self._standing[job_id] = now
        return {i: standing.diagnosis for i, standing in self._standing.items() if standing.diagnosis is not None}


def _notebook_display() -> Callable[..., Any] | None:
    """IPython's `display` where a kernel runs cells; None in a terminal."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return None if getattr(shell, "kernel", None) is None else ipython.display.display  # type: ignore[union-attr]
