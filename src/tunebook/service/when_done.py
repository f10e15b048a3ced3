"""Deploying when a job has ended: an order written down in the state folder, and a watcher that carries it out.

The watcher lives in this process; the order outlives it, and the next `connect` to the same resource takes it up. Who
holds an order's lock carries it out, so that two notebooks do not; creating a deployment that is there already makes
no second one.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from openai import NotFoundError

from tunebook.errors import RequestError, TunebookError
from tunebook.service.jobs import Job, Jobs
from tunebook.service.locks import held
from tunebook.service.once import AWAY
from tunebook.service.pacing import intervals
from tunebook.service.resource import Resource
from tunebook.show import Card, Shown, facts

FOLDER = "deploy-when-done"
Choice = Literal["diagnosis", "last"]
CHOICES: tuple[Choice, ...] = ("diagnosis", "last")
_EMBEDDED = "embedded"  # its port changes with every start: its state folder says which it is


@dataclass(frozen=True)
class DeployOrder(Shown):
    """What is to be deployed when a job has ended, and how far that is.

    checkpoint: the one that the `diagnosis` recommends (the last where it recommends none), or the `last`. state:
    waiting (for the job), deploying, done, given up, or withdrawn; `note` says what came of it.

    >>> order = job.deploy_when_done("support-v2", say=str)
    >>> order.name, order.checkpoint
    ('support-v2', 'diagnosis')
    """

    job: str
    name: str
    sku: str
    capacity: int
    checkpoint: Choice
    resource: str
    state: str = "waiting"
    model: str = ""
    note: str = ""

    @property
    def open(self) -> bool:
        """Whether something is still to be done."""
        return self.state in ("waiting", "deploying")

    def __repr__(self) -> str:
        told = f"; {self.note}" if self.note else ""
        return f"<DeployOrder {self.name} when {self.job} has ended: {self.state}{told}>"

    def _card(self) -> Card:
        rows = [
            ("deployment", self.name),
            ("when this has ended", self.job),
            ("checkpoint", self.model or {"diagnosis": "as the diagnosis says", "last": "the last"}[self.checkpoint]),
            ("SKU", f"{self.sku}, {self.capacity} thousand tokens per minute"),
            ("state", self.state),
            ("note", self.note),
        ]
        return Card(facts(rows, "Deploy when done"))


class Orders:
    """The orders of one resource on this machine. deploy: what creates a deployment, as `ws.deployments.create`."""

    def __init__(self, resource: Resource, deploy: Callable[..., Any]) -> None:
        self._resource, self._deploy = resource, deploy
        self._folder = resource.state / FOLDER
        self._name = _EMBEDDED if resource.embedded else resource.endpoint

    def all(self) -> list[DeployOrder]:
        """The orders for this resource, the newest first. What cannot be read is left out."""
        files = sorted(self._folder.glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True)
        orders = (_read(file) for file in files)
        return [order for order in orders if order is not None and order.resource == self._name]

    def add(self, job: Job, *, name: str, sku: str, capacity: int, checkpoint: Choice) -> DeployOrder:
        """Write the order down and begin to watch. Raises RequestError where the job has another one that is open."""
        order = DeployOrder(job.id, name, sku, capacity, checkpoint, self._name)
        known = _read(self._file(job.id))
        if known is not None and known.open:
            if replace(known, state="waiting", model="", note="") == order:
                return known
            raise RequestError(
                f"{job.id} is to be deployed as {known.name!r} already. Withdraw that first: "
                f"ws.deployments.withdraw({job.id!r})."
            )
        self._write(order)
        self.watch(order)
        return order

    def withdraw(self, job_id: str) -> DeployOrder:
        """Take an order back before it is carried out. Raises RequestError where there is none that is open."""
        order = _read(self._file(job_id))
        if order is None or order.state != "waiting":
            how = "there is none" if order is None else f"it is {order.state}"
            raise RequestError(f"Nothing to withdraw for {job_id}: {how}.")
        return self._write(replace(order, state="withdrawn"))

    def resume(self) -> list[DeployOrder]:
        """Watch every order that is open; returns them."""
        waiting = [order for order in self.all() if order.open]
        for order in waiting:
            self.watch(order)
        return waiting

    def watch(self, order: DeployOrder) -> threading.Thread:
        """Carry the order out on a thread that ends with this process."""
        name = f"tunebook-deploy-{order.job}"
        thread = threading.Thread(target=self.carry_out, args=[order.job], name=name, daemon=True)
        thread.start()
        return thread

    def carry_out(self, job_id: str, sleep: Callable[[float], object] = time.sleep) -> DeployOrder | None:
        """Wait for the job, deploy, and write down what came of it. Another watcher of the order is let finish."""
        pauses = intervals(*self._resource.poll_interval_s)
        while (order := _read(self._file(job_id))) is not None and order.open:
            with held(self._file(job_id).with_suffix(".lock")) as mine:
                now = _read(self._file(job_id))  # it may have been withdrawn meanwhile
                if mine and now is not None and now.open:
                    order = self._step(now)
            if not order.open:
                return order
            sleep(next(pauses))
        return order

    def _step(self, order: DeployOrder) -> DeployOrder:
        """One look: the order as it is now. What passes by itself is tried again at the next one."""
        try:
            job = Jobs(self._resource).retrieve(order.job)
            if not job.ended:
                return order
            if job.status != "succeeded":
                return self._write(replace(order, state="given up", note=f"the job is {job.status}"))
            model = order.model or chosen_checkpoint(job, order.checkpoint)
            order = self._write(replace(order, state="deploying", model=model))
            told: list[str] = []
            self._deploy(model, name=order.name, sku=order.sku, capacity=order.capacity, say=told.append)
            return self._write(replace(order, state="done", note=told[-1] if told else ""))
        except AWAY:
            return order
        except NotFoundError:
            return self._write(replace(order, state="given up", note="the service does not know the job any more"))
        except TunebookError as error:
            return self._write(replace(order, state="given up", note=str(error)))

    def _file(self, job_id: str) -> Path:
        return self._folder / f"{''.join(c for c in job_id if c.isalnum() or c in '-_')}.json"

    def _write(self, order: DeployOrder) -> DeployOrder:
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._file(order.job)
        partial = file.with_suffix(f".{os.getpid()}.partial")
        partial.write_text(json.dumps(asdict(order), indent=1), "utf-8")
        partial.replace(file)
        return order


def _read(file: Path) -> DeployOrder | None:
    try:
        return DeployOrder(**json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def chosen_checkpoint(job: Job, checkpoint: Choice) -> str:
    """The checkpoint that the diagnosis recommends and the service keeps, else the last."""
    if checkpoint == "diagnosis":
        from tunebook.analysis.curves.diagnosis import diagnose  # SciPy takes longer to load than a job to list

        best = diagnose(job.run()).checkpoint
        if best is not None and best.get("name"):
            return str(best["name"])
    return job.deployable
