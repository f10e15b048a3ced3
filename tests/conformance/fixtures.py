"""The embedded service with fixed replies for the ids that the openai SDK's own tests use.

    python tests/conformance/fixtures.py [what `tunebook serve` takes]

Those tests ask for jobs, files and uploads nobody has made, cancel the same job again and again, and delete what they
read a moment later. So these ids answer always and keep nothing; everything about how a reply looks is the service's.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tunebook_local.desk.job_request import read_job_request
from tunebook_local.desk.models import find_model
from tunebook_local.desk.naming import fine_tuned_name
from tunebook_local.desk.records import CheckpointRow, EventRow, FileRow, JobRow, PartRow, UploadRow
from tunebook_local.desk.refusals import not_found
from tunebook_local.http.app import create_app
from tunebook_local.http.serving import Handler, Service, read_object
from tunebook_local.server import main

_JOB, _FILES, _UPLOAD = "ft-AF1WoRqd3aJAHsqc9NY7iL8F", ("file-abc123", "file_id"), "upload_abc123"
_MODEL = "ft:gpt-4o-mini:acemeco:suffix:abc123"
_BASE = "gpt-4o-mini-2024-07-18"
_THEN = 1_721_764_800
_SETTINGS = {"n_epochs": 4, "batch_size": 1, "learning_rate_multiplier": 1.0}


def app_with_fixtures(service: Service) -> Starlette:
    """The service's own application, these routes before its own."""
    app = create_app(service)
    app.router.routes[:0] = fixture_routes(service)
    return app


def fixture_routes(service: Service) -> list[Route]:

    async def job(request: Request) -> Response:
        return JSONResponse(service.wire(request).job(_job()))

    async def list_jobs(request: Request) -> Response:
        return JSONResponse(service.wire(request).page([service.wire(request).job(_job())]))

    async def list_files(request: Request) -> Response:
        return JSONResponse(service.wire(request).page([service.wire(request).file(_file(name)) for name in _FILES]))

    async def new_job(request: Request) -> Response:
        read_job_request(await read_object(request), service.desk.limits)
        return JSONResponse(service.wire(request).job(_job()))

    async def events(request: Request) -> Response:
        event = EventRow("ftevent-abc123", _JOB, _THEN, "info", "message", "Job started.", "started")
        return JSONResponse(service.wire(request).page([service.wire(request).event(event)]))

    async def checkpoints(request: Request) -> Response:
        name = fine_tuned_name(_BASE, _JOB, None)
        point = CheckpointRow("ftchkpt-abc123", _JOB, _THEN, 10, name, {"step": 10.0, "train_loss": 0.5}, None)
        return JSONResponse(service.wire(request).page([service.wire(request).checkpoint(point)]))

    def retrieved(name: str) -> Handler:
        async def answer(request: Request) -> Response:
            return JSONResponse(service.wire(request).file(_file(name)))

        return answer

    def deleted(name: str) -> Handler:
        async def answer(request: Request) -> Response:
            return JSONResponse(service.wire(request).deleted("file", name))

        return answer

    async def model(request: Request) -> Response:
        base = find_model(service.desk, _BASE)
        if base is None:
            raise not_found("model", _BASE)
        source = replace(base, name=request.path_params["id"])  # the tests' name changes with the SDK's version
        return JSONResponse(service.wire(request).model(source, None))

    async def deleted_model(request: Request) -> Response:
        return JSONResponse(service.wire(request).deleted("model", _MODEL))

    async def content(_: Request) -> Response:
        return PlainTextResponse("Example data")

    async def part(request: Request) -> Response:
        return JSONResponse(service.wire(request).part(PartRow("part_abc123", _UPLOAD, _THEN, "", 12, "")))

    async def completed(request: Request) -> Response:
        upload = _upload("completed")
        return JSONResponse(service.wire(request).upload(upload, _file("file-abc123")))

    async def cancelled(request: Request) -> Response:
        return JSONResponse(service.wire(request).upload(_upload("cancelled")))

    at_job, at_upload = f"/fine_tuning/jobs/{_JOB}", f"/uploads/{_UPLOAD}"
    routes = [
        Route("/files", list_files),
        Route("/fine_tuning/jobs", list_jobs),
        Route("/fine_tuning/jobs", new_job, methods=["POST"]),
        Route(at_job, job),
        *(Route(f"{at_job}/{action}", job, methods=["POST"]) for action in ("cancel", "pause", "resume")),
        Route(f"{at_job}/events", events),
        Route(f"{at_job}/checkpoints", checkpoints),
        Route(f"{at_upload}/parts", part, methods=["POST"]),
        Route(f"{at_upload}/complete", completed, methods=["POST"]),
        Route(f"{at_upload}/cancel", cancelled, methods=["POST"]),
        Route("/models/{id}", model),
        Route(f"/models/{_MODEL}", deleted_model, methods=["DELETE"]),
    ]
    for name in _FILES:
        routes.append(Route(f"/files/{name}/content", content))
        routes.append(Route(f"/files/{name}", retrieved(name)))
        routes.append(Route(f"/files/{name}", deleted(name), methods=["DELETE"]))
    return routes


def _job() -> JobRow:
    return JobRow(
        id=_JOB,
        created_at=_THEN,
        status="pending",
        model=_BASE,
        base_model=_BASE,
        fine_tuned_model=fine_tuned_name(_BASE, _JOB, None),
        training_file="file-abc123",
        training_blob="",
        seed=1,
        method="supervised",
        training_type="Standard",
        requested=_SETTINGS,
    )


def _file(name: str) -> FileRow:
    return FileRow(name, _THEN, "example.jsonl", "fine-tune", "processed", bytes=12)


def _upload(status: str) -> UploadRow:
    return UploadRow(_UPLOAD, _THEN, _THEN + 7200, "example.jsonl", "fine-tune", 12, "text/jsonl", status)


if __name__ == "__main__":
    sys.exit(main(create_app=app_with_fixtures))
