"""What was switched of combos at run time."""

import sqlite3
from dataclasses import dataclass

from omniroute_agent.store.database import Database


@dataclass(frozen=True, slots=True)
class ComboRow:
    name: str
    enabled: bool | None
    """None: the settings decide."""
    is_default: bool


@dataclass(frozen=True, slots=True)
class ComboRows:
    database: Database

    async def all(self) -> tuple[ComboRow, ...]:
        def job(connection: sqlite3.Connection) -> tuple[ComboRow, ...]:
            rows = connection.execute("SELECT name, enabled, is_default FROM combo ORDER BY name")
            return tuple(
                ComboRow(name, None if enabled is None else bool(enabled), bool(default))
                for name, enabled, default in rows
            )

        return await self.database.read(job)

    async def set_active(self, name: str, *, default: bool, enabled: bool) -> None:
        """At most one row is the default: making one so takes it from the others."""

        def job(connection: sqlite3.Connection) -> None:
            if default:
                connection.execute("UPDATE combo SET is_default = 0")
            connection.execute(
                "INSERT INTO combo (name, enabled, is_default) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE "
                "SET enabled = excluded.enabled, is_default = excluded.is_default",
                (name, int(enabled), int(default)),
            )

        await self.database.write(job)
