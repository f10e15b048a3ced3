"""Decisions about copying a checkpoint to another resource (preview).

There is no other resource on this machine: the copy is recorded and its states are gone through, nothing more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tunebook_local.desk import Desk
from tunebook_local.desk.body import text_in
from tunebook_local.desk.jobs import visible_job
from tunebook_local.desk.records import CheckpointRow, CopyRow
from tunebook_local.desk.refusals import invalid, not_found

Copies = list[tuple[CopyRow, str]]  # each with its state

_RESOURCE = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.CognitiveServices/accounts/[^/]+", re.IGNORECASE
)


def start_copy(desk: Desk, job_id: str, checkpoint: str, body: Mapping[str, Any]) -> tuple[CheckpointRow, Copies]:
    """Record a copy; the checkpoint and all its copies."""
    point = _checkpoint(desk, job_id, checkpoint)
    destination = body.get("destinationResourceId")
    if not isinstance(destination, str) or not _RESOURCE.fullmatch(destination):
        raise invalid(
            "destinationResourceId must be the resource id of an account: /subscriptions/…/resourceGroups/…/"
            "providers/Microsoft.CognitiveServices/accounts/….",
            "destinationResourceId",
        )
    copy = CopyRow(job_id, point.id, destination, text_in(body, "region"), desk.clock.now())
    desk.store.add(copy, again="REPLACE")
    return point, _copies(desk, point, copy)


def copies_of(desk: Desk, job_id: str, checkpoint: str) -> tuple[CheckpointRow, Copies]:
    """A checkpoint and how far its copies have got."""
    point = _checkpoint(desk, job_id, checkpoint)
    copies = _copies(desk, point)
    if not copies:
        raise not_found("copy of checkpoint", checkpoint)
    return point, copies


def _checkpoint(desk: Desk, job_id: str, name: str) -> CheckpointRow:
    visible_job(desk, job_id)
    store = desk.store
    point = store.get(CheckpointRow, job=job_id, id=name) or store.get(CheckpointRow, job=job_id, name=name)
    if point is None or point.weights is None:
        raise not_found("checkpoint", name)
    return point


def _copies(desk: Desk, point: CheckpointRow, new: CopyRow | None = None) -> Copies:
    # At any pace the first reply says that it has only begun.
    return [
        (
            copy,
            "InProgress"
            if copy == new or desk.clock.elapsed(copy.created_at) <= 2 * desk.clock.pace_s
            else "Completed",
        )
        for copy in desk.store.all(CopyRow, checkpoint=point.id)
    ]
