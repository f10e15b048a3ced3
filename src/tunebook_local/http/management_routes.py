"""Routes of the management plane (Azure Resource Manager): deployments of an account, and what they depend on."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tunebook_local.desk.deployments import Resources, skus
from tunebook_local.desk.records import Deployment
from tunebook_local.http.serving import Service, address_of, read_object

PREFIX = "/subscriptions/{subscription}"
ACCOUNT = PREFIX + "/resourceGroups/{group}/providers/Microsoft.CognitiveServices/accounts/{account}"
DEPLOYMENTS = ACCOUNT + "/deployments"
OPERATION = PREFIX + "/providers/Microsoft.CognitiveServices/locations/local/operationResults/{group}/{account}/{name}"
_KIND = "Microsoft.CognitiveServices/accounts/deployments"
_LEAST_WAIT_MS = 50  # azure-core waits 30 s when it is told nothing, and when it is told 0


class ManagementRoutes:
    """Parse, call one decision, write the reply. Provisioning is asynchronous: the first reply says Accepted."""

    def __init__(self, service: Service) -> None:
        self._pace_s = service.clock.pace_s
        self._resources = Resources(service.store, service.clock, service.limits)

    async def put(self, request: Request) -> Response:
        body = await read_object(request)
        account, name = _place(request)
        deployment, new = await run_in_threadpool(self._resources.put, account, name, body)
        reply = self._body(request, deployment)
        reply["properties"]["provisioningState"] = "Accepted"
        return JSONResponse(reply, 201 if new else 200, self._operation(request))

    async def patch(self, request: Request) -> Response:
        body = await read_object(request)
        deployment = await run_in_threadpool(self._resources.patch, *_place(request), body)
        return JSONResponse(self._body(request, deployment), headers=self._operation(request))

    async def get(self, request: Request) -> Response:
        return JSONResponse(self._body(request, self._resources.get(*_place(request))), headers=self._wait())

    async def listing(self, request: Request) -> Response:
        found = self._resources.alive(_account(request), deleting=True)
        return JSONResponse({"value": [self._body(request, found[name]) for name in sorted(found)]})

    async def delete(self, request: Request) -> Response:
        gone = await run_in_threadpool(self._resources.delete, *_place(request))
        if gone is None:
            return Response(status_code=204)
        headers = self._operation(request)
        return Response(status_code=202, headers={**headers, "location": headers["azure-asyncoperation"]})

    async def list_skus(self, request: Request) -> Response:
        deployment = self._resources.get(*_place(request))
        own = deployment.body["sku"]["capacity"]
        capacity = {"minimum": 1, "maximum": 1_000_000, "step": 1, "default": own}
        value = [{"resourceType": _KIND, "sku": {"name": name}, "capacity": capacity} for name in skus()]
        return JSONResponse({"value": value})

    async def operation(self, request: Request) -> Response:
        """How a creation or deletion goes on, for azure-core's pollers."""
        deployment = self._resources.alive(_account(request), deleting=True).get(request.path_params["name"])
        state = "Succeeded" if deployment is None else self._resources.state(deployment)
        status = "Succeeded" if state == "Succeeded" else "InProgress"
        body = {"id": request.scope["path"], "name": request.path_params["name"], "status": status}
        return JSONResponse(body, headers=self._wait())

    def _operation(self, request: Request) -> dict[str, str]:
        params = request.path_params
        name = params["name"]
        path = OPERATION.format(
            subscription=params["subscription"], group=params["group"], account=params["account"], name=name
        )
        version = address_of(request).api_version
        url = f"http://{request.headers['host']}{path}?api-version={version}"
        return {"azure-asyncoperation": url, **self._wait()}

    def _wait(self) -> dict[str, str]:
        return {"retry-after-ms": str(max(_LEAST_WAIT_MS, int(self._pace_s * 500)))}

    def _body(self, request: Request, deployment: Deployment) -> dict[str, Any]:
        stored = deployment.body
        account = ACCOUNT.format(**{key: request.path_params[key] for key in ("subscription", "group", "account")})
        body: dict[str, Any] = {
            "id": f"{account}/deployments/{deployment.name}",
            "name": deployment.name,
            "type": _KIND,
            "sku": dict(stored["sku"]),
            "properties": {
                **stored["properties"],
                "provisioningState": self._resources.state(deployment),
                "currentCapacity": stored["sku"]["capacity"],
                "capabilities": {"chatCompletion": "true"},
            },
        }
        return {**body, "tags": stored["tags"]} if stored.get("tags") else body


def _account(request: Request) -> str:
    params = request.path_params
    return ACCOUNT.format(**{key: params[key] for key in ("subscription", "group", "account")}).lower()


def _place(request: Request) -> tuple[str, str]:
    return _account(request), request.path_params["name"]
