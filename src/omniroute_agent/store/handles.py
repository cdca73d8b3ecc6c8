"""Budget handles as their holders use them: minted, split, revoked, looked at. Each change is one transaction."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

from omniroute_agent.store.database import Database
from omniroute_agent.store.handle_books import (
    ENDED_CHILDREN,
    READ,
    HandleRow,
    close,
    collect,
    family,
    give,
    insert_handle,
    read_handle,
    recorded,
    row_of,
)

MOST_LISTED: Final = 1000

_ENDED_CHILD: Final = f"{ENDED_CHILDREN} LIMIT 1"
_OPEN: Final = f"{READ} WHERE closed_at IS NULL ORDER BY created_at, id LIMIT ?"
_EVERY: Final = f"{READ} ORDER BY created_at, id LIMIT ?"


class Found(NamedTuple):
    row: HandleRow
    due: bool
    """Something is to be collected from children that ended."""


@dataclass(frozen=True, slots=True)
class HandleRows:
    database: Database

    async def find(self, handle_id: str, now: float) -> Found | None:
        def job(connection: sqlite3.Connection) -> Found | None:
            row = read_handle(connection, handle_id)
            ended = connection.execute(_ENDED_CHILD, (handle_id, now)).fetchone()
            return None if row is None else Found(row, ended is not None)

        return await self.database.read(job)

    async def collect(self, handle_id: str, now: float) -> HandleRow:
        """The handle with what those of its children had left that ended by now.

        Raises:
            NotFound: there is no such handle.
        """

        def job(connection: sqlite3.Connection) -> HandleRow:
            collect(connection, handle_id, now)
            return recorded(connection, handle_id)

        return await self.database.write(job)

    async def mint(self, row: HandleRow) -> None:
        """
        Raises:
            LimitReached: its caller has too many.
        """
        await self.database.write(lambda connection: insert_handle(connection, row))

    async def split(self, parent: str, make: Callable[[HandleRow], HandleRow]) -> HandleRow:
        """Write the child that `make`, a pure function, makes of the parent as it is now, and take its amount away
        from the parent. What `make` raises is passed on, and nothing is written.

        Raises:
            NotFound: there is no such parent.
            LimitReached: the parent has too little left or has ended, or the caller has too many.
        """

        def job(connection: sqlite3.Connection) -> HandleRow:
            child = make(recorded(connection, parent))
            give(connection, child)
            insert_handle(connection, child)
            return child

        return await self.database.write(job)

    async def revoke(self, handle_id: str, at: float) -> None:
        """End a handle and all that came out of it; what ended before stays as it is."""
        await self.database.write(lambda connection: close(connection, handle_id, at, revoked=True))

    async def family(self, handle_id: str, now: float) -> tuple[HandleRow, ...]:
        """The handle and all that came out of it, parents before their children, with what is to be collected.

        Raises:
            NotFound: there is no such handle.
        """

        def job(connection: sqlite3.Connection) -> tuple[HandleRow, ...]:
            found = tuple(family(connection, handle_id))
            return found or (recorded(connection, handle_id),)

        found = await self.database.read(job)
        if any(row.closed_at is None and row.expires_at <= now for row in found[1:]):
            await self.database.write(partial(_collect_all, handles=[row.id for row in found], now=now))
            found = await self.database.read(job)
        return found

    async def all(self, *, every: bool, now: float) -> tuple[HandleRow, ...]:
        """The first thousand, the oldest first; without `every` only those that are good."""
        rows = await self.database.read(
            lambda connection: [*map(row_of, connection.execute(_EVERY if every else _OPEN, (MOST_LISTED,)))]
        )
        return tuple(row for row in rows if every or row.state(now) == "good")


def _collect_all(connection: sqlite3.Connection, *, handles: Sequence[str], now: float) -> None:
    for handle_id in handles:
        collect(connection, handle_id, now)
