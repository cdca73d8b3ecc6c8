"""The resilience profile that was set at run time: one row at most, which every process reads with each plan."""

import sqlite3
from dataclasses import dataclass

from omniroute_agent.store.database import Database


@dataclass(frozen=True, slots=True)
class StoredProfile:
    profile: str
    at: float
    """When it was set, UTC epoch seconds."""
    by: str
    """The caller who did."""


@dataclass(frozen=True, slots=True)
class ProfileBook:
    database: Database

    async def get(self) -> StoredProfile | None:
        """None: the settings hold."""

        def job(connection: sqlite3.Connection) -> StoredProfile | None:
            row = connection.execute("SELECT profile, set_at, set_by FROM resilience WHERE id = 1").fetchone()
            return StoredProfile(*row) if row else None

        return await self.database.read(job)

    async def set(self, profile: str, *, at: float, by: str) -> None:
        await self.database.write(
            lambda connection: connection.execute(
                "INSERT INTO resilience (id, profile, set_at, set_by) VALUES (1, ?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET profile = excluded.profile, set_at = excluded.set_at, "
                "set_by = excluded.set_by",
                (profile, at, by),
            )
        )

    async def forget(self) -> None:
        """Let the settings hold again."""
        await self.database.write(lambda connection: connection.execute("DELETE FROM resilience"))


def read_profile(connection: sqlite3.Connection) -> str | None:
    """Inside a job: the name that was set, if one was."""
    row = connection.execute("SELECT profile FROM resilience WHERE id = 1").fetchone()
    return row[0] if row else None
