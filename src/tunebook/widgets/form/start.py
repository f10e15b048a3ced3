"""Where a job form may start from: an empty form, a recent job again, or the model a recent job has made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import ipywidgets

from tunebook.widgets.form.values import FormValues, values_of_job
from tunebook.widgets.pieces import Offering

if TYPE_CHECKING:
    from tunebook.service import Job

_EMPTY = ("an empty form", "")
_AGAIN, _GO_ON = "again ", "go on "


class StartFrom:
    """The list of recent jobs; `chosen` is called with the values of the one that is picked, or with `empty`."""

    def __init__(
        self,
        chosen: Callable[[FormValues], None],
        empty: FormValues,
        guard: Callable[[Callable[..., Any]], Callable[..., None]],
    ) -> None:
        self.widget = ipywidgets.Dropdown(description="start from", options=[_EMPTY])
        self.records: dict[str, Mapping[str, Any]] = {}
        self._chosen, self._empty, self._offering = chosen, empty, Offering()
        self.widget.observe(guard(self._picked), "value")

    def offer(self, jobs: Iterable[Job]) -> None:
        """Offer these jobs, each again, and to go on from where it has made a model."""
        options = [_EMPTY]
        for job in jobs:
            record = job.job.to_dict(mode="json")
            self.records[job.id] = record
            title = record.get("suffix") or record.get("model")
            options.append((f"again: {title} ({job.status}) {job.id}", f"{_AGAIN}{job.id}"))
            if record.get("fine_tuned_model"):
                options.append((f"continue from the model of {title} {job.id}", f"{_GO_ON}{job.id}"))
        with self._offering.new_options():
            self.widget.options = options

    def _picked(self, change: Any) -> None:
        choice = change["new"]
        if self._offering:
            return
        if not choice:
            self._chosen(self._empty)
        else:
            record = self.records[choice.removeprefix(_AGAIN).removeprefix(_GO_ON)]
            self._chosen(values_of_job(record, go_on=choice.startswith(_GO_ON)))
