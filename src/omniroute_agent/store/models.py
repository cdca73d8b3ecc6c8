"""What this installation knows of models beyond the bundled data: aliases, own models, the providers' own lists."""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from omniroute_agent.store.database import Database

GONE_SECONDS: Final = 180 * 86_400.0
"""How long a model that left its provider's list is remembered."""
FORGOTTEN_SECONDS: Final = 90 * 86_400.0
"""How long the list of a connection nobody reads any more is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    connection: str
    model: str
    document: str
    """A JSON object of what is said of the model."""
    at: float
    """When it was added, or first seen on the list."""
    gone_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRow:
    """A connection's list of models."""

    connection: str
    claimed_at: float
    """When it was last asked for."""
    read_at: float | None
    """When it was last read whole; None: never."""
    changed_at: float | None
    source: str | None
    trouble: str | None
    """Why the last reading changed nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTables:
    aliases: Mapping[str, str]
    own: tuple[ModelRow, ...]
    lists: tuple[ListRow, ...]
    listed: tuple[ModelRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListChange:
    added: tuple[str, ...]
    removed: tuple[str, ...]
    kept: int


Judge = Callable[[frozenset[str]], str | None]
"""The models that are on the stored list → why a new one must not replace it."""


class ListRefused(Exception):
    """The new list was not taken; the message says why."""


@dataclass(frozen=True, slots=True)
class ModelRows:
    database: Database

    async def put_alias(
        self, pattern: str, target: str, *, at: float, check: Callable[[Mapping[str, str]], None]
    ) -> None:
        """Define an alias, or change it. `check` sees all stored ones with it; what it raises is passed on and nothing
        is written.
        """

        def job(connection: sqlite3.Connection) -> None:
            check({**_aliases(connection), pattern: target})
            connection.execute(
                "INSERT INTO model_alias (pattern, target, at) VALUES (?, ?, ?) ON CONFLICT (pattern) DO UPDATE "
                "SET target = excluded.target, at = excluded.at",
                (pattern, target, at),
            )
            count_change(connection)

        await self.database.write(job)

    async def delete_alias(self, pattern: str) -> bool:
        """False when there was none."""
        return await self._delete("DELETE FROM model_alias WHERE pattern = ?", (pattern,))

    async def put_model(self, row: ModelRow) -> None:
        def job(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO own_model (connection, model, document, at) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (connection, model) DO UPDATE SET document = excluded.document, at = excluded.at",
                (row.connection, row.model, row.document, row.at),
            )
            count_change(connection)

        await self.database.write(job)

    async def delete_model(self, connection_id: str, model: str) -> bool:
        """False when there was none."""
        return await self._delete("DELETE FROM own_model WHERE connection = ? AND model = ?", (connection_id, model))

    async def claim(self, connection_id: str, *, now: float, before: float | None) -> bool:
        """Take on reading a connection's list. With `before`, only if nobody did since then: of several processes one
        reads it.
        """

        def job(connection: sqlite3.Connection) -> bool:
            found = connection.execute(
                "SELECT claimed_at FROM model_list WHERE connection = ?", (connection_id,)
            ).fetchone()
            if found is not None and before is not None and found[0] > before:
                return False
            connection.execute(
                "INSERT INTO model_list (connection, claimed_at) VALUES (?, ?) "
                "ON CONFLICT (connection) DO UPDATE SET claimed_at = excluded.claimed_at",
                (connection_id, now),
            )
            return True

        return await self.database.write(job)

    async def put_list(
        self, connection_id: str, models: Mapping[str, str], *, source: str, at: float, judge: Judge
    ) -> ListChange:
        """Replace a connection's list (`models`: name → document), unless `judge` speaks against it.

        Raises:
            ListRefused: it did; the stored list is as it was.
        """

        def job(connection: sqlite3.Connection) -> ListChange | str:
            before = frozenset(_present(connection, connection_id))
            why_not = judge(before)
            if why_not is not None:
                _mark(connection, connection_id, why_not, at)
                return why_not
            added, removed = sorted(models.keys() - before), sorted(before - models.keys())
            _write_list(connection, connection_id, models, removed, at)
            connection.execute(
                "UPDATE model_list SET read_at = ?, source = ?, trouble = NULL, "
                "changed_at = CASE WHEN ? OR changed_at IS NULL THEN ? ELSE changed_at END WHERE connection = ?",
                (at, source, bool(added or removed), at, connection_id),
            )
            _forget(connection, at)
            count_change(connection)
            return ListChange(added=tuple(added), removed=tuple(removed), kept=len(models.keys() & before))

        change = await self.database.write(job)
        if isinstance(change, str):
            raise ListRefused(change)
        return change

    async def trouble(self, connection_id: str, why: str, *, at: float) -> None:
        """Note why a reading failed; the list stays as it is."""
        await self.database.write(lambda connection: _mark(connection, connection_id, why, at))

    async def _delete(self, statement: str, values: tuple[str, ...]) -> bool:
        def job(connection: sqlite3.Connection) -> bool:
            if connection.execute(statement, values).rowcount == 0:
                return False
            count_change(connection)
            return True

        return await self.database.write(job)


def changes(connection: sqlite3.Connection) -> int:
    """Inside a job: a number that rises with every change of models and prices, by any process."""
    count: int = connection.execute("SELECT count FROM model_change WHERE id = 1").fetchone()[0]
    return count


def count_change(connection: sqlite3.Connection) -> None:
    """Inside a job: say that something changes now."""
    connection.execute("UPDATE model_change SET count = count + 1 WHERE id = 1")


def read_models(connection: sqlite3.Connection) -> ModelTables:
    """Inside a job: everything at once."""
    return ModelTables(
        aliases=_aliases(connection),
        own=tuple(
            ModelRow(connection=where, model=model, document=document, at=at)
            for where, model, document, at in connection.execute(
                "SELECT connection, model, document, at FROM own_model ORDER BY connection, model"
            )
        ),
        lists=tuple(
            ListRow(
                connection=where,
                claimed_at=claimed_at,
                read_at=read_at,
                changed_at=changed_at,
                source=source,
                trouble=trouble,
            )
            for where, claimed_at, read_at, changed_at, source, trouble in connection.execute(
                "SELECT connection, claimed_at, read_at, changed_at, source, trouble FROM model_list "
                "ORDER BY connection"
            )
        ),
        listed=tuple(
            ModelRow(connection=where, model=model, document=document, at=first_seen, gone_at=gone_at)
            for where, model, document, first_seen, gone_at in connection.execute(
                "SELECT connection, model, document, first_seen, gone_at FROM listed_model ORDER BY connection, model"
            )
        ),
    )


def _aliases(connection: sqlite3.Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT pattern, target FROM model_alias ORDER BY pattern").fetchall())


def _present(connection: sqlite3.Connection, connection_id: str) -> list[str]:
    rows = connection.execute(
        "SELECT model FROM listed_model WHERE connection = ? AND gone_at IS NULL", (connection_id,)
    )
    return [model for (model,) in rows]


def _write_list(
    connection: sqlite3.Connection, connection_id: str, models: Mapping[str, str], removed: list[str], at: float
) -> None:
    connection.executemany(
        "INSERT INTO listed_model (connection, model, document, first_seen) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (connection, model) DO UPDATE SET document = excluded.document, gone_at = NULL",
        [(connection_id, model, document, at) for model, document in models.items()],
    )
    connection.executemany(
        "UPDATE listed_model SET gone_at = ? WHERE connection = ? AND model = ?",
        [(at, connection_id, model) for model in removed],
    )


def _mark(connection: sqlite3.Connection, connection_id: str, why: str, at: float) -> None:
    connection.execute(
        "INSERT INTO model_list (connection, claimed_at, trouble) VALUES (?, ?, ?) "
        "ON CONFLICT (connection) DO UPDATE SET trouble = excluded.trouble",
        (connection_id, at, why),
    )
    count_change(connection)


def _forget(connection: sqlite3.Connection, at: float) -> None:
    """Nothing is kept for ever: models long gone, and lists of connections that no process reads any more."""
    connection.execute("DELETE FROM listed_model WHERE gone_at < ?", (at - GONE_SECONDS,))
    connection.execute(
        "DELETE FROM listed_model WHERE connection IN (SELECT connection FROM model_list WHERE claimed_at < ?)",
        (at - FORGOTTEN_SECONDS,),
    )
    connection.execute("DELETE FROM model_list WHERE claimed_at < ?", (at - FORGOTTEN_SECONDS,))
