"""Which family of addresses a request came by, and the one path that the router knows.

{endpoint}/openai/v1/…                         v1       api-version optional: v1 or preview
{endpoint}/openai/…?api-version=YYYY-MM-DD     dated    api-version required
{endpoint}/api/projects/NAME/openai/v1/…       project  api-version refused
{endpoint}/api/projects/NAME/openai/…          dated    api-version required
{endpoint}/subscriptions/…?api-version=…       arm      the management plane
{endpoint}/…                                   bare     OpenAI's own addresses, in that dialect only
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tunebook_local.desk.refusals import Refusal, invalid, no_path

_PREFIXES = (
    ("project", re.compile(r"/api/projects/[^/]+/openai/v1(?=/)")),
    ("v1", re.compile(r"/openai/v1(?=/)")),
    ("dated", re.compile(r"(?:/api/projects/[^/]+)?/openai(?=/)")),
    ("arm", re.compile(r"(?=/subscriptions/)", re.IGNORECASE)),
)
_FIXED_WORDS = {
    word.lower(): word
    for word in (
        "subscriptions",
        "resourceGroups",
        "providers",
        "Microsoft.CognitiveServices",
        "accounts",
        "deployments",
    )
}
_FIXED = re.compile(rf"(?<=/)({'|'.join(map(re.escape, _FIXED_WORDS))})(?=/|$)", re.IGNORECASE)
_BARE = re.compile(r"/v1(?=/)")
_DATED_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?")


@dataclass(frozen=True)
class Address:
    """A request's path without its family's prefix, the family, and the api-version it named."""

    path: str
    family: str
    api_version: str | None = None

    def offers(self, where: str, dialect: str) -> bool:
        """Whether an operation is offered here. `where` is one of

        all, v1, dated, `v1 and dated since 2025`; arm (the management plane); openai (in that dialect only).
        """
        if (where == "arm") != (self.family == "arm"):
            return False
        if dialect == "openai" or where in ("all", "arm"):
            return True
        if where == "v1 and dated since 2025":
            return self.family != "dated" or str(self.api_version) >= "2025"
        return where == ("dated" if self.family == "dated" else "v1")


def read_address(path: str, api_version: str | None, dialect: str) -> Address:
    """The address of a request; refused when the family does not take this api-version."""
    path = re.sub(r"/{2,}", "/", path)
    for family, prefix in _PREFIXES:
        start = prefix.match(path)
        if start is not None:
            _check_version(family, api_version)
            rest = path[start.end() :]
            return Address(_canonical(rest) if family == "arm" else rest, family, api_version)
    if dialect == "openai":
        return Address(_BARE.sub("", path, count=1) if _BARE.match(path) else path, "bare")
    if path == "/tunebook":  # the service's word about itself
        return Address(path, "v1")
    raise no_path()


def _canonical(path: str) -> str:
    """A management path with its fixed words in one spelling: Azure does not mind their case."""
    return _FIXED.sub(lambda word: _FIXED_WORDS[word[0].lower()], path)


def _check_version(family: str, version: str | None) -> None:
    if family == "project" and version is not None:
        raise invalid("The query parameter api-version is not allowed on a project's address.", "api-version")
    if family == "v1" and version not in (None, "v1", "preview", "latest"):
        raise invalid("API version not supported: on /openai/v1/ leave api-version out.", "api-version")
    if family in ("dated", "arm") and not (version and _DATED_VERSION.fullmatch(version)):
        raise Refusal(
            404,
            "404",
            f"Resource not found: this address needs ?api-version=YYYY-MM-DD[-preview]; got {version!r}.",
            "api-version",
        )
