"""Deleting what a plan names, one step after the other, each confirmed by the service and written to a log.

By default nothing is deleted (`dry_run`). Before each step the jobs are read again: what one that has started since
needs stays.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from openai import APIStatusError, NotFoundError, OpenAIError

from tunebook.errors import ServiceError, TunebookError
from tunebook.experiments.stock.inventory import Item, Plan
from tunebook.experiments.stock.stocktaking import needed_by, needs_of_running_jobs, take_inventory
from tunebook.palette import TONES
from tunebook.service.jobs import as_json
from tunebook.service.once import AWAY, in_doubt
from tunebook.service.pacing import intervals
from tunebook.show import Card, Shown, Span, Text

if TYPE_CHECKING:
    from tunebook.service import Workspace

LOG = Path("tunebook-cleanup.jsonl")
Outcome = Literal["would be deleted", "deleted", "kept", "failed"]
_TONES = {"would be deleted": "note", "deleted": "good", "kept": "warning", "failed": "bad"}


@dataclass(frozen=True)
class Deletion:
    """What became of one step: when (UTC), where, what, and in words why when it was not deleted."""

    at: str
    place: str
    kind: str
    id: str
    name: str
    outcome: Outcome
    reason: str = ""

    @property
    def sentence(self) -> str:
        """What became of it, and why when it was not deleted."""
        return f"{self.outcome}: {self.kind} {self.name}" + (f": {self.reason}" if self.reason else "")

    def __str__(self) -> str:
        return f"{TONES[_TONES[self.outcome]].sign} {self.sentence}"


@dataclass(frozen=True)
class Cleared(Shown):
    """What became of all steps. `dry_run`: nothing was deleted. log: the file that lists what was, if any."""

    deletions: tuple[Deletion, ...]
    dry_run: bool
    log: Path | None = None

    @property
    def sentence(self) -> str:
        number = {outcome: sum(each.outcome == outcome for each in self.deletions) for outcome in _TONES}
        if self.dry_run:
            return (
                f"Dry run: {number['would be deleted']} would be deleted, {number['kept']} kept; nothing was. "
                "Delete with dry_run=False."
            )
        where = f" Listed in {self.log}." if self.log and number["deleted"] else ""
        return f"{number['deleted']} deleted, {number['kept']} kept, {number['failed']} failed.{where}"

    def __repr__(self) -> str:
        return "\n".join([self.sentence, *(f"  {each}" for each in self.deletions)])

    def _card(self) -> Card:
        deletions = [Text(each.sentence, _TONES[each.outcome]) for each in self.deletions]
        return Card(Text(Span(self.sentence, "strong")), *deletions)


def clear(
    workspace: Workspace,
    plan: Plan,
    *,
    dry_run: bool = True,
    log: str | Path | None = LOG,
    told: Callable[[Deletion], object] = bool,
    sleep: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.time,
    timeout_s: float = 600.0,
) -> Cleared:
    """Carry out a plan, or with `dry_run` (the default) only say what would be done.

    told: called with each outcome as it is known. log: JSON Lines of what was deleted, appended to; None for none.
    A step that fails does not stop the others; what depends on it is kept. Nothing is raised for a single step.

    >>> stray = ws.files.upload("train.jsonl", name="stray.jsonl")
    >>> plan = tb.experiments.cleanup_plan(ws, [stray.id])
    >>> tb.experiments.clear(ws, plan)
    Dry run: 1 would be deleted, 0 kept; nothing was. Delete with dry_run=False.
      ○ would be deleted: file stray.jsonl
    >>> tb.experiments.clear(ws, plan, dry_run=False, log="cleanup.jsonl")
    1 deleted, 0 kept, 0 failed. Listed in cleanup.jsonl.
      ✓ deleted: file stray.jsonl
    """

    def outcome(item: Item, what: Outcome, reason: str = "") -> Deletion:
        at = datetime.fromtimestamp(clock(), UTC).isoformat(timespec="seconds")
        return Deletion(at, workspace.name, item.kind, item.id, item.name, what, reason)

    path = Path(log) if log is not None else None
    deletions = [outcome(each.item, "kept", each.reason) for each in plan.refused]
    for each in deletions:
        told(each)
    standing: set[str] = set()  # what is still there though the plan has it gone
    for item in plan.steps:
        reason = _still_needed(workspace, item, standing)
        if reason:
            deletion = outcome(item, "kept", reason)
        elif dry_run:
            deletion = outcome(item, "would be deleted")
        else:
            try:
                gone_before = _delete(workspace, item, sleep, timeout_s)
                deletion = outcome(item, "deleted", "it was gone already." if gone_before else "")
            except TunebookError as error:
                deletion = outcome(item, "failed", _message(error))
        if deletion.outcome in ("kept", "failed"):
            standing.add(item.key)
        deletions.append(deletion)
        told(deletion)
        if path is not None and deletion.outcome in ("deleted", "failed"):
            _write(path, deletion)
    return Cleared(tuple(deletions), dry_run, path)


def cleanup_plan(workspace: Workspace, selected: list[str] | None = None) -> Plan:
    """The plan for these (ids, names or keys of items), or for all that seems unused.

    >>> stray = ws.files.upload("train.jsonl", name="stray.jsonl")
    >>> tb.experiments.cleanup_plan(ws, [stray.id])
    At ... would be deleted, in this order: 1 file. It frees ... kB. This cannot be undone.
      1. file stray.jsonl (file-...)
    """
    inventory = take_inventory(workspace)
    return inventory.plan(inventory.unused if selected is None else selected)


def _still_needed(workspace: Workspace, item: Item, standing: set[str]) -> str | None:
    """Why an item has to stay now: a job that started since needs it, or its deployment could not be deleted."""
    if item.kind == "deployment":
        return None
    waiting = [name for name in item.first if f"deployment:{name}" in standing]
    if waiting:
        return f"its deployment {', '.join(waiting)} is still there."
    try:
        needs = needs_of_running_jobs(as_json(job.job) for job in workspace.jobs.list(limit=10_000))
    except OpenAIError as error:
        return f"whether a running job needs it cannot be read: {_message(error)}"
    if by := needed_by(item, needs):
        return f"the job {', '.join(by)} needs it by now."
    return None


def _delete(workspace: Workspace, item: Item, sleep: Callable[[float], object], timeout_s: float) -> bool:
    """Delete one thing and wait until the service no longer knows it. Whether somebody else had deleted it already."""
    if item.kind == "deployment":
        try:
            workspace.deployments.delete(item.id, sleep=sleep)
        except TunebookError:  # its answer may be what was lost
            if item.id in {each.name for each in workspace.deployments.list()}:
                raise
        return False

    def read() -> Any:
        return workspace.jobs.retrieve(item.id) if item.kind == "model" else workspace.files.retrieve(item.id)

    try:
        if item.kind == "model":
            # Only the dated addresses can: with the job its model and checkpoints go.
            workspace.dated_client.delete(f"/fine_tuning/jobs/{item.id}", cast_to=object)
        else:
            workspace.files.delete(item.id)
    except NotFoundError:
        _wait_until_gone(workspace, read, sleep, timeout_s=0.0)  # else it is the operation that is not offered here
        return True
    except OpenAIError as error:
        if not in_doubt(error):
            raise
        try:  # it may have been carried out
            _wait_until_gone(workspace, read, sleep, timeout_s=workspace.poll_interval_s[1])
        except ServiceError:
            raise error from None
        return False
    _wait_until_gone(workspace, read, sleep, timeout_s)
    return False


def _wait_until_gone(
    workspace: Workspace, read: Callable[[], Any], sleep: Callable[[float], object], timeout_s: float
) -> None:
    """Wait until a read says that there is no such thing."""
    waited = 0.0
    for pause in intervals(*workspace.poll_interval_s):
        reply = None
        try:
            reply = read()
        except NotFoundError:
            return
        except AWAY:
            if waited > timeout_s:
                raise
        if getattr(reply, "status", None) == "deleted":
            return
        if waited > timeout_s:
            raise ServiceError("the service still lists it. Delete it in the portal, or look again later.")
        sleep(pause)
        waited += pause


def _message(error: Exception) -> str:
    if isinstance(error, APIStatusError):
        return f"{error.message}" if error.status_code != 403 else f"you may not (403): {error.message}"
    return str(error)


def _write(path: Path, deletion: Deletion) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(deletion), ensure_ascii=False) + "\n")
