"""The routes: parse, call one decision, write the reply. No decisions here."""

from __future__ import annotations

import errno
import os
import sqlite3
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from tunebook.local import files, jobs, models
from tunebook.local.addresses import Address
from tunebook.local.clock import Clock
from tunebook.local.form_stream import read_form
from tunebook.local.gate import LARGEST_JSON, error_response
from tunebook.local.job_request import read_job_request
from tunebook.local.limits import CHECKPOINTS_PAGE, EVENTS_PAGE, JOBS_PAGE, LARGEST_PAGE, Limits
from tunebook.local.records import Event, Job
from tunebook.local.refusals import DISK_FULL, NO_PATH, Refusal, invalid, not_found, too_large
from tunebook.local.store import Store
from tunebook.local.supervisor import Supervisor
from tunebook.local.wire import Wire

Handler = Callable[[Request], Awaitable[Response]]
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass
class Service:
    """What the handlers work with."""

    store: Store
    clock: Clock
    limits: Limits
    supervisor: Supervisor
    dialect: str = "azure"

    def wire(self, request: Request) -> Wire:
        """How to write the reply to this request."""
        return Wire(self.dialect, _address(request).family)

    # -- files --------------------------------------------------------------------------------------------

    async def create_file(self, request: Request) -> Response:
        content = self.store.new_content()
        form = await read_form(
            request.stream(),
            request.headers.get("content-type", ""),
            file_field="file",
            into=content,
            limit=self.limits["upload_bytes"],
        )
        try:
            purpose = files.check_purpose(form.fields.get("purpose"))
            life_s = files.check_expiry(
                form.fields.get("expires_after[anchor]"), form.fields.get("expires_after[seconds]")
            )
            file = await run_in_threadpool(
                files.add_file,
                self.store,
                self.clock,
                self.limits,
                content=content,
                filename=form.filename or "upload",
                purpose=purpose,
                life_s=life_s,
            )
        finally:
            content.unlink(missing_ok=True)  # nothing there once it is kept
        self.supervisor.wake()
        return self._created(request, self.wire(request).file(file), f"/openai/files/{file.id}")

    async def list_files(self, request: Request) -> Response:
        found = files.visible_files(self.store, self.clock, request.query_params.get("purpose"))
        if request.query_params.get("order") == "asc":
            found.reverse()
        after = request.query_params.get("after")
        if after is not None:
            places = [place for place, file in enumerate(found) if file.id == after]
            found = found[places[0] + 1 :] if places else []
        limit = _limit(request, LARGEST_PAGE)
        wire = self.wire(request)
        return JSONResponse(wire.page([wire.file(f) for f in found[:limit]], has_more=len(found) > limit))

    async def retrieve_file(self, request: Request) -> Response:
        file = files.visible_file(self.store, self.clock, request.path_params["id"])
        return JSONResponse(self.wire(request).file(file))

    async def file_content(self, request: Request) -> Response:
        file = files.visible_file(self.store, self.clock, request.path_params["id"])
        headers = {"content-disposition": "attachment"}  # the name is the client's business: it may hold anything
        if file.blob is not None:
            return FileResponse(self.store.blobs / file.blob, media_type="application/octet-stream", headers=headers)
        text = self.store.result_text(file.id)
        return Response(text, media_type="application/octet-stream", headers=headers)

    async def delete_file(self, request: Request) -> Response:
        file = files.visible_file(self.store, self.clock, request.path_params["id"])
        await run_in_threadpool(self.store.remove_file, file)
        return JSONResponse(self.wire(request).deleted("file", file.id))

    # -- jobs ---------------------------------------------------------------------------------------------

    async def create_job(self, request: Request) -> Response:
        new = read_job_request(await read_json(request), self.limits)
        job = await run_in_threadpool(jobs.create_job, self.store, self.clock, self.limits, new)
        self.supervisor.wake()
        return self._created(request, self.wire(request).job(job), f"/openai/fine_tuning/jobs/{job.id}")

    async def list_jobs(self, request: Request) -> Response:
        found, more = self._page(request, Job, JOBS_PAGE)
        wire = self.wire(request)
        return JSONResponse(wire.page([wire.job(job) for job in found], has_more=more))

    async def retrieve_job(self, request: Request) -> Response:
        return JSONResponse(self.wire(request).job(self._job(request)))

    async def cancel_job(self, request: Request) -> Response:
        return await self._ask(request, jobs.cancel_job)

    async def pause_job(self, request: Request) -> Response:
        return await self._ask(request, jobs.pause_job)

    async def resume_job(self, request: Request) -> Response:
        return await self._ask(request, jobs.resume_job)

    async def _ask(self, request: Request, action: Callable[[Store, Clock, str], Job]) -> Response:
        job = await run_in_threadpool(action, self.store, self.clock, request.path_params["id"])
        self.supervisor.wake()
        return JSONResponse(self.wire(request).job(job))

    async def delete_job(self, request: Request) -> Response:
        await run_in_threadpool(jobs.delete_job, self.store, request.path_params["id"])
        return Response(status_code=204)

    async def list_events(self, request: Request) -> Response:
        job = self._job(request)
        found, more = self._page(request, Event, EVENTS_PAGE, job=job.id)
        wire = self.wire(request)
        return JSONResponse(wire.page([wire.event(e, job.total_steps) for e in found], has_more=more))

    async def list_checkpoints(self, request: Request) -> Response:
        job = self._job(request)
        found = jobs.kept_checkpoints(self.store, self.limits, job.id)
        after = request.query_params.get("after")
        if after is not None:
            places = [place for place, point in enumerate(found) if point.id == after]
            if not places:
                raise not_found("checkpoint", after)
            found = found[places[0] + 1 :]
        limit = _limit(request, CHECKPOINTS_PAGE)
        wire = self.wire(request)
        return JSONResponse(wire.page([wire.checkpoint(p) for p in found[:limit]], has_more=len(found) > limit))

    # -- models -------------------------------------------------------------------------------------------

    async def list_models(self, request: Request) -> Response:
        wire = self.wire(request)
        return JSONResponse(wire.page([wire.model(*each) for each in models.visible_models(self.store)]))

    async def retrieve_model(self, request: Request) -> Response:
        return JSONResponse(self.wire(request).model(*models.visible_model(self.store, request.path_params["id"])))

    # -- the service itself -------------------------------------------------------------------------------

    async def about(self, _: Request) -> Response:
        return JSONResponse(
            {
                "service": models.OWNER,
                "dialect": self.dialect,
                "pid": os.getpid(),
                "state": str(self.store.folder),
                "busy": self.supervisor.busy,
            }
        )

    # -- shared -------------------------------------------------------------------------------------------

    def _job(self, request: Request) -> Job:
        return jobs.visible_job(self.store, request.path_params["id"])

    def _page(self, request: Request, record: type[Any], default: int, **where: Any) -> tuple[list[Any], bool]:
        limit = _limit(request, default)
        after = request.query_params.get("after")
        last = None
        if after is not None:
            last = self.store.get(record, id=after, **where)
            if last is None:
                raise not_found({Job: "fine-tuning job", Event: "event"}[record], after)
        found = self.store.all(record, newest_first=True, after=last, limit=limit + 1, **where)
        return found[:limit], len(found) > limit

    def _created(self, request: Request, body: dict[str, Any], location: str) -> Response:
        address = _address(request)
        if address.family != "dated":
            return JSONResponse(body)
        host = request.headers["host"]
        return JSONResponse(body, 201, {"location": f"http://{host}{location}?api-version={address.api_version}"})


def _address(request: Request) -> Address:
    address: Address = request.scope["address"]
    return address


def _limit(request: Request, default: int) -> int:
    text = request.query_params.get("limit")
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise invalid(f"limit must be a whole number; got {text!r}.", "limit")
    return min(int(text), LARGEST_PAGE)


async def read_json(request: Request) -> Any:
    """The request's body as JSON; an empty one is an empty object."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_JSON:
            raise too_large(LARGEST_JSON)
    try:
        return msgspec.json.decode(body) if body.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"The body of the request is not valid JSON: {error}.") from error


def create_app(service: Service) -> Starlette:
    """The ASGI application (behind the gate, which gives each request its address)."""

    def reply(request: Request, refusal: Refusal) -> Response:
        return error_response(service.wire(request), refusal)

    async def refused(request: Request, error: Exception) -> Response:
        return reply(request, cast(Refusal, error))

    async def http_error(request: Request, error: Exception) -> Response:
        status, detail = cast(HTTPException, error).status_code, cast(HTTPException, error).detail
        return reply(request, NO_PATH if status == 404 else Refusal(status, str(status), detail))

    async def failed(request: Request, error: Exception) -> Response:
        if _is_full(error):
            return reply(request, DISK_FULL)
        traceback.print_exception(error)
        message = "The server had an error while processing the request: it is written to the service's log."
        return reply(request, Refusal(500, "internalFailure", message))

    async def gone(_: Request, __: Exception) -> Response:
        return Response(status_code=400)  # nobody is there to read it

    handlers = {
        Refusal: refused,
        HTTPException: http_error,
        ClientDisconnect: gone,
        OSError: failed,
        sqlite3.Error: failed,
        Exception: failed,
    }
    return Starlette(routes=_routes(service), exception_handlers=handlers)


def _is_full(error: Exception) -> bool:
    if isinstance(error, sqlite3.Error):
        return error.sqlite_errorcode in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)
    return isinstance(error, OSError) and error.errno in _FULL


def _routes(service: Service) -> list[Route]:
    """Every operation: its path, its methods, where it is offered, what answers it."""
    job = "/fine_tuning/jobs/{id}"
    since_2025 = "v1 and dated since 2025"
    table: list[tuple[str, str, str, Handler]] = [
        ("/files", "POST", "all", service.create_file),
        ("/files", "GET", "all", service.list_files),
        ("/files/{id}", "GET", "all", service.retrieve_file),
        ("/files/{id}", "DELETE", "all", service.delete_file),
        ("/files/{id}/content", "GET", "all", service.file_content),
        ("/fine_tuning/jobs", "POST", "all", service.create_job),
        ("/fine_tuning/jobs", "GET", "all", service.list_jobs),
        (job, "GET", "all", service.retrieve_job),
        (job, "DELETE", "dated", service.delete_job),
        (f"{job}/cancel", "POST", "all", service.cancel_job),
        (f"{job}/pause", "POST", since_2025, service.pause_job),
        (f"{job}/resume", "POST", since_2025, service.resume_job),
        # The source document shows POST for these two, the specifications and the SDK use GET.
        (f"{job}/events", "GET POST", "all", service.list_events),
        (f"{job}/checkpoints", "GET POST", "all", service.list_checkpoints),
        ("/models", "GET", "all", service.list_models),
        ("/models/{id}", "GET", "all", service.retrieve_model),
        ("/tunebook", "GET", "all", service.about),
    ]
    return [Route(path, _offered(where, handler), methods=methods.split()) for path, methods, where, handler in table]


def _offered(where: str, handler: Handler) -> Handler:
    async def answer(request: Request) -> Response:
        if not _address(request).offers(where):
            raise NO_PATH
        return await handler(request)

    return answer
