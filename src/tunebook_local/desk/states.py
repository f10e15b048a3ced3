"""How a job's status moves: one table, read by the server (what people ask) and the worker (what happens).

created is never shown; a job is born pending.

pending  -start->   running  -pause-> pausing -settle-> paused -resume-> resuming -restart-> running
running  -succeed-> succeeded      anything not ended -cancel-> cancelled, -fail-> failed
"""

from __future__ import annotations

TRANSITIONS: dict[tuple[str, str], str] = {
    ("pending", "start"): "running",
    ("pending", "cancel"): "cancelled",
    ("pending", "fail"): "failed",
    ("running", "succeed"): "succeeded",
    ("running", "pause"): "pausing",
    ("running", "cancel"): "cancelled",
    ("running", "fail"): "failed",
    ("pausing", "settle"): "paused",
    ("pausing", "succeed"): "succeeded",  # the last step was done before the pause took hold
    ("pausing", "cancel"): "cancelled",
    ("pausing", "fail"): "failed",
    ("paused", "resume"): "resuming",
    ("paused", "cancel"): "cancelled",
    ("paused", "fail"): "failed",
    ("resuming", "restart"): "running",
    ("resuming", "cancel"): "cancelled",
    ("resuming", "fail"): "failed",
}

STATUSES = frozenset(status for status, _ in TRANSITIONS) | frozenset(TRANSITIONS.values())
ENDED = STATUSES - frozenset(status for status, _ in TRANSITIONS)
WANTS_WORKER = ("pending", "running", "pausing", "resuming")


def after(status: str, action: str) -> str | None:
    """The status that `action` leads to from `status`; None when the table does not allow it."""
    return TRANSITIONS.get((status, action))


def before(action: str) -> tuple[str, ...]:
    """The statuses in which `action` is allowed."""
    return tuple(status for status, a in TRANSITIONS if a == action)
