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
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from tunebook_local.desk.refusals import Refusal
from tunebook_local.http.gate import App, Receive, Scope, Send, error_response
from tunebook_local.http.wire import Wire

KINDS = ("429", "500", "503", "disconnect", "disconnect-before", "disconnect-after", "slow", "truncate")
ABORT = "tunebook.abort"  # scope key: a function that drops the connection

_SLOW_PIECES, _SLOW_PAUSE_S = 20, 0.05
_COME_BACK_S = 0.1
_REFUSALS = {
    "429": Refusal(429, "429", "Requests have exceeded the rate limit (a practice fault).", retry_after=_COME_BACK_S),
    "500": Refusal(500, "internalFailure", "The server had an error (a practice fault)."),
    "503": Refusal(
        503, "serviceUnavailable", "The service is overloaded (a practice fault).", retry_after=_COME_BACK_S
    ),
}


@dataclass(frozen=True)
class Plan:
    """How often (`rate`, a fraction of requests) and what."""

    rate: float
    kinds: tuple[str, ...]
    seed: int = 0


def read_plan(text: str) -> Plan:
    """A plan as the command line writes it; raises ValueError that says what does not fit."""
    values: dict[str, list[str]] = {}
    name = ""
    for word in text.split(","):
        head, is_named, tail = word.partition("=")
        if is_named:
            name = head.strip()
            values[name] = [tail.strip()]
        elif name == "kinds":
            values[name].append(word.strip())
        else:
            raise ValueError(f"{word!r} belongs to nothing; write rate=0.1,kinds=429,500,seed=1")
    unknown = values.keys() - {"rate", "kinds", "seed"}
    if unknown:
        raise ValueError(f"{sorted(unknown)[0]!r} is not one of rate, kinds, seed")
    kinds = tuple(values.get("kinds", KINDS))
    wrong = [kind for kind in kinds if kind not in KINDS]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is not one of {', '.join(KINDS)}")
    rate, seed = float(values.get("rate", ["0.1"])[0]), int(values.get("seed", ["0"])[0])
    if not 0 <= rate <= 1:
        raise ValueError(f"rate is {rate}; it must be from 0 to 1")
    return Plan(rate, kinds, seed)


class Faults:
    """ASGI: between the gate and the routes."""

    def __init__(self, app: App, plan: Plan, dialect: str) -> None:
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
            await self._app(scope, receive, _swallow)
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
        left: list[float] = [float("inf")]

        async def half(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                lengths = [int(value) for name, value in message["headers"] if name.lower() == b"content-length"]
                left[0] = lengths[0] // 2 if lengths and lengths[0] else float("inf")
            else:
                body = message.get("body", b"")
                if len(body) >= left[0]:
                    await send({**message, "body": body[: int(left[0])], "more_body": True})
                    await _drop(scope, receive)
                    raise _DroppedError
                left[0] -= len(body)
            await send(message)

        try:
            await self._app(scope, receive, half)
        except _DroppedError:
            return


class _DroppedError(Exception):
    """The connection was dropped on purpose: nothing more to send."""


async def _drop(scope: Scope, receive: Receive) -> None:
    scope[ABORT]()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _swallow(_: MutableMapping[str, Any]) -> None:
    """Where a reply goes that nobody gets."""


def _dribbling(send: Send) -> Send:
    async def dribble(message: MutableMapping[str, Any]) -> None:
        body = message.get("body", b"")
        if message["type"] == "http.response.body" and body:
            size = max(1, len(body) // _SLOW_PIECES)
            for start in range(0, len(body), size):
                await send({"type": "http.response.body", "body": body[start : start + size], "more_body": True})
                await asyncio.sleep(_SLOW_PAUSE_S)
            await send({"type": "http.response.body", "body": b"", "more_body": message.get("more_body", False)})
            return
        await send(message)

    return dribble
