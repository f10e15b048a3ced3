"""Which model came from which data and job: lineage as a tree, a small drawing and a frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from tunebook.errors import RequestError, TunebookError
from tunebook.service.jobs import job_of

if TYPE_CHECKING:
    import pandas as pd

    from tunebook.service import Workspace

_MOST_DRAWN = 60
_ROW, _INDENT, _BOX, _HEIGHT = 46, 34, 390, 36  # pixels


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


@dataclass(frozen=True)
class Lineage:
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
        import pandas as pd

        columns = list(Descent.__dataclass_fields__)
        frame = pd.DataFrame([{name: getattr(each, name) for name in columns} for each in self.jobs], columns=columns)
        frame["created_at"] = pd.to_datetime(frame["created_at"].astype("Float64"), unit="s", utc=True)
        return frame

    def of(self, name: str) -> Lineage:
        """Only the ancestors and descendants of one job, model, checkpoint or deployment."""
        wanted = job_of(name) or next(
            (each.job for each in self.jobs if name in (each.job, each.model, each.suffix, *each.deployments)), name
        )
        known = {each.job: each for each in self.jobs}
        if wanted not in known:
            raise RequestError(f"{name!r} is no job, model or deployment of {self.place}.")
        kept = {wanted}
        above = known[wanted].parent
        while above:
            kept.add(above)
            above = known[above].parent
        for each in self.jobs:  # parents come before children
            if each.parent in kept and _descends(each, wanted, known):
                kept.add(each.job)
        return Lineage(self.place, tuple(each for each in self.jobs if each.job in kept))

    def __repr__(self) -> str:
        if not self.jobs:
            return f"{self.place} has no fine-tuning jobs."
        lines, root = [], None
        for each in self.jobs:
            if each.depth == 0 and each.starts_from != root:
                root = each.starts_from
                lines.append(root)
            deployed = f" -> {', '.join(each.deployments)}" if each.deployments else ""
            lines.append(f"{'   ' * each.depth}└─ {each.title}: {each.status}, from {each.data}{deployed}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f'<div style="color:var(--jp-ui-font-color1, currentColor)">{drawing(self)}</div>'


def lineage(workspace: Workspace, of: str | None = None) -> Lineage:
    """The lineage of every job of a resource, or with `of` of one job, model or deployment.

    >>> tb.lineage(ws, job.id)
    gpt-4.1-nano-2025-04-14
    └─ colours, ftjob-...: succeeded, from train.jsonl + valid.jsonl -> ...
    """
    from tunebook.service.jobs import as_json

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


def drawing(lineage: Lineage) -> str:
    """The tree as an SVG that takes its colours from where it stands, with the same as text for screen readers."""
    shown = lineage.jobs[:_MOST_DRAWN]
    if not shown:
        return f"<p>{escape(repr(lineage))}</p>"
    parts, places, row = [], {}, 0
    root: str | None = None
    root_y = 0.0
    for each in shown:
        if each.depth == 0 and each.starts_from != root:
            root, root_y = each.starts_from, row * _ROW + _HEIGHT / 2
            parts.append(f'<text x="0" y="{root_y + 5}" font-weight="600">{escape(root)}</text>')
            row += 1
        x, y = (each.depth + 1) * _INDENT, row * _ROW
        places[each.job] = y + _HEIGHT / 2
        above = places.get(each.parent or "", root_y)
        parts.append(_edge(x, above, y + _HEIGHT / 2))
        parts.append(_box(each, x, y))
        row += 1
    width = (max(each.depth for each in shown) + 1) * _INDENT + _BOX + 180
    more = f"<p>… and {len(lineage.jobs) - len(shown)} more jobs.</p>" if len(lineage.jobs) > len(shown) else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width} {row * _ROW}" width="{width}" '
        f'style="max-width:100%;height:auto;color:inherit" fill="currentColor" font-family="system-ui, sans-serif" '
        f'font-size="13"><title>Lineage of the models of {escape(lineage.place)}</title>'
        f"<desc>{escape(repr(lineage))}</desc>{''.join(parts)}</svg>{more}"
    )


def _edge(x: float, above: float, y: float) -> str:
    spine = x - _INDENT / 2
    path = f"M{spine},{above + _HEIGHT / 2} V{y} H{x}"
    return f'<path d="{path}" fill="none" stroke="currentColor" stroke-opacity=".45"/>'


def _box(each: Descent, x: float, y: float) -> str:
    sign = {"succeeded": "✓", "failed": "✕", "cancelled": "■"}.get(each.status, "…")
    dash = "" if each.model else ' stroke-dasharray="4 3"'
    short = each.job if len(each.job) <= 14 else each.job[:14] + "…"
    title = f"{_short(each.suffix, 18)}, {short}" if each.suffix else short
    told = escape(f"{each.job}\n{each.status}\n{each.model or 'no model'}\n{each.data}")
    data = escape(_short(f"from {each.data}", 50))
    box = (
        f'<g><title>{told}</title><rect x="{x}" y="{y}" width="{_BOX}" height="{_HEIGHT}" rx="5" fill="none" '
        f'stroke="currentColor" stroke-opacity=".6"{dash}/>'
        f'<text x="{x + 8}" y="{y + 15}" font-weight="600">{sign} {escape(title)} '
        f'<tspan font-weight="400">{escape(each.status)}</tspan></text>'
        f'<text x="{x + 8}" y="{y + 30}" font-size="11" fill-opacity=".8">{data}</text>'
    )
    pills, at = "", x + _BOX + 10
    for name in each.deployments[:2]:
        label = _short(name, 18)
        long = 16 + 7.2 * len(label)
        pills += (
            f'<path d="M{at - 10},{y + 18} H{at}" stroke="currentColor" stroke-opacity=".45"/>'
            f'<rect x="{at}" y="{y + 7}" width="{long}" height="22" rx="11" fill="none" stroke="#009e73"/>'
            f'<text x="{at + 8}" y="{y + 22}" font-size="12">{escape(label)}</text>'
        )
        at += long + 10
    rest = len(each.deployments) - 2
    return box + pills + (f'<text x="{at}" y="{y + 22}" font-size="12">+{rest}</text>' if rest > 0 else "") + "</g>"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


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


def _descends(each: Descent, wanted: str, known: Mapping[str, Descent]) -> bool:
    above = each.parent
    while above:
        if above == wanted:
            return True
        above = known[above].parent
    return False
