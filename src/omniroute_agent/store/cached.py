"""Answers kept to be given again to the caller who got them first."""

import sqlite3
from dataclasses import dataclass
from typing import Final

from omniroute_agent.store.database import Database

LARGEST_ENTRY: Final = 1024 * 1024
"""Bytes of one document; a longer answer is not kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the entries of all callers may take together."""

    entries: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One kept answer without its content."""

    caller: str
    digest: str
    request_id: str
    """The request it was the answer to."""
    asked: str
    served_by: str | None
    at: float
    keep_until: float
    used_at: float
    uses: int
    """How often it was given again."""
    bytes: int


@dataclass(frozen=True, slots=True)
class CacheSize:
    entries: int
    bytes: int


@dataclass(frozen=True, slots=True)
class CachedAnswers:
    database: Database

    async def find(self, caller: str, digest: str, *, at: float) -> str | None:
        """The document, unless it is past its time or somebody else's."""

        def job(connection: sqlite3.Connection) -> str | None:
            row = connection.execute(
                "SELECT document FROM cached_answer WHERE caller = ? AND digest = ? AND keep_until > ?",
                (caller, digest, at),
            ).fetchone()
            return row[0] if row else None

        return await self.database.read(job)

    def touch(self, caller: str, digest: str, *, at: float) -> None:
        """Note a use, without waiting for the disk: it only orders what goes first."""

        def job(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE cached_answer SET uses = uses + 1, used_at = MAX(used_at, ?) WHERE caller = ? AND digest = ?",
                (at, caller, digest),
            )

        self.database.correct(job)

    async def put(self, entry: Entry, document: str, bounds: Bounds) -> None:
        """Keep an answer and let go of those unused longest until everything is within its bounds."""

        def job(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM cached_answer WHERE keep_until <= ?", (entry.at,))
            connection.execute(
                "INSERT INTO cached_answer (caller, digest, request_id, asked, served_by, at, keep_until, used_at, "
                "bytes, document) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (caller, digest) DO UPDATE SET "
                "request_id = excluded.request_id, asked = excluded.asked, served_by = excluded.served_by, "
                "at = excluded.at, keep_until = excluded.keep_until, used_at = excluded.used_at, uses = 0, "
                "bytes = excluded.bytes, document = excluded.document",
                (
                    entry.caller,
                    entry.digest,
                    entry.request_id,
                    entry.asked,
                    entry.served_by,
                    entry.at,
                    entry.keep_until,
                    entry.used_at,
                    entry.bytes,
                    document,
                ),
            )
            _evict(connection, bounds)

        await self.database.write(job)

    async def size(self, *, at: float) -> CacheSize:
        """Of all callers, without what is past its time."""

        def job(connection: sqlite3.Connection) -> CacheSize:
            row = connection.execute(
                "SELECT COUNT(*), COALESCE(SUM(bytes), 0) FROM cached_answer WHERE keep_until > ?", (at,)
            ).fetchone()
            return CacheSize(*row)

        return await self.database.read(job)

    async def entries(self, caller: str | None, *, at: float, limit: int) -> tuple[Entry, ...]:
        """Last used first; without a caller everyone's, for the owner."""

        def job(connection: sqlite3.Connection) -> tuple[Entry, ...]:
            rows = connection.execute(
                "SELECT caller, digest, request_id, asked, served_by, at, keep_until, used_at, uses, bytes "
                "FROM cached_answer WHERE keep_until > :at AND (:caller IS NULL OR caller = :caller) "
                "ORDER BY used_at DESC, digest LIMIT :limit",
                {"at": at, "caller": caller, "limit": limit},
            )
            return tuple(
                Entry(
                    caller=owner,
                    digest=digest,
                    request_id=request_id,
                    asked=asked,
                    served_by=served_by,
                    at=kept_at,
                    keep_until=keep_until,
                    used_at=used_at,
                    uses=uses,
                    bytes=size,
                )
                for owner, digest, request_id, asked, served_by, kept_at, keep_until, used_at, uses, size in rows
            )

        return await self.database.read(job)

    async def clear(self, caller: str | None) -> int:
        """Erase a caller's kept answers, or everyone's; says how many went."""

        def job(connection: sqlite3.Connection) -> int:
            return connection.execute(
                "DELETE FROM cached_answer WHERE :caller IS NULL OR caller = :caller", {"caller": caller}
            ).rowcount

        return await self.database.write(job)


def _evict(connection: sqlite3.Connection, bounds: Bounds) -> None:
    entries, size = connection.execute("SELECT COUNT(*), COALESCE(SUM(bytes), 0) FROM cached_answer").fetchone()
    if entries <= bounds.entries and size <= bounds.bytes:
        return
    gone: list[tuple[str, str]] = []
    for caller, digest, freed in connection.execute(
        "SELECT caller, digest, bytes FROM cached_answer ORDER BY used_at, bytes"
    ):
        if entries <= bounds.entries and size <= bounds.bytes:
            break
        entries, size = entries - 1, size - freed
        gone.append((caller, digest))
    connection.executemany("DELETE FROM cached_answer WHERE caller = ? AND digest = ?", gone)


def forget_expired(connection: sqlite3.Connection, *, before: float, limit: int) -> int:
    """Inside a job: delete answers whose time was over before that; says how many went."""
    return connection.execute(
        "DELETE FROM cached_answer WHERE (caller, digest) IN "
        "(SELECT caller, digest FROM cached_answer WHERE keep_until < ? ORDER BY keep_until LIMIT ?)",
        (before, limit),
    ).rowcount
