"""What every request passes before it reaches the routes: its host, its key, the size it announces.

Plain ASGI. Refusals here are sent before a byte of the body is read.
"""

from __future__ import annotations

import hmac
import math
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from tunebook_local.desk.limits import Limits
from tunebook_local.desk.refusals import Refusal, no_key, too_large
from tunebook_local.http.addresses import Address, read_address
from tunebook_local.http.wire import Wire

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_JSON = 4 * 2**20  # bytes; the largest body that is not an upload
_FORM_MARGIN = 2**20  # bytes a multipart form may take beside its file
_OUR_NAMES = ("127.0.0.1", "localhost", "[::1]")
PROOF = "/tunebook/proof"  # the one path that needs no key: here the service shows that it has it
_UPLOADS = ("/files", "/parts")  # how the paths end that take whole files


class Gate:
    """Lets in requests for this host with this key. Remembers when the last one came (`last_request`)."""

    def __init__(self, app: App, key: str, dialect: str, limits: Limits, aliases: Sequence[str] = ()) -> None:
        """aliases: further names of this host, in small letters."""
        self._names = (*_OUR_NAMES, *aliases)
        self._app, self._key, self._dialect, self._limits = app, key.encode(), dialect, limits
        self.last_request = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self.last_request = time.monotonic()
        if scope["path"] == PROOF:
            reply = JSONResponse(
                {"proof": proof(self._key, scope["query_string"].decode("latin-1"), scope["server"][1])}
            )
            await reply(scope, receive, send)
            return
        request_id = str(uuid.uuid4())
        names = [(b"apim-request-id", request_id.encode()), (b"x-request-id", request_id.encode())]

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *names]
            await send(message)

        try:
            address = self._let_in(scope)
        except Refusal as refusal:
            wire = Wire(self._dialect, "dated" if scope["path"].startswith("/openai/") else "v1")
            await error_response(wire, refusal)(scope, receive, named)
            return
        await self._app({**scope, "path": address.path, "raw_path": None, "address": address}, receive, named)

    def _let_in(self, scope: Scope) -> Address:
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if host.rsplit(":", 1)[0] not in self._names and host not in self._names:
            raise Refusal(403, "forbidden", f"This service answers on this machine only, not as {host!r}.")
        if not self._has_key(headers):
            raise no_key()
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        address = read_address(scope["path"], query.get("api-version", [None])[0], self._dialect)
        length = headers.get("content-length", "0")
        takes_files = address.path.endswith(_UPLOADS)
        limit, margin = (self._limits["upload_bytes"], _FORM_MARGIN) if takes_files else (LARGEST_JSON, 0)
        if length.isdigit() and int(length) > limit + margin:
            raise too_large(limit)
        return address

    def _has_key(self, headers: Headers) -> bool:
        """`api-key: K`, or `Authorization: Bearer K` (also where an Entra token would stand)."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = [headers.get("api-key", ""), token.strip() if scheme.lower() == "bearer" else ""]
        # Compared in constant time, each of them, so that the time taken says nothing about the key.
        matches = [hmac.compare_digest(key.encode("utf-8", "surrogateescape"), self._key) for key in given]
        return any(matches)


def proof(key: bytes, nonce: str, port: int) -> str:
    """What only the holder of the key can say to a nonce; with the port, so that nobody else can pass it on as his."""
    return hmac.new(key, f"{nonce}\n{port}".encode(), "sha256").hexdigest()


def error_response(wire: Wire, refusal: Refusal) -> JSONResponse:
    """A refusal as a reply."""
    headers = {}
    if refusal.retry_after is not None:
        headers = {
            "retry-after": str(math.ceil(refusal.retry_after)),
            "retry-after-ms": str(int(refusal.retry_after * 1000)),
        }
    if refusal.status == 507:
        headers["x-should-retry"] = "false"
    return JSONResponse(wire.error(refusal), refusal.status, headers)
