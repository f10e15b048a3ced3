"""A workspace in memory and pictures of jobs: what the widgets read, without a service."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import ipywidgets
import pytest

from tunebook.analysis.results import Results
from tunebook.service.watching import JobSnapshot
from tunebook.widgets.tables.pick_table import Grid

T0 = 1_790_000_000


def events_of(n_steps: int, total: int) -> tuple[dict[str, Any], ...]:
    """A queue message, a start message, then one metrics event a step; full validation every tenth step."""
    said = [
        {"id": "e0", "created_at": T0, "level": "info", "message": "Job enqueued.", "type": "message"},
        {"id": "e1", "created_at": T0 + 1, "level": "info", "message": "Training started.", "type": "message"},
    ]
    for step in range(1, n_steps + 1):
        data = {"step": step, "total_steps": total, "train_loss": 2.0 - step / total, "valid_loss": 2.1 - step / total}
        if step % 10 == 0:
            data["full_valid_loss"] = 2.2 - step / total
        message = f"Step {step}: training loss={data['train_loss']:.4f}"
        event = {"id": f"m{step}", "created_at": T0 + 2 + step, "level": "info", "message": message}
        said.append(event | {"type": "metrics", "data": data})
    return tuple(said)


def picture(status: str = "running", steps: int = 6, total: int = 30, **changes: Any) -> JobSnapshot:
    """One snapshot of a three-epoch job. `job=` adds keys to the job object; other changes replace fields."""
    job_id = changes.pop("job_id", "ftjob-abc")
    job = {
        "id": job_id,
        "model": "gpt-4.1-mini-2025-04-14",
        "status": status,
        "created_at": T0 - 60,
        "hyperparameters": {"n_epochs": 3, "batch_size": 4, "learning_rate_multiplier": 0.1},
    } | changes.pop("job", {})
    events = changes.pop("events", events_of(steps, total))
    results = Results.from_events(list(events), name=job_id)
    fields: dict[str, Any] = {
        "job": job,
        "read_at": T0 + 100.0,
        "events": events,
        "results": results if len(results) else None,
    }
    return JobSnapshot(**(fields | changes))


class FakeJob:
    def __init__(self, workspace: FakeWorkspace, job_id: str, status: str) -> None:
        self.workspace, self.id, self.status, self.differences = workspace, job_id, status, ()
        self.job = SimpleNamespace(id=job_id, model="gpt-4.1-mini-2025-04-14", status=status)

    @property
    def ended(self) -> bool:
        return self.status in ("succeeded", "failed", "cancelled")

    def _act(self, action: str) -> FakeJob:
        self.workspace.calls.append((action, self.id))
        if self.workspace.error is not None:
            raise self.workspace.error
        self.status = {"pause": "pausing", "resume": "resuming", "cancel": "cancelled"}[action]
        return self

    def pause(self) -> FakeJob:
        return self._act("pause")

    def resume(self) -> FakeJob:
        return self._act("resume")

    def cancel(self) -> FakeJob:
        return self._act("cancel")

    def checkpoints(self) -> list[Any]:
        return []


class FakeWorkspace:
    """Records what was asked of it in `calls`; raises `error` when one is set."""

    name = "contoso"
    endpoint = "https://contoso.example"

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.error: Exception | None = None
        self.stored: list[SimpleNamespace] = []
        self.status = "running"
        self.jobs = SimpleNamespace(retrieve=self._retrieve, create=self._create, list=self._list)
        self.files = SimpleNamespace(list=self._files, upload=self._upload)
        self.deployments = SimpleNamespace(create=self._deploy)

    def _retrieve(self, job_id: str) -> FakeJob:
        return FakeJob(self, job_id, self.status)

    def _create(self, request: Any) -> FakeJob:
        self.calls.append(("create", request))
        if self.error is not None:
            raise self.error
        return FakeJob(self, "ftjob-new", "pending")

    def _list(self, limit: int = 20) -> list[FakeJob]:
        return [][:limit]

    def _files(self, purpose: str | None = None) -> list[SimpleNamespace]:
        if self.error is not None:
            raise self.error
        return [file for file in self.stored if purpose in (None, file.purpose)]

    def _upload(self, source: Any, *, name: str | None = None, progress: Any = None) -> SimpleNamespace:
        self.calls.append(("upload", source))
        if self.error is not None:
            raise self.error
        if progress:
            progress(50, 100)
            progress(100, 100)
        file = SimpleNamespace(
            id=f"file-up{len(self.stored)}",
            filename=name or str(getattr(source, "name", source)),
            bytes=100,
            created_at=T0,
            status="processed",
            purpose="fine-tune",
        )
        self.stored.insert(0, file)
        return file

    def _deploy(self, model: str, *, name: str, say: Any) -> None:
        self.calls.append(("deploy", model, name))
        say("Deploying …")
        if self.error is not None:
            raise self.error


@pytest.fixture
def workspace() -> FakeWorkspace:
    return FakeWorkspace()


def at_once(work: Any) -> None:
    """Do a click's work in the test's own thread."""
    work()


def texts(widget: Any) -> str:
    """All HTML shown anywhere inside a widget, with its dollars as one reads them."""
    own = widget.value.replace("<span>$</span>", "$") if isinstance(widget, ipywidgets.HTML) else ""
    if isinstance(widget, Grid):
        cells = [cell for row in widget.rows for cell in row["cells"]]
        own = " ".join([widget.caption, *(column["heading"] for column in widget.head), *cells])
    return own + "".join(texts(child) for child in getattr(widget, "children", ()))


def script(*ticks: JobSnapshot | BaseException | Mapping[str, JobSnapshot]) -> Any:
    """A stand-in for `follow` that yields these pictures, raising those that are errors."""

    def follow(*_: Any, **__: Any) -> Any:
        for tick in ticks:
            if isinstance(tick, BaseException):
                raise tick
            yield tick if isinstance(tick, Mapping) else {tick.job_id: tick}

    return follow
