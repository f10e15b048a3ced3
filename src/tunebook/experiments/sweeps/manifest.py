"""A sweep's memory on disk: what was planned, what was sent, what came of it.

It is written, whole and at once, before each submission and after each change. A trial is `planned`, `sending` (the
request may or may not have arrived), `sent` (its job id is known), `ended` (archived), `refused`, `gone` (deleted at
the service) or `stopped`. After a crash only `sending` is in doubt: the service is asked for the trial's identity.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from tunebook.errors import TunebookError
from tunebook.experiments.sweeps.plan import Size, Trial
from tunebook.service.locks import held
from tunebook.service.request import JobRequest
from tunebook.words import is_number

FILE = "sweep.json"
_LOCK = "running.lock"
OPEN = ("planned", "sending", "sent")
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


@dataclass(frozen=True)
class Entry:
    """A trial and how far it has come; `note` says why it was refused, or how its job ended."""

    trial: Trial
    state: str = "planned"
    job_id: str | None = None
    note: str = ""


class _Written(msgspec.Struct):
    """An entry as it stands in the file."""

    index: int
    state: Literal["planned", "sending", "sent", "ended", "refused", "gone", "stopped"]
    request: dict[str, Any]
    job_id: str | None = None
    note: str = ""


class _Record(msgspec.Struct):
    """The file."""

    tunebook_sweep: Literal[1]
    entries: list[_Written]
    file_tokens: _Count | dict[str, _Count] | None = None
    file_examples: _Count | dict[str, _Count] | None = None
    stop_losers: Annotated[float, msgspec.Meta(gt=0, lt=0.5)] | None = None


@dataclass(frozen=True)
class Manifest:
    """All entries of a sweep, and the folder they are remembered in."""

    folder: Path
    entries: tuple[Entry, ...]
    file_tokens: Size = None
    file_examples: Size = None
    stop_losers: float | None = None

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
        """Raises TunebookError, in one line, when the disk is full or the folder cannot be written."""
        record = {
            "tunebook_sweep": 1,
            "file_tokens": self.file_tokens,
            "file_examples": self.file_examples,
            "stop_losers": self.stop_losers,
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
        with told(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with partial.open("w", encoding="utf-8") as file:
                json.dump(record, file, indent=1, ensure_ascii=False)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.folder / FILE)


@contextmanager
def told(folder: Path) -> Iterator[None]:
    """What cannot be written here is said in one line: what was sent is remembered, and nothing is sent twice."""
    try:
        yield
    except OSError as error:
        raise TunebookError(
            f"{folder}: the sweep cannot be written down: {error.strerror or error}. Make room, or make it writable; "
            "then go on with the same call: what was sent is remembered."
        ) from error


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
        record = msgspec.json.decode(path.read_bytes(), type=_Record)
        entries = tuple(map(_entry, range(len(record.entries)), record.entries))
    except FileNotFoundError:
        raise TunebookError(f"{path}: no sweep is here. Name the folder a sweep was run in.") from None
    except (msgspec.ValidationError, _DoesNotFitError) as error:
        raise TunebookError(f"{path}: this is no manifest of a sweep, or it was edited: {error}. {_MEND}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise TunebookError(f"{path}: the sweep's manifest is damaged: {error}. {_MEND}") from error
    return Manifest(Path(folder), entries, record.file_tokens, record.file_examples, record.stop_losers)


_MEND = (
    "Restore it from a copy; or start a new sweep in another folder and add the jobs already sent with "
    "tunebook.experiments.archive(jobs, folder)."
)


class _DoesNotFitError(Exception):
    """An entry that no sweep writes."""


def _entry(number: int, raw: _Written) -> Entry:
    if raw.index != number:
        raise _DoesNotFitError(f"entry {number} has the index {raw.index}")
    if raw.state == "sent" and not raw.job_id:
        raise _DoesNotFitError(f"entry {number} is sent but names no job_id")
    if unknown := sorted(raw.request.keys() - {f.name for f in fields(JobRequest)}):
        raise _DoesNotFitError(f"the request of entry {number} has {unknown[0]!r}, which no request has")
    if endless := [name for name, value in raw.request.items() if type(value) is int and not is_number(value)]:
        raise _DoesNotFitError(f"{endless[0]} of entry {number} is no number that can be computed with")
    request = msgspec.convert(raw.request, JobRequest)
    return Entry(Trial(number, request), raw.state, raw.job_id, raw.note)
