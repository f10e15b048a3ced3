"""What the board shows, read little by little: the list first, then the curves of each job, then only what changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tunebook.widgets.clicks import sentence_of

if TYPE_CHECKING:
    from tunebook.service import Job, JobSnapshot, Workspace

_CHUNK = 8  # finished jobs whose results are read between two showings
_LIST_EVERY = 4  # ticks between two looks for jobs that are new


@dataclass(frozen=True)
class Entry:
    """One job as far as it is known: the picture, and what went wrong with reading more of it."""

    snapshot: JobSnapshot
    problem: str = ""
    complete: bool = False


def feed(
    workspace: Workspace,
    limit: int,
    *,
    sleep: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.time,
) -> Iterator[Mapping[str, Entry]]:
    """The newest `limit` jobs, id -> Entry, again and again; `sleep` ends it by raising.

    One list call a tick, and one events call for each job that is going. Results of jobs that have ended are read
    once each, a few a tick, newest first. A job that cannot be read is marked and does not disturb the others; an
    error of the list itself is raised until there has been a first one, and marks the entries stale afterwards.
    """
    from tunebook.service.pacing import next_interval

    entries: dict[str, Entry] = {}
    shortest, longest = workspace.poll_interval_s
    pause, tick = shortest, 0
    while True:
        before = dict(entries)
        if tick % _LIST_EVERY == 0 or not entries:
            entries = _listed(workspace, limit, entries, clock())
            if tick == 0:
                yield dict(entries)
        tick += 1
        going = [i for i, e in entries.items() if not e.snapshot.ended]
        entries |= _moved(workspace, going, entries, clock())
        waiting = [i for i, e in entries.items() if e.snapshot.ended and not e.complete]
        for job_id in waiting[:_CHUNK]:
            entries[job_id] = _completed(workspace, entries[job_id])
        yield dict(entries)
        if len(waiting) > _CHUNK:
            sleep(0)
            continue
        changed = any(before.get(i) is not e for i, e in entries.items() if e.snapshot.ended) or _news(before, entries)
        pause = next_interval(pause, changed=changed, shortest_s=shortest, longest_s=longest)
        sleep(pause)


def _news(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> bool:
    from tunebook.service.watching import news

    return news({i: e.snapshot for i, e in before.items()}, {i: e.snapshot for i, e in after.items()})


def _listed(workspace: Workspace, limit: int, entries: dict[str, Entry], now: float) -> dict[str, Entry]:
    """The entries of the jobs listed now, in the service's order; what was known of them is kept."""
    from openai import OpenAIError

    from tunebook.service.watching import JobSnapshot

    try:
        jobs: list[Job] = workspace.jobs.list(limit=limit)
    except OpenAIError as error:
        if not entries:
            raise
        return {i: _stale(e, error, now) for i, e in entries.items()}
    listed = {}
    for job in jobs:
        known = entries.get(job.id)
        if known is None or (known.snapshot.status != job.status and job.ended):
            record = job.job.to_dict(mode="json")
            if known is None:
                fresh = JobSnapshot(record, read_at=now)
            else:
                last = replace(known.snapshot, stale_since=None, problem=None)
                fresh = replace(last, job=record, read_at=now)
            known = Entry(fresh)
        listed[job.id] = known
    return listed


def _moved(workspace: Workspace, going: list[str], entries: Mapping[str, Entry], now: float) -> dict[str, Entry]:
    """The jobs that are going, one tick on. One that cannot be read is marked; the others are read without it."""
    from openai import OpenAIError

    from tunebook.service.watching import look

    seen = {i: entries[i].snapshot for i in going}
    try:
        moved = look(workspace, going, {i: s for i, s in seen.items() if s.events}, now=now) if going else {}
    except OpenAIError:
        moved = {}
        failed = {}
        for job_id in going:
            try:
                known = {job_id: seen[job_id]} if seen[job_id].events else {}
                moved |= look(workspace, [job_id], known, now=now)
            except OpenAIError as error:
                failed[job_id] = Entry(replace(seen[job_id], read_at=now), sentence_of(error))
        return {i: Entry(s, complete=s.ended) for i, s in moved.items()} | failed
    return {i: Entry(s, complete=s.ended) for i, s in moved.items()}


def _completed(workspace: Workspace, entry: Entry) -> Entry:
    """A job that has ended, with its result file."""
    from tunebook.analysis import load_results

    files: Any = entry.snapshot.job.get("result_files") or ()
    if not files:
        return replace(entry, complete=True)
    try:
        results = load_results(workspace.files.content(files[0]), name=entry.snapshot.job_id)
    except Exception as error:  # a file deleted or unreadable is said in its row
        return replace(entry, complete=True, problem=f"Results: {sentence_of(error)}")
    return Entry(replace(entry.snapshot, results=results), complete=True)


def _stale(entry: Entry, error: BaseException, now: float) -> Entry:
    if entry.snapshot.ended:
        return entry
    since = entry.snapshot.stale_since or now
    return replace(entry, snapshot=replace(entry.snapshot, stale_since=since), problem=sentence_of(error))
