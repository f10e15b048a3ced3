"""Decisions about deployments: what may be deployed, how provisioning goes on, when a deployment ends by itself.

States follow the clock: Accepted, then Creating, then Succeeded, each taking the instance's pace. Nothing runs in
the background for it. An `account` is the path of the resource that holds the deployments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tunebook_local.desk import Desk
from tunebook_local.desk.body import is_whole
from tunebook_local.desk.models import Source, find_model
from tunebook_local.desk.naming import is_tuned
from tunebook_local.desk.records import CheckpointRow, DeploymentRow, JobRow
from tunebook_local.desk.refusals import Refusal, wrong_state

LARGEST_CAPACITY = 1_000_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SKUS = {
    "standard": "Standard",
    "globalstandard": "GlobalStandard",
    "developer": "DeveloperTier",
    "developertier": "DeveloperTier",
    "datazonestandard": "DataZoneStandard",
    "provisionedmanaged": "ProvisionedManaged",
    "globalprovisionedmanaged": "GlobalProvisionedManaged",
}
SKUS = tuple(sorted(set(_SKUS.values())))  # the names a deployment's sku can have
_CALL_NOTED_S = 60.0  # a call within this time of the last one is not noted again
_HOUR, _DAY = 3600.0, 86400.0

# -- management plane -------------------------------------------------------------------------------------


def put_deployment(desk: Desk, account: str, name: str, body: Mapping[str, Any]) -> tuple[DeploymentRow, bool]:
    """Create a deployment, or change it; (the deployment, whether it is new)."""
    if not _NAME.fullmatch(name):
        raise _bad("InvalidResourceName", f"The deployment name {name!r} is not valid: 1 to 64 of A-Z a-z 0-9 - _ .")
    model, sku = _model(body.get("properties")), _sku(body.get("sku"))
    source = _model_to_deploy(desk, model)
    now = desk.clock.now()
    with desk.store.transaction():
        others = living_deployments(desk, account)
        old = others.pop(name, None)
        if old is None and source.job is not None:
            _check_quota(desk, others)
        kept = {
            key: value for key, value in body["properties"].items() if key in ("raiPolicyName", "versionUpgradeOption")
        }
        serves_on = old is not None and old.model == source.name  # while only its sku changes
        deployment = DeploymentRow(
            account=account,
            name=name,
            created_at=old.created_at if old else now,
            updated_at=old.updated_at if old and serves_on else now,
            model=source.name,
            body={"sku": sku, "properties": {"model": model, **kept}, "tags": body.get("tags")},
            base_model=source.base.id,
            weights=source.weights,
        )
        desk.store.add(deployment, again="REPLACE")
    return deployment, old is None


def _check_quota(desk: Desk, deployed: Mapping[str, DeploymentRow]) -> None:
    tuned = sum(is_tuned(deployment.model) for deployment in deployed.values())
    if tuned >= desk.limits["tuned_deployments"]:
        raise _bad(
            "InsufficientQuota",
            f"There are {tuned} deployments of fine-tuned models, the most there may be. Delete one first.",
        )


def _model(properties: Any) -> dict[str, Any]:
    model = properties.get("model") if isinstance(properties, dict) else None
    if not isinstance(model, dict) or not isinstance(model.get("name"), str) or not model["name"]:
        raise _bad("InvalidResourceProperties", "properties.model.name is required: the model to deploy.")
    if not isinstance(model.get("format"), str):
        raise _bad("InvalidResourceProperties", "properties.model.format is required, for example OpenAI.")
    return dict(model)


def _sku(sku: Any) -> dict[str, Any]:
    name = sku.get("name") if isinstance(sku, dict) else sku
    if not isinstance(sku, dict) or str(name).lower() not in _SKUS:
        raise _bad("InvalidResourceProperties", f"The sku {name!r} is not one of {', '.join(SKUS)}.")
    capacity = sku.get("capacity", 1)
    if not is_whole(capacity) or not 1 <= capacity <= LARGEST_CAPACITY:
        raise _bad("InvalidCapacity", f"sku.capacity must be a whole number of at least 1; got {capacity!r}.")
    return {"name": name, "capacity": capacity}


def _model_to_deploy(desk: Desk, model: Mapping[str, Any]) -> Source:
    name, version = str(model["name"]), str(model.get("version") or "1")
    source = find_model(desk, name) or find_model(desk, f"{name}-{version}")
    if source is None:
        raise _bad(
            "DeploymentModelNotSupported",
            f"The model 'Format: {model.get('format')}, Name: {name}, Version: {version}' is not supported: "
            "there is no such model on this resource, or the checkpoint is not kept any more.",
        )
    return source


def patch_deployment(desk: Desk, account: str, name: str, body: Mapping[str, Any]) -> DeploymentRow:
    """Change sku or tags."""
    old = visible_deployment(desk, account, name).body
    sku = body.get("sku") or {}
    merged = {**old["sku"], **sku} if isinstance(sku, dict) else None
    return put_deployment(desk, account, name, {**old, "sku": merged, "tags": body.get("tags", old.get("tags"))})[0]


def visible_deployment(desk: Desk, account: str, name: str) -> DeploymentRow:
    """One deployment; while it is being deleted it is still there."""
    deployment = living_deployments(desk, account, deleting=True).get(name)
    if deployment is None:
        raise Refusal(404, "DeploymentNotFound", f"The deployment {name!r} does not exist in {account}.")
    return deployment


def delete_deployment(desk: Desk, account: str, name: str) -> bool:
    """Begin to delete a deployment; False when there is none."""
    if name not in living_deployments(desk, account):
        return False
    over = desk.clock.now() + desk.clock.pace_s
    return desk.store.change(DeploymentRow, {"account": account, "name": name}, deleted_at=over) > 0


def living_deployments(desk: Desk, account: str | None = None, *, deleting: bool = False) -> dict[str, DeploymentRow]:
    """Deployments by name, of one account or of all; not those that ended by themselves."""
    where: dict[str, Any] = {} if account is None else {"account": account}
    rows = desk.store.all(DeploymentRow, **where)
    return {row.name: row for row in rows if _lives(desk, row, deleting=deleting)}


def _lives(desk: Desk, deployment: DeploymentRow, *, deleting: bool) -> bool:
    now, pace = desk.clock.now(), desk.clock.pace_s
    if deployment.deleted_at is not None:
        return deleting and desk.clock.elapsed(deployment.deleted_at - pace) < pace
    if _SKUS[deployment.body["sku"]["name"].lower()] == "DeveloperTier":
        return now - deployment.created_at < desk.limits["developer_deployment_hours"] * _HOUR
    if not is_tuned(deployment.model):
        return True
    called = deployment.called_at or deployment.created_at
    return now - called < desk.limits["idle_deployment_days"] * _DAY


def provisioning_state(desk: Desk, deployment: DeploymentRow) -> str:
    """ARM's provisioningState of a deployment."""
    if deployment.deleted_at is not None:
        return "Deleting"
    age, pace = desk.clock.elapsed(deployment.updated_at), desk.clock.pace_s
    return "Accepted" if age < pace else "Creating" if age < 2 * pace else "Succeeded"


def _bad(code: str, message: str) -> Refusal:
    return Refusal(400, code, message)


# -- data plane -------------------------------------------------------------------------------------------


def deployment_to_ask(desk: Desk, name: str) -> DeploymentRow:
    """The deployment that a chat request names, refused while it is not ready."""
    deployment = living_deployments(desk).get(name)
    if deployment is None:
        raise Refusal(
            404,
            "DeploymentNotFound",
            "The API deployment for this resource does not exist. If you created the deployment within the last "
            "5 minutes, please wait a moment and try again.",
        )
    if provisioning_state(desk, deployment) != "Succeeded":
        raise _bad("DeploymentNotReady", f"The deployment {name!r} is not ready yet. Try again in a moment.")
    now = desk.clock.now()
    if now - (deployment.called_at or 0.0) > _CALL_NOTED_S:
        desk.store.change(DeploymentRow, {"account": deployment.account, "name": name}, called_at=now)
    return deployment


def refuse_in_use(desk: Desk, job: JobRow) -> None:
    """A model cannot be deleted while it, or a checkpoint of its job, is deployed or being trained further."""
    points = desk.store.all(CheckpointRow, job=job.id)
    names = {job.fine_tuned_model, *(point.name for point in points)}
    for deployment in living_deployments(desk, deleting=True).values():
        if deployment.model in names:
            raise wrong_state(
                f"The model {deployment.model!r} cannot be deleted: it has the deployment {deployment.name!r}. "
                "Delete the deployment first."
            )
    weights = tuple(point.weights for point in points if point.weights)
    heirs = desk.store.all(JobRow, start_weights=weights, finished_at=None)
    if heirs:
        raise wrong_state(
            f"The model {job.fine_tuned_model!r} cannot be deleted: the job {heirs[0].id!r} is training it further."
        )
