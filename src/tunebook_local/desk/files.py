"""Decisions about files: what may be stored, when it is ready, what its syntax scan finds."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from tunebook_local.desk import Desk
from tunebook_local.desk.body import object_in, text_in
from tunebook_local.desk.imports import ImportRefused, check_url, fetch, is_whole, without_secret
from tunebook_local.desk.naming import new_id
from tunebook_local.desk.records import FileRow
from tunebook_local.desk.refusals import Refusal, invalid, not_found, over_quota, wrong_state

UPLOAD_PURPOSES = ("fine-tune", "assistants", "batch", "evals")
LONGEST_LINE = 64 * 2**20  # bytes; a line is read into memory whole
_LEGACY_TEXT = "Validation of jsonl file failed"


def check_purpose(purpose: Any) -> str:
    """The purpose of an upload, refused when the service knows no such purpose."""
    if not isinstance(purpose, str) or purpose not in UPLOAD_PURPOSES:
        raise invalid(f"purpose must be one of {', '.join(UPLOAD_PURPOSES)}; got {purpose!r}.", "purpose")
    return purpose


def check_expiry(anchor: Any, seconds: Any) -> int | None:
    """Seconds of life asked for with `expires_after`, None when nothing was asked."""
    if anchor is None and seconds is None:
        return None
    try:
        life = int(str(seconds))
    except ValueError:
        life = -1
    # OpenAI takes an hour and more, Azure's preview 14 days and more; both stop at 30 days.
    if anchor != "created_at" or not 3600 <= life <= 2_592_000:
        raise invalid("expires_after needs anchor created_at and 3600 to 2592000 seconds.", "expires_after")
    return life


def add_file(desk: Desk, content: Path, filename: str, purpose: str, life_s: int | None = None) -> FileRow:
    """Take content that has arrived; the file is pending until its scan has ended."""
    size = content.stat().st_size
    desk.store.secure(content)
    with desk.store.transaction():  # the count and the new file are one, however many arrive at once
        _check_quotas(desk, size)
        file = replace(_new_file(desk, filename, purpose, life_s), bytes=size, blob=desk.store.keep(content))
        desk.store.add(file)
    return file


def import_file(desk: Desk, body: Mapping[str, Any]) -> FileRow:
    """A file that is to be fetched from a URL; it is pending until that and its scan have ended."""
    filename, expiry = text_in(body, "filename"), object_in(body, "expires_after")
    try:
        url = check_url(body.get("content_url"), desk.import_hosts)
    except ImportRefused as error:
        raise invalid(str(error), "content_url") from error
    life_s = check_expiry(expiry.get("anchor"), expiry.get("seconds"))
    file = _new_file(desk, filename, check_purpose(body.get("purpose")), life_s)
    file = replace(file, source_url=without_secret(url))
    with desk.store.transaction():
        _check_quotas(desk, 0)
        desk.store.add(file)
        desk.import_urls[file.id] = url
    return file


def _new_file(desk: Desk, filename: str, purpose: str, life_s: int | None) -> FileRow:
    now = desk.clock.now()
    return FileRow(
        id=new_id("file"),
        created_at=int(now),
        filename=filename,
        purpose=purpose,
        status="pending",
        expires_at=None if life_s is None else int(now) + life_s,
        ready_at=now + desk.clock.pace_s,
    )


def _check_quotas(desk: Desk, size: int) -> None:
    mine, _ = desk.store.uploaded_files()
    if mine >= desk.limits["files_per_resource"]:
        raise over_quota(f"This resource holds {mine} files, the most it may. Delete some first.")
    _check_total(desk, size)


def _check_total(desk: Desk, size: int) -> None:
    _, total = desk.store.uploaded_files()
    most = desk.limits["files_total_bytes"]
    if total + size > most:
        raise over_quota(f"The files of this resource may take {most} bytes in all.")


def visible_file(desk: Desk, file_id: str) -> FileRow:
    """A file by its id; one whose life is over is gone."""
    file = desk.store.get(FileRow, id=file_id)
    if file is None or _is_over(desk, file):
        raise not_found("file", file_id)
    return file


def living(desk: Desk, files: Iterable[FileRow]) -> list[FileRow]:
    """Those of some files whose life is not over."""
    return [file for file in files if not _is_over(desk, file)]


def _is_over(desk: Desk, file: FileRow) -> bool:
    return file.expires_at is not None and file.expires_at <= desk.clock.now()


def content_of(desk: Desk, file: FileRow) -> Path:
    """Where a file's content is, all of it; refused when it is missing or was cut short behind the service's back."""
    path = desk.store.blobs / str(file.blob)
    left = path.stat().st_size if path.is_file() else 0
    if left != file.bytes or not path.is_file():
        raise wrong_state(
            f"The content of the file {file.id!r} is damaged: {left} of its {file.bytes} bytes are in the state "
            "folder. Delete the file and upload it again."
        )
    return path


def file_for_job(desk: Desk, file_id: str, param: str) -> FileRow:
    """A file that a job may train on."""
    what = param.replace("_", " ")
    file = desk.store.get(FileRow, id=file_id)
    if file is None or _is_over(desk, file):
        raise invalid(f"The specified {what} {file_id!r} does not exist on this resource.", param)
    if file.purpose != "fine-tune" or file.blob is None:
        raise invalid(f"The {what} {file_id!r} was uploaded for {file.purpose!r}, not for 'fine-tune'.", param)
    if file.status == "error":
        raise invalid(f"The {what} {file_id!r} cannot be used: {file.status_details}", param)
    if file.status != "processed":
        raise wrong_state(f"The {what} {file_id!r} is {file.status}: wait until it is processed.")
    content_of(desk, file)
    return file


def scan(file: BinaryIO) -> tuple[int, str | None]:
    """Read JSON Lines as the service does on arrival: (examples, None) or (examples so far, complaint).

    Only syntax: UTF-8 (a byte-order mark is fine), one JSON object a line, at least one; blank lines do not
    count. What the objects must hold is checked when a job starts.
    """
    examples = number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            return examples, f"{_LEGACY_TEXT}: line {number} is longer than {LONGEST_LINE // 2**20} MB."
        text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        if not text.strip():
            continue
        complaint = _complaint(text)
        if complaint is not None:
            return examples, f"{_LEGACY_TEXT}: line {number} {complaint}"
        examples += 1
    if not examples:
        return 0, f"{_LEGACY_TEXT}: No valid json line found in file."
    return examples, None


def _complaint(line: bytes) -> str | None:
    try:
        line.decode("utf-8")
        value = msgspec.json.decode(line, type=msgspec.Raw)
    except UnicodeDecodeError as error:
        return f"is not UTF-8: {error.reason} at byte {error.start + 1}."
    except (msgspec.DecodeError, RecursionError) as error:
        return f"is not valid JSON: {error}."
    return None if bytes(value).lstrip().startswith(b"{") else "is not a JSON object."


def remove_expired(desk: Desk) -> None:
    """Remove files whose life is over."""
    for file in desk.store.expired_files(desk.clock.now()):
        delete_file(desk, file)


def delete_file(desk: Desk, file: FileRow) -> None:
    """Remove a file; a job that still needs its content keeps it until it has ended."""
    desk.store.remove_file(file)
    desk.import_urls.pop(file.id, None)


def scan_file(desk: Desk, file: FileRow) -> None:
    """Scan a pending file whose content is here, and say processed or error."""
    changes: dict[str, Any] = {"status": "processed"}
    if file.blob is not None and file.purpose == "fine-tune":
        with content_of(desk, file).open("rb") as content:
            examples, complaint = scan(content)
        status = "processed" if complaint is None else "error"
        changes = {"status": status, "status_details": complaint, "lines": examples}
    desk.store.change(FileRow, {"id": file.id}, **changes)


def fetch_file(desk: Desk, file: FileRow) -> None:
    """Fetch a pending import; what went wrong stands in the file. Its scan is still to come."""
    store, content, stored = desk.store, desk.store.new_content(), str(file.source_url)
    url = desk.import_urls.get(file.id) or (stored if is_whole(stored) else None)
    try:
        if url is None:
            raise ImportRefused("The service was started again before the file had arrived: import it once more.")
        limit, seconds = desk.limits["upload_bytes"], desk.limits["import_seconds"]
        fetch(url, content, limit=limit, seconds=seconds, allowed=desk.import_hosts)
        size = content.stat().st_size
        store.secure(content)
        with store.transaction():
            _check_total(desk, size)
            store.change(FileRow, {"id": file.id}, bytes=size, blob=store.keep(content), source_url=None)
    except (ImportRefused, Refusal) as error:
        give_up(desk, file, str(error))
    finally:
        content.unlink(missing_ok=True)
    desk.import_urls.pop(file.id, None)


def give_up(desk: Desk, file: FileRow, reason: str) -> None:
    """End a pending file's wait as an error."""
    desk.store.change(FileRow, {"id": file.id}, status="error", status_details=reason, source_url=None)
