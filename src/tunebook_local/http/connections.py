"""Connections: only so many, and each has only so long to bring its request.

Who comes always finds a place: the connection that has been silent longest goes, unless its answer is being made.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

from tunebook_local.desk.limits import Limits

_OTHER_DESCRIPTORS = 100  # for the database, the files being written, the workers
_FEWEST = 8


class Connection(H11Protocol):
    """uvicorn's connection with patience for a header, and for each further piece of a body."""

    def __init__(self, *arguments: Any, limits: Limits, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._limits = limits
        self._patience: asyncio.TimerHandle | None = None  # while the other side owes us something
        self._heard_at = self.loop.time()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await("header_seconds")
        if len(self.connections) > self._limits["connections"]:
            silent = [each for each in cast("set[Connection]", self.connections) if not each.answering]
            longest = min(silent, key=lambda each: each._heard_at, default=self)
            self.connections.discard(longest)  # it is counted no more, though it is lost only a moment later
            longest.transport.abort()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._heard_at = self.loop.time()
        if self.answering:
            self._stop_waiting()
        elif self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
            self._await("body_silence_seconds")
        elif self._patience is None:  # a header's time goes on, however it drips
            self._await("header_seconds")

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._stop_waiting()
        super().on_response_complete()

    @property
    def answering(self) -> bool:
        """Whether a whole request is here and its answer is not yet."""
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body

    def _await(self, limit: str) -> None:
        self._patience = self.loop.call_later(self._limits[limit], self._give_up, limit)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self, limit: str) -> None:
        self._patience = None
        if self.flow.read_paused:  # it is us who do not listen: the disk is slow
            self._await(limit)
        else:
            self.transport.abort()


def within_descriptors(limits: Limits) -> Limits:
    """The limits with no more connections than this process can have files open."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # not everywhere

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 2 * limits["connections"] + _OTHER_DESCRIPTORS  # a connection may have a file open too
        if 0 <= soft < wanted:
            soft = wanted if hard < 0 else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            room = max(_FEWEST, (soft - _OTHER_DESCRIPTORS) // 2)
            return Limits({**limits.overrides, "connections": min(limits["connections"], room)})
    return limits
