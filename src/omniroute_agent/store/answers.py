"""Answers kept for their idempotency keys."""

import asyncio
import sqlite3
from dataclasses import dataclass, field
from typing import Final

from omniroute_agent.kernel.errors import Conflict, StoreUnavailable
from omniroute_agent.store.database import Database

MOST_UNKEPT: Final = 1000
"""Requests whose answers could not be kept, of which we can say that they were answered."""


@dataclass(frozen=True, slots=True)
class Begun:
    """The key is new and belongs to this request now."""


@dataclass(frozen=True, slots=True)
class Stored:
    request_id: str
    document: str


@dataclass(frozen=True, slots=True)
class Running:
    request_id: str


@dataclass(frozen=True, slots=True)
class Lost:
    """Answered, and the answer could not be kept."""

    request_id: str


@dataclass(frozen=True, slots=True)
class Answers:
    database: Database
    instance: str
    _unkept: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    """By caller and key the requests whose answers could not be kept at once; the oldest first."""

    async def begin(
        self, *, caller: str, key: str, fingerprint: str, request_id: str, at: float, keep_until: float
    ) -> Begun | Stored | Running | Lost:
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
            return Running(owner) if document is None else Stored(owner, document)

        def undo(connection: sqlite3.Connection) -> None:
            connection.execute(
                "DELETE FROM answer "
                "WHERE caller = ? AND idempotency_key = ? AND instance = ? AND request_id = ? AND document IS NULL",
                (caller, key, self.instance, request_id),
            )

        try:
            found = await self.database.write(job)
        except (asyncio.CancelledError, GeneratorExit):
            self.database.correct(undo)
            raise
        if isinstance(found, Running) and self._unkept.get((caller, key)) == found.request_id:
            return Lost(found.request_id)
        return found

    async def finish(self, caller: str, key: str, request_id: str, document: str) -> None:
        """Keep the answer of the request that holds the key. It was given and billed: what cannot be kept now is tried
        once more behind everything else, also when the caller leaves meanwhile, and the key stays taken.

        Raises:
            StoreUnavailable: it is not kept yet.
        """

        def job(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE answer SET document = ? "
                "WHERE caller = ? AND idempotency_key = ? AND instance = ? AND request_id = ? AND document IS NULL",
                (document, caller, key, self.instance, request_id),
            )

        try:
            await self.database.write(job)
        except (StoreUnavailable, asyncio.CancelledError, GeneratorExit):
            if len(self._unkept) >= MOST_UNKEPT:
                del self._unkept[next(iter(self._unkept))]
            self._unkept[caller, key] = request_id
            self.database.correct(job)
            raise

    async def drop(self, caller: str, key: str) -> None:
        """Free a key whose request gave no answer."""

        def job(connection: sqlite3.Connection) -> None:
            connection.execute(
                "DELETE FROM answer WHERE caller = ? AND idempotency_key = ? AND instance = ? AND document IS NULL",
                (caller, key, self.instance),
            )

        await self.database.write(job)
