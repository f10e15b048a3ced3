"""Records as JSON, in two dialects.

azure   what the live Azure service answers: keys are absent rather than null, `pending`, -1 for hyperparameters
        that are still to be decided, `trainingType`, `suffix`, `estimated_finish`
openai  every key present, OpenAI's own status words, "auto"

and, within azure, two families of addresses: `v1`, and the dated ones whose lists and errors are plainer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from tunebook.catalogue import load_catalogue
from tunebook_local.desk.copies import Copies
from tunebook_local.desk.grading import GraderResult
from tunebook_local.desk.models import OWNER, Source
from tunebook_local.desk.records import CheckpointRow, EventRow, FileRow, JobRow, PartRow, TunedModel, UploadRow
from tunebook_local.desk.refusals import Refusal

_OPENAI_STATUS = {"pending": "queued", "pausing": "running", "resuming": "running"}
_OPENAI_FILE_STATUS = {"pending": "uploaded"}
_COMMON = ("n_epochs", "batch_size", "learning_rate_multiplier")


@dataclass(frozen=True)
class Wire:
    """How replies are written: `dialect` azure or openai; `family` v1, dated, project or bare."""

    dialect: str = "azure"
    family: str = "v1"

    @property
    def _azure(self) -> bool:
        return self.dialect == "azure"

    def file(self, file: FileRow) -> dict[str, Any]:
        """A file object."""
        body: dict[str, Any] = {
            "id": file.id,
            "object": "file",
            "bytes": file.bytes,
            "created_at": file.created_at,
            "filename": file.filename,
            "purpose": file.purpose,
            "status": file.status if self._azure else _OPENAI_FILE_STATUS.get(file.status, file.status),
            "status_details": file.status_details,
            "expires_at": file.expires_at,
        }
        return _present(body) if self._azure else body

    def deleted(self, kind: str, name: str) -> dict[str, Any]:
        """What is said of something deleted."""
        return {"object": kind, "id": name, "deleted": True}

    def upload(self, upload: UploadRow, file: FileRow | None = None) -> dict[str, Any]:
        """An upload in parts, with the file it became once it is completed."""
        return {
            "id": upload.id,
            "object": "upload",
            "bytes": upload.bytes,
            "created_at": upload.created_at,
            "expires_at": upload.expires_at,
            "filename": upload.filename,
            "purpose": upload.purpose,
            "status": upload.status,
            **({"file": None if file is None else self.file(file)} if file or not self._azure else {}),
        }

    def part(self, part: PartRow) -> dict[str, Any]:
        """One part of an upload."""
        body = {"id": part.id, "object": "upload.part", "created_at": part.created_at, "upload_id": part.upload}
        return {**body, "azure_block_id": part.block} if self._azure else body

    def job(self, job: JobRow) -> dict[str, Any]:
        """A job object."""
        settings = hyperparameters(job, undecided=-1 if self._azure else "auto")
        inner = _without_secrets({**(job.method_body or {}).get(job.method, {}), "hyperparameters": settings})
        body: dict[str, Any] = {
            "id": job.id,
            "object": "fine_tuning.job",
            "created_at": job.created_at,
            "model": job.model,
            "fine_tuned_model": job.fine_tuned_model if job.status == "succeeded" else None,
            "training_file": job.training_file,
            "validation_file": job.validation_file,
            "hyperparameters": settings,
            "method": {"type": job.method, job.method: inner},
            "seed": job.seed,
            "metadata": job.metadata,
            "integrations": job.integrations,
            "estimated_finish": job.estimated_finish,
            "result_files": [job.result_file] if job.result_file else None,
            "finished_at": job.finished_at,
            "trained_tokens": job.trained_tokens,
            "error": job.error,
        }
        return self._azure_job(job, body) if self._azure else self._openai_job(job, body)

    def _azure_job(self, job: JobRow, body: dict[str, Any]) -> dict[str, Any]:
        if job.method_body is None:
            del body["method"]
        body |= {"status": job.status, "suffix": job.suffix, "trainingType": _wire_training_type(job.training_type)}
        return _present({**body, "error": _present(job.error) if job.error else None})

    def _openai_job(self, job: JobRow, body: dict[str, Any]) -> dict[str, Any]:
        for name, nothing in (("metadata", {}), ("integrations", []), ("result_files", [])):
            body[name] = body[name] or nothing
        return {
            **body,
            "status": _OPENAI_STATUS.get(job.status, job.status),
            "hyperparameters": {name: body["hyperparameters"][name] for name in _COMMON},
            "user_provided_suffix": job.suffix,
            "organization_id": OWNER,
        }

    def event(self, event: EventRow, total_steps: int | None = None) -> dict[str, Any]:
        """One event; a metrics event carries its numbers as data."""
        level, message, data = event.level, event.message, event.data
        if not self._azure and data is not None and total_steps:
            data = {**data, "total_steps": total_steps}
            message = message.replace(f"Step {data['step']}:", f"Step {data['step']}/{total_steps}:", 1)
        if level == "warning" and not (self._azure and self.family == "dated"):
            level = "warn"
        body = {
            "id": event.id,
            "object": "fine_tuning.job.event",
            "created_at": event.created_at,
            "level": level,
            "message": message,
            "type": event.type,
            "data": data,
        }
        return _present(body) if self._azure else {**body, "data": data or {}}

    def checkpoint(self, point: CheckpointRow) -> dict[str, Any]:
        """One checkpoint."""
        return {
            "id": point.id,
            "object": "fine_tuning.job.checkpoint",
            "created_at": point.created_at,
            "fine_tuning_job_id": point.job,
            "fine_tuned_model_checkpoint": point.name,
            "step_number": point.step,
            "metrics": dict(point.metrics),
        }

    def copies(self, point: CheckpointRow, copies: Copies) -> dict[str, Any]:
        """A checkpoint's copies to other resources, each with its state."""
        accounts = [
            {"destinationResourceId": copy.destination, "region": copy.region, "status": state}
            for copy, state in copies
        ]
        return {"checkpointedModelName": point.name, "fineTuningJobId": point.job, "copiedAccountDetails": accounts}

    def grade(self, grader: Mapping[str, Any], result: GraderResult, took_s: float) -> dict[str, Any]:
        """A grade. No other model was asked, so its token figures are none."""
        metadata = {
            "name": str(grader.get("name") or ""),
            "type": grader["type"],
            "errors": dict(result.errors),
            "execution_time": took_s,
            "scores": result.sub_rewards,
            "token_usage": None,
            "sampled_model_name": None,
        }
        sub_rewards = {"sub_rewards": result.sub_rewards, "model_grader_token_usage_per_model": {}}
        return {"reward": result.reward, "metadata": metadata, **sub_rewards}

    def model(self, source: Source, tuned: TunedModel | None) -> dict[str, Any]:
        """A model: four keys on v1, what it can do and until when on the dated addresses."""
        created = tuned.finished_at if tuned and tuned.finished_at else _unix(source.base.dated)
        if self.family != "dated" or not self._azure:
            return {"id": source.name, "object": "model", "created": created, "owned_by": OWNER}
        retires = source.base.retires
        body = {
            "id": source.name,
            "object": "model",
            "created_at": created,
            "status": "succeeded",
            "model": tuned.parent if tuned else None,
            "fine_tune": tuned.job if tuned else None,
            "capabilities": {
                "fine_tune": "Standard" in source.base.training_types,
                "inference": tuned is not None,
                "completion": False,
                "chat_completion": True,
                "embeddings": False,
            },
            "lifecycle_status": "preview" if "preview" in source.base.state else "generally-available",
            # Azure always says a date; where none is known, the last one there is.
            "deprecation": {
                "fine_tune": _unix((retires and retires.training) or date.max),
                "inference": _unix((retires and (retires.deployment if tuned else retires.base)) or date.max),
            },
        }
        return _present(body)

    def page(self, items: Sequence[Mapping[str, Any]], *, has_more: bool = False) -> dict[str, Any]:
        """A list; `has_more` is always said, or the SDK asks for one more page."""
        body: dict[str, Any] = {"object": "list", "data": list(items)}
        if self.family != "dated" or not self._azure:
            first, last = (items[0].get("id"), items[-1].get("id")) if items else (None, None)
            body |= {"first_id": first, "last_id": last}
        return {**body, "has_more": has_more}

    def error(self, refusal: Refusal) -> dict[str, Any]:
        """The body of an error."""
        code, message, param = refusal.code, refusal.message, refusal.param
        inner: dict[str, Any]
        if not self._azure:
            kind = "invalid_request_error" if refusal.status < 500 else "server_error"
            inner = {"message": message, "type": kind, "param": param, "code": code}
        elif self.family == "dated":
            inner = _present({"code": code, "message": message, "target": param})
        else:
            inner = _present({"code": code, "message": message, "param": param, "type": "error"})
        return {"error": inner}


def hyperparameters(job: JobRow, undecided: Any) -> dict[str, Any]:
    """What a job was asked or has decided: numbers, or `undecided` where that is still to come."""
    if job.resolved is not None:
        return dict(job.resolved)
    values = {name: undecided if value == "auto" else value for name, value in job.requested.items()}
    if undecided == -1 and job.auto_learning_rate is not None:
        values["learning_rate_multiplier"] = job.auto_learning_rate
    return values


def _without_secrets(value: Any) -> Any:
    """What was sent, but for the headers of tools and graders: they hold keys to other services."""
    if isinstance(value, dict):
        return {key: _without_secrets(inner) for key, inner in value.items() if key != "headers"}
    return [_without_secrets(each) for each in value] if isinstance(value, list) else value


def _wire_training_type(name: str) -> str:
    tier = load_catalogue().training_type(name)
    return tier.wire if tier else name


def _present(body: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if value is not None}


def _unix(day: Any) -> int | None:
    return None if day is None else int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
