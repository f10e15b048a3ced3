"""Decisions about uploads in parts: declared, filled, then completed into a file or cancelled."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tunebook_local.desk import Desk
from tunebook_local.desk.body import text_in, whole_in
from tunebook_local.desk.files import add_file, check_purpose
from tunebook_local.desk.limits import UPLOAD_LIFE_S
from tunebook_local.desk.naming import new_id
from tunebook_local.desk.records import FileRow, PartRow, UploadRow
from tunebook_local.desk.refusals import invalid, not_found, too_large, wrong_state

_COPY_BYTES = 2**20


def start_upload(desk: Desk, body: Mapping[str, Any]) -> UploadRow:
    """A new, empty upload."""
    filename, mime_type = text_in(body, "filename"), text_in(body, "mime_type")
    size = whole_in(body, "bytes", 0, 2**63 - 1)
    if size > desk.limits["chunked_upload_bytes"]:
        raise too_large(desk.limits["chunked_upload_bytes"])
    now = int(desk.clock.now())
    upload = UploadRow(
        id=new_id("upload"),
        created_at=now,
        expires_at=now + UPLOAD_LIFE_S,
        filename=filename,
        purpose=check_purpose(body.get("purpose")),
        bytes=size,
        mime_type=mime_type,
        status="pending",
    )
    desk.store.add(upload)
    return upload


def visible_upload(desk: Desk, upload_id: str) -> UploadRow:
    """An upload by its id; one that was not completed in time is expired."""
    upload = desk.store.get(UploadRow, id=upload_id)
    if upload is None:
        raise not_found("upload", upload_id)
    if upload.status == "pending" and desk.clock.now() >= upload.expires_at:
        return replace(upload, status="expired")
    return upload


def _open_upload(desk: Desk, upload_id: str) -> UploadRow:
    upload = visible_upload(desk, upload_id)
    if upload.status != "pending":
        raise wrong_state(f"The upload {upload_id!r} is {upload.status}: nothing more can be done with it.")
    return upload


def add_part(desk: Desk, upload_id: str, content: Path) -> PartRow:
    """Take a part that has arrived. Parts may come in any order and at once."""
    desk.store.secure(content)
    with desk.store.transaction():
        _open_upload(desk, upload_id)
        part = PartRow(
            id=new_id("part"),
            upload=upload_id,
            created_at=int(desk.clock.now()),
            block=base64.b64encode(uuid.uuid4().bytes).decode(),
            bytes=content.stat().st_size,
            blob=desk.store.keep(content),
        )
        desk.store.add(part)
    return part


def complete_upload(desk: Desk, upload_id: str, body: Mapping[str, Any]) -> tuple[UploadRow, FileRow]:
    """Join the parts, in the order given, into a file; (upload, file).

    `part_ids` may name parts by their id or by their azure_block_id.
    """
    upload = _open_upload(desk, upload_id)
    parts, content = _parts(desk, upload, body.get("part_ids")), desk.store.new_content()
    try:
        digest = _join(desk, parts, content)
        declared = body.get("md5")
        if declared is not None and str(declared).lower() != digest:
            raise invalid(f"The content has the md5 {digest}, not {declared!r}.", "md5")
        with desk.store.transaction():
            _open_upload(desk, upload_id)  # somebody else may have been faster
            file = add_file(desk, content, upload.filename, upload.purpose)
            desk.store.change(UploadRow, {"id": upload_id}, status="completed", file=file.id)
            desk.store.remove(PartRow, upload=upload_id)
    finally:
        content.unlink(missing_ok=True)
    desk.store.sweep()
    return replace(upload, status="completed", file=file.id), file


def _parts(desk: Desk, upload: UploadRow, names: Any) -> list[PartRow]:
    """The parts of these names, which must come to the bytes that were declared."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise invalid("part_ids is required and must be a list of part ids, in order.", "part_ids")
    by_name = {name: part for part in desk.store.all(PartRow, upload=upload.id) for name in (part.id, part.block)}
    missing = [name for name in names if name not in by_name]
    if missing:
        raise invalid(f"The upload {upload.id!r} has no part {missing[0]!r}.", "part_ids")
    parts = [by_name[name] for name in names]
    total = sum(part.bytes for part in parts)
    if total != upload.bytes:
        raise invalid(f"The parts have {total} bytes, but {upload.bytes} were declared.", "part_ids")
    return parts


def _join(desk: Desk, parts: Sequence[PartRow], content: Path) -> str:
    """Write the parts to `content`, one after the other; their md5."""
    digest = hashlib.md5(usedforsecurity=False)
    with content.open("wb") as whole:
        for part in parts:
            with (desk.store.blobs / part.blob).open("rb") as piece:
                while chunk := piece.read(_COPY_BYTES):
                    whole.write(chunk)
                    digest.update(chunk)
    return digest.hexdigest()


def cancel_upload(desk: Desk, upload_id: str) -> UploadRow:
    """Give an upload up; its parts are removed."""
    with desk.store.transaction():
        upload = _open_upload(desk, upload_id)
        desk.store.change(UploadRow, {"id": upload_id}, status="cancelled")
        desk.store.remove(PartRow, upload=upload_id)
    desk.store.sweep()
    return replace(upload, status="cancelled")


def expire_uploads(desk: Desk) -> None:
    """Give up the parts of uploads that were not completed in time."""
    for upload in desk.store.all(UploadRow, status="pending"):
        if desk.clock.now() >= upload.expires_at:
            with desk.store.transaction():
                desk.store.change(UploadRow, {"id": upload.id, "status": "pending"}, status="expired")
                desk.store.remove(PartRow, upload=upload.id)
            desk.store.sweep()
