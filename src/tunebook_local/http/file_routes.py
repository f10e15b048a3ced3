"""Routes of files and uploads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from tunebook_local.desk import files, uploads
from tunebook_local.desk.limits import FILES_PAGE
from tunebook_local.desk.records import FileRow
from tunebook_local.http.form_stream import Form, read_form
from tunebook_local.http.serving import Json, Service, created, read_object, stored_page


class FileRoutes:
    """Parse, call one decision, write the reply."""

    def __init__(self, service: Service) -> None:
        self._service, self._desk = service, service.desk

    async def create(self, request: Request) -> Response:
        async with self._arriving(request, "file") as (content, form):
            purpose = files.check_purpose(form.fields.get("purpose"))
            life = (form.fields.get(f"expires_after[{name}]") for name in ("anchor", "seconds"))
            arguments = (content, form.filename or "upload", purpose, files.check_expiry(*life))
            file = await run_in_threadpool(files.add_file, self._desk, *arguments)
        return self._created(request, file)

    @asynccontextmanager
    async def _arriving(self, request: Request, field: str) -> AsyncIterator[tuple[Path, Form]]:
        """The form of a request, and where the content of its file is, which somebody keeps or nobody."""
        content = self._desk.store.new_content()
        kind, limit = request.headers.get("content-type", ""), self._desk.limits["upload_bytes"]
        try:
            yield content, await read_form(request.stream(), kind, file_field=field, into=content, limit=limit)
        finally:
            content.unlink(missing_ok=True)

    def _created(self, request: Request, file: FileRow) -> Response:
        self._service.supervisor.wake()
        return created(request, self._service.wire(request).file(file), f"/files/{file.id}")

    async def import_from_url(self, request: Request) -> Response:
        return self._created(
            request, await run_in_threadpool(files.import_file, self._desk, await read_object(request))
        )

    def listing(self, request: Request) -> Response:
        purpose = request.query_params.get("purpose")
        where = {} if purpose is None else {"purpose": purpose}
        page, more = stored_page(request, self._desk, FileRow, FILES_PAGE, "file", **where)
        wire, alive = self._service.wire(request), files.living(self._desk, page)
        return Json(wire.page([wire.file(file) for file in alive], has_more=more))

    async def retrieve(self, request: Request) -> Response:
        file = files.visible_file(self._desk, request.path_params["id"])
        return Json(self._service.wire(request).file(file))

    def content(self, request: Request) -> Response:
        file = files.visible_file(self._desk, request.path_params["id"])
        # The file's name is not in the headers: it may hold anything, and the client knows it.
        headers, kind = {"content-disposition": "attachment"}, "application/octet-stream"
        if file.blob is not None:
            return FileResponse(files.content_of(self._desk, file), media_type=kind, headers=headers)
        return Response(self._desk.store.result_text(file.id), media_type=kind, headers=headers)

    def delete(self, request: Request) -> Response:
        file = files.visible_file(self._desk, request.path_params["id"])
        files.delete_file(self._desk, file)
        return Json(self._service.wire(request).deleted("file", file.id))

    # -- uploads in parts ---------------------------------------------------------------------------------

    async def start_upload(self, request: Request) -> Response:
        upload = await run_in_threadpool(uploads.start_upload, self._desk, await read_object(request))
        return Json(self._service.wire(request).upload(upload))

    async def add_part(self, request: Request) -> Response:
        upload_id = request.path_params["id"]
        uploads.visible_upload(self._desk, upload_id)
        async with self._arriving(request, "data") as (content, _):
            part = await run_in_threadpool(uploads.add_part, self._desk, upload_id, content)
        return Json(self._service.wire(request).part(part))

    async def complete_upload(self, request: Request) -> Response:
        body = await read_object(request)
        upload_id = request.path_params["id"]
        upload, file = await run_in_threadpool(uploads.complete_upload, self._desk, upload_id, body)
        self._service.supervisor.wake()
        return Json(self._service.wire(request).upload(upload, file))

    def cancel_upload(self, request: Request) -> Response:
        upload = uploads.cancel_upload(self._desk, request.path_params["id"])
        return Json(self._service.wire(request).upload(upload))
