"""Where every number comes from: jobs, files with their hashes, what happened on the way, versions.

One record in plain values (`record_of`), which `provenance.json` holds and the tables of report and model card show.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from tunebook.analysis.run import Run
from tunebook.analysis.sweeps.comparison import Comparison, run_ids
from tunebook.analysis.sweeps.rows import ComparedJob
from tunebook.catalogue import load_catalogue
from tunebook.errors import RequestError
from tunebook.report.content import Table
from tunebook.show import Span
from tunebook.words import count, duration, is_number, listed, missing, moment, plural, setting

Record = Mapping[str, Any]
PACKAGES = ("tunebook", "numpy", "pandas", "scipy", "scikit-learn", "matplotlib")
NOT_TOLD = "not told"
_NUMBERS = ("Tokens", "Took", "Rows", "Bytes")
# What the embedded service writes into each job's events, so that practice is never taken for the real thing.
_STAND_IN = "embedded stand-in"
# Events shown at most: a job that warns at every step would bury the others.
MOST_EVENTS = 12


def record_of(comparison: Comparison, files: Mapping[str, Any] | None, *, made: datetime) -> dict[str, Any]:
    """The record, ready for `json.dumps`; `files` maps file ids to paths on this machine, which are read and hashed."""
    runs, ids = comparison.runs, run_ids(comparison.runs)
    compared = {job.id: job for job in comparison.jobs}
    jobs = [_job(job_id, run, compared[job_id]) for job_id, run in zip(ids, runs, strict=True)]
    best = compared[comparison.winner] if comparison.winner else None
    only = best or (comparison.jobs[0] if len(jobs) == 1 else None)
    return {
        "made": made.isoformat(timespec="seconds"),
        "conclusion": only.verdict if only else None,
        "recommended": {"job": best.id, "step": best.step, "model": best.checkpoint} if best else None,
        "jobs": jobs,
        "files": _files(runs, files or {}),
        "incidents": [
            {
                "at": _plain(event.get("created_at")),
                "job": job_id,
                "level": str(event.get("level")),
                "message": str(event.get("message") or ""),
            }
            for job_id, run in zip(ids, runs, strict=True)
            for event in run.events
            if event.get("level") in ("warn", "warning", "error")
        ],
        "software": {"Python": platform.python_version(), **_versions()},
        "catalogue": f"{load_catalogue().as_of:%Y-%m-%d}",
    }


def _job(job_id: str, run: Run, compared: ComparedJob) -> dict[str, Any]:
    known = load_catalogue().model(run.model)
    error = run.job.get("error")
    return {
        "id": job_id,
        "suffix": run.suffix,
        "practice": is_practice(run),
        "status": run.status or None,
        "error": str(error.get("message") or "") or None if isinstance(error, Mapping) else None,
        "base_model": run.model or None,
        "base_model_version": known.version or None if known else None,
        "method": run.method,
        "training_type": _plain(run.job.get("trainingType") or run.job.get("training_type")),
        "seed": run.seed,
        "settings": run.hyperparameters,
        "training_file": run.training_file,
        "validation_file": run.validation_file,
        "tokens": run.trained_tokens,
        "cost_usd": compared.cost_usd,
        "created_at": _plain(run.job.get("created_at")),
        "finished_at": _plain(run.job.get("finished_at")),
        "seconds": seconds_of(run),
        "steps": None if run.results is None else len(run.results),
        "measurements_sha256": _digest(run) or None,
        "model": run.fine_tuned_model,
        "checkpoints": sorted(int(kept.get("step_number") or 0) for kept in run.checkpoints),
        "conclusion": compared.verdict,
    }


def is_practice(run: Run) -> bool:
    """Whether the embedded service trained it: nothing was billed, and no model of Azure's was made."""
    return any(_STAND_IN in str(event.get("message", "")) for event in run.events[:20])


def seconds_of(run: Run) -> float | None:
    """How long the job took; None where it has not ended, or the service's clocks contradict each other."""
    start: Any = run.job.get("created_at")
    end: Any = run.job.get("finished_at")
    if is_number(start) and is_number(end) and end >= start:
        return float(end - start)
    return None


def fingerprint(run: Run) -> str:
    """The first 12 hexadecimal digits of the SHA-256 of the measurements, written as CSV; "" without results."""
    return _digest(run)[:12]


def _digest(run: Run) -> str:
    if run.results is None:
        return ""
    text = run.results.frame.to_csv(index=False, lineterminator="\n")
    return hashlib.sha256(text.encode()).hexdigest()


def _files(runs: Sequence[Run], files: Mapping[str, Any]) -> list[dict[str, Any]]:
    used: dict[str, list[str]] = {}
    for run in runs:
        for role, file_id in (("training", run.training_file), ("validation", run.validation_file)):
            if file_id and role not in used.setdefault(file_id, []):
                used[file_id].append(role)
    return [{"id": file_id, "used_for": roles, **_measured(files.get(file_id))} for file_id, roles in used.items()]


def _measured(path: Any) -> dict[str, Any]:
    """What a file is, read once: its rows (lines that are not blank), bytes and hash; None for each without a path."""
    if path is None:
        return dict.fromkeys(("path", "name", "rows", "bytes", "sha256"))
    where, digest, rows = Path(path), hashlib.sha256(), 0
    try:
        with where.open("rb") as stream:
            for line in stream:
                digest.update(line)
                rows += bool(line.strip())
            size = os.fstat(stream.fileno()).st_size
    except OSError as error:
        raise RequestError(
            f"files: {where} cannot be read ({error.strerror or error}). Give the path of the file as it was uploaded."
        ) from None
    return {"path": str(where), "name": where.name, "rows": rows, "bytes": size, "sha256": digest.hexdigest()}


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _plain(value: Any) -> Any:
    """What a service sent as a value that JSON holds: a number, else its words; None where there is none."""
    return value if is_number(value) else None if missing(value) else str(value)


# ---- the record as tables


def provenance(record: Record) -> tuple[Table, ...]:
    """The tables of a report's last part; those without rows are left out."""
    tables = [*jobs_tables(record), models_table(record), files_table(record)]
    tables += [incidents_table(record), software_table(record)]
    return tuple(table for table in tables if table.rows)


def jobs_tables(record: Record) -> list[Table]:
    """What the jobs have in common, told once, and one row a job for the rest."""
    jobs = [job_facts(job) for job in record["jobs"]]
    names = list(jobs[0]) if jobs else []
    same = [name for name in names if len(jobs) > 1 and len({job[name] for job in jobs}) == 1]
    own = [name for name in names if name not in same]
    common = [(name, jobs[0][name]) for name in same if jobs[0][name]]
    return [
        _table("The same for all jobs", ("What", "Value"), common),
        _table("Jobs", own, [[job[name] for name in own] for job in jobs], code=("Job",)),
    ]


def job_facts(job: Record) -> dict[str, str]:
    """A job of the record in words, by what they say; "" for what is not known."""
    steps, digest = job["steps"], job["measurements_sha256"]
    return {
        "Job": job["id"],
        "Status": job["status"] or NOT_TOLD,
        "Base model": job["base_model"] or "",
        "Method": job["method"],
        "Training type": str(job["training_type"] or ""),
        "Seed": setting(job["seed"]),
        "Hyperparameters as resolved": ", ".join(f"{name} {setting(value)}" for name, value in job["settings"].items()),
        "Tokens": count(job["tokens"]),
        "Created": moment(job["created_at"]),
        "Took": duration(job["seconds"]),
        "Measurements (SHA-256)": "" if steps is None else f"{plural(steps, 'step')}, {digest[:12]}",
    }


def models_table(record: Record) -> Table:
    """Which models each job left."""
    rows = [
        (job["id"], job["model"] or "", ", ".join(map(count, job["checkpoints"])))
        for job in record["jobs"]
        if job["model"] or job["checkpoints"]
    ]
    head = ("Job", "Final model", "Checkpoints kept at steps")
    return _table("Models the jobs left", head, rows, code=("Job", "Final model"))


def files_table(record: Record) -> Table:
    """The files the jobs learned from; rows, bytes and hash of those whose paths were given."""
    rows = [
        (
            file["id"],
            listed(file["used_for"]),
            file["name"] or "",
            count(file["rows"]),
            count(file["bytes"]),
            file["sha256"] or "",
        )
        for file in record["files"]
    ]
    head = ("File", "Used for", "Name", "Rows", "Bytes", "SHA-256")
    return _table("Files", head, rows, code=("File", "SHA-256"))


def incidents_table(record: Record) -> Table:
    """Warnings and errors of the jobs, the first of them where there are many."""
    incidents = [(moment(i["at"]), i["job"], i["level"], i["message"]) for i in record["incidents"]]
    more = "" if len(incidents) <= MOST_EVENTS else f" (the first {MOST_EVENTS} of {len(incidents):,})"
    head = ("When", "Job", "Level", "Message")
    return _table(f"Warnings and errors on the way{more}", head, incidents[:MOST_EVENTS], code=("Job",))


def software_table(record: Record) -> Table:
    """Versions of what computed the numbers, and the age of the facts."""
    rows = [*record["software"].items(), ("Catalogue of models and prices", record["catalogue"])]
    return _table("Software and facts", ("What", "Version or date"), rows)


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], *, code: Sequence[str] = ()) -> Table:
    """A table without the columns in which no row has anything; those named by `code` hold names to copy."""
    kept = [at for at in range(len(head)) if any(row[at] for row in rows)]
    names = [head[at] for at in kept]
    cells = [[Span(row[at], "code") if head[at] in code and row[at] else row[at] for at in kept] for row in rows]
    numeric = [at for at, name in enumerate(names) if name in _NUMBERS]
    return Table(names, cells, caption, numeric=numeric, labelled=True)
