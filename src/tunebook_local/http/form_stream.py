"""Reading a multipart form while it arrives: its file goes to the disk piece by piece, never whole into memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from tunebook_local.desk.refusals import invalid, too_large

_WRITE_AT = 2**20  # bytes gathered before they are handed to the disk
_MOST_FIELDS = 100
_LONGEST_FIELD = 2**16  # bytes of an ordinary field or of a part's headers


@dataclass
class Form:
    """The fields of a form, and the name and size of the file in it."""

    fields: dict[str, str] = field(default_factory=dict)
    filename: str | None = None
    size: int = 0


async def read_form(
    chunks: AsyncIterator[bytes], content_type: str, *, file_field: str, into: Path, limit: int
) -> Form:
    """Read a form whose file stands in `file_field`, writing the file to `into`.

    Raises Refusal when the body is no such form or the file is larger than `limit` bytes; the caller clears `into`.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or b"boundary" not in options:
        raise invalid(f"The body must be multipart/form-data with a boundary; got {content_type!r}.")
    parts = _Parts(options[b"boundary"], file_field)
    with into.open("wb") as file:
        async for chunk in chunks:
            parts.feed(chunk)
            if parts.form.size > limit:
                raise too_large(limit)
            if len(parts.waiting) >= _WRITE_AT:
                await asyncio.to_thread(file.write, bytes(parts.waiting))
                parts.waiting.clear()
        await asyncio.to_thread(file.write, bytes(parts.waiting))
    parts.finish()
    return parts.form


class _Parts:
    """What the parser finds: fields into the form, the file's bytes into `waiting`."""

    def __init__(self, boundary: bytes, file_field: str) -> None:
        self.form = Form()
        self.waiting = bytearray()
        self._file_field = file_field
        self._header_name = self._header_value = b""
        self._disposition = b""
        self._name = ""
        self._field: bytearray | None = None
        self._is_file = self._ended = self._file_seen = False
        callbacks = {
            "on_part_begin": self._begin,
            "on_header_field": self._on_header_name,
            "on_header_value": self._on_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)  # type: ignore[arg-type]
        except FormParserError as error:
            raise invalid(f"The multipart boundary cannot be used: {error}.") from error

    def feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise invalid(f"The multipart body cannot be read: {error}.") from error

    def finish(self) -> None:
        if not self._ended:
            raise invalid("The multipart body ends before its closing boundary.")
        if not self._file_seen:
            raise invalid(f"The form has no file in the field {self._file_field!r}.", self._file_field)

    def _begin(self) -> None:
        self._disposition = self._header_name = self._header_value = b""

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name = self._grown(self._header_name, data[start:end])

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value = self._grown(self._header_value, data[start:end])

    def _end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name = self._header_value = b""

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._is_file = self._name == self._file_field
        self._field = None
        if self._is_file:
            if self._file_seen:
                raise invalid(f"The form has more than one file in the field {self._file_field!r}.", self._file_field)
            self._file_seen = True
            self.form.filename = options.get(b"filename", b"").decode("utf-8", "replace") or None
        else:
            self._field = bytearray()

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._field is None:
            self.waiting += data[start:end]
            self.form.size += end - start
        else:
            self._field = bytearray(self._grown(bytes(self._field), data[start:end]))

    def _end_part(self) -> None:
        if self._field is not None:
            if len(self.form.fields) >= _MOST_FIELDS:
                raise invalid(f"The form has more than {_MOST_FIELDS} fields.")
            self.form.fields[self._name] = self._field.decode("utf-8", "replace")

    def _end(self) -> None:
        self._ended = True

    @staticmethod
    def _grown(text: bytes, more: bytes) -> bytes:
        if len(text) + len(more) > _LONGEST_FIELD:
            raise invalid(f"A field of the form is longer than {_LONGEST_FIELD} bytes.")
        return text + more
