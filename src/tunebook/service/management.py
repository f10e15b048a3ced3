"""The management plane: where a resource stands in Azure, and the client that deploys models there.

Deployments belong to Azure Resource Manager, not to the data plane that trains and answers: another host, another
sign-in (Entra ID only), and an address of subscription, resource group and resource name. The embedded service plays
both parts at its one address, with its own key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from tunebook.errors import ServiceError

_ARM = "https://management.azure.com"
_ARM_SCOPE = f"{_ARM}/.default"
_ID = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<resource_group>[^/]+)"
    r"/providers/Microsoft\.CognitiveServices/accounts/(?P<name>[^/]+)/?",
    re.IGNORECASE,
)
EMBEDDED_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"

# The smallest built-in role that may create and delete deployments and use the data plane:
# https://learn.microsoft.com/azure/ai-foundry/openai/how-to/role-based-access-control
DEPLOYER_ROLE = "Cognitive Services OpenAI Contributor"
CALLER_ROLE = "Cognitive Services OpenAI User"


@dataclass(frozen=True)
class Account:
    """A resource's address in Azure Resource Manager; `location` is its region, when it has been read."""

    subscription: str
    resource_group: str
    name: str
    location: str | None = None

    @property
    def id(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.CognitiveServices/accounts/{self.name}"
        )

    @classmethod
    def from_id(cls, resource_id: str) -> Account:
        """The account a resource id names, as the portal shows it under Properties."""
        parts = _ID.fullmatch(resource_id.strip())
        if parts is None:
            raise ServiceError(
                f"resource id {resource_id!r}: one such as /subscriptions/…/resourceGroups/…/providers/"
                "Microsoft.CognitiveServices/accounts/<name> is needed. It stands in the portal under Properties."
            )
        return cls(**parts.groupdict())


@dataclass(frozen=True)
class Place:
    """What the user has said about where the resource stands; the rest is found once, from its endpoint."""

    subscription: str | None = None
    resource_group: str | None = None
    resource_id: str | None = None

    @classmethod
    def of(
        cls,
        subscription: str | None,
        resource_group: str | None,
        resource_id: str | None,
        environ: Mapping[str, str],
    ) -> Place:
        """The arguments, and for what is missing the environment."""
        return cls(
            subscription or environ.get("AZURE_SUBSCRIPTION_ID") or None,
            resource_group or environ.get("AZURE_RESOURCE_GROUP") or None,
            resource_id or environ.get("AZURE_OPENAI_RESOURCE_ID") or None,
        )


class Management:
    """`ws.management`: the resource's address (`account`) and azure-mgmt-cognitiveservices' `client` for it."""

    def __init__(
        self, endpoint: str, *, key: Callable[[], str] | None = None, place: Place | None = None, credential: Any = None
    ) -> None:
        """endpoint: of the resource. key: of the embedded service, which plays the management plane with it too."""
        self._endpoint = endpoint
        self._key = key
        self._place = place or Place()
        self._given_credential = credential

    @cached_property
    def account(self) -> Account:
        """Where the resource stands. Asks Azure only when the arguments and the environment do not say it."""
        if self._key is not None:
            return Account(EMBEDDED_SUBSCRIPTION, "embedded", "embedded")
        place = self._place
        if place.resource_id:
            return Account.from_id(place.resource_id)
        if place.subscription and place.resource_group:
            return Account(place.subscription, place.resource_group, self._host.split(".")[0])
        return self._find(place)

    @cached_property
    def location(self) -> str | None:
        """The resource's region, e.g. `swedencentral`; None when it cannot be read."""
        return self.account.location or _normal(self.read(self.account.id, "2024-10-01").get("location"))

    @cached_property
    def client(self) -> Any:
        """The SDK's CognitiveServicesManagementClient, signed in, for `account`'s subscription."""
        return self._sdk(self.account.subscription)

    def read(self, path: str, api_version: str, **query: str) -> dict[str, Any]:
        """GET a path of Azure Resource Manager as JSON. Raises azure.core's HttpResponseError when refused."""
        from azure.core.rest import HttpRequest

        address = f"{self._base}{quote(path)}"
        reply = self._pipeline.send_request(HttpRequest("GET", address, params={"api-version": api_version, **query}))
        reply.raise_for_status()
        value = reply.json()
        return value if isinstance(value, dict) else {}

    def pages(self, path: str, api_version: str) -> Iterator[dict[str, Any]]:
        """The items of a listing, page by page."""
        page = self.read(path, api_version)
        while True:
            yield from page.get("value") or ()
            following = page.get("nextLink")
            if not following:
                return
            parts = urlsplit(following)
            query = dict(parse_qsl(parts.query))
            page = self.read(parts.path, query.pop("api-version", api_version), **query)

    def last_calls(self, *, days: int = 30) -> dict[str, datetime] | None:
        """When each deployment was last called, by Azure Monitor's daily counts; None when these cannot be read.

        A deployment without a call within `days` is missing from the mapping. Days are UTC; the end of the day counts.
        """
        now = datetime.now(UTC)
        query = {
            "metricnames": "AzureOpenAIRequests",
            "timespan": f"{now - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}/{now:%Y-%m-%dT%H:%M:%SZ}",
            "interval": "P1D",
            "aggregation": "Total",
            "$filter": "ModelDeploymentName eq '*'",
        }
        path = f"{self.account.id}/providers/Microsoft.Insights/metrics"
        metrics = if_allowed(lambda: self.read(path, "2023-10-01", **query))
        return None if metrics is None else last_days(metrics, now)

    @property
    def _base(self) -> str:
        return _ARM if self._key is None else self._endpoint

    @property
    def _host(self) -> str:
        return urlsplit(self._endpoint).hostname or ""

    def _find(self, place: Place) -> Account:
        """The account with this endpoint, among those the sign-in can see."""
        from azure.core.exceptions import AzureError

        try:
            subscriptions = [place.subscription] if place.subscription else self._subscriptions()
            for subscription in subscriptions:
                for account in self._sdk(subscription).accounts.list():
                    if _answers_at(account, self._host):
                        return replace(Account.from_id(account.id), location=_normal(account.location))
        except AzureError as error:
            raise ServiceError(
                f"Where {self._host} stands in Azure cannot be found: {error_of(error)[2]} {_SAY_WHERE}"
            ) from error
        among = f"subscription {place.subscription}" if place.subscription else f"{len(subscriptions)} subscriptions"
        raise ServiceError(
            f"No resource with the endpoint {self._host} is visible to this sign-in in {among}. Sign in with the right "
            f"tenant, ask for the role {DEPLOYER_ROLE!r} on the resource, or say where it is. {_SAY_WHERE}"
        )

    def _subscriptions(self) -> list[str]:
        return [str(item["subscriptionId"]) for item in self.pages("/subscriptions", "2022-12-01")]

    def _sdk(self, subscription: str) -> Any:
        from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient

        if self._key is None:
            return CognitiveServicesManagementClient(self._credential, subscription)
        return CognitiveServicesManagementClient(
            self._credential,
            subscription,
            base_url=self._endpoint,
            credential_scopes=[_ARM_SCOPE],
            authentication_policy=self._policy,
            transport=_direct(),
        )

    @cached_property
    def _pipeline(self) -> Any:
        from azure.core.pipeline.policies import RedirectPolicy, RetryPolicy, UserAgentPolicy
        from azure.mgmt.core import ARMPipelineClient

        policies = [UserAgentPolicy(sdk_moniker="tunebook"), RedirectPolicy(), RetryPolicy(), self._policy]
        direct = {} if self._key is None else {"transport": _direct()}
        return ARMPipelineClient(base_url=self._base, policies=policies, **direct)

    @cached_property
    def _policy(self) -> Any:
        if self._key is not None:
            return _key_over_loopback(self._key())
        from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy

        return ARMChallengeAuthenticationPolicy(self._credential, _ARM_SCOPE)

    @cached_property
    def _credential(self) -> Any:
        if self._key is not None:
            return object()  # the policy signs; the client only wants something that is not None
        from azure.identity import DefaultAzureCredential

        return self._given_credential or DefaultAzureCredential()

    def __repr__(self) -> str:
        return f"<management plane of {self._endpoint}>"


_SAY_WHERE = (
    "Say it with tb.connect(…, subscription=…, resource_group=…) or resource_id=…, or with AZURE_SUBSCRIPTION_ID "
    "and AZURE_RESOURCE_GROUP."
)


def _key_over_loopback(key: str) -> Any:
    """azure.core's own token policies refuse plain http; on this machine, and only there, the key goes that way."""
    from azure.core.pipeline.policies import SansIOHTTPPolicy

    class KeyOverLoopback(SansIOHTTPPolicy):
        def on_request(self, request: Any) -> None:
            request.http_request.headers["Authorization"] = f"Bearer {key}"

    return KeyOverLoopback()


def _direct() -> Any:
    """A way that no proxy of the environment stands in: to this machine."""
    from azure.core.pipeline.transport import RequestsTransport

    return RequestsTransport(use_env_settings=False)


def _answers_at(account: Any, host: str) -> bool:
    """Whether this account of a listing is the one behind `host`."""
    properties = account.properties
    addresses = [getattr(properties, "endpoint", None), *(getattr(properties, "endpoints", None) or {}).values()]
    hosts = {urlsplit(str(address)).hostname for address in addresses if address}
    return host in hosts or host.split(".")[0] == getattr(properties, "custom_sub_domain_name", None)


def _normal(location: str | None) -> str | None:
    """`Sweden Central` as `swedencentral`."""
    return location.replace(" ", "").lower() if location else None


def last_days(metrics: Mapping[str, Any], now: datetime) -> dict[str, datetime]:
    """Deployment -> the last day with a call, of Azure Monitor's answer split by ModelDeploymentName."""
    last: dict[str, datetime] = {}
    listed = [series for metric in metrics.get("value", ()) for series in metric.get("timeseries", ())]
    for series in listed:
        names = [about.get("value") for about in series.get("metadatavalues", ())]
        days = [point["timeStamp"] for point in series.get("data", ()) if point.get("total")]
        if names and days:
            day = datetime.fromisoformat(max(days).replace("Z", "+00:00"))
            last[str(names[0])] = min(day + timedelta(days=1), now)
    return last


def if_allowed(read: Callable[[], Any]) -> Any:
    """What a read gives, None when this sign-in or this service does not allow it: who asks does without."""
    from azure.core.exceptions import HttpResponseError

    try:
        return read()
    except HttpResponseError:
        return None


# What the management plane refuses, in words: the cause, and what to do next. Its errors arrive as azure.core's
# HttpResponseError with ARM's `{"error": {"code", "message", "details"}}`. The codes are those seen when deploying
# fine-tuned models; what is not known is said in the service's own words.
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
    reason = body.get("error", body) if isinstance(body, Mapping) else {}
    if not isinstance(reason, Mapping):
        reason = {"message": reason}
    while isinstance(details := reason.get("details"), list) and details and isinstance(details[0], Mapping):
        reason = details[0]
    message = str(reason.get("message") or getattr(error, "message", None) or error).strip()
    return getattr(error, "status_code", None), str(reason.get("code") or ""), message.partition("\n")[0]


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
    sentence = f"{doing} was refused" + (f" ({label})" if label else "") + f": {message}"
    step = next_step(status, code, message, account)
    return ServiceError(f"{sentence.rstrip('.')}. {step}".strip())
