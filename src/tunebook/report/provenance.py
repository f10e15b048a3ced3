"""Where every number comes from: jobs, files with their hashes, what happened on the way, versions."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from tunebook.analysis.run import Run
from tunebook.analysis.sweeps.comparison import Comparison, run_ids
from tunebook.catalogue import load_catalogue
from tunebook.errors import RequestError
from tunebook.report.content import Table
from tunebook.show import Span
from tunebook.words import count, duration, listed, moment, plural, setting

PACKAGES = ("tunebook", "numpy", "pandas", "scipy", "scikit-learn", "matplotlib")
_NUMBERS = ("Tokens", "Took", "Bytes")
# Events shown at most: a job that warns at every step would bury the others.
MOST_EVENTS = 12


def provenance(comparison: Comparison, files: Mapping[str, Any] | None) -> tuple[Table, ...]:
    """The tables of the last part; `files` maps file ids to paths on this machine, which are hashed."""
    runs, ids = comparison.runs, run_ids(comparison.runs)
    tables = [*_jobs(runs, ids), _models(runs, ids), _files(runs, files or {}), _incidents(runs, ids), _software()]
    return tuple(table for table in tables if table.rows)


def _jobs(runs: Sequence[Run], ids: Sequence[str]) -> list[Table]:
    """What the jobs have in common, told once, and one row a job for the rest."""
    jobs = [_facts(job_id, run) for job_id, run in zip(ids, runs, strict=True)]
    names = list(jobs[0]) if jobs else []
    same = [name for name in names if len(jobs) > 1 and len({job[name] for job in jobs}) == 1]
    own = [name for name in names if name not in same]
    common = [(name, jobs[0][name]) for name in same if jobs[0][name]]
    return [
        _table("The same for all jobs", ("What", "Value"), common),
        _table("Jobs", own, [[job[name] for name in own] for job in jobs], code=("Job",)),
    ]


def _facts(job_id: str, run: Run) -> dict[str, str]:
    return {
        "Job": job_id,
        "Status": run.status or "not told",
        "Base model": run.model,
        "Method": run.method,
        "Training type": str(run.job.get("trainingType") or run.job.get("training_type") or ""),
        "Seed": setting(run.seed),
        "Hyperparameters as resolved": ", ".join(
            f"{name} {setting(value)}" for name, value in run.hyperparameters.items()
        ),
        "Tokens": count(run.trained_tokens),
        "Created": moment(run.job.get("created_at")),
        "Took": duration(seconds_of(run)),
        "Measurements (SHA-256)": ""
        if run.results is None
        else f"{plural(len(run.results), 'step')}, {fingerprint(run)}",
    }


def seconds_of(run: Run) -> float | None:
    """How long the job took; None where it has not ended, or the service's clocks contradict each other."""
    start, end = run.job.get("created_at"), run.job.get("finished_at")
    if isinstance(start, int | float) and isinstance(end, int | float) and end >= start:
        return float(end - start)
    return None


def _models(runs: Sequence[Run], ids: Sequence[str]) -> Table:
    rows = []
    for job_id, run in zip(ids, runs, strict=True):
        steps = sorted(int(kept.get("step_number") or 0) for kept in run.checkpoints)
        if run.fine_tuned_model or steps:
            rows.append((job_id, run.fine_tuned_model or "", ", ".join(map(count, steps))))
    head = ("Job", "Final model", "Checkpoints kept at steps")
    return _table("Models the jobs left", head, rows, code=("Job", "Final model"))


def fingerprint(run: Run) -> str:
    """The first 12 hexadecimal digits of the SHA-256 of the measurements, written as CSV; "" without results."""
    if run.results is None:
        return ""
    text = run.results.frame.to_csv(index=False, lineterminator="\n")
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _files(runs: Sequence[Run], files: Mapping[str, Any]) -> Table:
    used: dict[str, list[str]] = {}
    for run in runs:
        for role, file_id in (("training", run.training_file), ("validation", run.validation_file)):
            if file_id and role not in used.setdefault(str(file_id), []):
                used[str(file_id)].append(role)
    rows = [(file_id, listed(roles), *_hashed(files.get(file_id))) for file_id, roles in used.items()]
    return _table("Files", ("File", "Used for", "Name", "Bytes", "SHA-256"), rows, code=("File", "SHA-256"))


def _hashed(path: Any) -> tuple[str, str, str]:
    if path is None:
        return "", "", ""
    where = Path(path)
    try:
        with where.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            size = os.fstat(stream.fileno()).st_size
    except OSError as error:
        raise RequestError(
            f"files: {where} cannot be read ({error.strerror or error}). Give the path of the file as it was uploaded."
        ) from None
    return where.name, count(size), digest


def _incidents(runs: Sequence[Run], ids: Sequence[str]) -> Table:
    incidents = [
        (moment(event.get("created_at")), job_id, str(event.get("level")), str(event.get("message") or ""))
        for job_id, run in zip(ids, runs, strict=True)
        for event in run.events
        if event.get("level") in ("warn", "warning", "error")
    ]
    more = "" if len(incidents) <= MOST_EVENTS else f" (the first {MOST_EVENTS} of {len(incidents):,})"
    head = ("When", "Job", "Level", "Message")
    return _table(f"Warnings and errors on the way{more}", head, incidents[:MOST_EVENTS], code=("Job",))


def _software() -> Table:
    rows = [("Python", platform.python_version())]
    for name in PACKAGES:
        try:
            rows.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    rows.append(("Catalogue of models and prices", f"{load_catalogue().as_of:%Y-%m-%d}"))
    return _table("Software and facts", ("What", "Version or date"), rows)


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], *, code: Sequence[str] = ()) -> Table:
    """A table without the columns in which no row has anything; those named by `code` hold names to copy."""
    kept = [at for at in range(len(head)) if any(row[at] for row in rows)]
    names = [head[at] for at in kept]
    cells = [[Span(row[at], "code") if head[at] in code and row[at] else row[at] for at in kept] for row in rows]
    numeric = [at for at, name in enumerate(names) if name in _NUMBERS]
    return Table(names, cells, caption, numeric=numeric, labelled=True)
