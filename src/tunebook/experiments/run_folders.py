"""Runs as folders, for comparing later and without the service.

    <folder>/<job id>/job.json            the job object as the service sent it
                      events.jsonl        its events, oldest first
                      checkpoints.json    the checkpoints the service kept
                      results.csv         the result file, byte for byte as downloaded

`job.json` and `results.csv` are enough for one; a `results.csv` alone is read too, under its folder's name.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypedDict

import msgspec
import openai

from tunebook.analysis.results import load_results
from tunebook.analysis.run import NEEDED, Run
from tunebook.errors import ResultsError, TunebookError
from tunebook.service.jobs import Job, as_json

_LONGEST_NAME = 100
_Moment = Annotated[float, msgspec.Meta(ge=0, le=1e11)]  # seconds since 1970
_Whole = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class _JobFile(TypedDict, total=False):
    """What is read of `job.json`; further keys are kept as they are."""

    id: str
    status: str | None
    model: str | None
    created_at: _Moment | None
    finished_at: _Moment | None
    training_file: str | None
    validation_file: str | None
    fine_tuned_model: str | None
    suffix: str | None
    user_provided_suffix: str | None
    trainingType: str | None
    training_type: str | None
    seed: int | None
    trained_tokens: _Whole | None
    hyperparameters: dict[str, Any] | None
    method: dict[str, Any] | str | None
    error: dict[str, Any] | str | None
    result_files: list[Any] | None


class _CheckpointFile(TypedDict, total=False):
    id: str
    created_at: _Moment | None
    step_number: _Whole | None
    fine_tuned_model_checkpoint: str | None
    metrics: dict[str, float | None] | None


class _EventFile(TypedDict, total=False):
    id: str
    created_at: _Moment | None
    level: str | None
    message: str | None
    data: Any


_PARTS = (*NEEDED, "checkpoints.json", "events.jsonl")


def archive(jobs: Job | Iterable[Job], folder: str | os.PathLike[str]) -> list[Path]:
    """Download jobs into `folder`, one folder each, and return those. A job archived before is replaced whole.

    >>> tb.archive(job, "kept")
    [PosixPath('kept/ftjob-...')]
    """
    return [_archive_one(job, Path(folder)) for job in ([jobs] if isinstance(jobs, Job) else jobs)]


def _archive_one(job: Job, folder: Path) -> Path:
    if not job.ended:  # one that has ended does not change any more
        job.refresh()
    name = folder_name(job.id)
    final, half = folder / name, folder / f".{name}.partial"
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    _write_json(half / "job.json", as_json(job.job))
    _write_json(half / "checkpoints.json", [as_json(c) for c in job.checkpoints()])
    events = [json.dumps(as_json(event), ensure_ascii=False) for event in job.events()]
    (half / "events.jsonl").write_text("".join(f"{line}\n" for line in events), "utf-8")
    for file_id in (job.job.result_files or ())[:1]:
        with suppress(openai.NotFoundError):  # deleted at the service: the rest of the job is still worth keeping
            (half / "results.csv").write_bytes(job.workspace.files.content(file_id))
    shutil.rmtree(final, ignore_errors=True)
    half.rename(final)  # last, and at once: a folder with this name is always a whole one
    return final


def folder_name(text: str) -> str:
    """The name of a folder for an id or name from a service, which is never a path: what no id has becomes `_`."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", text)
    if safe == text and len(text) <= _LONGEST_NAME and text.strip("."):
        return text
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()  # two stay two
    return f"{safe[: _LONGEST_NAME - 9].lstrip('.')}-{digest}"


def read_run(folder: str | os.PathLike[str]) -> Run:
    """The run in a folder. Raises ResultsError, naming the file, for one that holds none or a damaged one.

    >>> tb.read_run("runs/ftjob-calm").hyperparameters
    {'n_epochs': 3, 'batch_size': 4, 'learning_rate_multiplier': 0.1}
    """
    path = Path(folder)
    if not any((path / part).is_file() for part in NEEDED):
        raise ResultsError(f"{path}: no run is here; a run folder holds {' and '.join(NEEDED)}.")
    run = _read(path)
    if run.problems:
        raise ResultsError(" ".join(run.problems.values()))
    return run


def read_runs(folder: str | os.PathLike[str]) -> list[Run]:
    """The runs in the folders below `folder` (or in it, or a sweep's), in the order of their names.

    A damaged run does not keep the others from being read: it comes with what could be read of it and says what could
    not in `problems`, which `tb.compare` tells. Raises ResultsError where there is no run at all.

    >>> [run.suffix for run in tb.read_runs("runs")]
    ['calm', 'hasty', 'long', 'short']
    """
    path = Path(folder)
    if not path.is_dir():
        raise ResultsError(f"{path}: there is no such folder. Name one that holds run folders.")
    if any((path / part).is_file() for part in NEEDED):
        return [read_run(path)]
    for place in (path, path / "runs"):
        folders = sorted({file.parent for part in _PARTS for file in place.glob(f"*/{part}")})
        if folders := [run for run in folders if not run.name.startswith(".")]:
            return [_read(run) for run in folders]
    raise ResultsError(f"{path}: no run folders are here; each holds {' and '.join(NEEDED)}.")


def _read(path: Path) -> Run:
    """What can be read of the run in a folder; what cannot is in its `problems`."""
    problems: dict[str, str] = {}

    def part(name: str, read: Callable[[Path], Any], otherwise: Any) -> Any:
        file = path / name
        if not file.is_file():
            return otherwise
        try:
            return read(file)
        except (OSError, ValueError, RecursionError, TunebookError) as error:
            tell(name, error)
            return otherwise

    def tell(name: str, error: Exception) -> None:
        file = path / name
        problem = str(error) if str(file) in str(error) else f"{file}: this part of the run cannot be read: {error}"
        problems[name] = f"{problem.rstrip('.')}. Archive the job again, or correct the file."

    job = {}
    for key, value in part("job.json", partial(_read_json, kind=dict[str, Any]), {}).items():
        try:
            msgspec.convert({key: value}, _JobFile)
            job[key] = value
        except msgspec.ValidationError as error:  # the rest of the job is known
            tell("job.json", error)
    name = str(job.get("id") or path.name)
    run = Run(
        job={"id": path.name} | job,
        results=part("results.csv", partial(load_results, name=name), None),
        checkpoints=tuple(
            part("checkpoints.json", partial(_read_json, kind=list[dict[str, Any]], shape=list[_CheckpointFile]), [])
        ),
        events=tuple(part("events.jsonl", _read_lines, [])),
        problems=problems,
    )
    if not any((path / needed).is_file() for needed in NEEDED):
        problems["results.csv"] = f"{path}: {' and '.join(NEEDED)} are missing. Archive the job again."
    return run


def _write_json(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _read_json(file: Path, *, kind: Any, shape: Any = Any) -> Any:
    """A value of JSON of this kind, whose parts have the types of `shape`."""
    value = msgspec.json.decode(file.read_bytes().removeprefix(b"\xef\xbb\xbf"), type=kind)
    msgspec.convert(value, shape)
    return value


def _read_lines(file: Path) -> list[dict[str, Any]]:
    """One JSON object a line. A thousand archived runs hold half a million of them: hence the fast decoder."""
    events = msgspec.json.Decoder(dict[str, Any]).decode_lines(file.read_bytes())
    msgspec.convert(events, list[_EventFile])
    return events
