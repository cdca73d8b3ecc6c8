"""Health of connections and models, shared live by every process on the file."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from omniroute_agent.kernel.health import ConnectionHealth, ModelLock, TargetHealth
from omniroute_agent.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSnapshot:
    connections: Mapping[str, ConnectionHealth]
    locks: Mapping[tuple[str, str], ModelLock]


@dataclass(frozen=True, slots=True)
class HealthBook:
    database: Database

    async def snapshot(self) -> HealthSnapshot:
        """What every process knows now."""
        return await self.database.read(read_snapshot)


def read_snapshot(connection: sqlite3.Connection) -> HealthSnapshot:
    """Inside a job: everything at once."""
    healths = [
        ConnectionHealth.model_validate_json(document)
        for (document,) in connection.execute("SELECT document FROM connection_health")
    ]
    locks = [
        ModelLock.model_validate_json(document) for (document,) in connection.execute("SELECT document FROM model_lock")
    ]
    return HealthSnapshot(
        connections={health.connection: health for health in healths},
        locks={(lock.connection, lock.model): lock for lock in locks},
    )


def read_target(connection: sqlite3.Connection, name: str, model: str) -> TargetHealth:
    """Inside a job: the health an attempt at this target has to respect."""
    row = connection.execute("SELECT document FROM connection_health WHERE connection = ?", (name,)).fetchone()
    lock = connection.execute(
        "SELECT document FROM model_lock WHERE connection = ? AND model = ?", (name, model)
    ).fetchone()
    return TargetHealth(
        connection=ConnectionHealth.model_validate_json(row[0]) if row else ConnectionHealth(connection=name),
        lock=ModelLock.model_validate_json(lock[0]) if lock else None,
    )


def write_target(connection: sqlite3.Connection, model: str, before: TargetHealth, after: TargetHealth) -> None:
    """Inside a job: write what changed."""
    name = before.connection.connection
    if after.connection != before.connection:
        connection.execute(
            "INSERT INTO connection_health (connection, document) VALUES (?, ?) "
            "ON CONFLICT (connection) DO UPDATE SET document = excluded.document",
            (name, after.connection.model_dump_json()),
        )
    if after.lock is None and before.lock is not None:
        connection.execute("DELETE FROM model_lock WHERE connection = ? AND model = ?", (name, model))
    elif after.lock is not None and after.lock != before.lock:
        connection.execute(
            "INSERT INTO model_lock (connection, model, document) VALUES (?, ?, ?) "
            "ON CONFLICT (connection, model) DO UPDATE SET document = excluded.document",
            (name, model, after.lock.model_dump_json()),
        )


def forget_locks(connection: sqlite3.Connection, *, before: float, limit: int) -> int:
    """Inside a job: drop locks that ended before then; a model nobody asks for again would keep its row for ever."""
    locks = read_snapshot(connection).locks.values()
    ended = [(lock.connection, lock.model) for lock in locks if lock.until < before][:limit]
    connection.executemany("DELETE FROM model_lock WHERE connection = ? AND model = ?", ended)
    return len(ended)
