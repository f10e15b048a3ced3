"""Fetching a file from a URL (`/files/import`): http and https, from this machine or from hosts allowed at the start.

A service that fetches whatever it is told to is a way into whatever it can reach; so it asks first, of every
address on the way.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import threading
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_CHUNK = 2**20
_SILENCE_S = 60.0  # how long a server may say nothing
_LONGEST_REASON = 200  # characters


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
    if any(character <= " " or character == "\x7f" for character in str(url)):
        raise ImportRefused("content_url has a space or a control character in it: write it as %20, say.")
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


def without_secret(url: str) -> str:
    """The URL as it may be stored: what follows its question mark can be a key (a SAS token) to what it names."""
    return "".join(url.partition("#")[0].partition("?")[:2])


def is_whole(stored: str) -> bool:
    """Whether a stored URL is all of it, so that it can be fetched."""
    return not stored.endswith("?")


def fetch(url: str, into: Path, *, limit: int, seconds: float, allowed: tuple[str, ...]) -> None:
    """Write what the URL gives to `into`, within so many seconds in all; raises ImportRefused, whatever goes wrong."""
    with _Stopwatch(seconds) as watch:
        try:
            _copy(_opener(watch, allowed), check_url(url, allowed), into, limit, min(_SILENCE_S, seconds))
        except ImportRefused:
            raise
        except Exception as error:  # a stranger's server can make the client raise anything
            reason = str(error).replace(url.partition("?")[2] or url, "…")[:_LONGEST_REASON]
            raise ImportRefused(
                f"The content_url could not be fetched: {reason or type(error).__name__}.".replace("..", ".")
            ) from error
        finally:
            if watch.over:
                raise ImportRefused(f"The content_url could not be fetched within {seconds:g} seconds.")


def _copy(opener: urllib.request.OpenerDirector, url: str, into: Path, limit: int, silence_s: float) -> None:
    with opener.open(url, timeout=silence_s) as reply, into.open("wb") as file:
        announced, size = reply.length, 0
        while chunk := reply.read(_CHUNK):
            size += len(chunk)
            if size > limit:
                raise ImportRefused(f"The maximum allowed size is {limit // 2**20} MB.")
            file.write(chunk)
    if announced is not None and size != announced:
        raise ImportRefused(f"The content_url announced {announced} bytes but sent {size}.")


def _opener(watch: _Stopwatch, allowed: tuple[str, ...]) -> urllib.request.OpenerDirector:
    """What opens http and https only (no file:, ftp: or data:, no proxy), and asks first of every redirect."""

    class Http(http.client.HTTPConnection):
        def connect(self) -> None:
            super().connect()
            watch.watch(self.sock)

    class Https(http.client.HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            watch.watch(self.sock)

    class OpenHttp(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Http, req)

    class OpenHttps(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Https, req)

    class AskAgain(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
            check_url(newurl, allowed)
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    opener = urllib.request.OpenerDirector()
    errors = (urllib.request.HTTPErrorProcessor, urllib.request.HTTPDefaultErrorHandler)
    for handler in (OpenHttp, OpenHttps, AskAgain, *errors):
        opener.add_handler(handler())
    return opener


class _Stopwatch:
    """Cuts the watched connection when the time is over: a server that drips can hold up a single read for ever."""

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._connection: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> _Stopwatch:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def watch(self, connection: socket.socket) -> None:
        self._connection = connection
        if self.over:
            self._cut()

    def _cut(self) -> None:
        self.over = True
        if self._connection is not None:
            with suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
