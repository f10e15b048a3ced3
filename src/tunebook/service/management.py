"""The management plane: where a resource stands in Azure, and the client that deploys models there.

Deployments belong to Azure Resource Manager, not to the data plane that trains and answers: another host, another
sign-in (Entra ID only), and an address of subscription, resource group and resource name. The embedded service plays
both parts at its one address, with its own key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from tunebook.errors import ServiceError
from tunebook.service.addresses import PUBLIC, Cloud
from tunebook.service.refusals import DEPLOYER_ROLE, error_of, is_no_sign_in, no_sign_in

_ID = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<resource_group>[^/]+)"
    r"/providers/Microsoft\.CognitiveServices/accounts/(?P<name>[^/]+)/?",
    re.IGNORECASE,
)
_LONGEST_SILENCE_S = 60.0
EMBEDDED_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"


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
        self,
        endpoint: str,
        *,
        key: Callable[[], str] | None = None,
        place: Place | None = None,
        credential: Any = None,
        cloud: Cloud = PUBLIC,
        prove: Callable[[], str | None] | None = None,
    ) -> None:
        """endpoint: of the resource. key: of the embedded service, which plays the management plane with it too.

        prove: called before the key is sent; what it answers is why it shall not be.
        """
        self._prove = prove
        self._endpoint = endpoint
        self._key = key
        self._place = place or Place()
        self._given_credential = credential
        self._cloud = cloud

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
        try:
            value = reply.json()
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise ServiceError(
                f"{urlsplit(self._base).netloc} does not answer as Azure Resource Manager does ({quote(path)}): "
                "no JSON object came. A proxy, a gateway or the network's sign-in page may stand between."
            )
        return value

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
        return self._cloud.management_url.rstrip("/") if self._key is None else self._endpoint

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
            why = no_sign_in(error) if is_no_sign_in(error) else error_of(error)[2]
            raise ServiceError(f"Where {self._host} stands in Azure cannot be found: {why} {_SAY_WHERE}") from error
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
            return CognitiveServicesManagementClient(
                self._credential,
                subscription,
                base_url=self._base,
                credential_scopes=[self._cloud.management_scope],
                retry_policy=_patient_retries(),
            )
        return CognitiveServicesManagementClient(
            self._credential,
            subscription,
            base_url=self._endpoint,
            credential_scopes=[self._cloud.management_scope],
            retry_policy=_patient_retries(),
            authentication_policy=self._policy,
            transport=_direct(),
        )

    @cached_property
    def _pipeline(self) -> Any:
        from azure.core.pipeline.policies import RedirectPolicy, UserAgentPolicy
        from azure.mgmt.core import ARMPipelineClient

        policies = [UserAgentPolicy(sdk_moniker="tunebook"), RedirectPolicy(), _patient_retries(), self._policy]
        direct = {} if self._key is None else {"transport": _direct()}
        return ARMPipelineClient(base_url=self._base, policies=policies, **direct)

    @cached_property
    def _policy(self) -> Any:
        if self._key is not None:
            return _key_over_loopback(self._key(), self._prove)
        from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy

        return ARMChallengeAuthenticationPolicy(self._credential, self._cloud.management_scope)

    @cached_property
    def _credential(self) -> Any:
        if self._key is not None:
            return object()  # the policy signs; the client only wants something that is not None
        from azure.identity import DefaultAzureCredential

        return self._given_credential or DefaultAzureCredential(authority=self._cloud.authority)

    def __repr__(self) -> str:
        return f"<management plane of {self._endpoint}>"


_SAY_WHERE = (
    "Say it with tb.connect(…, subscription=…, resource_group=…) or resource_id=…, or with AZURE_SUBSCRIPTION_ID "
    "and AZURE_RESOURCE_GROUP."
)


def _key_over_loopback(key: str, prove: Callable[[], str | None] | None) -> Any:
    """azure.core's own token policies refuse plain http; on this machine, and only there, the key goes that way."""
    from azure.core.pipeline.policies import SansIOHTTPPolicy

    class KeyOverLoopback(SansIOHTTPPolicy):
        def on_request(self, request: Any) -> None:
            if prove is not None and (told := prove()):
                raise ServiceError(told)
            request.http_request.headers["Authorization"] = f"Bearer {key}"

    return KeyOverLoopback()


def _patient_retries() -> Any:
    """Tries again after as long as the service asks for, but never waits for longer than a minute without a word.

    A refusal that asks for more is raised, with what it says.
    """
    from azure.core.pipeline.policies import RetryPolicy

    class PatientRetries(RetryPolicy):
        def is_retry(self, settings: Any, response: Any) -> bool:
            return (self.get_retry_after(response) or 0) <= _LONGEST_SILENCE_S and super().is_retry(settings, response)

    return PatientRetries()


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
