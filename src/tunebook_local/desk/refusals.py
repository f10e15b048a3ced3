"""What the service refuses: an HTTP status, a code, a message, and the field it is about.

Each is made anew: an exception keeps the frames it has passed, so one that is raised again and again keeps them all.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Refusal(Exception):
    """A request that is answered with an error. Never 409: the openai SDK retries it; conflicts are 400."""

    status: int
    code: str
    message: str
    param: str | None = None
    retry_after: float | None = None

    def __str__(self) -> str:
        return self.message


def invalid(message: str, param: str | None = None) -> Refusal:
    """400: something in the request is not as the service needs it."""
    return Refusal(400, "invalidPayload", message, param)


def not_found(what: str, name: str) -> Refusal:
    """404: nothing of this id here."""
    return Refusal(404, "notFound", f"The specified {what} {name!r} does not exist on this resource.")


def wrong_state(message: str) -> Refusal:
    """400: the thing exists, but not in a state that allows this."""
    return Refusal(400, "unexpectedEntityState", message)


def over_quota(message: str) -> Refusal:
    """400: a quota of the resource is used up. (Not 429: waiting a second and asking again does not help.)"""
    return Refusal(400, "quotaExceeded", message)


def too_large(limit: int) -> Refusal:
    """413: the body is larger than this endpoint takes; said before the body is read."""
    return Refusal(413, "invalidPayload", f"The maximum allowed size is {limit // 2**20} MB.")


def no_key() -> Refusal:
    """401: the request has no key, or another one."""
    return Refusal(
        401,
        "401",
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide the key this "
        "service was started with, as the header 'api-key' or 'Authorization: Bearer'.",
    )


def no_path() -> Refusal:
    """404: nothing answers at this address."""
    return Refusal(404, "404", "Resource not found")


def damaged() -> Refusal:
    """500: the store cannot be read any more."""
    return Refusal(
        500,
        "internalFailure",
        "The database in the service's state folder is damaged. Stop the service and start it on another folder.",
    )


def disk_full() -> Refusal:
    """507: what has arrived could not be kept."""
    return Refusal(
        507,
        "internalFailure",
        "The disk that holds the service's state folder is full: nothing was stored. Free some space and try again.",
    )
