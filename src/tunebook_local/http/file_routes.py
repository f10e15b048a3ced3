"""Routes of files and uploads."""

from __future__ import annotations

from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from tunebook_local.desk import files, uploads
from tunebook_local.desk.limits import LARGEST_PAGE
from tunebook_local.http.form_stream import Form, read_form
from tunebook_local.http.serving import Service, created, page_of, read_object


class FileRoutes:
    """Parse, call one decision, write the reply."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._store, self._clock, self._limits = service.store, service.clock, service.limits

    async def create(self, request: Request) -> Response:
        content = self._store.new_content()
        try:
            form = await self._receive(request, "file", content)
            file = await run_in_threadpool(
                files.add_file,
                self._store,
                self._clock,
                self._limits,
                content=content,
                filename=form.filename or "upload",
                purpose=files.check_purpose(form.fields.get("purpose")),
                life_s=files.check_expiry(
                    form.fields.get("expires_after[anchor]"), form.fields.get("expires_after[seconds]")
                ),
            )
        finally:
            content.unlink(missing_ok=True)  # nothing there once it is kept
        self._service.supervisor.wake()
        return created(request, self._service.wire(request).file(file), f"/files/{file.id}")

    async def _receive(self, request: Request, field: str, content: Path) -> Form:
        kind = request.headers.get("content-type", "")
        return await read_form(
            request.stream(), kind, file_field=field, into=content, limit=self._limits["upload_bytes"]
        )

    async def import_from_url(self, request: Request) -> Response:
        body = await read_object(request)
        allowed = self._service.import_hosts
        file = await run_in_threadpool(files.import_file, self._store, self._clock, self._limits, body, allowed=allowed)
        self._service.supervisor.wake()
        return created(request, self._service.wire(request).file(file), f"/files/{file.id}")

    async def listing(self, request: Request) -> Response:
        found = files.visible_files(self._store, self._clock, request.query_params.get("purpose"))
        if request.query_params.get("order") == "asc":
            found.reverse()
        page, more = page_of(request, found, LARGEST_PAGE, "file")
        wire = self._service.wire(request)
        return JSONResponse(wire.page([wire.file(file) for file in page], has_more=more))

    async def retrieve(self, request: Request) -> Response:
        file = files.visible_file(self._store, self._clock, request.path_params["id"])
        return JSONResponse(self._service.wire(request).file(file))

    async def content(self, request: Request) -> Response:
        file = files.visible_file(self._store, self._clock, request.path_params["id"])
        # The file's name is not in the headers: it may hold anything, and the client knows it.
        headers, kind = {"content-disposition": "attachment"}, "application/octet-stream"
        if file.blob is not None:
            return FileResponse(self._store.blobs / file.blob, media_type=kind, headers=headers)
        return Response(self._store.result_text(file.id), media_type=kind, headers=headers)

    async def delete(self, request: Request) -> Response:
        file = files.visible_file(self._store, self._clock, request.path_params["id"])
        await run_in_threadpool(self._store.remove_file, file)
        return JSONResponse(self._service.wire(request).deleted("file", file.id))

    # -- uploads in parts ---------------------------------------------------------------------------------

    async def start_upload(self, request: Request) -> Response:
        body = await read_object(request)
        upload = await run_in_threadpool(uploads.start_upload, self._store, self._clock, self._limits, body)
        return JSONResponse(self._service.wire(request).upload(upload))

    async def add_part(self, request: Request) -> Response:
        upload_id = request.path_params["id"]
        uploads.visible_upload(self._store, self._clock, upload_id)
        content = self._store.new_content()
        try:
            await self._receive(request, "data", content)
            part = await run_in_threadpool(uploads.add_part, self._store, self._clock, upload_id, content)
        finally:
            content.unlink(missing_ok=True)
        return JSONResponse(self._service.wire(request).part(part))

    async def complete_upload(self, request: Request) -> Response:
        body = await read_object(request)
        upload, file = await run_in_threadpool(
            uploads.complete_upload, self._store, self._clock, self._limits, request.path_params["id"], body
        )
        self._service.supervisor.wake()
        return JSONResponse(self._service.wire(request).upload(upload, file))

    async def cancel_upload(self, request: Request) -> Response:
        upload = await run_in_threadpool(uploads.cancel_upload, self._store, self._clock, request.path_params["id"])
        return JSONResponse(self._service.wire(request).upload(upload))
