"""Deployments: what makes a fine-tuned model or a checkpoint answer, through the management plane.

Azure says "Succeeded" minutes before the data plane answers, so waiting goes on until the deployment has answered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from openai import APIConnectionError, APIStatusError, PermissionDeniedError

from tunebook.catalogue import load_catalogue
from tunebook.errors import RequestError, ServiceError
from tunebook.service.jobs import Job
from tunebook.service.management import Account, Management, if_allowed
from tunebook.service.pacing import intervals
from tunebook.service.preflight import Preflight, judge_deployment, model_format, name_and_version, survey
from tunebook.service.refusals import CALLER_ROLE, refused
from tunebook.service.resource import Resource
from tunebook.service.terms import Terms, deployment_terms, sku_name
from tunebook.service.when_done import CHOICES, Choice, DeployOrder, Orders
from tunebook.show import Card, Items, Shown, facts

_LONGEST_PAUSE_S = 15.0  # a deployment takes minutes: looking four times a minute is enough
_ENDED_BADLY = ("Failed", "Canceled", "Disabled")
# What the data plane says of a deployment that the management plane already calls Succeeded.
_NOT_YET_CODES = {"DeploymentNotFound", "DeploymentNotReady", "DeploymentError"}


class Deployments:
    """`ws.deployments`: check, create, list, retrieve, change the capacity of, and delete deployments."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._orders = Orders(resource, self.create)

    def create(
        self,
        model: Any,
        *,
        name: str,
        sku: str = "standard",
        capacity: int = 1,
        source: str | Resource | None = None,
        timeout_s: float = 3600.0,
        say: Callable[[str], object] = print,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> Deployment:
        """Deploy a model and wait until it answers.

        model: a job, a checkpoint, or the name of a model or checkpoint. sku: `standard`, `globalstandard`,
        `developer`, or any other name the service knows. capacity: thousands of tokens per minute.
        source: the resource that has the model (a Workspace or a resource id), when it is another one.
        `say` gets one sentence for each change. What already serves this model under this name is left as it is.

        Raises RequestError, before anything is asked for, when the pre-flight finds what would be refused;
        ServiceError, with cause and next step, when the service refuses it or it does not answer within `timeout_s`.

        >>> deployment = ws.deployments.create(job, name="support-v1", say=str)
        >>> deployment.state
        'Succeeded'
        """
        wanted = deployable_name(model)
        preflight = self.check(wanted, name=name, sku=sku, capacity=capacity, elsewhere=source is not None)
        preflight.raise_refused(f"Deploying {wanted!r} as {name!r}")
        existing = self._existing()
        if existing is None or name not in existing:
            for finding in preflight.findings:
                if finding.outcome == "doubtful":
                    say(f"{name}: {finding.message}")
            here = self._resource.before_a_price
            for line in self._terms(sku, wanted).lines:
                say(f"{name}: {here}{line}")
                here = ""
            body = _body(wanted, sku, capacity, source)
            operation = self._put(name, body)
        else:
            say(f"{name}: it serves {wanted} already.")
            operation = None
        return self.wait(name, timeout_s=timeout_s, say=say, sleep=sleep, clock=clock, operation=operation)

    def when_done(
        self,
        job: Job,
        *,
        name: str,
        sku: str = "standard",
        capacity: int = 1,
        checkpoint: Choice = "diagnosis",
        say: Callable[[str], object] = print,
    ) -> DeployOrder:
        """Deploy a checkpoint of a job once it has succeeded; `job.deploy_when_done` says it all."""
        self.check_order(job.job.model, name=name, sku=sku, capacity=capacity, checkpoint=checkpoint)
        order = self._orders.add(job, name=name, sku=sku, capacity=capacity, checkpoint=checkpoint)
        here = self._resource.before_a_price
        for line in self._terms(sku, _future(job.job.model)).lines:
            say(f"{name}, once it is deployed: {here}{line}")
            here = ""
        return order

    def check_order(self, base: str, *, name: str, sku: str, capacity: int, checkpoint: Choice) -> None:
        """Raises RequestError for a deployment that would be refused whatever the job makes of `base`."""
        if checkpoint not in CHOICES:
            raise RequestError(f"checkpoint={checkpoint!r} is none of {', '.join(CHOICES)}.")
        found = self.check(_future(base), name=name, sku=sku, capacity=capacity, elsewhere=True)
        if refused := [finding for finding in found.refused if finding.check != "model"]:
            told = " ".join(f"{finding.check}: {finding.message}" for finding in refused)
            raise RequestError(f"Deploying as {name!r} would be refused. {told}")

    def orders(self) -> list[DeployOrder]:
        """What was asked to be deployed when a job has ended, on this machine, the newest first.

        >>> [order.name for order in ws.deployments.orders()]
        [...]
        """
        return self._orders.all()

    def withdraw(self, job_id: str) -> DeployOrder:
        """Take back what was to be deployed when this job has ended. Raises RequestError where it is too late."""
        return self._orders.withdraw(job_id)

    def resume(self) -> list[DeployOrder]:
        """Watch again what is still to be deployed; `connect` does it."""
        return self._orders.resume()

    def check(
        self, model: Any, *, name: str, sku: str = "standard", capacity: int = 1, elsewhere: bool = False
    ) -> Preflight:
        """What stands against deploying this: name, model, role, SKU, region, number, quota, retirement.

        elsewhere: the model belongs to another resource, so that this one's jobs say nothing about it.

        >>> ws.deployments.check(job, name="support-v1").ok
        True
        """
        wanted = deployable_name(model)
        facts = survey(
            self._resource,
            name=name,
            model=wanted,
            sku=sku,
            capacity=capacity,
            existing=self._existing(),
            elsewhere=elsewhere,
        )
        return judge_deployment(facts)

    def wait(
        self,
        name: str,
        *,
        timeout_s: float = 3600.0,
        say: Callable[[str], object] = print,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        operation: str | None = None,
    ) -> Deployment:
        """Wait until a deployment is provisioned and answers. Raises ServiceError when it fails or takes too long."""
        started = clock()
        shortest, longest = self._resource.poll_interval_s
        pauses = intervals(shortest, min(longest, _LONGEST_PAUSE_S))
        state = last = ""
        while True:
            if state != "Succeeded":
                deployment = self.retrieve(name)
                state = deployment.state
                if state in _ENDED_BADLY:
                    raise ServiceError(self._failure(name, state, operation))
                stage = state
            if state == "Succeeded":
                answers, why = self._probe(name)
                if answers:
                    say(f"{name}: it answers, {clock() - started:.0f} s after it was asked for.")
                    return deployment
                stage = f"provisioned; waiting until it answers ({why})"
            if stage != last:
                say(f"{name}: {stage}")
                last = stage
            if clock() - started > timeout_s:
                raise ServiceError(
                    f"{name} does not answer after {timeout_s:.0f} s: {stage}. It exists and is billed. "
                    f"Wait on with ws.deployments.wait({name!r}), or delete it."
                )
            sleep(next(pauses))

    def list(self) -> list[Deployment]:
        """All deployments of the resource, by name.

        >>> tuned in [deployment.name for deployment in ws.deployments.list()]
        True
        """
        records = self._call("Listing deployments", lambda api, at: list(api.list(*at)))
        return sorted((Deployment(self._resource, record) for record in records), key=lambda each: each.name)

    def retrieve(self, name: str) -> Deployment:
        """One deployment by its name. Raises ServiceError when there is none."""
        record = self._call(f"Reading deployment {name!r}", lambda api, at: api.get(*at, name))
        return Deployment(self._resource, record)

    def update(self, name: str, *, capacity: int) -> Deployment:
        """Change how many thousands of tokens per minute a deployment may use; it goes on answering."""
        if isinstance(capacity, bool) or not isinstance(capacity, int) or capacity < 1:
            raise RequestError(f"capacity={capacity!r} is not a whole number of at least 1 (thousands of tokens/min).")
        change = {"sku": {"name": self.retrieve(name).sku, "capacity": capacity}}
        doing = f"Changing the capacity of {name!r} to {capacity}"
        self._call(doing, lambda api, at: api.begin_update(*at, name, change, polling=False))
        return self.retrieve(name)

    def delete(
        self,
        name: str,
        *,
        timeout_s: float = 600.0,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Delete a deployment and wait until the service no longer knows it; the model stays.

        >>> ws.deployments.create("gpt-4.1-nano", name="short-lived", say=str)
        <Deployment short-lived: Succeeded, gpt-4.1-nano-2025-04-14 as Standard at ...>
        >>> ws.deployments.delete("short-lived")
        """
        self._call(f"Deleting deployment {name!r}", lambda api, at: api.begin_delete(*at, name, polling=False))
        started = clock()
        shortest, longest = self._resource.poll_interval_s
        pauses = intervals(shortest, min(longest, _LONGEST_PAUSE_S))
        while name in {each.name for each in self.list()}:
            if clock() - started > timeout_s:
                raise ServiceError(f"{name} is still being deleted after {timeout_s:.0f} s. Look again later.")
            sleep(next(pauses))

    def last_calls(self, *, days: int = 30) -> dict[str, datetime] | None:
        """When each deployment was last called within `days`, None when the counts cannot be read."""
        return self._management.last_calls(days=days)

    @property
    def _management(self) -> Management:
        return self._resource.management

    def _terms(self, sku: str, model: str) -> Terms:
        return deployment_terms(sku=sku, model=model, now=datetime.now(UTC))

    def _put(self, name: str, body: Mapping[str, Any]) -> str | None:
        """Ask for the deployment. Returns the address under which ARM says how that goes, when it gives one."""
        headers: dict[str, str] = {}

        def note(response: Any) -> None:
            headers.update({k.lower(): v for k, v in response.http_response.headers.items()})

        self._call(
            f"Deploying {name!r}",
            lambda api, at: api.begin_create_or_update(*at, name, body, polling=False, raw_response_hook=note),
        )
        return headers.get("azure-asyncoperation")

    def _failure(self, name: str, state: str, operation: str | None) -> str:
        """Why provisioning ended badly: the reason stands in the operation, not in the deployment."""
        reply: Mapping[str, Any] = {}
        if operation:
            path, _, query = operation.partition("?")
            version = next((p[12:] for p in query.split("&") if p.startswith("api-version=")), "2024-10-01")
            path = "/" + path.split("/", 3)[3] if "://" in path else path
            reply = if_allowed(lambda: self._management.read(path, version)) or {}
        reason = (reply.get("error") or {}).get("message")
        why = f" {reason}" if reason else " The service gives no reason."
        return f"{name} ended as {state}.{why} Delete it and create it again, with another SKU or capacity if need be."

    def _call(self, doing: str, ask: Callable[[Any, tuple[str, str]], Any]) -> Any:
        """One call of the management plane. Raises ServiceError with cause and next step when it is refused."""
        from azure.core.exceptions import AzureError, HttpResponseError

        account: Account = self._management.account
        try:
            return ask(self._management.client.deployments, (account.resource_group, account.name))
        except HttpResponseError as error:
            raise refused(error, doing, account) from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # what the SDK makes of a page or of null
            raise ServiceError(
                f"{doing} failed: what answers is not Azure Resource Manager. A proxy, a gateway or the network's "
                "sign-in page may stand between."
            ) from error
        except AzureError as error:
            raise ServiceError(f"{doing} failed: {error}. Check the network and the sign-in (`az login`).") from error

    def _existing(self) -> dict[str, tuple[str, str, int]] | None:
        try:
            return {each.name: (each.model, each.sku, each.capacity) for each in self.list()}
        except ServiceError as error:
            if getattr(error.__cause__, "status_code", None) == 403:
                return None  # may still be allowed to create; what is not, the service will say
            raise

    def _probe(self, name: str) -> tuple[bool, str]:
        """Whether the data plane answers for this deployment; if not, why."""
        try:
            message: Any = {"role": "user", "content": "Hello"}
            self._resource.client.chat.completions.create(model=name, messages=[message], max_tokens=1)
        except PermissionDeniedError as error:
            raise ServiceError(
                f"{name} is provisioned, but you may not call it (403). Ask for the role {CALLER_ROLE!r} on the "
                "resource, or connect with its key."
            ) from error
        except APIStatusError as error:
            not_yet = error.code in _NOT_YET_CODES or error.status_code in (404, 500, 502, 503, 504)
            if not_yet or "not ready" in str(error.message).lower():
                return False, f"the data plane says {error.code or error.status_code}"
            if error.status_code == 401:
                raise
            return True, ""  # 400 for a parameter, 429 for the rate: something is there and talks
        except APIConnectionError:
            return False, "the data plane cannot be reached"
        return True, ""

    def __repr__(self) -> str:
        return f"<deployments of {self._resource.name}>"


class Deployment(Shown):
    """A handle on one deployment: the management SDK's object as last read (`deployment`), and what can be done.

    >>> deployment = ws.deployments.retrieve(tuned)
    >>> deployment.sku, deployment.state
    ('Standard', 'Succeeded')
    """

    def __init__(self, workspace: Resource, deployment: Any, *, read_at: float | None = None) -> None:
        self.workspace: Any = workspace  # the whole Workspace, where it came from one
        self.deployment = deployment
        self.read_at = time.time() if read_at is None else read_at

    @property
    def name(self) -> str:
        """What `model=` is in a chat completion."""
        return str(self.deployment.name)

    @property
    def model(self) -> str:
        """The model it serves: a fine-tuned model, a checkpoint, or a base model with its version."""
        model = getattr(self.deployment.properties, "model", None)
        name, version = str(getattr(model, "name", "") or ""), str(getattr(model, "version", "") or "")
        return name if ".ft-" in name or version in ("", "1") else f"{name}-{version}"

    @property
    def sku(self) -> str:
        return str(getattr(self.deployment.sku, "name", "") or "")

    @property
    def capacity(self) -> int:
        """Thousands of tokens per minute."""
        return int(getattr(self.deployment.sku, "capacity", 0) or 0)

    @property
    def state(self) -> str:
        """The provisioning state: Accepted, Creating, Succeeded, Failed, Deleting, …"""
        return str(getattr(self.deployment.properties, "provisioning_state", "") or "")

    @property
    def created_at(self) -> datetime | None:
        return getattr(getattr(self.deployment, "system_data", None), "created_at", None)

    @property
    def terms(self) -> Terms:
        """What it costs and what ends it."""
        now = datetime.fromtimestamp(self.read_at, UTC)
        return deployment_terms(sku=self.sku, model=self.model, now=now, created_at=self.created_at)

    def refresh(self) -> Deployment:
        """Read it anew."""
        fresh = Deployments(self.workspace).retrieve(self.name)
        self.deployment, self.read_at = fresh.deployment, fresh.read_at
        return self

    def update(self, *, capacity: int) -> Deployment:
        """Change its capacity, in thousands of tokens per minute."""
        fresh = Deployments(self.workspace).update(self.name, capacity=capacity)
        self.deployment, self.read_at = fresh.deployment, fresh.read_at
        return self

    def delete(self) -> None:
        Deployments(self.workspace).delete(self.name)

    def __repr__(self) -> str:
        return f"<Deployment {self.name}: {self.state}, {self.model} as {self.sku} at {self.workspace.name}>"

    def _card(self) -> Card:
        rows = [
            ("deployment", self.name),
            ("state", self.state),
            ("model", self.model),
            ("SKU", f"{self.sku}, {self.capacity} thousand tokens per minute"),
            ("at", self.workspace.name),
            ("read", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.read_at))),
        ]
        here = "Nothing is billed here. At Azure:" if self.workspace.embedded else ""
        return Card(facts(rows, "Deployment"), Items(self.terms.lines, here))


def deployable_name(model: Any) -> str:
    """The name to deploy: of a job its model or newest checkpoint, of a checkpoint its model name, or the text itself.

    Raises RequestError when there is nothing that could be deployed.
    """
    if isinstance(model, str):
        name: Any = load_catalogue().model(model).id if _is_base(model) else model  # type: ignore[union-attr]
    elif isinstance(model, Job):
        name = model.deployable
    elif isinstance(model, Mapping):
        name = model.get("fine_tuned_model_checkpoint") or model.get("name") or model.get("fine_tuned_model")
    else:
        fields = ("fine_tuned_model_checkpoint", "name", "fine_tuned_model")
        name = next((value for f in fields if (value := getattr(model, f, None))), None)
    if not isinstance(name, str) or not name.strip():
        raise RequestError(
            f"{model!r} names nothing that can be deployed. Give a job that has succeeded or is paused, a checkpoint "
            "(job.checkpoints()), or the name of a model."
        )
    return name.strip()


def _future(base: str) -> str:
    """A name such as the models tuned from `base` have: what it costs and when it ends is the same for all."""
    return base if ".ft-" in base else f"{base}.ft-"


def _is_base(name: str) -> bool:
    return ".ft-" not in name and load_catalogue().model(name) is not None


def _body(model: str, sku: str, capacity: int, source: str | Resource | None) -> dict[str, Any]:
    """The deployment as ARM wants it."""
    name, version = name_and_version(model)
    wanted: dict[str, Any] = {"format": model_format(model), "name": name, "version": version}
    if source is not None:
        wanted["source"] = source if isinstance(source, str) else source.management.account.id
    return {"sku": {"name": sku_name(sku), "capacity": capacity}, "properties": {"model": wanted}}
