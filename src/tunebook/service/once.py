"""Sent once: what was created although its answer was lost is looked for at the service before it is sent again.

The SDK would send a create again after any lost answer, and each that was carried out is paid for. So nothing that
creates is retried by the SDK. What was sent carries an identity (a job its seed or suffix, a file its content); after a
lost answer the service is asked for it, several times, since a gateway may deliver a request late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from openai import APIConnectionError, APIStatusError, InternalServerError, OpenAIError, RateLimitError

from tunebook.errors import ServiceError
from tunebook.service.clients import NotProven
from tunebook.service.pacing import intervals

LOOKS = 6  # at the service after a lost answer, before it counts as not arrived
_LOOKS_AWAY = 12  # of which so many may fail because the service cannot be reached
_FIRST_PAUSE_S = 1.0
_NEVER_LEFT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol"}
_NOT_OF_THE_SERVICE = (404, 409, 425)  # which gateways answer as well, in words of their own
AWAY = (APIConnectionError, RateLimitError, InternalServerError)  # what passes by itself

Item = TypeVar("Item")


def in_doubt(error: OpenAIError) -> bool:
    """Whether what was sent may have been carried out, or may be when it is sent again."""
    if not isinstance(error, APIStatusError):
        return isinstance(error, APIConnectionError)
    if error.response.headers.get("x-should-retry") == "false" or _quota_is_full(error):
        return False
    if error.status_code in _NOT_OF_THE_SERVICE:
        return not said_by_the_service(error)
    return error.status_code >= 500 or error.status_code in (408, 429)


def said_by_the_service(error: APIStatusError) -> bool:
    """Whether a refusal has the service's own shape: an error with a code or type of its own, beyond the number."""
    try:
        body = error.response.json()
    except ValueError:
        return False
    reason = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(reason, Mapping):
        return False
    return str(reason.get("code") or error.status_code) != str(error.status_code) or bool(reason.get("type"))


def never_left(error: OpenAIError) -> bool:
    """Whether the connection was not even made."""
    cause: BaseException | None = error
    while isinstance(cause, APIConnectionError):
        cause = cause.__cause__
    return isinstance(error, NotProven) or (cause is not error and type(cause).__name__ in _NEVER_LEFT)


def _quota_is_full(error: APIStatusError) -> bool:
    return error.code in ("quotaExceeded", "insufficient_quota")


def send_once(
    send: Callable[[], Item],
    find: Callable[[], Sequence[Item]] | None,
    *,
    what: str,
    look: str,
    undo: Callable[[Item], str],
    retries: int,
    poll_interval_s: tuple[float, float],
    say: Callable[[str], object],
    sleep: Callable[[float], object],
) -> Item:
    """What `send` creates. After a lost answer `find` is asked for it, and only when it is not there is it sent again.

    What came to be beside it (a gateway that doubles a request) is named at the end.

    find: everything at the service with the identity of what is sent, newest first; None for a step that leaves
    nothing behind when it is repeated: it is sent again, and that is said. what, look, undo: in words, what is created,
    the call that lists such, the call that takes one away. Raises the SDK's error for what the service refuses;
    ServiceError when it is not known in the end whether it was carried out.
    """
    pauses = intervals(min(poll_interval_s[0], _FIRST_PAUSE_S), poll_interval_s[1])
    left = retries
    while True:
        try:
            created = send()
            break
        except OpenAIError as error:
            if not retries or not in_doubt(error):
                raise
            problem = error
        if find is not None and not never_left(problem):
            say(f"{what}: its answer was lost ({_why(problem)}). Looking whether it was created before sending again.")
            if there := _look(find, pauses, what=what, look=look, sleep=sleep):
                say(f"{what}: it was created.")
                created = there[-1]
                break
        if not left:
            if isinstance(problem, APIStatusError) or never_left(problem):
                raise problem
            raise ServiceError(
                f"{what}: sent {retries + 1} times, and each time its answer was lost ({_why(problem)}). The service "
                f"does not have it, but may still get it: look with {look} before you send it again."
            ) from problem
        left -= 1
        if find is None or never_left(problem):
            sleep(next(pauses))
        if find is None:
            say(f"{what}: its answer was lost ({_why(problem)}). Sending it again.")
        elif not never_left(problem):
            say(f"{what}: the service does not have it. Sending it again.")
    if retries and find is not None:
        tell_doubles(find, created, what=what, undo=undo, say=say)
    return created


def tell_doubles(
    find: Callable[[], Sequence[Any]],
    kept: Any,
    *,
    what: str,
    undo: Callable[[Any], str],
    say: Callable[[str], object],
) -> None:
    """Name what was created beside `kept`, with the call that takes it away. What cannot be asked is not told."""
    try:
        doubles = [each for each in find() if each.id != kept.id]
    except OpenAIError:
        return
    for double in doubles:
        say(f"{what}: {kept.id} is the one; {double.id} was created as well, and is not needed: {undo(double)}")


def _look(
    find: Callable[[], Sequence[Item]],
    pauses: Iterator[float],
    *,
    what: str,
    look: str,
    sleep: Callable[[float], object],
) -> Sequence[Item]:
    """What is found within `LOOKS` looks. Raises ServiceError when the service cannot be asked."""
    looks = away = 0
    while looks < LOOKS:
        sleep(next(pauses))
        try:
            if there := find():
                return there
            looks += 1
        except AWAY as error:
            away += 1
            if away >= _LOOKS_AWAY:
                raise ServiceError(
                    f"{what}: its answer was lost, and the service cannot be asked whether it was created "
                    f"({_why(error)}). Look with {look} before you send it again."
                ) from error
    return ()


def _why(error: OpenAIError) -> str:
    if isinstance(error, APIStatusError):
        return f"the service answers {error.status_code}"
    return str(error).rstrip(".") if isinstance(error, ServiceError) else "the connection was lost"
