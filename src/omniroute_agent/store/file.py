"""The database file: created for its owner alone, opened alike everywhere."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

BUSY_SECONDS: Final = 10.0
"""How long anything waits for another process before it is an error."""
_OTHERS: Final = 0o077


def make_private(path: Path) -> None:
    """Create the file if it is missing, and let nobody but its owner read it or what SQLite lays beside it.

    The caller holds the exclusive lock where the file is missing. One that exists is never opened here: closing any
    descriptor of it would drop the locks SQLite holds on it in this process.
    """
    with suppress(FileExistsError):
        # SQLite gives the WAL and its index the mode of the database.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        with suppress(OSError):
            if file.stat().st_mode & _OTHERS:
                file.chmod(0o600)


def connect(path: Path) -> sqlite3.Connection:
    """A connection without transactions of its own, for one thread at a time."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    for pragma in (
        "synchronous=FULL",
        "wal_autocheckpoint=0",
        "mmap_size=0",
        "foreign_keys=ON",
        "temp_store=MEMORY",  # sorting needs no disk, so reads go on when it is full
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def has_wal(connection: sqlite3.Connection) -> bool:
    mode: str = connection.execute("PRAGMA journal_mode").fetchone()[0]
    return mode == "wal"


def set_wal(connection: sqlite3.Connection) -> None:
    """The caller holds the exclusive lock: SQLite does not wait for others here.

    Raises:
        sqlite3.OperationalError: this file system cannot.
    """
    (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
    if mode != "wal":
        raise sqlite3.OperationalError(f"its file system has no write-ahead log (journal mode {mode})")
