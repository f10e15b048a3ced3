"""Training, validation and result files at the service."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from tunebook.catalogue import load_catalogue
from tunebook.errors import DataError, ResultsError, ServiceError
from tunebook.service.once import AWAY
from tunebook.service.pacing import intervals
from tunebook.service.resource import Resource
from tunebook.service.uploads import Sender, content_key, import_file, upload_in_parts

if TYPE_CHECKING:
    from openai.types import FileObject

    from tunebook.data import Dataset

# What each state that ends the waiting means; others (uploaded, pending, running) go on.
_ENDED_BADLY = {
    "error": "the service refused the file",
    "failed": "the service could not process the file",
    "cancelled": "the processing of the file was cancelled at the service",
    "deleting": "the file is being deleted at the service",
    "deleted": "the file was deleted at the service while it was processed",
}
_TIMEOUT_S = 3600.0
_TOLD_EVERY_S = 60.0
_COMPARED_BYTES = 100_000_000  # files up to this are compared byte for byte after a lost answer
_DOWNLOADS = 3  # of a file that came cut short


class Files:
    """`ws.files`: upload and wait until processed, list, retrieve, download, delete."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._client = resource.client

    def upload(
        self,
        source: Dataset | str | os.PathLike[str],
        *,
        name: str | None = None,
        progress: Callable[[int, int], object] | None = None,
        timeout_s: float = _TIMEOUT_S,
        say: Callable[[str], object] = print,
        sleep: Callable[[float], object] = time.sleep,
    ) -> FileObject:
        """Upload a dataset or a file for fine-tuning and wait until the service has processed it.

        A Dataset is sent as JSON Lines in UTF-8 with a byte-order mark, as the documentation asks; a path is sent
        byte for byte; more than 100 MB go in parts, where the service offers that, and the same call after an
        interruption sends only the rest. `progress(sent, total)` is called with bytes. When the answer is lost, the
        service is asked for the file before it is sent again. `say` gets a sentence about that, and once a minute
        while the service processes the file. Returns the SDK's FileObject, status `processed`.
        Raises DataError for a file that is missing or that the service refuses; ServiceError when it is not processed
        within `timeout_s` seconds.

        >>> file = ws.files.upload(tb.read_dataset("train.jsonl"))
        >>> file.filename, file.status
        ('train.jsonl', 'processed')
        """
        sender = Sender(self._resource, say, sleep)
        body, total, filename = _open(source)
        with body:
            uploaded = None
            if total > load_catalogue().limit("chunked_upload_advised_bytes"):
                path = source if isinstance(source, (str, os.PathLike)) else None
                key, whole = content_key(body, path), name or filename
                uploaded = upload_in_parts(sender, body, name=whole, total=total, key=key, progress=progress)
                body.seek(0)
            if uploaded is None:
                uploaded = self._send(sender, body, total, name or filename, progress)
        return self._wait(uploaded, timeout_s, say, sleep)

    def _send(
        self,
        sender: Sender,
        body: BinaryIO,
        total: int,
        name: str,
        progress: Callable[[int, int], object] | None,
    ) -> FileObject:
        """The file in one request, sent once."""
        client, known = self._client.with_options(max_retries=0), sender.known(name, total)

        def send() -> FileObject:
            body.seek(0)
            sent: Any = _Counting(body, total, progress) if progress else body
            return client.files.create(file=(name, sent), purpose="fine-tune")

        def same() -> list[FileObject]:
            alike = sender.alike(name, total, known)
            if total > _COMPARED_BYTES:
                return alike
            body.seek(0)
            whole = body.read()
            return [file for file in alike if self._client.files.content(file.id).read() == whole]

        return sender.file(send, name, same)

    def import_url(
        self,
        url: str,
        *,
        name: str | None = None,
        timeout_s: float = _TIMEOUT_S,
        say: Callable[[str], object] = print,
        sleep: Callable[[float], object] = time.sleep,
    ) -> FileObject:
        """Have the service fetch a file from a URL (Blob Storage with a SAS token), and wait until it is processed.

        Raises DataError when the URL cannot be one, cannot be fetched, or holds what the service refuses.
        """
        return self._wait(import_file(Sender(self._resource, say, sleep), url, name=name), timeout_s, say, sleep)

    def _wait(
        self, file: FileObject, timeout_s: float, say: Callable[[str], object], sleep: Callable[[float], object]
    ) -> FileObject:
        """The file once it is processed. While the service cannot be reached, it is asked again."""
        waited_s = told_s = 0.0  # the pauses slept are counted, not the clock: that goes on while a laptop is closed
        pauses = intervals(*self._resource.poll_interval_s)
        while (status := str(file.status)) != "processed":
            if status in _ENDED_BADLY:
                reason = (file.status_details or "").rstrip(".") or "it gives no reason"
                advice = "`tunebook check` finds the lines." if status == "error" else "Upload it again."
                raise DataError(f"{file.filename} ({file.id}): {_ENDED_BADLY[status]}: {reason}. {advice}")
            if waited_s > timeout_s:
                raise ServiceError(
                    f"{file.filename} ({file.id}) is still {status!r} after {timeout_s:g} s. The service goes on with "
                    f'it: ask later with ws.files.retrieve("{file.id}"), or give a larger timeout_s.'
                )
            if waited_s - told_s > _TOLD_EVERY_S:
                told_s = waited_s
                say(f"{file.filename}: {status} at the service for {waited_s:.0f} s.")
            pause = next(pauses)
            sleep(pause)
            waited_s += pause
            with suppress(*AWAY):
                file = self._client.files.retrieve(file.id)
        return file

    def list(self, purpose: str | None = None) -> list[FileObject]:
        """All files of the resource, newest first; `purpose` is e.g. `fine-tune` or `fine-tune-results`.

        >>> newest = ws.files.list()[0]
        >>> newest.purpose in ("fine-tune", "fine-tune-results")
        True
        """
        listed = self._client.files.list(purpose=purpose) if purpose else self._client.files.list()
        return sorted(listed, key=lambda file: file.created_at, reverse=True)

    def retrieve(self, file_id: str) -> FileObject:
        """The SDK's record of a file: name, purpose, status, bytes. Raises its NotFoundError where there is none."""
        return self._client.files.retrieve(file_id)

    def content(self, file_id: str) -> bytes:
        """The bytes of a file of the service, a result file for instance.

        Raises ResultsError when they stay fewer than its record tells: the download is cut short.

        >>> ws.files.content(job.job.result_files[0])[:15]
        b'step,train_loss'
        """
        told = self._client.files.retrieve(file_id).bytes or 0  # asked first: the file of a running job grows
        for _ in range(_DOWNLOADS):
            content = self._client.files.content(file_id).read()
            if len(content) >= told:
                return content
        raise ResultsError(
            f"{file_id}: {len(content):,} bytes come, and its record tells {told:,}. The download is cut short: try "
            "again."
        )

    def delete(self, file_id: str) -> None:
        """Delete a file for good. A job that is still running may need it: `tb.cleanup(ws)` looks first."""
        self._client.files.delete(file_id)

    def __repr__(self) -> str:
        return f"<files of {self._resource.name}>"


def _open(source: Dataset | str | os.PathLike[str]) -> tuple[BinaryIO, int, str]:
    """The bytes to send, how many they are, and the name they go by."""
    if not isinstance(source, (str, os.PathLike)):
        content = source.to_bytes()
        return io.BytesIO(content), len(content), f"{Path(source.name).stem}.jsonl"
    path = Path(source)
    try:
        return path.open("rb"), path.stat().st_size, path.name
    except OSError as error:
        raise DataError(f"{path}: the file cannot be read: {error.strerror}. Check the path.") from error


class _Counting(io.RawIOBase):
    """A readable file that tells how far it has been read."""

    def __init__(self, body: BinaryIO, total: int, progress: Callable[[int, int], object]) -> None:
        self._body, self._total, self._progress = body, total, progress

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._body.seek(offset, whence)  # the SDK's retry starts the body again

    def tell(self) -> int:
        return self._body.tell()

    def readinto(self, buffer: Any) -> int:
        data = self._body.read(len(buffer))
        buffer[: len(data)] = data
        self._progress(self._body.tell(), self._total)
        return len(data)

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.read(1 << 16):
            yield chunk
