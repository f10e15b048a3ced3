"""The openai clients: what every request of the kit passes on its way out, and every reply on its way in.

A request to this machine never goes through a proxy. A reply that is not what the API gives (a page of a captive
portal or a proxy, garbage, an empty body, a redirect to another host) is an error of the kit: `StrangeReply`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import urljoin, urlsplit

from openai import APIConnectionError, APIError, AzureOpenAI, DefaultHttpxClient, OpenAI

from tunebook.errors import ServiceError, TunebookError
from tunebook.service.refusals import told

LOOPBACK = ("127.0.0.1", "::1", "localhost")
_KEPT = ("fine_tuning/jobs", "files", "uploads", "models")  # resources whose objects have an id, whose lists have data
_SHOWN = 80  # characters of a strange reply


class StrangeReply(ServiceError, APIConnectionError):
    """Something answered that is not the service, or not as the service answers. Whoever may wait asks again."""

    def __init__(self, message: str, request: Any) -> None:
        APIConnectionError.__init__(self, message=message, request=request)


class NotProven(StrangeReply):
    """Another program has the address by now: nothing was sent to it."""


class _Telling:
    """A client whose refusals say what went wrong and what to do."""

    def request(self, *args: Any, **settings: Any) -> Any:
        try:
            return super().request(*args, **settings)  # type: ignore[misc]
        except APIError as error:
            if isinstance(error, TunebookError):
                raise
            raise told(error) from error


class _Client(_Telling, OpenAI):
    pass


class _DatedClient(_Telling, AzureOpenAI):
    pass


def make_client(
    address: str,
    key: str | Callable[[], str],
    api_version: str | None,
    headers: Mapping[str, str] | None = None,
    prove: Callable[[], str | None] | None = None,
) -> OpenAI:
    """A client for the v1 addresses, or for the dated ones of `api_version`; `headers` are sent with every request.

    prove: called on each new connection, before anything is sent over it; what it answers is why nothing shall be.
    """
    if api_version is not None and "/projects/" in address:
        raise ServiceError(
            f"api_version={api_version!r}: a Foundry project's address takes none. Leave it out, or use the "
            "resource's own address, https://<resource>.openai.azure.com."
        )
    asked: list[Callable[..., Any]] = [] if prove is None else [partial(_prove_first, prove)]
    http = DefaultHttpxClient(
        trust_env=not is_loopback(address), event_hooks={"request": asked, "response": [_refuse_what_is_strange]}
    )
    more: dict[str, Any] = {"http_client": http, "default_headers": dict(headers or {})}
    if api_version is None:
        if not callable(key):  # API Management takes the key in this header alone
            more["default_headers"] = {"api-key": key, **more["default_headers"]}
        return _Client(base_url=f"{address}/openai/v1/", api_key=key, **more)
    if callable(key):
        return _DatedClient(azure_endpoint=address, azure_ad_token_provider=key, api_version=api_version, **more)
    return _DatedClient(azure_endpoint=address, api_key=key, api_version=api_version, **more)


def is_loopback(address: str) -> bool:
    """Whether an address is one of this machine."""
    return urlsplit(address).hostname in LOOPBACK


def _prove_first(prove: Callable[[], str | None], request: Any) -> None:
    def trace(event: str, _: Any) -> None:
        if event == "connection.connect_tcp.complete" and (told := prove()):
            raise NotProven(told, request)

    request.extensions["trace"] = trace


def _refuse_what_is_strange(response: Any) -> None:
    """Raises StrangeReply for a reply that says it is well and is none of the API's."""
    if response.status_code >= 400 or response.status_code == 204:
        return
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if 300 <= response.status_code < 400:
        target = urlsplit(urljoin(str(response.url), response.headers.get("location", "")))
        if target.netloc != urlsplit(str(response.url)).netloc:
            raise _strange(response, f"sends the request on to {target.hostname}")
        return
    wants_bytes = "json" not in response.request.headers.get("accept", "")
    if kind == "text/event-stream" or (wants_bytes and kind != "text/html"):
        return
    content = response.read()
    if content.startswith((b"data:", b"event:", b":")):  # a stream, sent under another name
        return
    if kind == "text/html" or content.lstrip()[:9].lower() in (b"<!doctype", b"<html>"):
        raise _strange(response, "answers with an HTML page")
    if not content.strip():
        raise _strange(response, "answers with nothing")
    try:
        value = json.loads(content)
    except ValueError:
        shown = content[:_SHOWN].decode("utf-8", "replace")
        raise _strange(response, f"answers with what is no JSON: {shown!r}") from None
    if not _is_ours(value, response.request.url.path):
        shown = json.dumps(value)[:_SHOWN]
        raise _strange(response, f"answers with JSON that is not what was asked for: {shown}")


def _is_ours(value: Any, path: str) -> bool:
    """Whether a JSON value is an object as the API answers at this path."""
    if not isinstance(value, dict) or not value:
        return False
    listed = value.get("data")
    if "data" in value:
        return isinstance(listed, list) and all(isinstance(item, dict) for item in listed)
    of_a_resource = any(f"/{kind}" in path for kind in _KEPT) and not path.endswith("/copy")
    return not of_a_resource or isinstance(value.get("id"), str)


def _strange(response: Any, does: str) -> StrangeReply:
    host = urlsplit(str(response.url)).netloc
    return StrangeReply(
        f"{host} {does} ({response.request.method} {response.request.url.path}, {response.status_code}). This is not "
        "the service's reply: a proxy, a gateway or the network's sign-in page may stand between. Check the endpoint, "
        "and open the address in a browser.",
        response.request,
    )
