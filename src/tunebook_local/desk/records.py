"""What the service keeps: one frozen record a row of the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

JSON = Mapping[str, Any]


@dataclass(frozen=True)
class FileRow:
    """An uploaded, imported or result file. A result file has no blob: its text is made from its rows."""

    id: str
    created_at: int
    filename: str
    purpose: str
    status: str
    bytes: int | None = None
    blob: str | None = None
    lines: int | None = None  # examples counted by the syntax scan
    tokens: JSON | None = None  # of the whole file by encoding, once a job has counted them
    status_details: str | None = None
    expires_at: int | None = None
    ready_at: float = 0.0  # on the clock; when the scan may end
    source_url: str | None = None  # where an import comes from, while it has not arrived


@dataclass(frozen=True)
class UploadRow:
    """An upload in parts (the Uploads API), and the file it became."""

    id: str
    created_at: int
    expires_at: int
    filename: str
    purpose: str
    bytes: int
    mime_type: str
    status: str
    file: str | None = None


@dataclass(frozen=True)
class PartRow:
    """One part of an upload."""

    id: str
    upload: str
    created_at: int
    block: str
    bytes: int
    blob: str


@dataclass(frozen=True)
class JobRow:
    """A fine-tuning job: what was asked, and what has become of it.

    `requested` and `resolved` hold hyperparameters before and after `auto` was decided; `worker` is the token
    of the one process that may write about the job; `state` names the saved training state.
    """

    id: str
    created_at: int
    status: str
    model: str  # as the reply names it: dated base model, or the fine-tuned model it continues
    base_model: str
    fine_tuned_model: str
    training_file: str
    training_blob: str
    seed: int
    method: str
    training_type: str
    requested: JSON
    method_body: JSON | None = None
    validation_file: str | None = None
    validation_blob: str | None = None
    suffix: str | None = None
    metadata: JSON | None = None
    integrations: list[Any] | None = None
    resolved: JSON | None = None
    auto_learning_rate: float | None = None
    start_weights: str | None = None
    result_file: str | None = None
    file_tokens: int | None = None
    trained_tokens: int | None = None
    started_at: float | None = None
    finished_at: int | None = None
    estimated_finish: int | None = None
    error: JSON | None = None
    step: int = 0
    total_steps: int | None = None
    state: str | None = None
    worker: str | None = None
    crashes: int = 0


class TunedModel(NamedTuple):
    """What a list of models says of a job's model; `parent` is the model that was trained."""

    job: str
    name: str
    base_model: str
    parent: str
    finished_at: int | None


@dataclass(frozen=True)
class EventRow:
    """One line of a job's history; `key` is its place in it, so that a repeated step says it only once."""

    id: str
    job: str
    created_at: int
    level: str
    type: str
    message: str
    key: str
    data: JSON | None = None


@dataclass(frozen=True)
class CheckpointRow:
    """A model as it was after `step`; `weights` is None once the file was given up for newer ones."""

    id: str
    job: str
    created_at: int
    step: int
    name: str
    metrics: JSON
    weights: str | None


@dataclass(frozen=True)
class DeploymentRow:
    """A deployment of the management plane. `account` is the path of the resource that holds it."""

    account: str
    name: str
    created_at: float
    updated_at: float
    model: str
    body: JSON
    base_model: str
    weights: str | None = None
    deleted_at: float | None = None
    called_at: float | None = None


@dataclass(frozen=True)
class CopyRow:
    """A checkpoint's copy to another resource."""

    job: str
    checkpoint: str
    destination: str
    region: str
    created_at: float


@dataclass(frozen=True)
class EvalRow:
    """An evaluation, as it is told."""

    id: str
    told: JSON


@dataclass(frozen=True)
class EvalRunRow:
    """A run of an evaluation, as it is told but for its status and the counts of its items."""

    id: str
    eval: str
    status: str
    told: JSON


@dataclass(frozen=True)
class EvalItemRow:
    """An item of a run, answered and graded: pass, fail, or error where there is no grade."""

    id: str
    run: str
    place: int
    status: str
    told: JSON
