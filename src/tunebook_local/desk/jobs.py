"""Decisions about jobs: creation with its quotas, and what may be asked of a job in which state."""

from __future__ import annotations

import uuid
from typing import Any

from tunebook_local.desk import Desk
from tunebook_local.desk.deployments import refuse_in_use
from tunebook_local.desk.files import file_for_job
from tunebook_local.desk.grading import check_grader
from tunebook_local.desk.history import ENQUEUED, STAND_IN, message_event
from tunebook_local.desk.job_request import NewJob
from tunebook_local.desk.models import find_model, model_to_train
from tunebook_local.desk.naming import fine_tuned_name, new_id
from tunebook_local.desk.records import CheckpointRow, JobRow
from tunebook_local.desk.refusals import not_found, over_quota, wrong_state
from tunebook_local.desk.states import ENDED, before
from tunebook_local.desk.store import Superseded


def create_job(desk: Desk, new: NewJob) -> JobRow:
    """A new pending job, its first two events with it; refused when a file, the model or a quota does not allow it."""
    if new.method == "reinforcement" and new.method_body is not None:
        check_grader(desk, new.method_body["reinforcement"].get("grader"), "method.reinforcement.grader")
    source = model_to_train(desk, new.model, new.method, new.training_type)
    training = file_for_job(desk, new.training_file, "training_file")
    validation = file_for_job(desk, new.validation_file, "validation_file") if new.validation_file else None
    with desk.store.transaction():  # the count and the new job are one, however many ask at once
        _check_quotas(desk)
        job_id = new_id("job")
        job = JobRow(
            id=job_id,
            created_at=int(desk.clock.now()),
            status="pending",
            model=source.name,
            base_model=source.base.id,
            fine_tuned_model=fine_tuned_name(source.base.id, job_id, new.suffix, desk.dialect),
            training_file=training.id,
            training_blob=str(training.blob),
            validation_file=validation.id if validation else None,
            validation_blob=validation.blob if validation else None,
            suffix=new.suffix,
            seed=new.seed,
            method=new.method,
            method_body=new.method_body,
            training_type=new.training_type,
            metadata=new.metadata,
            integrations=new.integrations,
            requested=new.hyperparameters,
            auto_learning_rate=_auto_learning_rate(new, training.lines or 0),
            start_weights=source.weights,
        )
        words = (STAND_IN.format(model=source.base.id), ENQUEUED)
        desk.store.add(job, *(message_event(job_id, desk.clock, message) for message in words))
    return job


def _auto_learning_rate(new: NewJob, examples: int) -> float | None:
    """What `auto` will mean: the service says a number for the learning rate from the start."""
    if new.hyperparameters["learning_rate_multiplier"] != "auto":
        return None
    from tunebook_local.model.trainer import resolve_hyperparameters  # numpy: not before the first job needs it

    return float(resolve_hyperparameters({}, examples, new.method)["learning_rate_multiplier"])


def _check_quotas(desk: Desk) -> None:
    jobs = desk.store.count(JobRow)
    if jobs >= desk.limits["jobs_per_resource"]:
        raise over_quota(f"This resource holds {jobs} jobs, the most it may. Delete some first.")
    waiting = desk.store.count(JobRow, status="pending", worker=None)
    # The job that finds a free place at once does not wait, and so does not count.
    if waiting >= desk.limits["queued_jobs"]:
        raise over_quota(f"{waiting} jobs are queued, the most this resource may have. Wait for some to start.")


def visible_job(desk: Desk, job_id: str) -> JobRow:
    """A job by its id."""
    job = desk.store.get(JobRow, id=job_id)
    if job is None:
        raise not_found("fine-tuning job", job_id)
    return job


def kept_checkpoints(desk: Desk, job_id: str) -> list[CheckpointRow]:
    """The checkpoints a job still has, newest first: as many as are kept."""
    points = [point for point in desk.store.all(CheckpointRow, job=job_id) if point.weights is not None]
    return sorted(points, key=lambda point: point.step, reverse=True)[: desk.limits["checkpoints_kept"]]


def cancel_job(desk: Desk, job_id: str) -> JobRow:
    """End a job that has not ended; what it has trained so far stays."""
    job = _moved(desk, job_id, "cancel", "Job cancelled.", finished_at=int(desk.clock.now()))
    desk.store.sweep()
    return job


def pause_job(desk: Desk, job_id: str) -> JobRow:
    """Ask a running job to stop after its step; it becomes paused with a checkpoint that can be deployed."""
    job = visible_job(desk, job_id)
    if job.status == "running" and job.step < 1:
        raise wrong_state(f"The job {job_id!r} has not trained a step yet: only then can it be paused.")
    return _moved(desk, job_id, "pause", "Job pausing.")


def resume_job(desk: Desk, job_id: str) -> JobRow:
    """Let a paused job go on from the step it was paused at."""
    return _moved(desk, job_id, "resume", "Job resuming.")


def _moved(desk: Desk, job_id: str, action: str, message: str, **changes: Any) -> JobRow:
    try:
        with desk.store.transaction():
            job = desk.store.move(job_id, action, **changes)
            if job is not None:
                # A job can be paused more than once: its history has a line for each time.
                desk.store.add(message_event(job_id, desk.clock, message, key=f"{action}:{uuid.uuid4().hex}"))
                return job
    except Superseded:
        raise not_found("fine-tuning job", job_id) from None
    status = visible_job(desk, job_id).status
    allowed = ", ".join(before(action))
    raise wrong_state(f"The job {job_id!r} is {status}: it can be asked to {action} only while {allowed}.")


def delete_job(desk: Desk, job_id: str) -> None:
    """Delete an ended job with its model and checkpoints; its result file stays."""
    job = visible_job(desk, job_id)
    if job.status not in ENDED:
        raise wrong_state(f"The job {job_id!r} is {job.status}: cancel it, or wait until it has ended.")
    refuse_in_use(desk, job)
    desk.store.remove_job(job_id)


def delete_model(desk: Desk, name: str) -> None:
    """Give up a fine-tuned model with its checkpoints, as OpenAI's own service can; the job stays."""
    job = desk.store.get(JobRow, fine_tuned_model=name, status="succeeded")
    if job is None or find_model(desk, name) is None:
        raise not_found("model", name)
    refuse_in_use(desk, job)
    points = desk.store.all(CheckpointRow, job=job.id)
    desk.store.change(CheckpointRow, {"job": job.id}, weights=None)
    for point in points:
        if point.weights:
            (desk.store.jobs / point.weights).unlink(missing_ok=True)
