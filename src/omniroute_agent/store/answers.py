"""Answers kept for their idempotency keys."""

import asyncio
import sqlite3
from dataclasses import dataclass

from omniroute_agent.kernel.errors import Conflict
from omniroute_agent.store.database import Database


@dataclass(frozen=True, slots=True)
class Begun:
    """The key is new and belongs to this request now."""


@dataclass(frozen=True, slots=True)
class Stored:
    document: str


@dataclass(frozen=True, slots=True)
class Running:
    request_id: str


@dataclass(frozen=True, slots=True)
class Answers:
    database: Database
    instance: str

    async def begin(
        self, *, caller: str, key: str, fingerprint: str, request_id: str, at: float, keep_until: float
    ) -> Begun | Stored | Running:
        """Take the key, or say who has it. A caller who is cancelled meanwhile has not taken it.

        Raises:
            Conflict: the key came with another body before.
        """

        def job(connection: sqlite3.Connection) -> Begun | Stored | Running:
            connection.execute(
                "DELETE FROM answer WHERE caller = ? AND idempotency_key = ? AND keep_until <= ?", (caller, key, at)
            )
            row = connection.execute(
                "SELECT fingerprint, request_id, document FROM answer WHERE caller = ? AND idempotency_key = ?",
                (caller, key),
            ).fetchone()
            if row is None:
                connection.execute(
                    "INSERT INTO answer (caller, idempotency_key, instance, fingerprint, request_id, at, keep_until) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (caller, key, self.instance, fingerprint, request_id, at, keep_until),
                )
                return Begun()
            before, owner, document = row
            if before != fingerprint:
                raise Conflict(
                    "This idempotency key was used for another request.",
                    hint="Use a new key for a new request; the same key only repeats the same one.",
                    facts={"request_id": owner},
                )
            return Running(owner) if document is None else Stored(document)

        def undo(connection: sqlite3.Connection) -> None:
            connection.execute(
                "DELETE FROM answer "
                "WHERE caller = ? AND idempotency_key = ? AND instance = ? AND request_id = ? AND document IS NULL",
                (caller, key, self.instance, request_id),
            )

        try:
            return await self.database.write(job)
        except (asyncio.CancelledError, GeneratorExit):
            self.database.correct(undo)
            raise

    async def finish(self, caller: str, key: str, document: str) -> None:
        """Keep the answer of the request that holds the key."""

        def job(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE answer SET document = ? "
                "WHERE caller = ? AND idempotency_key = ? AND instance = ? AND document IS NULL",
                (document, caller, key, self.instance),
            )

        await self.database.write(job)

    async def drop(self, caller: str, key: str) -> None:
        """Free a key whose request gave no answer."""

        def job(connection: sqlite3.Connection) -> None:
            connection.execute(
                "DELETE FROM answer WHERE caller = ? AND idempotency_key = ? AND instance = ? AND document IS NULL",
                (caller, key, self.instance),
            )

        await self.database.write(job)
