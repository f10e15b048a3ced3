"""Misfortune on purpose, for tests and practice: `--faults rate=0.1,kinds=429,500,disconnect,slow,seed=1`.

    429 500 503          refused before anything is done (429 and 503 say when to come back)
    disconnect-before    the connection is dropped, nothing was done
    disconnect-after     the connection is dropped after the work was done: the client cannot know
    disconnect           one of the two
    slow                 the reply's body dribbles
    truncate             the reply's body breaks off half way

Seeded: the same requests in the same order meet the same faults.
"""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import dataclass
from typing import Any

from tunebook_local.desk.refusals import Refusal
from tunebook_local.http.connections import Connection
from tunebook_local.http.gate import App, Message, Receive, Scope, Send, error_response
from tunebook_local.http.wire import Wire

KINDS = ("429", "500", "503", "disconnect", "disconnect-before", "disconnect-after", "slow", "truncate")

_DROP = "tunebook.drop"  # scope key: a function that drops the connection
_SLOW_PIECES, _SLOW_PAUSE_S = 20, 0.05
_COME_BACK_S = 0.1
_OVERLOADED = "The service is overloaded (a practice fault)."
_REFUSALS = {
    "429": Refusal(429, "429", "Requests have exceeded the rate limit (a practice fault).", retry_after=_COME_BACK_S),
    "500": Refusal(500, "internalFailure", "The server had an error (a practice fault)."),
    "503": Refusal(503, "serviceUnavailable", _OVERLOADED, retry_after=_COME_BACK_S),
}
_SETTING = re.compile(r"(rate|kinds|seed)=([^=]+?)(?:,(?=[a-z]+=)|$)")  # the kinds have commas between them


@dataclass(frozen=True)
class FaultPlan:
    """How often (`rate`, a fraction of requests) and what."""

    rate: float = 0.1
    kinds: tuple[str, ...] = KINDS
    seed: int = 0


def read_plan(text: str) -> FaultPlan:
    """A plan as the command line writes it; raises ValueError that says what does not fit."""
    settings = dict(_SETTING.findall(text))
    if _SETTING.sub("", text):
        raise ValueError(f"{text!r} is no plan; write rate=0.1,kinds=429,500,seed=1")
    plan = FaultPlan(
        float(settings.get("rate", FaultPlan.rate)),
        tuple(settings["kinds"].split(",")) if "kinds" in settings else KINDS,
        int(settings.get("seed", 0)),
    )
    unknown = [kind for kind in plan.kinds if kind not in KINDS]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not one of {', '.join(KINDS)}")
    if not 0 <= plan.rate <= 1:
        raise ValueError(f"rate is {plan.rate}; it must be from 0 to 1")
    return plan


class DroppableConnection(Connection):
    """A connection of which each request's scope carries a way to drop it. ASGI itself has none."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        app = self.app

        async def droppable(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, _DROP: self.transport.abort}, receive, send)

        self.app = droppable


class Faults:
    """ASGI: between the gate and the routes, on droppable connections."""

    def __init__(self, app: App, plan: FaultPlan, dialect: str) -> None:
        self._app, self._plan, self._dialect = app, plan, dialect
        self._random = random.Random(plan.seed)  # noqa: S311 - chance, not secrecy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = self._draw() if scope["type"] == "http" and scope["path"] != "/tunebook" else None
        if kind in _REFUSALS:
            wire = Wire(self._dialect, scope["address"].family)
            await error_response(wire, _REFUSALS[kind])(scope, receive, send)
        elif kind == "disconnect-before":
            await _drop(scope, receive)
        elif kind == "disconnect-after":
            await self._app(scope, receive, _to_nobody)
            await _drop(scope, receive)
        elif kind == "slow":
            await self._app(scope, receive, _dribbling(send))
        elif kind == "truncate":
            await self._truncated(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _draw(self) -> str | None:
        # Both numbers are always drawn, so that what a request meets does not depend on the rate of the others.
        unlucky, kind = self._random.random() < self._plan.rate, self._random.choice(self._plan.kinds)
        if kind == "disconnect":
            kind = self._random.choice(("disconnect-before", "disconnect-after"))
        return kind if unlucky else None

    async def _truncated(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head and half of the body that it announces, then drop the connection."""
        left = float("inf")  # bytes still to send

        async def half(message: Message) -> None:
            nonlocal left
            if message["type"] == "http.response.start":
                length = int(dict(message["headers"]).get(b"content-length", 0))
                left = length // 2 if length else left
            else:
                body = message.get("body", b"")
                if len(body) >= left:
                    await send({**message, "body": body[: int(left)], "more_body": True})
                    await _drop(scope, receive)
                    raise _DroppedError
                left -= len(body)
            await send(message)

        try:
            await self._app(scope, receive, half)
        except _DroppedError:
            return


class _DroppedError(Exception):
    """The connection was dropped on purpose: nothing more to send."""


async def _drop(scope: Scope, receive: Receive) -> None:
    scope[_DROP]()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _to_nobody(_: Message) -> None:
    """Where a reply goes that nobody gets."""


def _dribbling(send: Send) -> Send:
    async def dribble(message: Message) -> None:
        body = message.get("body", b"")
        size = max(1, len(body) // _SLOW_PIECES)
        for start in range(0, len(body), size):
            await send({"type": "http.response.body", "body": body[start : start + size], "more_body": True})
            await asyncio.sleep(_SLOW_PAUSE_S)
        await send({**message, "body": b""} if body else message)

    return dribble
