"""Connecting: explicit arguments, the environment, or the embedded service on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from tunebook.service.addresses import PUBLIC, Cloud, read_endpoint
from tunebook.service.clients import make_client
from tunebook.service.deployments import Deployments
from tunebook.service.embedded import Instance, proves_itself, running_instance
from tunebook.service.files import Files
from tunebook.service.jobs import Jobs
from tunebook.service.management import Place
from tunebook.service.refusals import signed_in
from tunebook.service.resource import Resource
from tunebook.show import Card, Shown, Span, Text

# Chunked uploads, import from a URL and deleting a model exist under the dated addresses alone.
_DATED = "2025-04-01-preview"
NOT_CONFIGURED = (
    "AZURE_OPENAI_ENDPOINT is not set: using the embedded service on this machine, which trains a small practice "
    "model on your file."
)


class Workspace(Resource, Shown):
    """One resource and what is in it: `files`, `jobs`, `deployments`, and the openai `client` itself.

    Made by `connect`. `name`, `endpoint` and `embedded` say which it is, `dated_client` is the same sign-in at the
    dated addresses, `management` the management plane.

    >>> ws = tb.connect("https://contoso.openai.azure.com", api_key="…")
    >>> ws.files, ws.jobs, ws.deployments
    (<files of contoso>, <fine-tuning jobs of contoso>, <deployments of contoso>)
    """

    @cached_property
    def files(self) -> Files:
        return Files(self)

    @cached_property
    def jobs(self) -> Jobs:
        return Jobs(self)

    @cached_property
    def deployments(self) -> Deployments:
        return Deployments(self)

    def __repr__(self) -> str:
        return f"<Workspace {self.name}: {self.kind} at {self.endpoint}>"

    def _card(self) -> Card:
        return Card(Text([Span(self.name, "strong"), f" · {self.kind} at ", Span(self.endpoint, "code")]))


def connect(
    endpoint: str | None = None,
    *,
    api_key: str | None = None,
    api_version: str | None = None,
    credential: Any = None,
    headers: Mapping[str, str] | None = None,
    token_scope: str | None = None,
    management_url: str | None = None,
    subscription: str | None = None,
    resource_group: str | None = None,
    resource_id: str | None = None,
    state: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    say: Callable[[str], object] = print,
) -> Workspace:
    """Open a resource: `endpoint` if given, else the environment's, else the embedded service.

    endpoint: `https://<resource>.openai.azure.com` or a Foundry project's address, as it was copied (API paths and
        quotes are cut off); `"local"` is the embedded service; None reads `AZURE_OPENAI_ENDPOINT` and, when that is
        not set, says so and uses `"local"`.
    api_key: None reads `AZURE_OPENAI_API_KEY`; when that is not set either, `credential` (an azure-identity
        credential, by default `DefaultAzureCredential`) signs in with Entra ID.
    api_version: a dated version such as `2025-04-01-preview` chooses the dated addresses; None is `/openai/v1/`.
    headers: sent with every request, for what a gateway such as API Management asks for.
    token_scope, management_url: of the sign-in's token and of Azure Resource Manager, where the endpoint does not tell
        them (`azure.us` and `azure.cn` have their own, and a project's endpoint has another audience).
    subscription, resource_group, or the whole resource_id: where the resource stands in Azure, which deploying needs.
        None reads `AZURE_SUBSCRIPTION_ID`, `AZURE_RESOURCE_GROUP` and `AZURE_OPENAI_RESOURCE_ID`; what is still
        missing is found from the endpoint, once, when it is needed.
    state: folder of the embedded service, by default `TUNEBOOK_STATE` or the user's data folder.

    Nothing is sent yet, except that the embedded service is started if it does not run.
    Raises ServiceError for an address that cannot be one, and when the embedded service does not start.

    >>> tb.connect("https://contoso.openai.azure.com", api_key="…")
    <Workspace contoso: Azure OpenAI resource at https://contoso.openai.azure.com>
    """
    environ = os.environ if environ is None else environ
    if endpoint is None:
        endpoint = environ.get("AZURE_OPENAI_ENDPOINT") or None
        if endpoint is None:
            say(NOT_CONFIGURED)
            endpoint = "local"
    prove: Callable[[], str | None] | None = None
    if endpoint == "local":
        instance = running_instance(Path(state) if state else None, environ=environ)
        prove = partial(_prove, instance)
        key: str | Callable[[], str] = instance.api_key
        address, name, embedded = instance.endpoint, "embedded", True
        cloud = PUBLIC
    else:
        meant = read_endpoint(endpoint)
        given = {"token_scope": token_scope, "management_url": management_url}
        cloud = replace(meant.cloud, **{name: value for name, value in given.items() if value})
        if management_url:
            cloud = replace(cloud, management_scope=f"{management_url.rstrip('/')}/.default")
        address, name, embedded = meant.address, meant.name, meant.loopback
        key = api_key or environ.get("AZURE_OPENAI_API_KEY") or _entra_token(credential, cloud)
    return Workspace(
        make_client(address, key, api_version, headers, prove),
        name=name,
        endpoint=address,
        embedded=embedded,
        cloud=cloud,
        dated=lambda: make_client(address, key, api_version or _DATED, headers, prove),
        prove=prove,
        place=Place.of(subscription, resource_group, resource_id, environ),
        credential=credential,
    )


def _prove(instance: Instance) -> str | None:
    """That another program has the embedded service's port by now, which gets neither key nor file; else None."""
    if proves_itself(instance) is not False:
        return None
    return (
        f"Another program answers at {instance.endpoint} than the embedded service, which has ended. Nothing was sent "
        "to it. Call tb.connect() again: that starts the service anew."
    )


def _entra_token(credential: Any, cloud: Cloud) -> Callable[[], str]:
    from azure.identity import DefaultAzureCredential, get_bearer_token_provider

    signed = credential or DefaultAzureCredential(authority=cloud.authority)
    return signed_in(get_bearer_token_provider(signed, cloud.token_scope))


def device_credential(show: Callable[[str, str, Any], None], tenant: str = "") -> Any:
    """The credential that signs in with a code: `show(address, code, expires)` is called when there is one to type.

    No file is written: the sign-in lasts as long as the kernel.
    """
    from azure.identity import DeviceCodeCredential

    chosen: dict[str, Any] = {"tenant_id": tenant} if tenant else {}
    return DeviceCodeCredential(prompt_callback=show, **chosen)
