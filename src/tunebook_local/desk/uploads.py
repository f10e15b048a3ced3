"""Decisions about uploads in parts: declared, filled, then completed into a file or cancelled."""

from __future__ import annotations

import base64
import hashlib
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

from tunebook_local.desk.clock import Clock
from tunebook_local.desk.files import add_file, check_purpose
from tunebook_local.desk.limits import UPLOAD_LIFE_S, Limits
from tunebook_local.desk.naming import new_id
from tunebook_local.desk.records import File, Part, Upload
from tunebook_local.desk.refusals import invalid, not_found, too_large, wrong_state
from tunebook_local.desk.store import Store

_COPY_BYTES = 2**20


def start_upload(store: Store, clock: Clock, limits: Limits, body: dict[str, Any]) -> Upload:
    """A new, empty upload."""
    for name in ("filename", "mime_type"):
        if not isinstance(body.get(name), str) or not body[name]:
            raise invalid(f"{name} is required and must be a string that is not empty.", name)
    size = body.get("bytes")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise invalid("bytes is required and must be a whole number.", "bytes")
    if size > limits["chunked_upload_bytes"]:
        raise too_large(limits["chunked_upload_bytes"])
    now = int(clock.now())
    upload = Upload(
        id=new_id("upload"),
        created_at=now,
        expires_at=now + UPLOAD_LIFE_S,
        filename=body["filename"],
        purpose=check_purpose(body.get("purpose")),
        bytes=size,
        mime_type=body["mime_type"],
        status="pending",
    )
    store.add(upload)
    return upload


def visible_upload(store: Store, clock: Clock, upload_id: str) -> Upload:
    """An upload by its id; one that was not completed in time is expired."""
    upload = store.get(Upload, id=upload_id)
    if upload is None:
        raise not_found("upload", upload_id)
    if upload.status == "pending" and clock.now() >= upload.expires_at:
        return replace(upload, status="expired")
    return upload


def _open_upload(store: Store, clock: Clock, upload_id: str) -> Upload:
    upload = visible_upload(store, clock, upload_id)
    if upload.status != "pending":
        raise wrong_state(f"The upload {upload_id!r} is {upload.status}: nothing more can be done with it.")
    return upload


def add_part(store: Store, clock: Clock, upload_id: str, content: Path) -> Part:
    """Take a part that has arrived. Parts may come in any order and at once."""
    store.secure(content)
    with store.transaction():
        _open_upload(store, clock, upload_id)
        part = Part(
            id=new_id("part"),
            upload=upload_id,
            created_at=int(clock.now()),
            block=base64.b64encode(uuid.uuid4().bytes).decode(),
            bytes=content.stat().st_size,
            blob=store.keep(content),
        )
        store.add(part)
    return part


def complete_upload(
    store: Store, clock: Clock, limits: Limits, upload_id: str, body: dict[str, Any]
) -> tuple[Upload, File]:
    """Join the parts, in the order given, into a file; (upload, file).

    `part_ids` may name parts by their id or by their azure_block_id.
    """
    upload = _open_upload(store, clock, upload_id)
    names = body.get("part_ids")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise invalid("part_ids is required and must be a list of part ids, in order.", "part_ids")
    known = {key: part for part in store.all(Part, upload=upload_id) for key in (part.id, part.block)}
    missing = [name for name in names if name not in known]
    if missing:
        raise invalid(f"The upload {upload_id!r} has no part {missing[0]!r}.", "part_ids")
    parts = [known[name] for name in names]
    total = sum(part.bytes for part in parts)
    if total != upload.bytes:
        raise invalid(f"The parts have {total} bytes, but {upload.bytes} were declared.", "part_ids")
    content, digest = _join(store, parts)
    try:
        wanted = body.get("md5")
        if wanted is not None and str(wanted).lower() != digest:
            raise invalid(f"The content has the md5 {digest}, not {wanted!r}.", "md5")
        with store.transaction():
            _open_upload(store, clock, upload_id)  # somebody else may have been faster
            file = add_file(store, clock, limits, content=content, filename=upload.filename, purpose=upload.purpose)
            store.change(Upload, {"id": upload_id}, status="completed", file=file.id)
            store.remove(Part, upload=upload_id)
    finally:
        content.unlink(missing_ok=True)
    store.sweep()
    return replace(upload, status="completed", file=file.id), file


def _join(store: Store, parts: list[Part]) -> tuple[Path, str]:
    content, digest = store.new_content(), hashlib.md5(usedforsecurity=False)
    try:
        with content.open("wb") as whole:
            for part in parts:
                with (store.blobs / part.blob).open("rb") as piece:
                    while chunk := piece.read(_COPY_BYTES):
                        whole.write(chunk)
                        digest.update(chunk)
    except BaseException:
        content.unlink(missing_ok=True)
        raise
    return content, digest.hexdigest()


def cancel_upload(store: Store, clock: Clock, upload_id: str) -> Upload:
    """Give an upload up; its parts are removed."""
    with store.transaction():
        upload = _open_upload(store, clock, upload_id)
        store.change(Upload, {"id": upload_id}, status="cancelled")
        store.remove(Part, upload=upload_id)
    store.sweep()
    return replace(upload, status="cancelled")


def expire_uploads(store: Store, clock: Clock) -> None:
    """Give up the parts of uploads that were not completed in time."""
    for upload in store.all(Upload, status="pending"):
        if clock.now() >= upload.expires_at:
            with store.transaction():
                store.change(Upload, {"id": upload.id, "status": "pending"}, status="expired")
                store.remove(Part, upload=upload.id)
            store.sweep()
