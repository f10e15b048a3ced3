"""Connecting: explicit arguments, the environment, or the embedded service on this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tunebook.errors import ServiceError
from tunebook.service.clients import LOOPBACK, make_client
from tunebook.service.deployments import Deployments
from tunebook.service.embedded import running_instance
from tunebook.service.files import Files
from tunebook.service.jobs import Jobs
from tunebook.service.management import Place
from tunebook.service.resource import Resource
from tunebook.show import Card, Shown, Span, Text

_ENTRA_SCOPE = "https://cognitiveservices.azure.com/.default"
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
    subscription: str | None = None,
    resource_group: str | None = None,
    resource_id: str | None = None,
    state: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    say: Callable[[str], object] = print,
) -> Workspace:
    """Open a resource: `endpoint` if given, else the environment's, else the embedded service.

    endpoint: `https://<resource>.openai.azure.com` or a Foundry project's address; `"local"` is the embedded
        service; None reads `AZURE_OPENAI_ENDPOINT` and, when that is not set, says so and uses `"local"`.
    api_key: None reads `AZURE_OPENAI_API_KEY`; when that is not set either, `credential` (an azure-identity
        credential, by default `DefaultAzureCredential`) signs in with Entra ID.
    api_version: a dated version such as `2025-04-01-preview` chooses the dated addresses; None is `/openai/v1/`.
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
    if endpoint == "local":
        instance = running_instance(Path(state) if state else None, environ=environ)
        key: str | Callable[[], str] = instance.api_key
        address, name, embedded = instance.endpoint, "embedded", True
    else:
        address, name = _address(endpoint)
        embedded = urlsplit(address).hostname in LOOPBACK
        key = api_key or environ.get("AZURE_OPENAI_API_KEY") or _entra_token(credential)
    return Workspace(
        make_client(address, key, api_version),
        name=name,
        endpoint=address,
        embedded=embedded,
        dated=lambda: make_client(address, key, api_version or _DATED),
        place=Place.of(subscription, resource_group, resource_id, environ),
        credential=credential,
    )


def _address(endpoint: str) -> tuple[str, str]:
    """The endpoint without its API path, and the resource's name."""
    address = endpoint.strip().rstrip("/")
    for tail in ("/openai/v1", "/openai"):
        address = address.removesuffix(tail)
    parts = urlsplit(address)
    host = parts.hostname or ""
    plain_but_local = parts.scheme == "http" and host in LOOPBACK
    if not host or not (parts.scheme == "https" or plain_but_local) or parts.username or parts.query:
        shown = re.sub(r"//[^/]*@|\?.*", "…", endpoint)  # people paste addresses with a key in them
        raise ServiceError(
            f"endpoint {shown!r}: an address such as https://my-resource.openai.azure.com is needed "
            "(https, no key in it). It stands in the portal under Keys and Endpoint."
        )
    project = parts.path.rpartition("/projects/")[2] if "/projects/" in parts.path else ""
    return address, "/".join(filter(None, (host.split(".")[0] if not plain_but_local else host, project)))


def _entra_token(credential: Any) -> Callable[[], str]:
    from azure.identity import DefaultAzureCredential, get_bearer_token_provider

    return get_bearer_token_provider(credential or DefaultAzureCredential(), _ENTRA_SCOPE)


def device_credential(show: Callable[[str, str, Any], None], tenant: str = "") -> Any:
    """The credential that signs in with a code: `show(address, code, expires)` is called when there is one to type.

    No file is written: the sign-in lasts as long as the kernel.
    """
    from azure.identity import DeviceCodeCredential

    chosen: dict[str, Any] = {"tenant_id": tenant} if tenant else {}
    return DeviceCodeCredential(prompt_callback=show, **chosen)
