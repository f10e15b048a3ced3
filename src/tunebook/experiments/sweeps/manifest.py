"""A sweep's memory on disk: what was planned, what was sent, what came of it.

It is written, whole and at once, before each submission and after each change. A trial is `planned`, `sending` (the
request may or may not have arrived), `sent` (its job id is known), `ended` (archived), `refused`, `gone` (deleted at
the service) or `stopped`. After a crash only `sending` is in doubt: the service is asked for the trial's identity.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tunebook.errors import TunebookError
from tunebook.experiments.sweeps.plan import Trial
from tunebook.service.locks import held
from tunebook.service.request import JobRequest

FILE = "sweep.json"
_LOCK = "running.lock"
OPEN = ("planned", "sending", "sent")
_STATES = (*OPEN, "ended", "refused", "gone", "stopped")


@dataclass(frozen=True)
class Entry:
    """A trial and how far it has come; `note` says why it was refused, or how its job ended."""

    trial: Trial
    state: str = "planned"
    job_id: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Manifest:
    """All entries of a sweep, and the folder they are remembered in."""

    folder: Path
    entries: tuple[Entry, ...]
    file_tokens: int | None = None
    file_examples: int | None = None

    def count(self, *states: str) -> int:
        return sum(entry.state in states for entry in self.entries)

    def having(self, state: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.state == state]

    def update(self, index: int, **changes: Any) -> Manifest:
        """The manifest with one entry changed, already on disk when this returns."""
        entries = tuple(replace(e, **changes) if e.trial.index == index else e for e in self.entries)
        changed = replace(self, entries=entries)
        changed.write()
        return changed

    def write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        record = {
            "tunebook_sweep": 1,
            "file_tokens": self.file_tokens,
            "file_examples": self.file_examples,
            "entries": [
                {
                    "index": e.trial.index,
                    "state": e.state,
                    "job_id": e.job_id,
                    "note": e.note,
                    "request": asdict(e.trial.request),
                }
                for e in self.entries
            ],
        }
        partial = self.folder / f"{FILE}.partial"
        with partial.open("w", encoding="utf-8") as file:
            json.dump(record, file, indent=1, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.folder / FILE)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a sweep's folder while it runs: two processes would send its jobs twice.

    Raises TunebookError when another process holds it.
    """
    with held(folder / _LOCK) as mine:
        if not mine:
            raise TunebookError(
                f"{folder}: this sweep is being run already, by another notebook or command. "
                "Interrupt that one first (no job ends by it), or look on with Sweep.open(folder).plan."
            )
        yield


def read_manifest(folder: str | os.PathLike[str]) -> Manifest:
    """The manifest in a sweep's folder. Raises TunebookError, saying where, for one that is missing, cut or edited."""
    path = Path(folder) / FILE
    try:
        record = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise TunebookError(f"{path}: no sweep is here. Name the folder a sweep was run in.") from None
    except (OSError, ValueError) as error:
        raise TunebookError(f"{path}: the sweep's manifest is damaged: {error}. {_MEND}") from error
    if not isinstance(record, Mapping) or record.get("tunebook_sweep") != 1:
        raise TunebookError(f"{path}: this is not the manifest of a sweep. {_MEND}")
    try:
        entries = tuple(_entry(number, raw) for number, raw in enumerate(record["entries"]))
    except (KeyError, TypeError, ValueError) as error:
        raise TunebookError(f"{path}: an entry does not fit: {error}. {_MEND}") from error
    return Manifest(Path(folder), entries, record.get("file_tokens"), record.get("file_examples"))


_MEND = (
    "Restore it from a copy; or start a new sweep in another folder and add the jobs already sent with "
    "tunebook.experiments.archive(jobs, folder)."
)


def _entry(number: int, raw: Mapping[str, Any]) -> Entry:
    if raw["index"] != number:
        raise ValueError(f"entry {number} has the index {raw['index']!r}")
    if raw["state"] not in _STATES:
        raise ValueError(f"entry {number} has the state {raw['state']!r}; known are {', '.join(_STATES)}")
    if raw["state"] == "sent" and not raw.get("job_id"):
        raise ValueError(f"entry {number} is sent but names no job_id")
    return Entry(Trial(number, JobRequest(**raw["request"])), raw["state"], raw.get("job_id"), raw.get("note", ""))
