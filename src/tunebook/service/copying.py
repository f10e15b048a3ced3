"""Copying a checkpoint to a resource in another region or subscription (a preview of the service).

The copy keeps its name. It appears in no list at the destination: deploy it, or train on from it, by that name.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from openai import BadRequestError, ConflictError, NotFoundError, OpenAIError, PermissionDeniedError

from tunebook.errors import RequestError, ServiceError, TunebookError
from tunebook.service.connection import Workspace
from tunebook.service.deployments import deployable_name
from tunebook.service.jobs import Job
from tunebook.service.management import Account
from tunebook.service.pacing import intervals
from tunebook.service.preflight import Finding, Preflight
from tunebook.service.resource import Resource
from tunebook.show import Card, Shown, Table, Text

_HEADER = {"aoai-copy-ft-checkpoints": "preview"}  # the service refuses the operation without it
_COPIER_ROLE = "Azure AI User"
_ENDED = ("Completed", "Failed")


@dataclass(frozen=True)
class CopiedTo:
    """One destination of a copy and how it stands: InProgress, Completed, Failed, or whatever the service says."""

    resource_id: str
    region: str
    status: str

    @property
    def name(self) -> str:
        return self.resource_id.rstrip("/").rpartition("/")[2]


@dataclass(frozen=True)
class CopyFacts:
    """What is known before a copy; None: it could not be read.

    destination_jobs: how many jobs the destination has, as far as was counted. public: whether its public network
    access is on. identities: user-assigned identities of the source. tenants: of source and destination.
    """

    checkpoint: str
    destination: str
    region: str
    kept: tuple[str, ...] | None = None
    destination_jobs: int | None = None
    public: bool | None = None
    identities: tuple[str, ...] | None = None
    same: bool = False


def judge_copy(facts: CopyFacts) -> Preflight:
    """The prerequisites of a copy, and which of them are known to be met.

    Source: https://learn.microsoft.com/azure/ai-foundry/openai/how-to/fine-tuning (Copy a model).
    """
    findings = (_destination(facts), _kept(facts), _one_job(facts), _public(facts), _identity(facts))
    return Preflight(f"Copying {facts.checkpoint} to {facts.destination} ({facts.region})", findings)


def _destination(facts: CopyFacts) -> Finding:
    if facts.same:
        return Finding("destination", "refused", "it is the resource the checkpoint is in. Name another one.")
    return Finding("destination", "unknown", "it has to be in the same tenant; subscription and region may differ.")


def _kept(facts: CopyFacts) -> Finding:
    if facts.kept is None:
        return Finding("checkpoint", "unknown", "the job's checkpoints cannot be listed.")
    if facts.checkpoint in facts.kept:
        return Finding("checkpoint", "fine", "the job keeps it.")
    kept = ", ".join(facts.kept) or "none"
    return Finding("checkpoint", "refused", f"the job does not keep {facts.checkpoint!r}; its checkpoints: {kept}.")


def _one_job(facts: CopyFacts) -> Finding:
    needed = "the destination needs at least one fine-tuning job, whatever became of it"
    if facts.destination_jobs is None:
        return Finding(
            "destination's jobs", "unknown", f"{needed}; give a Workspace as destination to have it checked."
        )
    if facts.destination_jobs:
        return Finding("destination's jobs", "fine", "the destination has had a fine-tuning job.")
    return Finding("destination's jobs", "refused", f"{needed}. Start a small one there first.")


def _public(facts: CopyFacts) -> Finding:
    needed = "the destination's public network access has to be on while the copy is asked for"
    if facts.public is None:
        return Finding("network", "unknown", f"{needed}.")
    if facts.public:
        return Finding("network", "fine", "the destination's public network access is on.")
    return Finding("network", "refused", f"{needed}, and it is off. Turn it on in the portal under Networking.")


def _identity(facts: CopyFacts) -> Finding:
    rule = (
        f"the source needs a user-assigned managed identity that has the role {_COPIER_ROLE!r} on the destination "
        "(renamed Foundry User in 2026)"
    )
    if facts.identities is None:
        return Finding("identity", "unknown", f"{rule}.")
    if facts.identities:
        names = ", ".join(identity.rpartition("/")[2] for identity in facts.identities)
        return Finding("identity", "fine", f"the source has {names}; its role on the destination is not visible here.")
    return Finding("identity", "refused", f"{rule}, and it has none. Create one and assign it to the source.")


class CheckpointCopy(Shown):
    """A handle on one copy: `reply` is the service's answer as last read.

    >>> place = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/contoso-west"
    >>> tb.service.copy_checkpoint(job, place, region="westus3").wait().sentence
    'gpt-4.1-nano-2025-04-14.ft-...: contoso-west (westus3): Completed. Deploy it there, ...'
    """

    def __init__(self, job: Job, checkpoint: str, reply: Mapping[str, Any]) -> None:
        self.job, self.checkpoint, self.reply = job, checkpoint, reply

    @property
    def destinations(self) -> tuple[CopiedTo, ...]:
        return tuple(
            CopiedTo(str(to.get("destinationResourceId")), str(to.get("region")), str(to.get("status")))
            for to in self.reply.get("copiedAccountDetails") or ()
        )

    @property
    def model(self) -> str:
        """The name under which the copy is deployed or trained further at the destination."""
        return str(self.reply.get("checkpointedModelName") or self.checkpoint)

    @property
    def ended(self) -> bool:
        return bool(self.destinations) and all(to.status in _ENDED for to in self.destinations)

    @property
    def failed(self) -> tuple[CopiedTo, ...]:
        """The destinations it did not reach."""
        return tuple(to for to in self.destinations if to.status == "Failed")

    @property
    def sentence(self) -> str:
        if not self.destinations:
            return f"{self.model}: the service names no destination yet."
        places = [f"{to.name} ({to.region}): {to.status}" for to in self.destinations]
        advice = ""
        if self.failed:
            advice = " What failed is not there: check the prerequisites and ask for the copy again."
        elif self.ended:
            advice = " Deploy it there, or train on from it, under exactly this name; it appears in no list."
        return f"{self.model}: {'; '.join(places)}.{advice}"

    def refresh(self) -> CheckpointCopy:
        """Read its status anew."""
        self.reply = _ask(self.job, self.checkpoint)
        return self

    def wait(
        self,
        *,
        timeout_s: float = 6 * 3600.0,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> CheckpointCopy:
        """Wait until every destination is Completed or Failed: look at `failed`. Raises ServiceError on time-out."""
        pauses, started = intervals(*self.job.workspace.poll_interval_s), clock()
        while not self.refresh().ended:
            if clock() - started > timeout_s:
                raise ServiceError(f"The copy is still under way after {timeout_s:.0f} s. {self.sentence}")
            sleep(next(pauses))
        return self

    def __repr__(self) -> str:
        return f"<CheckpointCopy {self.sentence}>"

    def _card(self) -> Card:
        rows = [(to.name, to.region, to.status) for to in self.destinations]
        table = Table(("destination", "region", "status"), rows, f"Copy of {self.model}", labelled=True)
        return Card(table, Text(self.sentence))


def copy_checkpoint(
    job: Job, destination: Workspace | str, *, checkpoint: Any = None, region: str | None = None
) -> CheckpointCopy:
    """Copy a checkpoint of `job` to another resource; the work goes on at the service (`.wait()`).

    destination: a Workspace, or a resource id with its `region`. checkpoint: one of `job.checkpoints()` or its name,
    by default the model or newest checkpoint of the job. Asking again for a copy that failed begins it anew.
    Raises RequestError, before anything is asked for, when a prerequisite is known not to be met; ServiceError, with
    the prerequisites that could not be checked, when the service refuses.

    >>> place = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/contoso-west"
    >>> tb.service.copy_checkpoint(job, place, region="westus3")
    <CheckpointCopy gpt-4.1-nano-2025-04-14.ft-...: contoso-west (westus3): ...>
    """
    name = deployable_name(job if checkpoint is None else checkpoint)
    account, region = _destination_of(destination, region)
    preflight = check_copy(job, destination, checkpoint=name, region=region)
    preflight.raise_refused(preflight.subject)
    body = {"destinationResourceId": account.id, "region": region}
    try:
        return CheckpointCopy(job, name, _ask(job, name, body))
    except (BadRequestError, ConflictError, NotFoundError, PermissionDeniedError) as error:
        open_points = " ".join(f"{f.check}: {f.message}" for f in preflight.findings if f.outcome == "unknown")
        raise ServiceError(
            f"{preflight.subject} was refused: {error.message}. Not checked here: {open_points}"
        ) from error


def read_copy(job: Job, checkpoint: Any = None) -> CheckpointCopy:
    """The copy of a checkpoint that was asked for earlier, as it stands.

    >>> place = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/contoso-west"
    >>> asked = tb.service.copy_checkpoint(job, place, region="westus3").wait()
    >>> tb.service.read_copy(job).ended
    True
    """
    name = deployable_name(job if checkpoint is None else checkpoint)
    return CheckpointCopy(job, name, _ask(job, name))


def check_copy(
    job: Job, destination: Workspace | str, *, checkpoint: Any = None, region: str | None = None
) -> Preflight:
    """Which prerequisites of a copy are met, are not, or cannot be seen from here.

    >>> place = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/contoso-west"
    >>> tb.service.check_copy(job, place, region="westus3")
    Copying gpt-4.1-nano-2025-04-14.ft-... to contoso-west (westus3)
      ? destination: it has to be in the same tenant; subscription and region may differ.
      ✓ checkpoint: the job keeps it.
    ...
    """
    account, region = _destination_of(destination, region)
    name = deployable_name(job if checkpoint is None else checkpoint)
    there = None if isinstance(destination, str) else destination
    source = job.workspace
    properties = _account(there) if there is not None else None
    access = getattr(getattr(properties, "properties", None), "public_network_access", None)
    identity = getattr(_account(source), "identity", None)
    assigned = getattr(identity, "user_assigned_identities", None)
    known = _try(lambda: source.management.account.id)
    return judge_copy(
        CopyFacts(
            checkpoint=name,
            destination=account.name,
            region=region,
            kept=_try(lambda: tuple(c.fine_tuned_model_checkpoint for c in job.checkpoints())),
            destination_jobs=_try(lambda: len(there.jobs.list(limit=1))) if there is not None else None,
            public=None if access is None else str(access).lower() == "enabled",
            identities=tuple(assigned) if assigned is not None else None,
            same=known is not None and known.lower() == account.id.lower(),
        )
    )


def _destination_of(destination: Workspace | str, region: str | None) -> tuple[Account, str]:
    if isinstance(destination, str):
        account = Account.from_id(destination)
        if not region:
            raise RequestError(f"Copying to {account.name}: its region is needed, e.g. region='westus3'.")
        return account, region
    account = destination.management.account
    location = region or _try(lambda: destination.management.location)
    if not location:
        raise RequestError(f"Copying to {account.name}: its region cannot be read; give it, e.g. region='westus3'.")
    return account, location


def _account(resource: Resource) -> Any:
    """The management SDK's account object; None when it cannot be read."""
    management = resource.management
    return _try(lambda: management.client.accounts.get(management.account.resource_group, management.account.name))


def _try(read: Callable[[], Any]) -> Any:
    """What a read gives, None when it is refused: then the prerequisite is told, not checked."""
    from azure.core.exceptions import AzureError

    try:
        return read()
    except (AzureError, OpenAIError, TunebookError):
        return None


def _ask(job: Job, checkpoint: str, body: Mapping[str, str] | None = None) -> Mapping[str, Any]:
    """POST a copy, or GET its status."""
    client = job.workspace.client
    path = f"/fine_tuning/jobs/{job.id}/checkpoints/{quote(checkpoint, safe='')}/copy"
    options: Any = {"headers": dict(_HEADER)}
    if body is None:
        reply = client.get(path, cast_to=object, options=options)
    else:
        reply = client.post(path, cast_to=object, body=dict(body), options=options)
    return reply if isinstance(reply, Mapping) else {}
