"""The database of the state folder: which record is which table, and rows to records and back.

No decisions, and nothing but SQLite: `store` says what is done in one transaction.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

import msgspec

from tunebook_local.desk.records import (
    CheckpointRow,
    CopyRow,
    DeploymentRow,
    EvalItemRow,
    EvalRow,
    EvalRunRow,
    EventRow,
    FileRow,
    JobRow,
    PartRow,
    UploadRow,
)

R = TypeVar("R")

# Record -> table, and what makes a row the same row again.
TABLES: dict[type, tuple[str, tuple[str, ...]]] = {
    FileRow: ("files", ("id",)),
    UploadRow: ("uploads", ("id",)),
    PartRow: ("parts", ("id",)),
    JobRow: ("jobs", ("id",)),
    EventRow: ("events", ("job", "key")),
    CheckpointRow: ("checkpoints", ("job", "step")),
    DeploymentRow: ("deployments", ("account", "name")),
    CopyRow: ("copies", ("job", "checkpoint", "destination")),
    EvalRow: ("evals", ("id",)),
    EvalRunRow: ("eval_runs", ("id",)),
    EvalItemRow: ("eval_items", ("run", "place")),
}
_COLUMNS = {record: tuple(f.name for f in fields(record)) for record in TABLES}
SELECTED = {record: ", ".join(columns) for record, columns in _COLUMNS.items()}  # a store may have older ones
_AS_JSON = {record: {f.name for f in fields(record) if "JSON" in f.type or "list" in f.type} for record in TABLES}
_JSON_PLACES = {record: [_COLUMNS[record].index(name) for name in sorted(names)] for record, names in _AS_JSON.items()}

# Beside a table's own keys: what is asked for again and again, and must not take longer as the store grows.
_LOOKED_UP = (
    ("events", "id"),
    ("events", "job, seq"),
    ("checkpoints", "id"),
    ("checkpoints", "name"),
    ("jobs", "status, worker"),
    ("jobs", "fine_tuned_model"),
    ("jobs", "start_weights"),
    ("jobs", "finished_at"),
    ("files", "status"),
    ("files", "expires_at"),
    ("uploads", "status"),
    ("parts", "upload"),
    ("copies", "checkpoint"),
    ("eval_runs", "eval"),
    ("eval_runs", "status"),
    ("eval_items", "run, status"),
    ("eval_items", "id"),
)

_VERSION = 1


def disk_is_full(error: Exception) -> bool:
    """Whether this is how a full disk shows itself."""
    if isinstance(error, sqlite3.Error):
        return error.sqlite_errorcode in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_damaged(error: Exception) -> bool:
    """Whether this is how a database shows itself that somebody else has written into."""
    damage = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    return isinstance(error, sqlite3.DatabaseError) and getattr(error, "sqlite_errorcode", 0) & 0xFF in damage


def create_tables(db: sqlite3.Connection) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, _VERSION):
        raise sqlite3.DatabaseError(f"the store is of version {version}, this program knows version {_VERSION}")
    for record, (table, keys) in TABLES.items():
        db.execute(
            f"CREATE TABLE IF NOT EXISTS {table} (seq INTEGER PRIMARY KEY AUTOINCREMENT, {SELECTED[record]},"
            f" UNIQUE ({', '.join(keys)}))"
        )
    db.execute("CREATE TABLE IF NOT EXISTS rows (file, step, line, PRIMARY KEY (file, step)) WITHOUT ROWID")
    for table, columns in _LOOKED_UP:
        name = f"{table}_by_{columns.replace(', ', '_')}"
        db.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {table} ({columns})")
    db.execute(f"PRAGMA user_version = {_VERSION}")


def where_clause(record: type, where: Mapping[str, Any]) -> tuple[str, str, list[Any]]:
    unknown = where.keys() - set(_COLUMNS[record])
    if unknown:
        raise AttributeError(f"{record.__name__} has no field {', '.join(sorted(unknown))}")
    terms: list[str] = []
    values: list[Any] = []
    for name, value in where.items():
        if isinstance(value, tuple):
            terms.append(f"{name} IN ({', '.join('?' * len(value))})")
            values.extend(value)
        else:
            terms.append(f"{name} IS ?")
            values.append(value)
    return TABLES[record][0], " AND ".join(terms) or "1", values


def insert(db: sqlite3.Connection, record: Any, again: str) -> None:
    columns = _COLUMNS[type(record)]
    values = [_stored(type(record), name, getattr(record, name)) for name in columns]
    db.execute(
        f"INSERT OR {again} INTO {TABLES[type(record)][0]} ({SELECTED[type(record)]})"  # noqa: S608
        f" VALUES ({', '.join('?' * len(columns))})",
        values,
    )


def update(db: sqlite3.Connection, record: type, where: Mapping[str, Any], changes: Mapping[str, Any]) -> int:
    table, condition, values = where_clause(record, where)
    settings = ", ".join(f"{name} = ?" for name in changes)
    new = [_stored(record, name, value) for name, value in changes.items()]
    return db.execute(f"UPDATE {table} SET {settings} WHERE {condition}", [*new, *values]).rowcount  # noqa: S608


def _stored(record: type, name: str, value: Any) -> Any:
    return msgspec.json.encode(value).decode() if name in _AS_JSON[record] and value is not None else value


def read_row(record: type[R], row: tuple[Any, ...]) -> R:
    values = list(row)
    for place in _JSON_PLACES[record]:
        if values[place] is not None:
            values[place] = msgspec.json.decode(values[place])
    made = record.__new__(record)  # past the slow `__init__` of a frozen dataclass: a list has thousands of rows
    made.__dict__.update(zip(_COLUMNS[record], values, strict=True))
    return made
