"""Reading what a resource holds into an inventory: which deployment serves what, which job needs what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tunebook.analysis.run import TERMINAL
from tunebook.catalogue import Catalogue, load_catalogue
from tunebook.errors import TunebookError
from tunebook.experiments.stock.inventory import ORDER, Inventory, Item, Kind
from tunebook.service.jobs import as_json, job_of
from tunebook.service.terms import deployment_terms
from tunebook.words import plural

if TYPE_CHECKING:
    from tunebook.service import Workspace

_IDLE_DAYS = 7  # a deployment that nobody called for a week is worth a question
_PURPOSES: Mapping[str, Kind] = {"fine-tune": "file", "fine-tune-results": "result file"}
_ANY_MODEL = "any model"  # a job that starts from a checkpoint's id does not say whose checkpoint it is


def take_inventory(workspace: Workspace) -> Inventory:
    """Read what is at a resource: its deployments, jobs with their models, and files. Deletes nothing.

    >>> inventory = tb.experiments.take_inventory(ws)
    >>> sorted({item.kind for item in inventory.items})
    ['deployment', 'file', 'model', 'result file']
    """
    jobs = [as_json(job.job) for job in workspace.jobs.list(limit=10_000)]
    files = [as_json(file) for file in workspace.files.list()]
    notes: tuple[str, ...] = ()
    deployments: list[Mapping[str, Any]] | None = []
    try:
        deployments = [
            {"name": each.name, "model": each.model, "sku": each.sku, "created_at": each.created_at}
            for each in workspace.deployments.list()
        ]
        calls = workspace.deployments.last_calls()
    except TunebookError as error:
        deployments, calls = None, None
        notes = (f"Deployments cannot be read, so no model is deleted: {error}",)
    return build_inventory(
        place=workspace.name,
        jobs=jobs,
        files=files,
        deployments=deployments,
        calls=calls,
        now=datetime.now(UTC),
        notes=notes,
        practice=workspace.embedded,
    )


def build_inventory(
    *,
    place: str,
    jobs: Iterable[Mapping[str, Any]],
    files: Iterable[Mapping[str, Any]],
    deployments: Iterable[Mapping[str, Any]] | None,
    now: datetime,
    calls: Mapping[str, datetime | None] | None = None,
    notes: tuple[str, ...] = (),
    practice: bool = False,
    catalogue: Catalogue | None = None,
) -> Inventory:
    """The inventory of job, file and deployment records.

    deployments: `name`, `model`, `sku`, `created_at`; None when they could not be read. calls: deployment -> when it
    was last called (None: not within the time looked at); None when that could not be read.
    """
    facts = catalogue or load_catalogue()
    every_job, every_file = list(jobs), list(files)
    live = list(deployments or ())
    needs = needs_of_running_jobs(every_job)
    unread = deployments is None
    items = [
        *(_deployment(each, calls, now, facts) for each in live),
        *(_model(job, live, needs, every_job, unread=unread) for job in every_job if job.get("status") in TERMINAL),
        *(_file(file, every_job, needs) for file in every_file if file.get("purpose") in _PURPOSES),
    ]
    others = sum(file.get("purpose") not in _PURPOSES for file in every_file)
    if others:
        notes = (*notes, f"Left alone and not listed: {plural(others, 'file')} of other purposes.")
    ours = [file for file in every_file if file.get("purpose") in _PURPOSES]
    gauges = {
        "files": (len(ours), facts.limit("files_per_resource")),
        "bytes of files": (sum(f.get("bytes") or 0 for f in every_file), facts.limit("files_total_bytes")),
        "jobs": (len(every_job), facts.limit("jobs_per_resource")),
        "deployments of fine-tuned models": (
            sum(".ft-" in str(each.get("model")) for each in live),
            facts.limit("tuned_deployments"),
        ),
    }
    rank = {kind: place for place, kind in enumerate(ORDER)}
    items.sort(key=lambda item: (rank[item.kind], -(item.created_at or 0), item.name))
    return Inventory(place, tuple(items), gauges, now.timestamp(), notes, practice)


def needs_of_running_jobs(jobs: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """File or job id -> the jobs still going that need it. What is not known to have ended is still going."""
    needs: dict[str, list[str]] = {}
    for job in jobs:
        if job.get("status") in TERMINAL:
            continue
        wanted = [job.get("training_file"), job.get("validation_file"), *(job.get("result_files") or ())]
        start = str(job.get("model") or "")
        wanted += [_ANY_MODEL if start.startswith("ftchkpt-") else job_of(start), job.get("id")]
        for each in wanted:
            if each:
                needs.setdefault(str(each), []).append(str(job["id"]))
    return {each: tuple(dict.fromkeys(by)) for each, by in needs.items()}


def needed_by(item: Item, needs: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The running jobs that need an item."""
    return (*needs.get(item.id, ()), *(needs.get(_ANY_MODEL, ()) if item.kind == "model" else ()))


def _deployment(
    each: Mapping[str, Any], calls: Mapping[str, datetime | None] | None, now: datetime, facts: Catalogue
) -> Item:
    name, model, created = str(each["name"]), str(each.get("model") or ""), each.get("created_at")
    terms = deployment_terms(sku=str(each.get("sku")), model=model, now=now, created_at=created, catalogue=facts)
    unused = None
    if calls is not None:
        called = calls.get(name)
        if called is None:
            unused = "no call was counted in the last 30 days"
        elif (now - called).days >= _IDLE_DAYS:
            unused = f"last called {(now - called).days} days ago"
    return Item(
        kind="deployment",
        id=name,
        name=name,
        detail=f"{model}, {terms.sku}",
        usd_per_hour=terms.usd_per_hour,
        created_at=created.timestamp() if created is not None else None,
        unused=unused,
    )


def _model(
    job: Mapping[str, Any],
    deployments: list[Mapping[str, Any]],
    needs: Mapping[str, tuple[str, ...]],
    jobs: list[Mapping[str, Any]],
    *,
    unread: bool,
) -> Item:
    job_id = str(job["id"])
    serving = tuple(str(each["name"]) for each in deployments if job_of(str(each.get("model"))) == job_id)
    continued = [str(other["id"]) for other in jobs if job_of(str(other.get("model") or "")) == job_id]
    name = job.get("fine_tuned_model") or f"(none: {job_id} {job.get('status')})"
    detail = f"job {job_id}" + (f", continued by {', '.join(continued)}" if continued else "")
    # A model that is not deployed costs nothing and cannot be had back: only jobs without one are called unused.
    unused = None if job.get("fine_tuned_model") else f"the job ended as {job.get('status')} and made no model"
    item = Item(
        kind="model",
        id=job_id,
        name=str(name),
        detail=detail,
        created_at=job.get("finished_at") or job.get("created_at"),
        first=("?",) if unread and job.get("fine_tuned_model") else serving,
        unused=unused,
    )
    return replace(item, needed_by=needed_by(item, needs))


def _file(file: Mapping[str, Any], jobs: list[Mapping[str, Any]], needs: Mapping[str, tuple[str, ...]]) -> Item:
    file_id, kind = str(file["id"]), _PURPOSES[str(file["purpose"])]
    if kind == "result file":
        users = [str(job["id"]) for job in jobs if file_id in (job.get("result_files") or ())]
        unused = None if users else "its job is gone"
        detail = f"results of {', '.join(users)}" if users else "results of a job that is gone"
    else:
        users = [str(job["id"]) for job in jobs if file_id in (job.get("training_file"), job.get("validation_file"))]
        refused = file.get("status") == "error"
        unused = "the service refused it" if refused else None if users else "no job uses it"
        more = f" and {len(users) - 1} more" if len(users) > 1 else ""
        detail = f"used by {users[0]}{more}" if users else ""
    return Item(
        kind=kind,
        id=file_id,
        name=str(file.get("filename") or file_id),
        detail=detail,
        bytes=file.get("bytes"),
        created_at=file.get("created_at"),
        needed_by=needs.get(file_id, ()),
        unused=unused,
    )
