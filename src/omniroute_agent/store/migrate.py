"""Numbered, expand-only migrations, one transaction each. `user_version` names the last one applied."""

import sqlite3
from functools import cache
from importlib.resources import files

from omniroute_agent.kernel.errors import StoreUnavailable


@cache
def migrations() -> tuple[str, ...]:
    """The scripts in order; the first one makes version 1."""
    folder = files("omniroute_agent.store") / "migrations"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return tuple((folder / name).read_text("utf-8") for name in names)


def version_of(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def is_current(connection: sqlite3.Connection) -> bool:
    """
    Raises:
        StoreUnavailable: the file is newer than this program.
    """
    check_version(connection)
    return version_of(connection) == len(migrations())


def check_version(connection: sqlite3.Connection) -> None:
    """
    Raises:
        StoreUnavailable: a newer program migrated the file.
    """
    found = version_of(connection)
    if found > len(migrations()):
        raise StoreUnavailable(
            f"The database has schema version {found}; this program knows {len(migrations())}.",
            hint="A newer omniroute-agent has used it: update this one and start it again.",
            facts={"found": found, "known": len(migrations())},
        )


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file up to date. The caller holds the exclusive lock.

    Raises:
        StoreUnavailable: the file is newer than this program.
    """
    check_version(connection)
    done = version_of(connection)
    for version, script in enumerate(migrations()[done:], start=done + 1):
        try:
            # One script is one transaction: `executescript` would commit what is open before it starts.
            connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {version:d};\nCOMMIT;")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
