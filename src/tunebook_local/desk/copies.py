"""Decisions about copying a checkpoint to another resource (preview).

There is no other resource on this machine: the copy is recorded and its states are gone through, nothing more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tunebook_local.desk.clock import Clock
from tunebook_local.desk.jobs import visible_job
from tunebook_local.desk.records import Checkpoint, Copy
from tunebook_local.desk.refusals import invalid, not_found
from tunebook_local.desk.store import Store

HEADER = "aoai-copy-ft-checkpoints"
_RESOURCE = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.CognitiveServices/accounts/[^/]+", re.IGNORECASE
)


def check_header(value: str | None) -> None:
    """The header that says one knows this is a preview."""
    if value != "preview":
        raise invalid(f"The header '{HEADER}: preview' is required for this operation.", HEADER)


def start_copy(store: Store, clock: Clock, job_id: str, checkpoint: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Record a copy; its state from now on."""
    point = _checkpoint(store, job_id, checkpoint)
    destination, region = body.get("destinationResourceId"), body.get("region")
    if not isinstance(destination, str) or not _RESOURCE.fullmatch(destination):
        raise invalid(
            "destinationResourceId must be the resource id of an account: /subscriptions/…/resourceGroups/…/"
            "providers/Microsoft.CognitiveServices/accounts/….",
            "destinationResourceId",
        )
    if not isinstance(region, str) or not region:
        raise invalid("region is required: the region of the destination.", "region")
    copy = Copy(job_id, point.id, destination, region, clock.now())
    store.add(copy, again="REPLACE")
    return _told(store, copy.created_at, clock.pace_s, point)


def copy_state(store: Store, clock: Clock, job_id: str, checkpoint: str) -> dict[str, Any]:
    """Where the copies of a checkpoint have got to."""
    point = _checkpoint(store, job_id, checkpoint)
    if not store.count(Copy, checkpoint=point.id):
        raise not_found("copy of checkpoint", checkpoint)
    return _told(store, clock.now(), clock.pace_s, point)


def _checkpoint(store: Store, job_id: str, name: str) -> Checkpoint:
    visible_job(store, job_id)
    point = store.get(Checkpoint, job=job_id, id=name) or store.get(Checkpoint, job=job_id, name=name)
    if point is None or point.weights is None:
        raise not_found("checkpoint", name)
    return point


def _told(store: Store, now: float, pace_s: float, point: Checkpoint) -> dict[str, Any]:
    accounts = [
        {
            "destinationResourceId": copy.destination,
            "region": copy.region,
            # Strictly later: at any pace the first reply says that it has only begun.
            "status": "Completed" if now > copy.created_at + 2 * pace_s else "InProgress",
        }
        for copy in store.all(Copy, checkpoint=point.id)
    ]
    return {"checkpointedModelName": point.name, "fineTuningJobId": point.job, "copiedAccountDetails": accounts}
