"""Endpoints as people paste them, cut to what is meant; and what follows from one: cloud, token audience, name."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, parse_qsl, urlsplit

from tunebook.errors import ServiceError
from tunebook.service.clients import LOOPBACK

_ENV_LINE = re.compile(r"\A\s*(?:export\s+)?AZURE_OPENAI_ENDPOINT\s*=\s*")
_QUOTES = " \t\r\n\"'`“”‘’,;"
_PORTALS = ("portal.azure.com", "ai.azure.com", "oai.azure.com", "portal.azure.us", "portal.azure.cn", "ai.azure.us")
_OF_AZURE = re.compile(
    r"\.(openai|cognitiveservices|services\.ai)\.azure\.(com|us|cn)$|\.api\.cognitive\.(microsoft\.com|azure\.(us|cn))$"
)
_PROJECT = re.compile(r"/api/projects/(?P<name>[^/]+)")
_API = re.compile(r"\A(?P<before>.*)/openai(/.*)?\Z")  # of several the last: gateways name their own path so


@dataclass(frozen=True)
class Cloud:
    """Where Entra ID, its tokens' audience and Azure Resource Manager are."""

    authority: str = "https://login.microsoftonline.com"
    token_scope: str = "https://cognitiveservices.azure.com/.default"  # noqa: S105 - an audience, no secret
    management_url: str = "https://management.azure.com"
    management_scope: str = "https://management.azure.com/.default"


PUBLIC = Cloud()
_CLOUDS = {
    ".us": Cloud(
        "https://login.microsoftonline.us",
        "https://cognitiveservices.azure.us/.default",
        "https://management.usgovcloudapi.net",
        "https://management.core.usgovcloudapi.net/.default",
    ),
    ".cn": Cloud(
        "https://login.chinacloudapi.cn",
        "https://cognitiveservices.azure.cn/.default",
        "https://management.chinacloudapi.cn",
        "https://management.core.chinacloudapi.cn/.default",
    ),
}


@dataclass(frozen=True)
class Endpoint:
    """The `address` that API paths follow, the resource's `name`, its `cloud`, whether it is on this machine."""

    address: str
    name: str
    cloud: Cloud
    loopback: bool


def read_endpoint(text: str) -> Endpoint:
    """What a pasted endpoint means. Raises ServiceError, without its query or password, for what can be none."""
    pasted = _ENV_LINE.sub("", text).strip(_QUOTES)
    if "<" in pasted or ">" in pasted or "your-resource" in pasted.lower():
        raise ServiceError(
            f"endpoint {_shown(text)!r}: the name of your resource goes in the place of <…>. It stands in the portal "
            "under Keys and Endpoint."
        )
    if "://" not in pasted and _OF_AZURE.search(pasted.partition("/")[0].lower()):
        pasted = f"https://{pasted}"
    parts = _split(pasted, text)
    host = (parts.hostname or "").lower()
    if host in _PORTALS:
        raise ServiceError(
            f"endpoint {_shown(text)!r}: this is the portal's own address. The resource's stands there under Keys and "
            "Endpoint, such as https://my-resource.openai.azure.com."
        )
    loopback = host in LOOPBACK
    secret = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True) if name.lower() != "api-version"]
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and loopback)) or parts.username or secret:
        raise _no_address(text)
    path, project = _path(re.sub("/{2,}", "/", parts.path), host)
    netloc = f"{host if ':' not in host else f'[{host}]'}" + (f":{parts.port}" if parts.port else "")
    name = "/".join(filter(None, (host if loopback else host.split(".")[0], project)))
    return Endpoint(f"{parts.scheme}://{netloc}{path}", name, _cloud(host, project), loopback)


def _split(pasted: str, text: str) -> SplitResult:
    try:
        parts = urlsplit(pasted)
        _ = parts.port
    except ValueError:
        raise _no_address(text) from None
    return parts


def _no_address(text: str) -> ServiceError:
    return ServiceError(
        f"endpoint {_shown(text)!r}: an address such as https://my-resource.openai.azure.com is needed "
        "(https, no key in it). It stands in the portal under Keys and Endpoint."
    )


def _shown(text: str) -> str:
    """People paste addresses with a key in them."""
    return re.sub(r"//[^/]*@|\?.*", "…", text)


def _path(path: str, host: str) -> tuple[str, str]:
    """(what of a path belongs to the address, the project it names): the API's own paths are cut off."""
    if project := _PROJECT.match(path):
        return project[0], project["name"]
    if _OF_AZURE.search(host):  # a resource's own address has no path
        return "", ""
    api = _API.match(path)
    return (api["before"] if api else path).rstrip("/"), ""


def _cloud(host: str, project: str) -> Cloud:
    ending = host[-3:] if _OF_AZURE.search(host) else ""
    cloud = _CLOUDS.get(ending, PUBLIC)
    if not project:
        return cloud
    return replace(cloud, token_scope=f"https://ai.azure{ending if ending in _CLOUDS else '.com'}/.default")
