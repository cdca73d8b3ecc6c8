"""Connections that were added by hand. Keys, header values and proxies with a password are sealed before they get here.

A row's version never falls, not even when the row was removed in between: it is what keeps an older sealed value from
fitting again. So it starts at the table's own count of changes.
"""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from omniroute_agent.store.database import Database

TABLE: Final = "connection"

_COLUMNS: Final = (
    # A sealed value that somebody edited as text is still read, and then does not open.
    "id, version, provider, base_url, CAST(sealed_key AS BLOB), models, default_model, tier, "
    "CAST(sealed_headers AS BLOB), proxy, CAST(sealed_proxy AS BLOB), expires_at, created_at, changed_at, enabled"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRow:
    id: str
    version: int
    provider: str
    base_url: str | None
    sealed_key: bytes | None
    models: tuple[str, ...] | None
    default_model: str | None
    tier: str | None
    sealed_headers: bytes | None
    """A JSON object of header names and values."""
    proxy: str | None
    """Where it stands open because it holds no password; empty: directly, whatever else is set."""
    sealed_proxy: bytes | None
    expires_at: float | None
    created_at: float
    changed_at: float
    enabled: bool

    @property
    def sealed(self) -> tuple[bytes, ...]:
        return tuple(blob for blob in (self.sealed_key, self.sealed_headers, self.sealed_proxy) if blob is not None)


Make = Callable[[Mapping[str, ConnectionRow], int], ConnectionRow]
"""The present rows by id and the version of the one to write → that row."""


@dataclass(frozen=True, slots=True)
class ConnectionRows:
    database: Database

    async def changes(self) -> int:
        """Rises with every change of the table, by any process."""
        return await self.database.read(_changes)

    async def all(self) -> tuple[int, tuple[ConnectionRow, ...]]:
        """The count of changes with the rows it stands for, by id."""
        return await self.database.read(lambda connection: (_changes(connection), _rows(connection)))

    async def get(self, connection_id: str) -> ConnectionRow | None:
        return await self.database.read(lambda connection: _row(connection, connection_id))

    async def put(self, make: Make) -> ConnectionRow:
        """Write what `make` gives, in one transaction with the look at what was there. What it raises is passed on,
        and nothing is written.
        """

        def job(connection: sqlite3.Connection) -> ConnectionRow:
            version = _count(connection)
            row = make({row.id: row for row in _rows(connection)}, version)
            _write(connection, row)
            _forget_health(connection, row.id)
            return row

        return await self.database.write(job)

    async def delete(self, connection_id: str) -> bool:
        """False when there was none."""

        def job(connection: sqlite3.Connection) -> bool:
            _count(connection)
            _forget_health(connection, connection_id)
            return connection.execute("DELETE FROM connection WHERE id = ?", (connection_id,)).rowcount > 0

        return await self.database.write(job)

    async def rewrite(
        self,
        change: Callable[[tuple[ConnectionRow, ...], int], tuple[ConnectionRow, ...]],
        after: Callable[[sqlite3.Connection], None] = lambda _: None,
    ) -> int:
        """Change every row in one transaction, and do what comes after it: all of it or nothing. Gives the number of
        rows.
        """

        def job(connection: sqlite3.Connection) -> int:
            version = _count(connection)
            rows = change(_rows(connection), version)
            for row in rows:
                _write(connection, row)
            after(connection)
            return len(rows)

        return await self.database.write(job)

    async def alone(self, step: Callable[[], None]) -> None:
        """Run a step while no process writes to the database."""
        await self.database.write(lambda _: step())


def _forget_health(connection: sqlite3.Connection, connection_id: str) -> None:
    """A refused key or an exhausted account was the old credential's."""
    connection.execute("DELETE FROM connection_health WHERE connection = ?", (connection_id,))
    connection.execute("DELETE FROM model_lock WHERE connection = ?", (connection_id,))


def _changes(connection: sqlite3.Connection) -> int:
    count: int = connection.execute("SELECT count FROM connection_change WHERE id = 1").fetchone()[0]
    return count


def _count(connection: sqlite3.Connection) -> int:
    """Say that the table changes now."""
    connection.execute("UPDATE connection_change SET count = count + 1 WHERE id = 1")
    return _changes(connection)


def _rows(connection: sqlite3.Connection) -> tuple[ConnectionRow, ...]:
    return tuple(map(_read, connection.execute(f"SELECT {_COLUMNS} FROM connection ORDER BY id")))  # noqa: S608 (constants)


def _row(connection: sqlite3.Connection, connection_id: str) -> ConnectionRow | None:
    found = connection.execute(f"SELECT {_COLUMNS} FROM connection WHERE id = ?", (connection_id,)).fetchone()  # noqa: S608 (constants)
    return None if found is None else _read(found)


def _read(columns: tuple[Any, ...]) -> ConnectionRow:
    found = dict(zip((field.name for field in fields(ConnectionRow)), columns, strict=True))
    models, enabled = found.pop("models"), bool(found.pop("enabled"))
    return ConnectionRow(**found, models=None if models is None else tuple(str(models).split("\n")), enabled=enabled)


def _write(connection: sqlite3.Connection, row: ConnectionRow) -> None:
    connection.execute(
        "INSERT INTO connection (id, version, provider, base_url, sealed_key, models, default_model, tier, "
        "sealed_headers, proxy, sealed_proxy, expires_at, created_at, changed_at, enabled) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
        "version = excluded.version, provider = excluded.provider, base_url = excluded.base_url, "
        "sealed_key = excluded.sealed_key, models = excluded.models, default_model = excluded.default_model, "
        "tier = excluded.tier, sealed_headers = excluded.sealed_headers, proxy = excluded.proxy, "
        "sealed_proxy = excluded.sealed_proxy, expires_at = excluded.expires_at, changed_at = excluded.changed_at, "
        "enabled = excluded.enabled",
        (
            row.id,
            row.version,
            row.provider,
            row.base_url,
            row.sealed_key,
            None if row.models is None else "\n".join(row.models),
            row.default_model,
            row.tier,
            row.sealed_headers,
            row.proxy,
            row.sealed_proxy,
            row.expires_at,
            row.created_at,
            row.changed_at,
            int(row.enabled),
        ),
    )
