"""Routes of the management plane (Azure Resource Manager): the deployments of an account."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from tunebook_local.desk import deployments
from tunebook_local.desk.records import DeploymentRow
from tunebook_local.http.serving import Json, Service, address_of, read_object

PREFIX = "/subscriptions/{subscription}"
ACCOUNT = PREFIX + "/resourceGroups/{group}/providers/Microsoft.CognitiveServices/accounts/{account}"
DEPLOYMENTS = ACCOUNT + "/deployments"
OPERATION = PREFIX + "/providers/Microsoft.CognitiveServices/locations/local/operationResults/{group}/{account}/{name}"
_KIND = "Microsoft.CognitiveServices/accounts/deployments"
_LEAST_WAIT_MS = 50  # azure-core waits 30 s when it is told nothing, and when it is told 0


class ManagementRoutes:
    """Parse, call one decision, write the reply. Provisioning is asynchronous: the first reply says Accepted."""

    def __init__(self, service: Service) -> None:
        self._desk = service.desk

    async def put(self, request: Request) -> Response:
        body = await read_object(request)
        deployment, new = await run_in_threadpool(deployments.put_deployment, self._desk, *_place(request), body)
        reply = self._body(request, deployment)
        reply["properties"]["provisioningState"] = "Accepted"
        return Json(reply, 201 if new else 200, self._operation(request))

    async def patch(self, request: Request) -> Response:
        body = await read_object(request)
        deployment = await run_in_threadpool(deployments.patch_deployment, self._desk, *_place(request), body)
        return Json(self._body(request, deployment), headers=self._operation(request))

    async def get(self, request: Request) -> Response:
        deployment = deployments.visible_deployment(self._desk, *_place(request))
        return Json(self._body(request, deployment), headers=self._wait())

    def listing(self, request: Request) -> Response:
        rows = deployments.living_deployments(self._desk, _account(request).lower(), deleting=True)
        return Json({"value": [self._body(request, rows[name]) for name in sorted(rows)]})

    def delete(self, request: Request) -> Response:
        if not deployments.delete_deployment(self._desk, *_place(request)):
            return Response(status_code=204)
        headers = self._operation(request)
        return Response(status_code=202, headers={**headers, "location": headers["azure-asyncoperation"]})

    async def list_skus(self, request: Request) -> Response:
        own = deployments.visible_deployment(self._desk, *_place(request)).body["sku"]["capacity"]
        capacity = {"minimum": 1, "maximum": deployments.LARGEST_CAPACITY, "step": 1, "default": own}
        skus = [{"resourceType": _KIND, "sku": {"name": name}, "capacity": capacity} for name in deployments.SKUS]
        return Json({"value": skus})

    async def operation(self, request: Request) -> Response:
        """How a creation or deletion goes on, for azure-core's pollers."""
        account, name = _place(request)
        deployment = deployments.living_deployments(self._desk, account, deleting=True).get(name)
        done = deployment is None or deployments.provisioning_state(self._desk, deployment) == "Succeeded"
        body = {"id": request.scope["path"], "name": name, "status": "Succeeded" if done else "InProgress"}
        return Json(body, headers=self._wait())

    def _operation(self, request: Request) -> dict[str, str]:
        path, version = OPERATION.format(**request.path_params), address_of(request).api_version
        url = f"{request.url.scheme}://{request.headers['host']}{path}?api-version={version}"
        return {"azure-asyncoperation": url, **self._wait()}

    def _wait(self) -> dict[str, str]:
        return {"retry-after-ms": str(max(_LEAST_WAIT_MS, int(self._desk.clock.pace_s * 500)))}

    def _body(self, request: Request, deployment: DeploymentRow) -> dict[str, Any]:
        stored = deployment.body
        body: dict[str, Any] = {
            "id": f"{_account(request)}/deployments/{deployment.name}",
            "name": deployment.name,
            "type": _KIND,
            "sku": dict(stored["sku"]),
            "properties": {
                **stored["properties"],
                "provisioningState": deployments.provisioning_state(self._desk, deployment),
                "currentCapacity": stored["sku"]["capacity"],
                "capabilities": {"chatCompletion": "true"},
            },
        }
        return {**body, "tags": stored["tags"]} if stored.get("tags") else body


def _account(request: Request) -> str:
    return ACCOUNT.format(**request.path_params)


def _place(request: Request) -> tuple[str, str]:
    """The account in the spelling the store knows it by, and the deployment's name."""
    return _account(request).lower(), request.path_params["name"]
