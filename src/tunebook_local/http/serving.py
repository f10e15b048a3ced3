"""What all routes share: the service's parts, and reading a request's address, body and page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tunebook_local.desk import Desk
from tunebook_local.desk.limits import LARGEST_PAGE
from tunebook_local.desk.refusals import invalid, not_found, too_large
from tunebook_local.desk.supervisor import Supervisor
from tunebook_local.http.addresses import Address
from tunebook_local.http.gate import LARGEST_JSON
from tunebook_local.http.wire import Wire

Handler = Callable[[Request], Awaitable[Response]] | Callable[[Request], Response]  # the latter off the event loop


class Json(JSONResponse):
    """A reply as JSON, written ten times as fast: a list can be long."""

    def render(self, content: Any) -> bytes:
        return msgspec.json.encode(content)


@dataclass(frozen=True)
class Service:
    """What the handlers work with."""

    desk: Desk
    supervisor: Supervisor

    def wire(self, request: Request) -> Wire:
        """How to write the reply to this request."""
        return Wire(self.desk.dialect, address_of(request).family)


def address_of(request: Request) -> Address:
    """The request's address, as the gate has read it."""
    address: Address = request.scope["address"]
    return address


def created(request: Request, body: dict[str, Any], location: str) -> Response:
    """The reply to a creation: 201 with its Location on the dated addresses, 200 elsewhere."""
    address = address_of(request)
    if address.family != "dated":
        return Json(body)
    url = f"{request.url.scheme}://{request.headers['host']}/openai{location}?api-version={address.api_version}"
    return Json(body, 201, {"location": url})


def limit_of(request: Request, default: int) -> int:
    """How many items a page may have."""
    text = request.query_params.get("limit")
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise invalid(f"limit must be a whole number; got {text!r}.", "limit")
    return min(int(text), max(default, LARGEST_PAGE))


def page_of(request: Request, items: Sequence[Any], default: int, what: str) -> tuple[Sequence[Any], bool]:
    """The part of a short list that the request asks for with `after` and `limit`, and whether more follows."""
    after = request.query_params.get("after")
    if after is not None:
        places = [place for place, item in enumerate(items) if item.id == after]
        if not places:
            raise not_found(what, after)
        items = items[places[0] + 1 :]
    limit = limit_of(request, default)
    return items[:limit], len(items) > limit


def stored_page(
    request: Request, desk: Desk, record: Any, default: int, what: str, *, order: str = "desc", **where: Any
) -> tuple[list[Any], bool]:
    """A page straight from the store, newest first unless the API or the request says otherwise: these can be long."""
    limit = limit_of(request, default)
    after = request.query_params.get("after")
    last = None if after is None else desk.store.get(record, id=after, **where)
    if after is not None and last is None:
        raise not_found(what, after)
    newest_first = request.query_params.get("order", order) != "asc"
    rows = desk.store.all(record, newest_first=newest_first, after=last, limit=limit + 1, **where)
    return rows[:limit], len(rows) > limit


async def read_object(request: Request) -> dict[str, Any]:
    """The request's body as a JSON object; nothing is an empty one."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_JSON:
            raise too_large(LARGEST_JSON)
    try:
        value = msgspec.json.decode(body) if body.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"The body of the request is not valid JSON: {error}.") from error
    if not isinstance(value, dict):
        raise invalid("The body of the request must be a JSON object.")
    return value
