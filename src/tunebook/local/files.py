"""Decisions about files: what may be stored, when it is ready, what its syntax scan finds."""

from __future__ import annotations

import codecs
from dataclasses import replace
from pathlib import Path

import msgspec

from tunebook.local.clock import Clock
from tunebook.local.limits import Limits
from tunebook.local.naming import new_id
from tunebook.local.records import File
from tunebook.local.refusals import invalid, not_found, over_quota, wrong_state
from tunebook.local.store import Store

UPLOAD_PURPOSES = ("fine-tune", "assistants", "batch", "evals")
LONGEST_LINE = 64 * 2**20  # bytes; a line is read into memory whole
_LEGACY_TEXT = "Validation of jsonl file failed"


def check_purpose(purpose: str | None) -> str:
    """The purpose of an upload, refused when the service knows no such purpose."""
    if purpose not in UPLOAD_PURPOSES:
        raise invalid(f"purpose must be one of {', '.join(UPLOAD_PURPOSES)}; got {purpose!r}.", "purpose")
    return purpose


def check_expiry(anchor: str | None, seconds: object) -> int | None:
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


def add_file(
    store: Store,
    clock: Clock,
    limits: Limits,
    *,
    content: Path,
    filename: str,
    purpose: str,
    life_s: int | None = None,
) -> File:
    """Take content that has arrived; the file is pending until its scan has ended."""
    size = content.stat().st_size
    mine = [file for file in store.all(File) if file.purpose != "fine-tune-results"]
    if len(mine) >= limits["files_per_resource"]:
        raise over_quota(f"This resource holds {len(mine)} files, the most it may. Delete some first.")
    if sum(file.bytes or 0 for file in mine) + size > limits["files_total_bytes"]:
        raise over_quota(f"The files of this resource may take {limits['files_total_bytes']} bytes in all.")
    now = clock.now()
    file = File(
        id=new_id("file"),
        created_at=int(now),
        filename=filename,
        purpose=purpose,
        status="pending",
        bytes=size,
        blob=store.keep(content),
        expires_at=None if life_s is None else int(now) + life_s,
        ready_at=now + clock.pace_s,
    )
    store.add(file)
    return file


def visible_file(store: Store, clock: Clock, file_id: str) -> File:
    """A file by its id; one whose life is over is gone."""
    file = store.get(File, id=file_id)
    if file is None or _over(file, clock):
        raise not_found("file", file_id)
    return file


def visible_files(store: Store, clock: Clock, purpose: str | None) -> list[File]:
    """All files, newest first, of one purpose when asked."""
    found = store.all(File, newest_first=True)
    return [file for file in found if purpose in (None, file.purpose) and not _over(file, clock)]


def _over(file: File, clock: Clock) -> bool:
    return file.expires_at is not None and file.expires_at <= clock.now()


def file_for_job(store: Store, clock: Clock, file_id: str, param: str) -> File:
    """A file that a job may train on."""
    what = param.replace("_", " ")
    file = store.get(File, id=file_id)
    if file is None or _over(file, clock):
        raise invalid(f"The specified {what} {file_id!r} does not exist on this resource.", param)
    if file.purpose != "fine-tune" or file.blob is None:
        raise invalid(f"The {what} {file_id!r} was uploaded for {file.purpose!r}, not for 'fine-tune'.", param)
    if file.status == "error":
        raise invalid(f"The {what} {file_id!r} cannot be used: {file.status_details}", param)
    if file.status != "processed":
        raise wrong_state(f"The {what} {file_id!r} is {file.status}: wait until it is processed.")
    return file


def scan(path: Path) -> tuple[int, str | None]:
    """Read a JSON Lines file as the service does on arrival: (examples, None) or (examples so far, complaint).

    Only syntax: UTF-8 (a byte-order mark is fine), one JSON object a line, at least one; blank lines do not
    count. What the objects must hold is checked when a job starts.
    """
    examples = 0
    with path.open("rb") as file:
        number = 0
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


def settle(store: Store, file: File) -> File:
    """End a pending file's scan: processed, or error with what was found."""
    if file.blob is None or file.purpose != "fine-tune":
        settled = replace(file, status="processed")
    else:
        try:
            examples, complaint = scan(store.blobs / file.blob)
        except FileNotFoundError:
            return file  # deleted meanwhile
        status = "processed" if complaint is None else "error"
        settled = replace(file, status=status, status_details=complaint, lines=examples)
    store.change(
        File, {"id": file.id}, status=settled.status, status_details=settled.status_details, lines=settled.lines
    )
    return settled
