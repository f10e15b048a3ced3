"""Before a model is deployed: would it be refused, and why?

`survey` reads the facts, `judge_deployment` makes findings of them. A read may be refused to this sign-in, or not exist
at this service: then it gives None, and the finding says that this was not checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from typing import Any, Literal

from openai import NotFoundError

from tunebook.analysis.run import TERMINAL
from tunebook.catalogue import Catalogue, load_catalogue
from tunebook.errors import RequestError
from tunebook.palette import TONES
from tunebook.service.jobs import Jobs, as_json, job_of
from tunebook.service.management import Management, if_allowed
from tunebook.service.refusals import DEPLOYER_ROLE
from tunebook.service.resource import Resource
from tunebook.service.terms import retirement, sku_name
from tunebook.show import Card, Shown, Span, Table

Outcome = Literal["fine", "refused", "doubtful", "unknown"]

WRITE = "Microsoft.CognitiveServices/accounts/deployments/write"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_DATED = re.compile(r"(?P<name>.+)-(?P<version>\d{4}-\d{2}-\d{2})")
_TONES = {"fine": "good", "refused": "bad", "doubtful": "warning", "unknown": "note"}
_SIGNS = {outcome: TONES[tone].sign for outcome, tone in _TONES.items()} | {"unknown": "?"}
_SOON_DAYS = 90  # enough notice to train and evaluate a successor


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, how it stands, and in words why and what to do."""

    check: str
    outcome: Outcome
    message: str

    def __str__(self) -> str:
        return f"{_SIGNS[self.outcome]} {self.check}: {self.message}"


@dataclass(frozen=True, repr=False)
class Preflight(Shown):
    """What was found before acting. `ok`: nothing found so far would be refused."""

    subject: str
    findings: tuple[Finding, ...]

    @property
    def refused(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.outcome == "refused")

    @property
    def ok(self) -> bool:
        return not self.refused

    def raise_refused(self, doing: str) -> None:
        """Raise RequestError, with every reason, where doing it would be refused."""
        if not self.ok:
            refusals = " ".join(f"{finding.check}: {finding.message}" for finding in self.refused)
            raise RequestError(f"{doing} would be refused. {refusals}")

    def __repr__(self) -> str:
        return "\n".join([self.subject, *(f"  {finding}" for finding in self.findings)])

    def _card(self) -> Card:
        rows = [
            (f.check, Span(f"{_SIGNS[f.outcome]} {f.outcome}", tone=_TONES[f.outcome]), f.message)
            for f in self.findings
        ]
        return Card(Table(("check", "outcome", "in words"), rows, self.subject, labelled=True))


@dataclass(frozen=True)
class Offer:
    """A SKU in which the resource offers the model: which quota it draws on, and the most of it a deployment takes."""

    sku: str
    usage: str | None = None
    most: int | None = None


@dataclass(frozen=True)
class DeploymentFacts:
    """What is wanted, and what is known about the resource. None: it could not be read.

    existing: deployment name -> (model, SKU, capacity). permissions: (actions, not_actions) pairs of the sign-in on
    the resource. quotas: name -> (used, limit) in thousands of tokens per minute. job: the job that made the model,
    `{}` when the resource knows none; checkpoints: names of the ones it keeps.
    """

    name: str
    model: str
    sku: str
    capacity: int
    existing: Mapping[str, tuple[str, str, int]] | None = None
    permissions: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] | None = None
    location: str | None = None
    offers: tuple[Offer, ...] | None = None
    quotas: Mapping[str, tuple[float, float]] | None = None
    job: Mapping[str, Any] | None = None
    checkpoints: tuple[str, ...] | None = None
    today: date = field(default_factory=date.today)


def survey(
    resource: Resource, *, name: str, model: str, sku: str, capacity: int, existing: Any, elsewhere: bool = False
) -> DeploymentFacts:
    """The facts of one deployment, as far as they can be read. elsewhere: another resource has the model."""
    management = resource.management
    job, checkpoints = (None, None) if elsewhere else _origin(resource, model)
    location = if_allowed(lambda: management.location)
    offers = _offers(management, model)
    return DeploymentFacts(
        name=name,
        model=model,
        sku=sku,
        capacity=capacity,
        existing=existing,
        permissions=_permissions(management),
        location=location,
        offers=offers,
        quotas=_quotas(management, location) if offers is not None and location else None,
        job=job,
        checkpoints=checkpoints,
    )


def _permissions(management: Management) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] | None:
    """(actions, not_actions) of each role the sign-in has on the resource."""
    path = f"{management.account.id}/providers/Microsoft.Authorization/permissions"
    roles = if_allowed(lambda: list(management.pages(path, "2022-04-01")))
    if roles is None:
        return None
    return tuple((tuple(role.get("actions") or ()), tuple(role.get("notActions") or ())) for role in roles)


def _offers(management: Management, model: str) -> tuple[Offer, ...] | None:
    """In which SKUs the resource offers this model."""
    account = management.account
    wanted, _ = name_and_version(model)
    models = if_allowed(lambda: list(management.client.accounts.list_models(account.resource_group, account.name)))
    skus = next((each.skus for each in models or () if each.name == wanted and each.skus), None)
    if skus is None:
        return None
    return tuple(Offer(sku.name, sku.usage_name, getattr(sku.capacity, "maximum", None)) for sku in skus)


def _quotas(management: Management, location: str) -> dict[str, tuple[float, float]] | None:
    """How much of each quota is used in a region, and how much there is."""
    usages = if_allowed(lambda: list(management.client.usages.list(location)))
    if usages is None:
        return None
    return {u.name.value: (u.current_value or 0.0, u.limit or 0.0) for u in usages if u.name}


def _origin(resource: Resource, model: str) -> tuple[Mapping[str, Any] | None, tuple[str, ...] | None]:
    """The job that made a model, `{}` when the resource has none, and the names of the checkpoints it keeps."""
    job_id = job_of(model)
    if job_id is None:
        return None, None
    try:
        job = Jobs(resource).retrieve(job_id)
    except NotFoundError:
        return {}, None
    return as_json(job.job), tuple(checkpoint.fine_tuned_model_checkpoint for checkpoint in job.checkpoints())


def judge_deployment(facts: DeploymentFacts, catalogue: Catalogue | None = None) -> Preflight:
    """Every check of a deployment, in the order in which the service would object."""
    known = catalogue or load_catalogue()
    findings = [_name(facts), _model(facts), _role(facts), _sku(facts), _region(facts, known)]
    findings += [_places(facts, known), _capacity(facts), *_retirement(facts, known)]
    return Preflight(f"Deploying {facts.model} as {facts.name}", tuple(findings))


def allowed(action: str, permissions: Iterable[tuple[Iterable[str], Iterable[str]]]) -> bool:
    """Whether Azure's role-based access control grants `action`: named by one role and not taken back by the same."""

    def matches(patterns: Iterable[str]) -> bool:
        return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)

    return any(matches(actions) and not matches(not_actions) for actions, not_actions in permissions)


def model_format(model: str, catalogue: Catalogue | None = None) -> str:
    """The `format` a deployment request names for this model: `OpenAI`, or its publisher's."""
    known = (catalogue or load_catalogue()).model(model)
    return known.format if known else "OpenAI"


def name_and_version(model: str) -> tuple[str, str]:
    """How a deployment request names a model: a fine-tuned one is version 1, a dated base model its date."""
    dated = None if ".ft-" in model else _DATED.fullmatch(model)
    return (dated["name"], dated["version"]) if dated else (model, "1")


def _name(facts: DeploymentFacts) -> Finding:
    if not _NAME.fullmatch(facts.name):
        rule = "1 to 64 characters of a-z, A-Z, 0-9, -, _ and ., a letter or digit first"
        return Finding("name", "refused", f"{facts.name!r} cannot be a deployment's name: {rule}.")
    if facts.existing is None:
        return Finding("name", "unknown", "the resource's deployments cannot be listed.")
    if facts.name in facts.existing:
        model, sku, capacity = facts.existing[facts.name]
        if model == facts.model:
            return Finding("name", "fine", f"{facts.name!r} serves this model already ({sku}, capacity {capacity}).")
        return Finding(
            "name",
            "refused",
            f"{facts.name!r} is taken: it serves {model} ({sku}, capacity {capacity}), and creating it again would "
            "replace what it serves. Choose another name, or delete that deployment first.",
        )
    return Finding("name", "fine", f"{facts.name!r} is free.")


def _model(facts: DeploymentFacts) -> Finding:
    if ".ft-" not in facts.model and not facts.model.startswith("ftchkpt-"):
        return Finding("model", "fine", f"{facts.model} is a base model.")
    if facts.job is None:
        return Finding("model", "unknown", "its job cannot be read from its name.")
    if not facts.job:
        return Finding(
            "model", "doubtful", "this resource has no job that made it. A checkpoint copied here has none either."
        )
    return _of_its_job(facts.model, facts.job, facts.checkpoints)


def _of_its_job(model: str, job: Mapping[str, Any], checkpoints: tuple[str, ...] | None) -> Finding:
    status, job_id = job.get("status"), job.get("id")
    if checkpoints is not None and model in checkpoints:
        return Finding("model", "fine", f"a checkpoint that {job_id} keeps.")
    if status == "succeeded" and model == job.get("fine_tuned_model"):
        return Finding("model", "fine", f"{job_id} made it.")
    if status in TERMINAL or status == "paused":
        kept = ", ".join(checkpoints or ()) or "none"
        message = f"{job_id} ({status}) does not keep {model!r}. Its checkpoints: {kept}."
        return Finding("model", "refused" if checkpoints is not None else "doubtful", message)
    return Finding("model", "refused", f"{job_id} is {status}: wait until it has ended, or pause it for a checkpoint.")


def _role(facts: DeploymentFacts) -> Finding:
    if facts.permissions is None:
        return Finding("role", "unknown", f"your rights cannot be read; {DEPLOYER_ROLE!r} on the resource is enough.")
    if allowed(WRITE, facts.permissions):
        return Finding("role", "fine", "you may create deployments.")
    return Finding(
        "role",
        "refused",
        f"your roles do not grant {WRITE}. Ask an owner of the resource for {DEPLOYER_ROLE!r}.",
    )


def _sku(facts: DeploymentFacts) -> Finding:
    wanted = sku_name(facts.sku)
    if facts.offers is None:
        return Finding("SKU", "unknown", "the resource does not say in which SKUs it offers the model.")
    offered = [offer.sku for offer in facts.offers]
    if wanted.lower() in {sku.lower() for sku in offered}:
        return Finding("SKU", "fine", f"{wanted} is offered.")
    return Finding(
        "SKU", "refused", f"{wanted} is not offered for this model here, only {', '.join(offered) or 'none'}."
    )


def _region(facts: DeploymentFacts, catalogue: Catalogue) -> Finding:
    base = catalogue.model(facts.model)
    wanted = sku_name(facts.sku)
    if wanted not in ("Standard", "ProvisionedManaged"):
        return Finding("region", "fine", f"{wanted} is not bound to a region.")
    offered = catalogue.regions(facts.model, wanted)
    if base is None or offered is None or facts.location is None:
        return Finding("region", "unknown", "the resource's region or the model's regions are not known.")
    if facts.location in offered.regions:
        return Finding("region", "fine", f"{facts.location} offers {base.id}.")
    return Finding(
        "region",
        "doubtful",
        f"{base.id} is known as {wanted} in {', '.join(offered.regions)}, not in {facts.location} "
        f"(as of {offered.dated}). "
        'Use sku="globalstandard", or copy the checkpoint to one of those.',
    )


def _places(facts: DeploymentFacts, catalogue: Catalogue) -> Finding:
    most = catalogue.limit("tuned_deployments")
    if facts.existing is None:
        return Finding("number", "unknown", "the resource's deployments cannot be counted.")
    tuned = sum(".ft-" in model for model, _, _ in facts.existing.values())
    if ".ft-" in facts.model and tuned >= most:
        full = f"{tuned} fine-tuned models are deployed, {most} is the most. Delete one: tb.cleanup(ws) shows which."
        return Finding("number", "refused", full)
    return Finding("number", "fine", f"{tuned} of {most} deployments of fine-tuned models are in use.")


def _capacity(facts: DeploymentFacts) -> Finding:
    if isinstance(facts.capacity, bool) or not isinstance(facts.capacity, int) or facts.capacity < 1:
        message = f"{facts.capacity!r} is not a whole number of at least 1 (thousands of tokens per minute)."
        return Finding("quota", "refused", message)
    wanted = sku_name(facts.sku).lower()
    offer = next((offer for offer in facts.offers or () if offer.sku.lower() == wanted), Offer(wanted))
    if offer.most is not None and facts.capacity > offer.most:
        return Finding("quota", "refused", f"capacity {facts.capacity} is over the SKU's most, {offer.most}.")
    return _quota(facts.capacity, offer.usage or "", facts.quotas or {})


def _quota(capacity: int, name: str, quotas: Mapping[str, tuple[float, float]]) -> Finding:
    if name not in quotas:
        return Finding("quota", "unknown", "the quota of this model and SKU cannot be read.")
    used, limit = quotas[name]
    free = limit - used
    if capacity > free:
        return Finding(
            "quota",
            "refused",
            f"capacity {capacity} is asked, {free:g} of {limit:g} thousand tokens per minute are free "
            f"({name}). Ask for less, lower another deployment, or ask for more quota in the portal.",
        )
    return Finding("quota", "fine", f"{free:g} of {limit:g} thousand tokens per minute are free.")


def _retirement(facts: DeploymentFacts, catalogue: Catalogue) -> list[Finding]:
    end = retirement(facts.model, today=facts.today, catalogue=catalogue)
    if end is None:
        return []
    outcome: Outcome = "doubtful" if end.days < _SOON_DAYS else "fine"  # the date is the earliest, never a refusal
    return [Finding("retirement", outcome, str(end))]
