"""Large files: in parts that can be taken up again, or fetched by the service itself from a URL.

Both exist under the dated addresses alone. An upload in parts lives two hours at the service; what has been sent of it
is noted on disk, so that the same call after a lost connection or a restart sends only the rest.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar
from urllib.parse import urlsplit, urlunsplit

from openai import BadRequestError, NotFoundError
from platformdirs import user_state_path

from tunebook.errors import DataError, ServiceError
from tunebook.service.once import AWAY, send_once
from tunebook.service.resource import Resource

if TYPE_CHECKING:
    from openai.types import FileObject

PART_BYTES = 32 * 2**20  # small enough to lose little and to show progress, large enough for few calls
_MIME_TYPE = "application/jsonl"
_RETRIES = 2
_MARGIN_S = 60.0  # an upload this close to its end is not taken up again


Item = TypeVar("Item")


@dataclass(frozen=True)
class Sender:
    """Sends to `resource`, each thing once: see `send_once`. `say` gets a sentence when an answer was lost."""

    resource: Resource
    say: Callable[[str], object] = print
    sleep: Callable[[float], object] = time.sleep

    def file(self, send: Callable[[], FileObject], name: str, find: Callable[[], Sequence[FileObject]]) -> FileObject:
        """The file that `send` makes."""
        return self._once(send, find, f"upload of {name}")

    def step(self, send: Callable[[], Item], what: str) -> Item:
        """What `send` returns: a step of an upload, of which a second one leaves nothing behind."""
        return self._once(send, None, what)

    def alike(self, name: str, total: int | None, known: Collection[str] = ()) -> list[FileObject]:
        """Files for fine-tuning with this name and as many bytes (None: however many), newest first, but the known."""
        sizes = (total, 0, None)
        files = [f for f in self.resource.client.files.list(purpose="fine-tune") if f.id not in known]
        alike = [f for f in files if f.filename == name and (total is None or f.bytes in sizes)]
        return sorted(alike, key=lambda file: file.created_at, reverse=True)

    def known(self, name: str, total: int | None) -> set[str]:
        """The ids of those that are there already, as far as the service can be asked."""
        with suppress(*AWAY):
            return {file.id for file in self.alike(name, total)}
        return set()

    def _once(self, send: Callable[[], Any], find: Callable[[], Sequence[Any]] | None, what: str) -> Any:
        return send_once(
            send,
            find,
            what=what,
            look="ws.files.list()",
            undo=lambda file: f'ws.files.delete("{file.id}")',
            retries=_RETRIES,
            poll_interval_s=self.resource.poll_interval_s,
            say=self.say,
            sleep=self.sleep,
        )


@dataclass
class _Journal:
    """What has been sent of one upload: id and md5 of each part, in order. Written after each part."""

    path: Path
    upload_id: str = ""
    expires_at: float = 0.0
    part_bytes: int = PART_BYTES
    parts: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path, *, part_bytes: int, now: float) -> _Journal:
        """The journal at `path`; an empty one when there is none that can be gone on with."""
        try:
            kept = json.loads(path.read_text("utf-8"))
            parts = [(str(part_id), str(digest)) for part_id, digest in kept["parts"]]
            journal = cls(path, str(kept["upload_id"]), kept["expires_at"], kept["part_bytes"], parts)
            usable = journal.part_bytes == part_bytes and journal.expires_at - _MARGIN_S > now
        except (OSError, ValueError, KeyError, TypeError):
            usable = False
        return journal if usable else cls(path, part_bytes=part_bytes)

    def write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        notes = {key: value for key, value in asdict(self).items() if key != "path"}
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(notes), "utf-8")
        partial.replace(self.path)


def upload_in_parts(
    sender: Sender,
    body: BinaryIO,
    *,
    name: str,
    total: int,
    key: str,
    part_bytes: int = PART_BYTES,
    progress: Callable[[int, int], object] | None = None,
    folder: Path | None = None,
    clock: Callable[[], float] = time.time,
) -> FileObject | None:
    """Send `body` (`total` bytes, seekable) in parts; what an earlier call with this `key` has sent is not sent again.

    progress(sent, total) is called with bytes after each part. folder: where is noted what has been sent. The service
    compares the md5 of the whole. Returns None where this address has no uploads in parts. Raises DataError when the
    content did not arrive whole.
    """
    try:
        sender.resource.dated_client  # noqa: B018 - asked whether there is one
    except ServiceError:  # a project's address has no dated ones
        return None
    notes = folder or user_state_path("tunebook", appauthor=False) / "uploads"
    file_key = hashlib.blake2b(f"{sender.resource.endpoint}\n{name}\n{key}".encode(), digest_size=16).hexdigest()
    journal = _Journal.read(notes / f"{file_key}.json", part_bytes=part_bytes, now=clock())
    sent_before = len(journal.parts)
    try:
        return _send(sender, body, name, total, journal, progress)
    except (NotFoundError, BadRequestError):
        if not sent_before:
            raise
        # The upload taken up again is gone at the service (cancelled, or expired early): begin anew, once.
        fresh = _Journal(journal.path, part_bytes=part_bytes)
        return _send(sender, body, name, total, fresh, progress)


def _send(
    sender: Sender,
    body: BinaryIO,
    name: str,
    total: int,
    journal: _Journal,
    progress: Callable[[int, int], object] | None,
) -> FileObject | None:
    client = sender.resource.dated_client.with_options(max_retries=0)

    def begin() -> Any:
        try:
            return client.uploads.create(bytes=total, filename=name, mime_type=_MIME_TYPE, purpose="fine-tune")
        except NotFoundError:  # not offered here
            return None

    if not journal.upload_id:
        begun = sender.step(begin, f"upload of {name}")
        if begun is None:
            return None
        journal.upload_id, journal.expires_at = begun.id, float(begun.expires_at)
        journal.write()
    whole, sent = hashlib.md5(usedforsecurity=False), 0
    for number, part in enumerate(_parts(body, journal.part_bytes)):
        whole.update(part)
        digest = hashlib.md5(part, usedforsecurity=False).hexdigest()
        if number >= len(journal.parts) or journal.parts[number][1] != digest:
            stored = sender.step(
                lambda: client.uploads.parts.create(journal.upload_id, data=part),  # noqa: B023 - called at once
                f"upload of {name}, part {number + 1}",
            )
            del journal.parts[number:]  # after a part that has changed, what was sent before is of no use
            journal.parts.append((stored.id, digest))
            journal.write()
        sent += len(part)
        if progress:
            progress(sent, total)
    known = sender.known(name, total)

    def complete() -> FileObject:
        ids = [part_id for part_id, _ in journal.parts]
        done = client.uploads.complete(journal.upload_id, part_ids=ids, md5=whole.hexdigest())
        if done.file is None:
            raise ServiceError(f"{name}: the service completed the upload {journal.upload_id} and names no file.")
        return done.file

    try:
        file = sender.file(complete, name, lambda: sender.alike(name, total, known))
    except BadRequestError as error:
        journal.path.unlink(missing_ok=True)
        if "md5" in str(error.message).lower():
            raise DataError(f"{name}: what arrived is not what was sent ({error.message}). Upload it again.") from error
        raise
    journal.path.unlink(missing_ok=True)
    return file


def _parts(body: BinaryIO, part_bytes: int) -> Iterator[bytes]:
    body.seek(0)
    while part := body.read(part_bytes):
        yield part


def content_key(body: BinaryIO, path: str | os.PathLike[str] | None) -> str:
    """What an upload is filed under: a path with size and time of its last change, else a digest of the content."""
    if path is not None:
        stat = Path(path).stat()
        return f"{Path(path).resolve()}\n{stat.st_size}\n{stat.st_mtime_ns}"
    digest = hashlib.blake2b(digest_size=16)
    for part in _parts(body, io.DEFAULT_BUFFER_SIZE * 64):
        digest.update(part)
    return digest.hexdigest()


def import_file(sender: Sender, url: str, *, name: str | None = None) -> FileObject:
    """Have the service fetch a file from a URL, e.g. of Blob Storage with a SAS token; it is not processed yet.

    name: what the file shall be called, by default the last part of the URL's path. The URL's query is a secret: it
    is shown nowhere. Raises DataError for a URL that cannot be one and for one the service refuses.
    """
    parts = urlsplit(url)
    loopback = parts.hostname in ("127.0.0.1", "localhost", "::1")
    shown = shown_url(url)
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and loopback)):
        raise DataError(
            f"{shown}: an https address is needed, such as https://<account>.blob.core.windows.net/<container>/<file> "
            "with a SAS token, or one that anybody may read."
        )
    filename = name or Path(parts.path).name
    if not filename:
        raise DataError(f"{shown}: the address names no file. Give name=.")
    from openai.types import FileObject

    body = {"purpose": "fine-tune", "filename": filename, "content_url": url}
    client = sender.resource.dated_client.with_options(max_retries=0)
    known = sender.known(filename, None)
    try:
        return sender.file(
            lambda: client.post("/files/import", cast_to=FileObject, body=body),
            filename,
            lambda: sender.alike(filename, None, known),
        )
    except BadRequestError as error:
        reason = str(error.message).replace(url, shown)
        if parts.query:
            reason = reason.replace(parts.query, "…")
        raise DataError(f"{shown}: the service refused to import it: {reason}") from None  # the cause holds the secret


def shown_url(url: str) -> str:
    """A URL without its query and without user and password."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "…" if parts.query else "", ""))
