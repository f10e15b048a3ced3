"""Runs as folders, for comparing later and without the service.

    <folder>/<job id>/job.json            the job object as the service sent it
                      events.jsonl        its events, oldest first
                      checkpoints.json    the checkpoints the service kept
                      results.csv         the result file, byte for byte as downloaded

`job.json` and `results.csv` are enough for one; a `results.csv` alone is read too, under its folder's name.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tunebook.analysis.results import load_results
from tunebook.analysis.run import Run
from tunebook.errors import ResultsError
from tunebook.service.jobs import Job, as_json

_PARTS = ("job.json", "results.csv")


def archive(jobs: Job | Iterable[Job], folder: str | os.PathLike[str]) -> list[Path]:
    """Download jobs into `folder`, one folder each, and return those. A job archived before is replaced whole."""
    return [_archive_one(job, Path(folder)) for job in ([jobs] if isinstance(jobs, Job) else jobs)]


def _archive_one(job: Job, folder: Path) -> Path:
    job.refresh()
    final, partial = folder / job.id, folder / f".{job.id}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    _write_json(partial / "job.json", as_json(job.job))
    _write_json(partial / "checkpoints.json", [as_json(c) for c in job.checkpoints()])
    events = [json.dumps(as_json(event), ensure_ascii=False) for event in job.events()]
    (partial / "events.jsonl").write_text("".join(f"{line}\n" for line in events), "utf-8")
    for file_id in (job.job.result_files or ())[:1]:
        (partial / "results.csv").write_bytes(job.workspace.files.content(file_id))
    shutil.rmtree(final, ignore_errors=True)
    partial.rename(final)  # last, and at once: a folder with this name is always a whole one
    return final


def read_run(folder: str | os.PathLike[str]) -> Run:
    """The run in a folder. Raises ResultsError, naming the file, for one that holds none or a damaged one."""
    path = Path(folder)
    if not any((path / part).is_file() for part in _PARTS):
        raise ResultsError(f"{path}: no run is here; a run folder holds {' and '.join(_PARTS)}.")
    job = _read_json(path / "job.json", {"id": path.name})
    results_file = path / "results.csv"
    return Run(
        job=job,
        results=load_results(results_file, name=str(job.get("id", path.name))) if results_file.is_file() else None,
        checkpoints=tuple(_read_json(path / "checkpoints.json", [])),
        events=tuple(_read_lines(path / "events.jsonl")),
    )


def read_runs(folder: str | os.PathLike[str]) -> list[Run]:
    """The runs in the folders below `folder` (or in it), in the order of their names."""
    path = Path(folder)
    if not path.is_dir():
        raise ResultsError(f"{path}: there is no such folder. Name one that holds run folders.")
    if any((path / part).is_file() for part in _PARTS):
        return [read_run(path)]
    found = sorted({file.parent for part in _PARTS for file in path.glob(f"*/{part}") if file.parent.name[0] != "."})
    if not found:
        raise ResultsError(f"{path}: no run folders are here; each holds {' and '.join(_PARTS)}.")
    return [read_run(run) for run in found]


def _write_json(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _read_json(file: Path, otherwise: Any) -> Any:
    if not file.is_file():
        return otherwise
    try:
        value = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ResultsError(f"{file}: this part of the run cannot be read: {error}. Archive the job again.") from error
    if not isinstance(value, type(otherwise)):
        raise ResultsError(f"{file}: a {type(otherwise).__name__} is expected here. Archive the job again.")
    return value


def _read_lines(file: Path) -> list[Any]:
    if not file.is_file():
        return []
    try:
        return [json.loads(line) for line in file.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise ResultsError(f"{file}: this part of the run cannot be read: {error}. Archive the job again.") from error
