"""The application: which operation answers at which address, and what becomes of an error."""

from __future__ import annotations

import os
from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import cast

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from tunebook_local.desk.database import disk_is_full, is_damaged
from tunebook_local.desk.log import complain
from tunebook_local.desk.models import OWNER
from tunebook_local.desk.refusals import Refusal, damaged, disk_full
from tunebook_local.http.absent import not_allowed, nothing_at, offered_elsewhere
from tunebook_local.http.eval_routes import EvalRoutes
from tunebook_local.http.file_routes import FileRoutes
from tunebook_local.http.gate import error_response
from tunebook_local.http.job_routes import JobRoutes
from tunebook_local.http.management_routes import DEPLOYMENTS, OPERATION, ManagementRoutes
from tunebook_local.http.model_routes import ModelRoutes
from tunebook_local.http.serving import Handler, Json, Service, address_of

Operation = tuple[str, str, str, Handler]  # path, methods, where it is offered, what answers


def create_app(service: Service) -> Starlette:
    """The ASGI application (behind the gate, which gives each request its address)."""

    async def refused(request: Request, error: Exception) -> Response:
        return error_response(service.wire(request), cast(Refusal, error))

    async def http_error(request: Request, error: Exception) -> Response:
        given = cast(HTTPException, error)
        if given.status_code == 404:
            return await refused(request, nothing_at(request.scope["path"]))
        if given.status_code == 405:
            return await refused(request, not_allowed(request.method, (given.headers or {}).get("Allow")))
        return await refused(request, Refusal(given.status_code, str(given.status_code), given.detail))

    async def gone(_: Request, __: Exception) -> Response:
        return Response(status_code=400)  # nobody is there to read it

    handlers = {Refusal: refused, HTTPException: http_error, ClientDisconnect: gone}
    return Starlette(routes=_routes(service), exception_handlers=handlers)


def _routes(service: Service) -> list[Route]:
    """Every operation of the API. `all` is v1 and dated; the bare addresses of OpenAI's dialect have everything."""
    files, jobs = FileRoutes(service), JobRoutes(service)
    models, management, evals = ModelRoutes(service), ManagementRoutes(service), EvalRoutes(service)

    async def about(_: Request) -> Response:
        desk = service.desk
        state = {"pid": os.getpid(), "state": str(desk.store.folder), "busy": service.supervisor.busy}
        return Json({"service": OWNER, "dialect": desk.dialect, **state})

    job = "/fine_tuning/jobs/{id}"
    copy = f"{job}/checkpoints/{{checkpoint}}/copy"
    run = "/evals/{eval}/runs/{run}"
    since_2025 = "v1 and dated since 2025"
    table: list[Operation] = [
        ("/files", "POST", "all", files.create),
        ("/files", "GET", "all", files.listing),
        ("/files/import", "POST", "dated", files.import_from_url),
        ("/files/{id}", "GET", "all", files.retrieve),
        ("/files/{id}", "DELETE", "all", files.delete),
        ("/files/{id}/content", "GET", "all", files.content),
        ("/uploads", "POST", "dated", files.start_upload),
        ("/uploads/{id}/parts", "POST", "dated", files.add_part),
        ("/uploads/{id}/complete", "POST", "dated", files.complete_upload),
        ("/uploads/{id}/cancel", "POST", "dated", files.cancel_upload),
        ("/fine_tuning/jobs", "POST", "all", jobs.create),
        ("/fine_tuning/jobs", "GET", "all", jobs.listing),
        (job, "GET", "all", jobs.retrieve),
        (job, "DELETE", "dated", jobs.delete),
        (f"{job}/cancel", "POST", "all", jobs.cancel),
        (f"{job}/pause", "POST", since_2025, jobs.pause),
        (f"{job}/resume", "POST", since_2025, jobs.resume),
        # The source document shows POST for these two, the specifications and the SDK use GET.
        (f"{job}/events", "GET POST", "all", jobs.events),
        (f"{job}/checkpoints", "GET POST", "all", jobs.checkpoints),
        (copy, "POST", "v1", jobs.copy),
        (copy, "GET", "v1", jobs.copy_state),
        ("/fine_tuning/alpha/graders/run", "POST", "v1", models.run_grader),
        ("/fine_tuning/alpha/graders/validate", "POST", "v1", models.validate_grader),
        ("/models", "GET", "all", models.listing),
        ("/models/{id}", "GET", "all", models.retrieve),
        ("/models/{id}", "DELETE", "openai", models.delete),
        ("/chat/completions", "POST", "v1", models.chat),
        ("/deployments/{deployment}/chat/completions", "POST", "dated", models.chat),
        ("/responses", "POST", "v1", models.respond),
        ("/evals", "POST", "v1", evals.create),
        ("/evals", "GET", "v1", evals.listing),
        ("/evals/{eval}", "GET", "v1", evals.retrieve),
        ("/evals/{eval}", "DELETE", "v1", evals.delete),
        ("/evals/{eval}/runs", "POST", "v1", evals.start),
        ("/evals/{eval}/runs", "GET", "v1", evals.runs),
        (run, "GET", "v1", evals.run),
        # The reference shows the bare path, the SDK asks with /cancel.
        (run, "POST", "v1", evals.cancel),
        (f"{run}/cancel", "POST", "v1", evals.cancel),
        (run, "DELETE", "v1", evals.delete_run),
        (f"{run}/output_items", "GET", "v1", evals.items),
        (f"{run}/output_items/{{item}}", "GET", "v1", evals.item),
        (DEPLOYMENTS, "GET", "arm", management.listing),
        (f"{DEPLOYMENTS}/{{name}}", "GET", "arm", management.get),
        # The source document shows POST, the management plane itself takes PUT.
        (f"{DEPLOYMENTS}/{{name}}", "PUT POST", "arm", management.put),
        (f"{DEPLOYMENTS}/{{name}}", "PATCH", "arm", management.patch),
        (f"{DEPLOYMENTS}/{{name}}", "DELETE", "arm", management.delete),
        (f"{DEPLOYMENTS}/{{name}}/skus", "GET", "arm", management.list_skus),
        (OPERATION, "GET", "arm", management.operation),
        ("/tunebook", "GET", "all", about),
    ]
    return [
        Route(path, _offered(where, service.desk.dialect, handler), methods=methods.split())
        for path, methods, where, handler in table
    ]


def _offered(where: str, dialect: str, handler: Handler) -> Handler:
    async def answer(request: Request) -> Response:
        if not address_of(request).offers(where, dialect):
            raise offered_elsewhere(where)
        try:
            if iscoroutinefunction(handler):
                return await handler(request)
            return await run_in_threadpool(cast("Callable[[Request], Response]", handler), request)
        except (Refusal, HTTPException, ClientDisconnect):
            raise
        except Exception as error:
            if disk_is_full(error):
                raise disk_full() from error
            complain(error)
            if is_damaged(error):
                raise damaged() from error
            message = "The server had an error while processing the request: its log says which."
            raise Refusal(500, "internalFailure", message) from error

    return answer
