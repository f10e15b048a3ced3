"""What the management plane refuses, in words: the cause, and what to do next.

Its errors arrive as azure.core's HttpResponseError with ARM's `{"error": {"code", "message", "details"}}`. The codes
below are those seen when deploying fine-tuned models; what is not known is said in the service's own words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tunebook.errors import ServiceError
from tunebook.service.management import DEPLOYER_ROLE, Account

_QUOTA = (
    "Ask for less with capacity=, lower another deployment of the same model and SKU, delete one, choose another "
    "SKU, or ask for more quota in the portal under Quotas."
)
_NEXT_STEP: Mapping[str, str] = {
    "InsufficientQuota": _QUOTA,
    "QuotaExceeded": _QUOTA,
    "InvalidCapacity": "Give capacity= as a whole number of thousands of tokens per minute within what the SKU allows.",
    "DeploymentModelNotSupported": (
        "The model is not offered in this region as this SKU, or is not there at all: deploy it where it was trained, "
        'with sku="globalstandard", or copy the checkpoint to a region that has it.'
    ),
    "InvalidResourceProperties": "Check the SKU, the region and the model's format and version.",
    "SkuNotAvailable": 'Choose another SKU: "standard", "globalstandard" or "developer".',
    "ResourceNotFound": "Check subscription and resource group; the resource's address stands in the portal.",
    "ParentResourceNotFound": "Check subscription and resource group; the resource's address stands in the portal.",
    "ResourceGroupNotFound": "Check the resource group's name.",
    "SubscriptionNotFound": "Check the subscription's id, and that the sign-in is to its tenant.",
    "RequestConflict": "Another change of this resource is under way: try again when it is done.",
    "AnotherOperationInProgress": "Another change of this resource is under way: try again when it is done.",
}
_LINKED = (
    "The fine-tuned model belongs to a workspace this sign-in may not read: ask for the role {role!r} on the resource "
    "and for the Reader role on the scope the message names."
)
_ROLE = "Ask an owner of the resource for the role {role!r} on {account}; it takes some minutes to take effect."


def error_of(error: Any) -> tuple[int | None, str, str]:
    """HTTP status, code and message of a management-plane error; the innermost detail when there is one."""
    body: Any = {}
    response = getattr(error, "response", None)
    try:
        body = json.loads(response.text()) if response is not None else {}
    except (ValueError, TypeError, AttributeError):
        body = {}
    told = body.get("error", body) if isinstance(body, Mapping) else {}
    if not isinstance(told, Mapping):
        told = {"message": told}
    while isinstance(told.get("details"), list) and told["details"] and isinstance(told["details"][0], Mapping):
        told = {**told["details"][0]}
    message = str(told.get("message") or getattr(error, "message", None) or error).strip()
    return getattr(error, "status_code", None), str(told.get("code") or ""), message.splitlines()[0] if message else ""


def next_step(status: int | None, code: str, message: str, account: Account) -> str:
    """What to do about a refusal. Empty when nothing better than the service's own words is known."""
    if code == "LinkedAuthorizationFailed":
        return _LINKED.format(role=DEPLOYER_ROLE)
    if status == 403 or code == "AuthorizationFailed":
        return _ROLE.format(role=DEPLOYER_ROLE, account=account.name)
    if status == 401:
        return "Sign in anew (for example `az login`), in the tenant the resource belongs to."
    if code in _NEXT_STEP:
        return _NEXT_STEP[code]
    if "quota" in (code + message).lower():
        return _QUOTA
    return ""


def refused(error: Any, doing: str, account: Account) -> ServiceError:
    """The ServiceError to raise from a management-plane error; `doing` is e.g. `Deploying support-v1`."""
    status, code, message = error_of(error)
    label = " ".join(str(part) for part in (status, code) if part)
    said = f"{doing} was refused" + (f" ({label})" if label else "") + f": {message}"
    step = next_step(status, code, message, account)
    return ServiceError(f"{said.rstrip('.')}. {step}".strip())
