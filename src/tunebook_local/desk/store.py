"""Where the service keeps everything: one folder with an SQLite database (WAL) and plain files.

    service.db   files, uploads, jobs, events, checkpoints, deployments, result rows
    blobs/       uploaded content, one file each, under names of our own
    incoming/    content still arriving; emptied at every start
    jobs/<id>/   saved training states and weights

A reply is sent after its transaction is committed, and a blob is in place before the record that names it, so
that a process killed at any moment loses nothing it has acknowledged. Readers never wait for writers.

No HTTP and no decisions here, but for one: a job's status moves by the table of `states`.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from tunebook_local.desk.database import SELECTED, TABLES, create_tables, insert, read_row, update, where_clause
from tunebook_local.desk.records import CheckpointRow, EventRow, FileRow, JobRow, TunedModel
from tunebook_local.desk.states import ENDED
from tunebook_local.desk.states import after as status_after

R = TypeVar("R")

_BUSY_S = 30.0


class Superseded(Exception):
    """Another process has taken over this job, or the job is gone: stop, and write nothing more."""


class Store:
    """The state folder. Safe to use from any thread and from several processes at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = folder / "blobs"
        self.incoming = folder / "incoming"
        self.jobs = folder / "jobs"
        self._local = threading.local()
        # For its user alone, whatever the folder was: other people's examples are in there.
        for inside in (self.blobs, self.incoming, self.jobs):
            inside.mkdir(mode=0o700, parents=True, exist_ok=True)
            inside.chmod(0o700)
        (folder / "service.db").touch(mode=0o600)
        for path in folder.glob("service.db*"):  # SQLite gives the files beside it the mode of the database
            with suppress(FileNotFoundError):
                path.chmod(0o600)
        with self.transaction() as db:
            create_tables(db)

    # -- records ------------------------------------------------------------------------------------------

    def get(self, record: type[R], **where: Any) -> R | None:
        """The one record with these values, or None."""
        table, condition, values = where_clause(record, where)
        row = self._db.execute(f"SELECT {SELECTED[record]} FROM {table} WHERE {condition}", values).fetchone()  # noqa: S608
        return None if row is None else read_row(record, row)

    def all(
        self, record: type[R], *, newest_first: bool = False, after: R | None = None, limit: int = -1, **where: Any
    ) -> list[R]:
        """Records with these values in the order they were added (or the reverse), those past `after`."""
        table, condition, values = where_clause(record, where)
        order, past = ("DESC", "<") if newest_first else ("ASC", ">")
        if after is not None:
            _, place, at = where_clause(record, {key: getattr(after, key) for key in TABLES[record][1]})
            condition += f" AND seq {past} (SELECT seq FROM {table} WHERE {place})"  # noqa: S608
            values = [*values, *at]
        query = f"SELECT {SELECTED[record]} FROM {table} WHERE {condition} ORDER BY seq {order} LIMIT ?"  # noqa: S608
        return [read_row(record, row) for row in self._db.execute(query, [*values, limit])]

    def count(self, record: type[R], **where: Any) -> int:
        """How many records have these values."""
        table, condition, values = where_clause(record, where)
        return int(self._db.execute(f"SELECT COUNT(*) FROM {table} WHERE {condition}", values).fetchone()[0])  # noqa: S608

    def add(self, *records: Any, again: str = "ABORT") -> None:
        """Add records, all or none. `again`: what a row that is there already means (ABORT, IGNORE, REPLACE)."""
        with self.transaction() as db:
            for row in records:
                insert(db, row, again)

    def change(self, record: type[R], where: Mapping[str, Any], **changes: Any) -> int:
        """Set fields of the records with these values; how many there were."""
        with self.transaction() as db:
            return update(db, record, where, changes)

    def remove(self, record: type[R], **where: Any) -> int:
        """Remove the records with these values; how many there were."""
        table, condition, values = where_clause(record, where)
        with self.transaction() as db:
            return db.execute(f"DELETE FROM {table} WHERE {condition}", values).rowcount  # noqa: S608

    # -- jobs ---------------------------------------------------------------------------------------------

    def move(self, job_id: str, action: str, *, worker: str | None = None, **changes: Any) -> JobRow | None:
        """Move a job by `action` of the transition table, with other changes; None when the table refuses.

        With `worker`, only as the job's own worker (else Superseded).
        """
        with self.transaction() as db:
            job = self.get(JobRow, id=job_id)
            if job is None or (worker is not None and job.worker != worker):
                raise Superseded(job_id)
            status = status_after(job.status, action)
            if status is None:
                return None
            update(db, JobRow, {"id": job_id}, {**changes, "status": status})
            return replace(job, status=status, **changes)

    def advance(
        self,
        job_id: str,
        worker: str,
        *,
        rows: Iterable[tuple[int, str]] = (),
        events: Iterable[EventRow] = (),
        checkpoint: CheckpointRow | None = None,
        **changes: Any,
    ) -> str:
        """What a worker has to say about its job, in one transaction; the job's status as it is now.

        Nothing is written about a job that has ended: it was cancelled this moment. Rows, events and checkpoints
        that are there already (a step repeated after a crash) stay as they are.
        """
        with self.transaction() as db:
            job = self.get(JobRow, id=job_id)
            if job is None or job.worker != worker:
                raise Superseded(job_id)
            if job.status in ENDED:
                return job.status
            for event in events:
                insert(db, event, "IGNORE")
            if checkpoint is not None:
                insert(db, checkpoint, "IGNORE")
            if job.result_file is not None:
                _append_rows(db, job.result_file, rows)
            if changes:
                update(db, JobRow, {"id": job_id}, changes)
            return job.status

    def result_text(self, file_id: str) -> bytes:
        """A result file as it stands: its header and the rows written so far, in step order."""
        lines = self._db.execute("SELECT line FROM rows WHERE file = ? ORDER BY step", [file_id])
        return "".join(line + "\n" for (line,) in lines).encode()

    def tuned_models(self) -> list[TunedModel]:
        """The models of succeeded jobs that are still there, newest first."""
        query = (
            "SELECT id, fine_tuned_model, base_model, model, finished_at FROM jobs WHERE status = 'succeeded' AND"
            " EXISTS (SELECT 1 FROM checkpoints WHERE name = jobs.fine_tuned_model AND weights IS NOT NULL)"
            " ORDER BY seq DESC"
        )
        return [TunedModel(*row) for row in self._db.execute(query)]

    def uploaded_files(self) -> tuple[int, int]:
        """How many files people have brought, and their bytes."""
        query = "SELECT COUNT(*), TOTAL(bytes) FROM files WHERE purpose != 'fine-tune-results'"
        count, total = self._db.execute(query).fetchone()
        return count, int(total)

    def expired_files(self, now: float) -> list[FileRow]:
        """Files whose life is over."""
        query = f"SELECT {SELECTED[FileRow]} FROM files WHERE expires_at <= ?"  # noqa: S608
        return [read_row(FileRow, row) for row in self._db.execute(query, [now])]

    def job_folder(self, job_id: str) -> Path:
        """The folder of a job's weights and training states."""
        folder = self.jobs / job_id
        folder.mkdir(exist_ok=True)
        return folder

    # -- content ------------------------------------------------------------------------------------------

    def new_content(self) -> Path:
        """A path for content that is about to arrive; `keep` it, or unlink it."""
        return self.incoming / uuid.uuid4().hex

    @staticmethod
    def secure(content: Path) -> None:
        """Wait until arrived content is on the disk: what is acknowledged must survive."""
        with content.open("rb+") as file:
            os.fsync(file.fileno())

    def keep(self, content: Path) -> str:
        """Move arrived content among the blobs; the blob's name. In one transaction with the record that names it."""
        content.replace(self.blobs / content.name)
        return content.name

    def remove_file(self, file: FileRow) -> None:
        """Remove a file and what it holds; content that a waiting or running job still needs goes later."""
        with self.transaction() as db:
            db.execute("DELETE FROM files WHERE id = ?", [file.id])
            db.execute("DELETE FROM rows WHERE file = ?", [file.id])
        self.sweep()

    def remove_job(self, job_id: str) -> None:
        """Remove a job, its history, checkpoints and weights. Its result file stays."""
        with self.transaction() as db:
            for table in ("events", "checkpoints", "copies"):
                db.execute(f"DELETE FROM {table} WHERE job = ?", [job_id])  # noqa: S608
            db.execute("DELETE FROM jobs WHERE id = ?", [job_id])
        shutil.rmtree(self.jobs / job_id, ignore_errors=True)
        self.sweep()

    def sweep(self) -> None:
        """Unlink blobs that no file, upload part or unfinished job names any more."""
        with self.transaction() as db:  # nobody can keep new content meanwhile
            needed = db.execute(
                "SELECT blob FROM files WHERE blob IS NOT NULL UNION SELECT blob FROM parts"
                " UNION SELECT training_blob FROM jobs WHERE finished_at IS NULL"
                " UNION SELECT validation_blob FROM jobs WHERE finished_at IS NULL"
            )
            for name in {path.name for path in self.blobs.iterdir()} - {name for (name,) in needed}:
                (self.blobs / name).unlink(missing_ok=True)

    def clear_left_overs(self) -> None:
        """Forget what the end of an earlier process left half done. Only before requests are taken."""
        for path in self.incoming.iterdir():
            path.unlink(missing_ok=True)
        job_ids = {job.id for job in self.all(JobRow)}
        for folder in self.jobs.iterdir():
            if folder.name not in job_ids:
                shutil.rmtree(folder, ignore_errors=True)
        self.sweep()

    def clear_job_folder(self, job_id: str) -> None:
        """Keep of an ended job's files only the weights its checkpoints name, and the log."""
        named = {Path(point.weights).name for point in self.all(CheckpointRow, job=job_id) if point.weights}
        folder = self.jobs / job_id
        for path in folder.iterdir() if folder.exists() else ():
            if path.name not in named and path.suffix != ".log":
                path.unlink(missing_ok=True)
        self.sweep()

    # -- the database -------------------------------------------------------------------------------------

    @property
    def _db(self) -> sqlite3.Connection:
        db: sqlite3.Connection | None = getattr(self._local, "db", None)
        if db is None:
            db = sqlite3.connect(self.folder / "service.db", timeout=_BUSY_S, isolation_level=None)
            # NORMAL in WAL: a killed process loses nothing; a power cut may lose the last moments, never corrupts.
            for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "cache_size = -1024"):
                db.execute(f"PRAGMA {pragma}")
            self._local.db = db
        return db

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction, joined when one is open in this thread; rolled back when the block raises."""
        db = self._db
        if db.in_transaction:
            yield db
            return
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def check(self) -> None:
        """Raise sqlite3.DatabaseError when the database is damaged."""
        verdict = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"its database is damaged ({verdict.splitlines()[-1]})")

    def close(self) -> None:
        """Close this thread's connection."""
        db = getattr(self._local, "db", None)
        if db is not None:
            db.close()
            self._local.db = None


def _append_rows(db: sqlite3.Connection, file: str, rows: Iterable[tuple[int, str]]) -> None:
    if db.execute("SELECT 1 FROM files WHERE id = ?", [file]).fetchone() is None:
        return  # deleted while the job runs
    grown = 0
    for step, line in rows:
        done = db.execute("INSERT OR IGNORE INTO rows VALUES (?, ?, ?)", [file, step, line])
        grown += (len(line.encode()) + 1) * done.rowcount
    if grown:
        db.execute("UPDATE files SET bytes = bytes + ? WHERE id = ?", [grown, file])
