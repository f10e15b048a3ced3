"""A sweep's doubts: requests whose answer was lost are looked for with patience, and what came twice is named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING

from tunebook.analysis.run import Run
from tunebook.experiments.sweeps.manifest import Entry, Manifest
from tunebook.service.jobs import as_json
from tunebook.service.once import LOOKS

if TYPE_CHECKING:
    from openai.types.fine_tuning import FineTuningJob

    from tunebook.service import Workspace

_LISTED = 500  # jobs, newest first, among which those of a sweep are looked for
_MOST_SENT = 3  # times a trial is sent when something refuses it that is not shown to be the service


class Doubts:
    """What one run of a sweep is not sure of; `say` gets a sentence for each doubt and each double."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._looks: Counter[int] = Counter()
        self._refused: Counter[int] = Counter()
        self._ticks_left = 0  # in which doubles of what was sent last are looked for
        self._named: set[str] = set()

    def sent(self) -> None:
        """Something was sent: doubles may come."""
        self._ticks_left = LOOKS

    def refused(self, index: int) -> bool:
        """Whether a refusal that is not shown to be the service's is to be believed by now."""
        self._refused[index] += 1
        return self._refused[index] >= _MOST_SENT

    def settle(self, workspace: Workspace, manifest: Manifest) -> Manifest:
        """Ask the service which of the requests in doubt it has: those are `sent`; after `LOOKS`, others `planned`."""
        doubtful = manifest.having("sending")
        if not doubtful:
            return manifest
        arrived = _by_identity(_jobs(workspace))
        for entry in doubtful:
            index, identity = entry.trial.index, entry.trial.identity
            if identity in arrived:
                manifest = manifest.update(index, state="sent", job_id=arrived[identity][-1].id)
                continue
            self._looks[index] += 1
            if self._looks[index] == 1:
                self._say(f"trial {index} ({identity}): its answer was lost. Looking whether it was created.")
            if self._looks[index] >= LOOKS:
                del self._looks[index]
                self._say(f"trial {index} ({identity}): the service does not have it. It is sent again.")
                manifest = manifest.update(index, state="planned", job_id=None)
        return manifest

    def name_doubles(self, workspace: Workspace, manifest: Manifest, *, last: bool = False) -> None:
        """Say which jobs stand beside those of the sweep, with the call that cancels them. last: the run ends."""
        if not (self._ticks_left or last):
            return
        self._ticks_left = max(self._ticks_left - 1, 0)
        for entry, double in _doubles(_jobs(workspace), manifest.entries):
            if double.id not in self._named:
                self._named.add(double.id)
                self._say(
                    f"trial {entry.trial.index} ({entry.trial.identity}): {entry.job_id} is its job; {double.id} was "
                    f'created as well, and is not needed: ws.jobs.retrieve("{double.id}").cancel()'
                )


def _jobs(workspace: Workspace) -> list[FineTuningJob]:
    return list(islice(workspace.client.fine_tuning.jobs.list(limit=100), _LISTED))


def _by_identity(jobs: Iterable[FineTuningJob]) -> dict[str, list[FineTuningJob]]:
    """Suffix -> its jobs, the oldest last."""
    named: dict[str, list[FineTuningJob]] = {}
    for job in jobs:
        named.setdefault(Run(job=as_json(job)).suffix or "", []).append(job)
    return named


def _doubles(jobs: Iterable[FineTuningJob], entries: Iterable[Entry]) -> list[tuple[Entry, FineTuningJob]]:
    named = _by_identity(jobs)
    return [
        (entry, job)
        for entry in entries
        if entry.job_id
        for job in named.get(entry.trial.identity, ())
        if job.id != entry.job_id and job.status != "cancelled"
    ]
