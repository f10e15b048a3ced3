"""Fetching a file from a URL (`/files/import`): http and https, from this machine or from hosts allowed at the start.

A service that fetches whatever it is told to is a way into whatever it can reach; so it asks first, of every
address on the way.
"""

from __future__ import annotations

import ipaddress
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_CHUNK = 2**20
_TIMEOUT_S = 60.0


class ImportRefused(Exception):
    """This address may not be fetched, or did not give a file."""


def check_url(url: object, allowed: tuple[str, ...]) -> str:
    """The URL, if it may be fetched; raises ImportRefused."""
    try:
        parts = urlsplit(str(url))
        scheme, host = parts.scheme, parts.hostname
        _ = parts.port
    except ValueError as error:
        raise ImportRefused(f"content_url is not a URL: {error}.") from error
    if scheme not in ("http", "https") or not host or set(parts.netloc) & set("@\\ "):
        # A user name before the host is what makes one reader see another host than the next.
        raise ImportRefused("content_url must be an http or https URL, without a user name.")
    if not _is_loopback(host) and host not in allowed:
        raise ImportRefused(
            f"content_url names the host {host!r}: this service fetches only from this machine and from hosts it "
            "was started with (--import-from)."
        )
    return str(url)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def fetch(url: str, into: Path, *, limit: int, allowed: tuple[str, ...]) -> None:
    """Write what the URL gives to `into`; raises ImportRefused."""

    class AskAgain(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
            check_url(newurl, allowed)
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    opener = urllib.request.OpenerDirector()
    handlers = (
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.HTTPDefaultErrorHandler,
        AskAgain,
    )  # no file:, ftp: or data:, and no proxy
    for handler in handlers:
        opener.add_handler(handler())
    try:
        with opener.open(check_url(url, allowed), timeout=_TIMEOUT_S) as reply, into.open("wb") as file:
            size = 0
            while chunk := reply.read(_CHUNK):
                size += len(chunk)
                if size > limit:
                    raise ImportRefused(f"The maximum allowed size is {limit // 2**20} MB.")
                file.write(chunk)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise ImportRefused(f"The content_url could not be fetched: {error}.") from error
