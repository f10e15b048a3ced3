"""`watch`: a job as a live cell where a person sees it, as printed lines where nobody does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tunebook.errors import RequestError
from tunebook.show import Card, Text
from tunebook.widgets.live import view as live_view
from tunebook.widgets.live.watcher import Follow, follower
from tunebook.widgets.outputs import cell_and_count, mode, picture

if TYPE_CHECKING:
    from tunebook.service import Job, JobSnapshot, Workspace
    from tunebook.widgets.live.cell import LiveCell


class Picture:
    """The last state of a watched job, as a value: what `watch` returns where there is no live cell."""

    def __init__(self, snapshot: JobSnapshot | None, card: Card, plain: str) -> None:
        self.snapshot = snapshot
        self._card, self._plain = card, plain
        self._shown_in: int | None = None

    def show(self) -> None:
        """Display the picture in the notebook cell that runs now."""
        from IPython.display import display

        self._shown_in = cell_and_count()[1]
        display(self._repr_mimebundle_(), raw=True)

    def _ipython_display_(self) -> None:
        if self._shown_in is None or self._shown_in != cell_and_count()[1]:
            self.show()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return picture(self._card, self._plain)

    def __repr__(self) -> str:
        return self._plain


def watch(
    job: Job | str,
    workspace: Workspace | None = None,
    *,
    background: bool | None = None,
    incumbent: Any = None,
    notify: Callable[[JobSnapshot], object] | None = None,
    say: Callable[[str], object] = print,
    follow: Follow | None = None,
) -> LiveCell | Picture:
    """Watch a job until it ends. Interrupting stops the watching, never the job.

    job: a Job, or the id of one; with an id, `workspace` is where it is (None: `connect()`, from the environment), so
    after a restart of the kernel `tb.watch("ftjob-…")` brings everything back.
    background: None shows a live cell and leaves the kernel free in a notebook, and blocks and prints lines where
    cells run unattended and in scripts. True never blocks, False always does. `await job.watched()` waits without
    showing anything. incumbent: what the job should beat, as in `forecast`: how likely it does is shown while it runs.
    notify: called when the job ends or is paused while it is watched, e.g. `tb.Webhook()`.

    Raises RequestError for an id the service does not know, with the newest jobs it has.

    >>> watched = tb.watch(job.id, ws, background=False)
    ftjob-... at ...
    ... succeeded, step 6/6, train loss ..., valid loss ...
    """
    workspace, job_id = _place_of(job, workspace)
    where = mode()
    if notify is not None:
        from tunebook.service.webhooks import telling

        follow = telling(follow or follower(), notify)
    if background or (background is None and where == "notebook"):
        from tunebook.widgets.live.cell import LiveCell

        cell_id, count = cell_and_count()
        notes = getattr(job, "differences", ())
        cell = LiveCell(workspace, job_id, notes=notes, incumbent=incumbent, follow=follow).start(
            cell=cell_id, count=count
        )
        if where != "script":
            cell.show()
        return cell
    last = _print_lines(workspace, job_id, say, follow)
    if where != "script":
        if last.snapshot is not None and last.snapshot.ended:
            from IPython.display import clear_output

            clear_output(wait=True)  # the lines have done their work: a stored notebook keeps the picture alone
        last.show()
    return last


def milestone(snapshot: JobSnapshot) -> tuple[Any, ...]:
    """What has to change for another line to be printed: state, a tenth of the way, checkpoints, trouble."""
    done = snapshot.progress
    tenth = int(done * 10) if done is not None else (snapshot.step or 0) // 100
    return snapshot.status, tenth, len(snapshot.checkpoints), snapshot.error, snapshot.problem


def line(snapshot: JobSnapshot) -> str:
    """One printed line: local time, then the state and the newest numbers."""
    return f"{time.strftime('%H:%M:%S', time.localtime(snapshot.read_at))} {snapshot.line()}"


def _print_lines(workspace: Workspace, job_id: str, say: Callable[[str], object], follow: Follow | None) -> Picture:
    last: JobSnapshot | None = None
    printed = None
    say(f"{job_id} at {workspace.name}")
    try:
        for pictures in (follow or follower())(workspace, (job_id,)):
            last = pictures.get(job_id)
            if last is not None and (mark := milestone(last)) != printed:
                printed = mark
                say(line(last))
    except KeyboardInterrupt:
        say(f"Stopped watching; {job_id} goes on. tb.watch('{job_id}') watches it again.")
    if last is None:
        plain = f"{job_id} at {workspace.name}: not read."
        return Picture(None, Card(Text(plain)), plain)
    from tunebook.analysis import diagnose

    diagnosis = diagnose(last) if last.results else None
    again = f"tb.watch('{job_id}')"
    card = live_view.card(last, diagnosis=diagnosis, resource=workspace.name, now=last.read_at, again=again)
    return Picture(last, card, live_view.plain_text(last, diagnosis, workspace.name))


def _place_of(job: Job | str, workspace: Workspace | None) -> tuple[Workspace, str]:
    if job and not isinstance(job, str):
        return workspace or job.workspace, job.id
    if workspace is None:
        from tunebook.service import connect

        workspace = connect()
    from openai import APIError, NotFoundError

    job_id = str(job or "")
    try:
        if job_id:
            workspace.jobs.retrieve(job_id)
            return workspace, job_id
    except NotFoundError:
        pass
    except APIError:  # the watching itself says what the matter is, and tries again
        return workspace, job_id
    newest = ", ".join(f"{each.id} ({each.status})" for each in workspace.jobs.list(limit=3))
    what = f"There is no job {job_id!r} at {workspace.name}." if job_id else "Which job? Give one, or its id."
    raise RequestError(f"{what} {f'The newest there: {newest}.' if newest else 'It has no jobs.'}")
