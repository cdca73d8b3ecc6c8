"""Stored decisions: the plan of each request and what came of it, as documents."""

import sqlite3
from dataclasses import dataclass

from omniroute_agent.store.database import Database


@dataclass(frozen=True, slots=True)
class DecisionRow:
    request_id: str
    at: float
    state: str


@dataclass(frozen=True, slots=True)
class Decisions:
    database: Database
    instance: str

    async def put(
        self, *, request_id: str, caller: str, session: str, door: str, at: float, state: str, document: str
    ) -> None:
        """Write or replace the decision of one request."""

        def job(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO decision (request_id, instance, caller, session, door, at, state, document) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (request_id) DO UPDATE SET state = excluded.state, document = excluded.document",
                (request_id, self.instance, caller, session, door, at, state, document),
            )

        await self.database.write(job)

    async def get(self, request_id: str, caller: str | None) -> str | None:
        """The document; None when there is none of this caller's, whether or not another has it. Without a caller:
        anyone's, for the owner.
        """

        def job(connection: sqlite3.Connection) -> str | None:
            row = connection.execute(
                "SELECT document FROM decision WHERE request_id = :request AND (:caller IS NULL OR caller = :caller)",
                {"request": request_id, "caller": caller},
            ).fetchone()
            return row[0] if row else None

        return await self.database.read(job)

    async def recent(self, caller: str, *, limit: int) -> tuple[DecisionRow, ...]:
        """Newest first."""

        def job(connection: sqlite3.Connection) -> tuple[DecisionRow, ...]:
            rows = connection.execute(
                "SELECT request_id, at, state FROM decision WHERE caller = ? ORDER BY at DESC, request_id DESC LIMIT ?",
                (caller, limit),
            )
            return tuple(DecisionRow(*row) for row in rows)

        return await self.database.read(job)
