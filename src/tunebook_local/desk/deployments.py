"""Decisions about deployments: what may be deployed, how provisioning goes on, when a deployment ends by itself.

States follow the clock: Accepted, then Creating, then Succeeded, each taking the instance's pace. Nothing runs in
the background for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tunebook_local.desk.clock import Clock
from tunebook_local.desk.limits import Limits
from tunebook_local.desk.models import find_model
from tunebook_local.desk.records import Checkpoint, Deployment
from tunebook_local.desk.refusals import Refusal
from tunebook_local.desk.store import Store

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
_LARGEST_CAPACITY = 1_000_000
_CALL_NOTED_S = 60.0  # a call within this time of the last one is not noted again
_HOUR, _DAY = 3600.0, 86400.0


@dataclass(frozen=True)
class Resources:
    """The deployments of one instance; an `account` is the path of the resource that holds them."""

    store: Store
    clock: Clock
    limits: Limits

    # -- management plane ---------------------------------------------------------------------------------

    def put(self, account: str, name: str, body: Mapping[str, Any]) -> tuple[Deployment, bool]:
        """Create a deployment, or change it; (the deployment, whether it is new)."""
        if not _NAME.fullmatch(name):
            raise _bad(
                "InvalidResourceName", f"The deployment name {name!r} is not valid: 1 to 64 of A-Z a-z 0-9 - _ ."
            )
        sku, model = _parts(body)
        source = self._deployable(model)
        now = self.clock.now()
        with self.store.transaction():
            here = self.alive(account)
            old = here.get(name)
            if old is None and source.job is not None:
                tuned = sum(".ft-" in each.model for each in here.values())
                if tuned >= self.limits["tuned_deployments"]:
                    raise _bad(
                        "InsufficientQuota",
                        f"There are {tuned} deployments of fine-tuned models, the most there may be. Delete one first.",
                    )
            kept = {
                key: body["properties"][key]
                for key in ("raiPolicyName", "versionUpgradeOption")
                if key in body["properties"]
            }
            deployment = Deployment(
                account=account,
                name=name,
                created_at=old.created_at if old else now,
                updated_at=now,
                model=source.name,
                body={"sku": sku, "properties": {"model": model, **kept}, "tags": body.get("tags")},
                base_model=source.base.id,
                weights=source.weights,
            )
            if old is not None and old.model == deployment.model:
                deployment = replace(deployment, updated_at=old.updated_at)  # serves on while its sku changes
            self.store.add(deployment, again="REPLACE")
        return deployment, old is None

    def patch(self, account: str, name: str, body: Mapping[str, Any]) -> Deployment:
        """Change sku or tags."""
        old = self.get(account, name)
        sku = {**old.body["sku"], **(body.get("sku") or {})} if isinstance(body.get("sku") or {}, dict) else None
        merged = {**old.body, "sku": sku, "tags": body.get("tags", old.body.get("tags"))}
        return self.put(account, name, merged)[0]

    def get(self, account: str, name: str) -> Deployment:
        """One deployment; while it is being deleted it is still there."""
        deployment = self.alive(account, deleting=True).get(name)
        if deployment is None:
            raise Refusal(404, "DeploymentNotFound", f"The deployment {name!r} does not exist in {account}.")
        return deployment

    def delete(self, account: str, name: str) -> Deployment | None:
        """Begin to delete a deployment; None when there is none."""
        deployment = self.alive(account).get(name)
        if deployment is None:
            return None
        deployment = replace(deployment, deleted_at=self.clock.now() + self.clock.pace_s)
        self.store.change(Deployment, {"account": account, "name": name}, deleted_at=deployment.deleted_at)
        return deployment

    def alive(self, account: str | None = None, *, deleting: bool = False) -> dict[str, Deployment]:
        """Deployments by name, of one account or of all; not those that ended by themselves."""
        found = self.store.all(Deployment) if account is None else self.store.all(Deployment, account=account)
        return {each.name: each for each in found if self._lives(each, deleting=deleting)}

    def _lives(self, deployment: Deployment, *, deleting: bool) -> bool:
        now = self.clock.now()
        if deployment.deleted_at is not None:
            return deleting and now < deployment.deleted_at
        if _SKUS[deployment.body["sku"]["name"].lower()] == "DeveloperTier":
            return now - deployment.created_at < self.limits["developer_deployment_hours"] * _HOUR
        if ".ft-" not in deployment.model:
            return True
        called = deployment.called_at or deployment.created_at
        return now - called < self.limits["idle_deployment_days"] * _DAY

    def state(self, deployment: Deployment) -> str:
        """ARM's provisioningState of a deployment."""
        if deployment.deleted_at is not None:
            return "Deleting"
        age = self.clock.now() - deployment.updated_at
        pace = self.clock.pace_s
        return "Accepted" if age < pace else "Creating" if age < 2 * pace else "Succeeded"

    def _deployable(self, model: Mapping[str, Any]) -> Any:
        name, version = str(model["name"]), str(model.get("version") or "1")
        source = find_model(self.store, name) or find_model(self.store, f"{name}-{version}")
        if source is None:
            raise _bad(
                "DeploymentModelNotSupported",
                f"The model 'Format: {model.get('format')}, Name: {name}, Version: {version}' is not supported: "
                "there is no such model on this resource, or the checkpoint is not kept any more.",
            )
        return source

    # -- data plane ---------------------------------------------------------------------------------------

    def answering(self, name: str) -> Deployment:
        """The deployment that a chat request names, refused while it is not ready."""
        deployment = self.alive().get(name)
        if deployment is None:
            raise Refusal(
                404,
                "DeploymentNotFound",
                "The API deployment for this resource does not exist. If you created the deployment within the last "
                "5 minutes, please wait a moment and try again.",
            )
        if self.state(deployment) != "Succeeded":
            raise Refusal(
                400, "DeploymentNotReady", f"The deployment {name!r} is not ready yet. Try again in a moment."
            )
        now = self.clock.now()
        if now - (deployment.called_at or 0.0) > _CALL_NOTED_S:
            where = {"account": deployment.account, "name": deployment.name}
            self.store.change(Deployment, where, called_at=now)
        return deployment

    def of_job(self, job_id: str, fine_tuned_model: str) -> Deployment | None:
        """A deployment of a job's model or of one of its checkpoints, if there is one."""
        names = {fine_tuned_model, *(point.name for point in self.store.all(Checkpoint, job=job_id))}
        return next((each for each in self.alive(deleting=True).values() if each.model in names), None)


def _parts(body: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The sku and the model of a request."""
    properties, sku = body.get("properties"), body.get("sku")
    model = properties.get("model") if isinstance(properties, dict) else None
    if not isinstance(model, dict) or not isinstance(model.get("name"), str) or not model["name"]:
        raise _bad("InvalidResourceProperties", "properties.model.name is required: the model to deploy.")
    if not isinstance(model.get("format"), str):
        raise _bad("InvalidResourceProperties", "properties.model.format is required, for example OpenAI.")
    if not isinstance(sku, dict) or str(sku.get("name")).lower() not in _SKUS:
        named = sku.get("name") if isinstance(sku, dict) else sku
        raise _bad(
            "InvalidResourceProperties", f"The sku {named!r} is not one of {', '.join(sorted(set(_SKUS.values())))}."
        )
    capacity = sku.get("capacity", 1)
    if not isinstance(capacity, int) or isinstance(capacity, bool) or not 1 <= capacity <= _LARGEST_CAPACITY:
        raise _bad("InvalidCapacity", f"sku.capacity must be a whole number of at least 1; got {capacity!r}.")
    return {"name": sku["name"], "capacity": capacity}, dict(model)


def _bad(code: str, message: str) -> Refusal:
    return Refusal(400, code, message)


def skus() -> tuple[str, ...]:
    """The SKU names a deployment can have."""
    return tuple(sorted(set(_SKUS.values())))
