"""One resource of the service: how it is reached. What is in it (files, jobs, deployments) is built upon this."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from openai import OpenAI

from tunebook.catalogue import state_folder
from tunebook.service.addresses import PUBLIC, Cloud
from tunebook.service.management import Management, Place


class Resource:
    """The signed-in `client` of a resource, its `management` plane, and what its name and address are.

    `dated_client` is the same sign-in at the dated addresses, which have operations that `/v1/` has not. `name` is
    shown wherever something of this resource is shown; `embedded` says that the service behind it is the stand-in on
    this machine; `poll_interval_s` are the shortest and the longest pause, in seconds, between two looks at a job;
    `state` is the folder of what outlives this process. `learned` is what deployments turned out not to take:
    deployment -> parameter -> the name it goes by there, None where it is left out.
    """

    def __init__(
        self,
        client: OpenAI,
        *,
        name: str,
        endpoint: str,
        embedded: bool = False,
        dated: Callable[[], OpenAI] | None = None,
        place: Place | None = None,
        credential: Any = None,
        cloud: Cloud = PUBLIC,
        state: Path | None = None,
        prove: Callable[[], str | None] | None = None,
    ) -> None:
        self.client = client
        self.name = name
        self.endpoint = endpoint
        self.embedded = embedded
        self.poll_interval_s = (0.25, 2.0) if embedded else (5.0, 60.0)
        self.management = Management(
            endpoint,
            key=(lambda: str(client.api_key)) if embedded else None,
            place=place,
            credential=credential,
            cloud=cloud,
            prove=prove,
        )
        self.learned: dict[str, dict[str, str | None]] = {}
        self._dated = dated
        self.state = state or state_folder()

    @cached_property
    def dated_client(self) -> OpenAI:
        """The openai client for the dated addresses. Raises ServiceError where there are none."""
        return self._dated() if self._dated else self.client

    @property
    def before_a_price(self) -> str:
        """What has to be said before a price of Azure's: that the embedded service bills nothing."""
        return "Nothing is billed here; at Azure: " if self.embedded else ""

    @property
    def kind(self) -> str:
        return "embedded service" if self.embedded else "Azure OpenAI resource"
