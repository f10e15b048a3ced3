"""Training, validation and result files at the service."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from tunebook.catalogue import load_catalogue
from tunebook.errors import DataError
from tunebook.service.pacing import intervals
from tunebook.service.resource import Resource
from tunebook.service.uploads import content_key, import_file, upload_in_parts

if TYPE_CHECKING:
    from openai.types import FileObject

    from tunebook.data import Dataset

_SETTLED = {"processed", "error", "deleted"}


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
        sleep: Callable[[float], object] = time.sleep,
    ) -> FileObject:
        """Upload a dataset or a file for fine-tuning and wait until the service has processed it.

        A Dataset is sent as JSON Lines in UTF-8 with a byte-order mark, as the documentation asks; a path is sent
        byte for byte; more than 100 MB go in parts, where the service offers that, and the same call after an
        interruption sends only the rest. `progress(sent, total)` is called with bytes. Returns the SDK's FileObject,
        status `processed`. Raises DataError for a file that is missing or that the service refuses.

        >>> file = ws.files.upload(tb.read_dataset("train.jsonl"))
        >>> file.filename, file.status
        ('train.jsonl', 'processed')
        """
        body, total, filename = _open(source)
        with body:
            uploaded = None
            if total > load_catalogue().limit("chunked_upload_advised_bytes"):
                path = source if isinstance(source, (str, os.PathLike)) else None
                key, whole = content_key(body, path), name or filename
                uploaded = upload_in_parts(self._resource, body, name=whole, total=total, key=key, progress=progress)
                body.seek(0)
            if uploaded is None:
                sent: Any = _Counting(body, total, progress) if progress else body
                uploaded = self._client.files.create(file=(name or filename, sent), purpose="fine-tune")
        return self._wait(uploaded, sleep)

    def import_url(
        self, url: str, *, name: str | None = None, sleep: Callable[[float], object] = time.sleep
    ) -> FileObject:
        """Have the service fetch a file from a URL (Blob Storage with a SAS token), and wait until it is processed.

        Raises DataError when the URL cannot be one, cannot be fetched, or holds what the service refuses.
        """
        return self._wait(import_file(self._resource, url, name=name), sleep)

    def _wait(self, file: FileObject, sleep: Callable[[float], object]) -> FileObject:
        pauses = intervals(*self._resource.poll_interval_s)
        while file.status not in _SETTLED:
            sleep(next(pauses))
            file = self._client.files.retrieve(file.id)
        if file.status == "error":
            raise DataError(
                f"{file.filename} ({file.id}): the service refused the file: "
                f"{file.status_details or 'it gives no reason'}. `tunebook check` finds the lines."
            )
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

        >>> ws.files.content(job.job.result_files[0])[:15]
        b'step,train_loss'
        """
        return self._client.files.content(file_id).read()

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
