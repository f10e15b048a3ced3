"""Routes of fine-tuning jobs, their events and checkpoints."""

from __future__ import annotations

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from tunebook_local.desk import Desk, copies, jobs
from tunebook_local.desk.job_request import read_job_request
from tunebook_local.desk.limits import CHECKPOINTS_PAGE, EVENTS_PAGE, JOBS_PAGE
from tunebook_local.desk.records import EventRow, JobRow
from tunebook_local.desk.refusals import invalid
from tunebook_local.http.serving import Json, Service, created, page_of, read_object, stored_page

_PREVIEW = "aoai-copy-ft-checkpoints"  # the header by which one says to know that copying is a preview


class JobRoutes:
    """Parse, call one decision, write the reply."""

    def __init__(self, service: Service) -> None:
        self._service, self._desk = service, service.desk

    async def create(self, request: Request) -> Response:
        new = read_job_request(await read_object(request), self._desk.limits)
        job = await run_in_threadpool(jobs.create_job, self._desk, new)
        self._service.supervisor.wake()
        return created(request, self._service.wire(request).job(job), f"/fine_tuning/jobs/{job.id}")

    def listing(self, request: Request) -> Response:
        page, more = stored_page(request, self._desk, JobRow, JOBS_PAGE, "fine-tuning job")
        wire = self._service.wire(request)
        return Json(wire.page([wire.job(job) for job in page], has_more=more))

    async def retrieve(self, request: Request) -> Response:
        return Json(self._service.wire(request).job(self._job(request)))

    def cancel(self, request: Request) -> Response:
        return self._ask(request, jobs.cancel_job)

    def pause(self, request: Request) -> Response:
        return self._ask(request, jobs.pause_job)

    def resume(self, request: Request) -> Response:
        return self._ask(request, jobs.resume_job)

    def _ask(self, request: Request, action: Callable[[Desk, str], JobRow]) -> Response:
        job = action(self._desk, request.path_params["id"])
        self._service.supervisor.wake()
        return Json(self._service.wire(request).job(job))

    def delete(self, request: Request) -> Response:
        jobs.delete_job(self._desk, request.path_params["id"])
        return Response(status_code=204)

    def events(self, request: Request) -> Response:
        job = self._job(request)
        page, more = stored_page(request, self._desk, EventRow, EVENTS_PAGE, "event", job=job.id)
        wire = self._service.wire(request)
        return Json(wire.page([wire.event(event, job.total_steps) for event in page], has_more=more))

    def checkpoints(self, request: Request) -> Response:
        kept = jobs.kept_checkpoints(self._desk, self._job(request).id)
        page, more = page_of(request, kept, CHECKPOINTS_PAGE, "checkpoint")
        wire = self._service.wire(request)
        return Json(wire.page([wire.checkpoint(point) for point in page], has_more=more))

    async def copy(self, request: Request) -> Response:
        names = _copied(request)
        body = await read_object(request)
        point, rows = await run_in_threadpool(copies.start_copy, self._desk, *names, body)
        return Json(self._service.wire(request).copies(point, rows))

    def copy_state(self, request: Request) -> Response:
        return Json(self._service.wire(request).copies(*copies.copies_of(self._desk, *_copied(request))))

    def _job(self, request: Request) -> JobRow:
        return jobs.visible_job(self._desk, request.path_params["id"])


def _copied(request: Request) -> tuple[str, str]:
    """The job and the checkpoint to copy; refused without the preview's header."""
    if request.headers.get(_PREVIEW) != "preview":
        raise invalid(f"The header '{_PREVIEW}: preview' is required for this operation.", _PREVIEW)
    return request.path_params["id"], request.path_params["checkpoint"]
