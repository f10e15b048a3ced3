"""A lock that another process sees, and that ends with the process that holds it, however that ends."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path


@contextmanager
def held(file: Path) -> Iterator[bool]:
    """Whether this holder, of this or another process, now has the lock of that file.

    It is SQLite's, which the operating system takes back when a process dies, on every platform. A file system that
    knows no locks cannot tell two holders apart: there it is had by all.
    """
    with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as lock:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            yield "locked" not in str(error)
            return
        yield True
