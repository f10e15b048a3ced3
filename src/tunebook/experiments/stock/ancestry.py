"""Which model came from which data and job: lineage as a tree and as a frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunebook.errors import RequestError, TunebookError
from tunebook.experiments.stock.inventory import frame_of
from tunebook.service.jobs import as_json, job_of
from tunebook.show import Card, Fold, Shown, Span, Table, Text
from tunebook.words import plural

if TYPE_CHECKING:
    import pandas as pd

    from tunebook.service import Workspace

_MOST_ROWS = 60
_SIGNS = {"succeeded": ("✓", "good"), "failed": ("✕", "bad"), "cancelled": ("■", "note")}


@dataclass(frozen=True)
class Descent:
    """One job and where it stands in the tree.

    parent: the job whose model it started from, None for a base model (or one made elsewhere: `starts_from` names it).
    model: what it made, None when nothing. deployments: names under which its model or checkpoints answer.
    """

    job: str
    status: str
    starts_from: str
    parent: str | None
    depth: int
    model: str | None
    suffix: str | None
    created_at: int | None
    training_file: str
    training_name: str | None
    validation_file: str | None
    validation_name: str | None
    deployments: tuple[str, ...] = ()

    @property
    def data(self) -> str:
        """The files it learned from, by name where the service still has them."""
        train = self.training_name or f"{self.training_file} (deleted)"
        if not self.validation_file:
            return train
        return f"{train} + {self.validation_name or f'{self.validation_file} (deleted)'}"

    @property
    def title(self) -> str:
        return f"{self.suffix}, {self.job}" if self.suffix else self.job

    def row(self, branch: str) -> tuple[str | Span | Sequence[str | Span], ...]:
        """The job in the table of a lineage; a job without a model is said to have none."""
        sign, tone = _SIGNS.get(self.status, ("…", ""))
        name: list[str | Span] = [Span(self.suffix, "strong"), " "] if self.suffix else []
        deployed = [Span(name, "code") for name in self.deployments]
        between: list[str | Span] = [piece for span in deployed for piece in (span, ", ")][:-1]
        return (
            [Span(branch.replace(" ", "\u00a0"), "code"), *name, Span(self.job, "code")],
            Span(f"{sign} {self.status}" + ("" if self.model else ", no model"), tone=tone),
            self.data,
            between,
        )


@dataclass(frozen=True)
class Lineage(Shown):
    """Jobs in the order of their descent: each after the one whose model it continued. `place` names the resource.

    >>> first = tb.lineage(ws, job.id).jobs[0]
    >>> (first.job == job.id, first.parent, first.depth)
    (True, None, 0)
    """

    place: str
    jobs: tuple[Descent, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a job: the fields of `Descent`, times as UTC."""
        return frame_of(self.jobs, list(Descent.__dataclass_fields__))

    def of(self, name: str) -> Lineage:
        """Only the ancestors and descendants of one job, model, checkpoint or deployment."""
        wanted = job_of(name) or next(
            (each.job for each in self.jobs if name in (each.job, each.model, each.suffix, *each.deployments)), name
        )
        known = {each.job: each for each in self.jobs}
        if wanted not in known:
            raise RequestError(f"{name!r} is no job, model or deployment of {self.place}.")
        below, above = {wanted}, known[wanted].parent
        for each in self.jobs:  # parents come before children
            if each.parent in below:
                below.add(each.job)
        kept = set(below)
        while above:
            kept.add(above)
            above = known[above].parent
        return Lineage(self.place, tuple(each for each in self.jobs if each.job in kept))

    def __repr__(self) -> str:
        if not self.jobs:
            return f"{self.place} has no fine-tuning jobs."
        lines = []
        for base, jobs in self._trees():
            lines.append(base)
            for job, branch in zip(jobs, _branches(jobs), strict=True):
                deployed = f" -> {', '.join(job.deployments)}" if job.deployments else ""
                lines.append(f"{branch}{job.title}: {job.status}, from {job.data}{deployed}")
        return "\n".join(lines)

    def _trees(self) -> Iterator[tuple[str, list[Descent]]]:
        """Each model that was not made here, and the jobs that descend from it."""
        root = ""
        tree: list[Descent] = []
        for job in self.jobs:
            if job.depth == 0 and job.starts_from != root:
                if tree:
                    yield root, tree
                root, tree = job.starts_from, []
            tree.append(job)
        if tree:
            yield root, tree

    def _card(self) -> Card:
        if not self.jobs:
            return Card(Text(repr(self)))
        rows: list[tuple[str | Span | Sequence[str | Span], ...]] = []
        for base, jobs in self._trees():
            rows.append((Span(base, "strong"), "", "", ""))
            rows += [job.row(branch) for job, branch in zip(jobs, _branches(jobs), strict=True)]
        more = sum(bool(status) for _, status, *_ in rows[_MOST_ROWS:])  # the name of a base model has none
        made = [(Span(job.job, "code"), Span(job.model, "code")) for job in self.jobs if job.model]
        return Card(
            Table(("model and jobs that continued it", "status", "learned from", "deployed as"), rows[:_MOST_ROWS]),
            Text(f"… and {plural(more, 'more job')}.") if more > 0 else None,
            Fold("Names of the models that were made", [Table(("job", "model"), made)]) if made else None,
            title=f"Lineage of the models of {self.place}",
        )


def _branches(tree: Sequence[Descent]) -> list[str]:
    """What stands before each job of a tree: ├─ where a sibling follows, └─ before the last, │ past a branch."""
    branches: list[str] = []
    following: set[int] = set()  # depths at which a later job hangs on the same branch
    for job in reversed(tree):
        past = "".join("│  " if depth in following else "   " for depth in range(job.depth))
        branches.append(past + ("├─ " if job.depth in following else "└─ "))
        following = {depth for depth in following if depth < job.depth} | {job.depth}
    return branches[::-1]


def lineage(workspace: Workspace, of: str | None = None) -> Lineage:
    """The lineage of every job of a resource, or with `of` of one job, model or deployment.

    >>> tb.lineage(ws, job.id)
    gpt-4.1-nano-2025-04-14
    └─ colours, ftjob-...: succeeded, from train.jsonl + valid.jsonl -> ...
    """
    jobs = [as_json(job.job) for job in workspace.jobs.list(limit=10_000)]
    files = {file.id: file.filename for file in workspace.files.list()}
    try:
        deployments = {each.name: each.model for each in workspace.deployments.list()}
    except TunebookError:
        deployments = {}  # another sign-in, which not everybody has: the tree stands without them
    whole = trace(jobs, files=files, deployments=deployments, place=workspace.name)
    return whole.of(of) if of else whole


def trace(
    jobs: Iterable[Mapping[str, Any]],
    *,
    files: Mapping[str, str] | None = None,
    deployments: Mapping[str, str] | None = None,
    place: str = "this resource",
) -> Lineage:
    """The lineage of job objects as the service sends them. files: id -> name; deployments: name -> model."""
    known = {str(job["id"]): job for job in jobs}
    names, serving = files or {}, deployments or {}
    parents = {job_id: _parent(job, known) for job_id, job in known.items()}
    children: dict[str | None, list[str]] = {}
    for job_id, parent in parents.items():
        children.setdefault(parent, []).append(job_id)

    def age(job_id: str) -> tuple[str, float, str]:
        base = str(known[job_id].get("model")) if parents[job_id] is None else ""
        return base, known[job_id].get("created_at") or 0, job_id

    found: list[Descent] = []
    waiting = [(job_id, 0) for job_id in sorted(children.get(None, ()), key=age, reverse=True)]
    while waiting:
        job_id, depth = waiting.pop()
        found.append(_descent(known[job_id], parents[job_id], depth, names, serving))
        waiting += [(child, depth + 1) for child in sorted(children.get(job_id, ()), key=age, reverse=True)]
    return Lineage(place, tuple(found))


def _parent(job: Mapping[str, Any], known: Mapping[str, Any]) -> str | None:
    """The job whose model this one started from; None for a base model, and when that job is not here."""
    parent = job_of(str(job.get("model") or ""))
    return parent if parent in known and parent != job["id"] else None


def _descent(
    job: Mapping[str, Any], parent: str | None, depth: int, files: Mapping[str, str], deployments: Mapping[str, str]
) -> Descent:
    job_id, validation = str(job["id"]), job.get("validation_file") or None
    training = str(job.get("training_file") or "")
    return Descent(
        job=job_id,
        status=str(job.get("status") or ""),
        starts_from=str(job.get("model") or ""),
        parent=parent,
        depth=depth,
        model=job.get("fine_tuned_model") or None,
        suffix=job.get("suffix") or job.get("user_provided_suffix") or None,
        created_at=job.get("created_at"),
        training_file=training,
        training_name=files.get(training),
        validation_file=validation,
        validation_name=files.get(validation) if validation else None,
        deployments=tuple(sorted(name for name, model in deployments.items() if job_of(model) == job_id)),
    )
