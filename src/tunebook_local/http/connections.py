"""The HTTP server's connections, which a practice fault may drop."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from tunebook_local.http.faults import ABORT


class DroppableConnection(H11Protocol):
    """uvicorn's connection; each request's scope carries a way to drop it. ASGI itself has none."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        app = self.app

        async def droppable(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, ABORT: self.transport.abort}, receive, send)

        self.app = droppable
