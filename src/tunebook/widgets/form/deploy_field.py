"""The switch of a job form that has the model deployed once the job has succeeded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import ipywidgets

from tunebook.service.terms import deployment_terms
from tunebook.widgets.form.fields import DESCRIBED, row
from tunebook.widgets.pieces import described, note, place, put

_SKUS = ("standard", "globalstandard", "developer")
_CHECKPOINTS = (("the one the diagnosis recommends", "diagnosis"), ("the last", "last"))


class DeployField:
    """`arguments` are what `ws.jobs.create` is given beside the request: nothing while the switch is off."""

    def __init__(self, guard: Callable[[Callable[..., Any]], Callable[..., None]], changed: Callable[[], None]) -> None:
        self.switch = ipywidgets.Checkbox(description="deploy when done", indent=True)
        self.name = ipywidgets.Text(description="deployment name", placeholder="e.g. support-v1")
        self.sku = ipywidgets.Dropdown(description="SKU", options=_SKUS)
        self.checkpoint = ipywidgets.Dropdown(description="checkpoint", options=_CHECKPOINTS)
        self._note = ipywidgets.HTML()
        for part in self._parts:
            described(part, DESCRIBED)
            place(part, width="100%", margin="1px 0")
            part.observe(guard(lambda _: changed()), "value")
        self.widget = row(ipywidgets.VBox(list(self._parts)), self._note)

    @property
    def _parts(self) -> tuple[Any, ...]:
        return self.switch, self.name, self.sku, self.checkpoint

    @property
    def arguments(self) -> dict[str, Any]:
        if not self.switch.value:
            return {}
        chosen = {"name": self.name.value.strip(), "sku": self.sku.value, "checkpoint": self.checkpoint.value}
        return {"deploy": chosen}

    @property
    def code(self) -> str:
        """The line that asks for it in a cell, below the one that creates the job."""
        deploy = self.arguments.get("deploy")
        if not deploy:
            return ""
        return f"\njob.deploy_when_done({deploy['name']!r}, {deploy['sku']!r}, checkpoint={deploy['checkpoint']!r})"

    def show(self, model: str, *, free: bool) -> None:
        """Show the fields that belong to it, what the deployment will cost, and what will end it."""
        for part in self._parts[1:]:
            part.layout.display = "" if self.switch.value else "none"
        if not self.switch.value:
            put(self._note, note("Deploys the model by itself once the job has succeeded; a restart loses nothing."))
            return
        lines = deployment_terms(sku=self.sku.value, model=f"{model}.ft-", now=datetime.now(UTC)).lines
        named = "" if self.name.value.strip() else note("A deployment needs a name.", "bad")
        here = "Nothing is billed here; at Azure: " if free else ""
        put(self._note, named + "".join(note(told) for told in (here + lines[0], *lines[1:])))
