"""Tasks of the A2A door: one row each, and while an answer is being given one more row per piece of it.

Every statement names the owner beside the id: a task of somebody else is not there, in the same words and time as one
that never was.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from omniroute_agent.store.database import Database
from omniroute_agent.store.task_cursor import FIRST, Place, Sought, cursor_of, place_in

RUNNING: Final = frozenset({"submitted", "working"})
"""States in which a process works on the task."""
PARKED: Final = frozenset({"input-required", "auth-required"})
"""States in which it waits for its owner, and no process has it."""
STOPPED: Final = "The server stopped in the middle of this task."
"""The note of a task whose process died."""
LONGEST_PAGE: Final = 1000
HEAVIEST_PAGE: Final = 8 * 1024 * 1024
"""Bytes of the tasks on one page, which end it early: they may hold images. One alone may be heavier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """One task. Times are UTC epoch seconds; state, status_at and note are the truth about its status."""

    owner: str
    id: str
    context_id: str
    skill: str
    state: str
    """submitted, working, input-required, auth-required, completed, canceled, failed or rejected."""
    status_at: float
    note: str
    """Text of the status message; "" for none."""
    version: int
    """From 1; rises with every change of state and of hands."""
    instance: str | None
    """The process that works on it."""
    body: bytes
    """The serialised task: history, artifacts and metadata. Its status is not to be relied on."""
    created_at: float
    updated_at: float
    expires_at: float | None
    """When it may be deleted; None: a long time after the last that happened to it (`Retention.tasks_days`)."""


_FIELDS: Final = tuple(field.name for field in fields(TaskRow))
_COLUMNS: Final = ", ".join(_FIELDS)
_IS_RUNNING: Final = "state IN ('submitted', 'working')"
_IS_PARKED: Final = "state IN ('input-required', 'auth-required')"
_IS_OPEN: Final = "state IN ('submitted', 'working', 'input-required', 'auth-required')"
_FIND: Final = f"SELECT {_COLUMNS} FROM task WHERE owner = ? AND id = ?"  # noqa: S608 (our own constants)
_RUNS: Final = f"SELECT 1 FROM task WHERE owner = ? AND id = ? AND {_IS_RUNNING}"  # noqa: S608 (our own constants)
_INSERT: Final = (
    f"INSERT INTO task ({_COLUMNS}) VALUES (:owner, :id, :context_id, :skill, :state, :status_at, :note, "  # noqa: S608 (our own constants)
    ":version, :instance, :body, :created_at, :updated_at, :expires_at) ON CONFLICT (owner, id) DO NOTHING"
)
_UPDATE: Final = (
    "UPDATE task SET context_id = :context_id, skill = :skill, state = :state, status_at = :status_at, note = :note, "  # noqa: S608 (our own constants)
    "version = :version, instance = :instance, body = :body, updated_at = :updated_at, expires_at = :expires_at, "
    "cancel_asked_at = CASE WHEN :instance IS NULL THEN NULL ELSE cancel_asked_at END "
    f"WHERE owner = :owner AND id = :id AND version = :expected AND {_IS_OPEN}"
)
_TAKE: Final = (
    "UPDATE task SET instance = :instance, version = version + 1 "  # noqa: S608 (our own constants)
    f"WHERE owner = :owner AND id = :id AND version = :version AND instance IS NULL AND {_IS_PARKED}"
)
_CANCEL: Final = (
    "UPDATE task SET cancel_asked_at = COALESCE(cancel_asked_at, :at) "  # noqa: S608 (our own constants)
    f"WHERE owner = :owner AND id = :id AND instance IS NOT NULL AND {_IS_OPEN}"
)
_NARROWED: Final = "(:state IS NULL OR state = :state) AND (:after IS NULL OR status_at >= :after)"  # an index has both
_PAGE: Final = f"AND {_NARROWED} AND (status_at, id) < (:at, :last) ORDER BY status_at DESC, id DESC LIMIT :limit"
_OF_OWNER: Final = "FROM task WHERE owner = :owner"
_OF_CONTEXT: Final = "FROM task WHERE owner = :owner AND context_id = :context_id"
_LIST: Final = f"SELECT {_COLUMNS} {_OF_OWNER} {_PAGE}"
_LIST_CONTEXT: Final = f"SELECT {_COLUMNS} {_OF_CONTEXT} {_PAGE}"
_COUNT: Final = f"SELECT COUNT(*) {_OF_OWNER} AND {_NARROWED}"
_COUNT_CONTEXT: Final = f"SELECT COUNT(*) {_OF_CONTEXT} AND {_NARROWED}"
_OLD: Final = "SELECT owner, id FROM task WHERE expires_at <= ? ORDER BY expires_at LIMIT ?"
_FORGOTTEN: Final = (
    "SELECT owner, id FROM task WHERE expires_at IS NULL AND updated_at < ? AND instance IS NULL "
    "ORDER BY updated_at LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class Found:
    row: TaskRow
    chunks: tuple[bytes, ...]
    """What was appended since the body was written, in order."""


@dataclass(frozen=True, slots=True)
class Page:
    rows: tuple[TaskRow, ...]
    next_cursor: str | None
    """None: this page is the last."""
    total: int
    """Of all pages together."""


class Moved(Exception):
    """Somebody else changed the task first, or it is over; `row` is what it is now, None when there is none."""

    def __init__(self, row: TaskRow | None) -> None:
        super().__init__("The task is not what it was expected to be.")
        self.row = row


@dataclass(frozen=True, slots=True)
class TaskRows:
    """All of it raises `StoreUnavailable` where the database cannot be used."""

    database: Database

    async def put(self, row: TaskRow, *, expected: int | None) -> None:
        """Write a new task (`expected` None), or one that is at the version `expected` and not over yet. In a state
        in which nobody works on it, its chunks go, because the body has them, and its instance goes too.

        Raises:
            Moved: it is not as expected.
        """

        def job(connection: sqlite3.Connection) -> None:
            runs = row.state in RUNNING
            values = {**_values(row), "instance": row.instance if runs else None, "expected": expected}
            if not connection.execute(_INSERT if expected is None else _UPDATE, values).rowcount:
                raise Moved(_row_of(connection, row.owner, row.id))
            if not runs and expected is not None:
                connection.execute("DELETE FROM task_chunk WHERE owner = ? AND task_id = ?", (row.owner, row.id))

        await self.database.write(job)

    async def append(self, owner: str, id: str, chunks: Sequence[bytes]) -> bool:  # noqa: A002 (its id)
        """Add pieces behind those there are. False: the task is not running (any more), and nothing was added."""

        def job(connection: sqlite3.Connection) -> bool:
            # Not the whole row: its body may be large, and this comes often.
            if connection.execute(_RUNS, (owner, id)).fetchone() is None:
                return False
            (next_number,) = connection.execute(
                "SELECT COALESCE(MAX(number) + 1, 0) FROM task_chunk WHERE owner = ? AND task_id = ?", (owner, id)
            ).fetchone()
            connection.executemany(
                "INSERT INTO task_chunk (owner, task_id, number, body) VALUES (?, ?, ?, ?)",
                [(owner, id, number, chunk) for number, chunk in enumerate(chunks, start=next_number)],
            )
            return True

        return await self.database.write(job)

    async def find(self, owner: str, id: str, *, skip: int = 0) -> Found | None:  # noqa: A002 (its id)
        """The task and its chunks without the first `skip`, which the asker has."""

        def job(connection: sqlite3.Connection) -> Found | None:
            row = _row_of(connection, owner, id)
            chunks = connection.execute(
                "SELECT body FROM task_chunk WHERE owner = ? AND task_id = ? AND number >= ? ORDER BY number",
                (owner, id, skip),
            ).fetchall()
            return None if row is None else Found(row, tuple(bytes(chunk) for (chunk,) in chunks))

        return await self.database.read(job)

    async def list(
        self,
        owner: str,
        *,
        context_id: str | None = None,
        state: str | None = None,
        after: float | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """Tasks whose status is of `after` or later, newest status first. What is still in chunks is not in them.

        Raises:
            InvalidRequest: the cursor is none of ours, of another owner or of other filters.
        """
        sought = Sought(owner=owner, context_id=context_id, state=state, after=after)
        place = FIRST if cursor is None else place_in(cursor, sought)
        return await self.database.read(lambda connection: _page(connection, sought, place, limit))

    async def take(self, owner: str, id: str, *, version: int, instance: str) -> TaskRow | None:  # noqa: A002 (its id)
        """Pick up a parked task that is at that version. The row as it is now, one version on and in the instance's
        hands, its state unchanged. None: it is not there, not parked, or somebody else was first.
        """

        def job(connection: sqlite3.Connection) -> TaskRow | None:
            key = {"owner": owner, "id": id, "version": version, "instance": instance}
            taken = connection.execute(_TAKE, key).rowcount
            return _row_of(connection, owner, id) if taken else None

        return await self.database.write(job)

    async def ask_to_cancel(self, owner: str, id: str, at: float) -> bool:  # noqa: A002 (its id)
        """Tell whichever process works on the task to cancel it. False: none does. A task that is parked meanwhile
        forgets the request, so whoever asked looks again.
        """
        key = {"owner": owner, "id": id, "at": at}
        return await self.database.write(lambda connection: connection.execute(_CANCEL, key).rowcount > 0)

    async def to_cancel(self, instance: str) -> tuple[tuple[str, str], ...]:
        """Owner and id of the tasks this instance works on and was asked to cancel."""

        def job(connection: sqlite3.Connection) -> tuple[tuple[str, str], ...]:
            rows = connection.execute(
                "SELECT owner, id FROM task WHERE instance = ? AND cancel_asked_at IS NOT NULL "
                "ORDER BY cancel_asked_at, owner, id",
                (instance,),
            )
            return tuple((owner, task_id) for owner, task_id in rows)

        return await self.database.read(job)

    async def erase(self, owner: str) -> int:
        """Delete every task of an owner but those at work; how many went."""

        def job(connection: sqlite3.Connection) -> int:
            keys = connection.execute("SELECT owner, id FROM task WHERE owner = ? AND instance IS NULL", (owner,))
            return _delete(connection, keys.fetchall())

        return await self.database.write(job)


def fail_left_tasks(connection: sqlite3.Connection, instance: str, now: float) -> int:
    """Inside a job: end what a dead process was working on; what waits for its owner goes on waiting, free for whoever
    picks it up. Chunks stay: they are what was said of the answer. Returns how many tasks failed.
    """
    failed = connection.execute(
        "UPDATE task SET state = 'failed', note = ?, status_at = ?, updated_at = ?, version = version + 1, "  # noqa: S608 (our own constants)
        f"instance = NULL, cancel_asked_at = NULL WHERE instance = ? AND {_IS_RUNNING}",
        (STOPPED, now, now, instance),
    ).rowcount
    connection.execute("UPDATE task SET instance = NULL, cancel_asked_at = NULL WHERE instance = ?", (instance,))
    return failed


def forget_tasks(connection: sqlite3.Connection, *, before: float, idle_before: float, limit: int) -> int:
    """Inside a job: delete tasks whose time was over then, and those that nobody gave one and nothing happened to for
    so long; returns how many went.
    """
    gone = connection.execute(_OLD, (before, limit)).fetchall()
    gone += connection.execute(_FORGOTTEN, (idle_before, limit - len(gone))).fetchall()
    return _delete(connection, gone)


def _delete(connection: sqlite3.Connection, keys: Sequence[tuple[str, str]]) -> int:
    """Tasks by owner and id, with everything that hangs on them."""
    connection.executemany("DELETE FROM task_chunk WHERE owner = ? AND task_id = ?", keys)
    connection.executemany("DELETE FROM a2a_push WHERE owner = ? AND task_id = ?", keys)
    connection.executemany("DELETE FROM task WHERE owner = ? AND id = ?", keys)
    return len(keys)


def _page(connection: sqlite3.Connection, sought: Sought, place: Place, limit: int) -> Page:
    size = min(max(limit, 1), LONGEST_PAGE)
    values = {
        "owner": sought.owner,
        "context_id": sought.context_id,
        "state": sought.state,
        "after": sought.after,
        "at": place.status_at,
        "last": place.id,
        "limit": size + 1,
    }
    every = sought.context_id is None
    (total,) = connection.execute(_COUNT if every else _COUNT_CONTEXT, values).fetchone()
    rows: list[TaskRow] = []
    weight = 0
    next_cursor = None
    # One after the other: what comes on a later page is not read.
    for row in map(_read, connection.execute(_LIST if every else _LIST_CONTEXT, values)):
        weight += len(row.body)
        if rows and (len(rows) == size or weight > HEAVIEST_PAGE):
            next_cursor = cursor_of(Place(rows[-1].status_at, rows[-1].id), sought)
            break
        rows.append(row)
    return Page(tuple(rows), next_cursor, total)


def _row_of(connection: sqlite3.Connection, owner: str, task_id: str) -> TaskRow | None:
    row = connection.execute(_FIND, (owner, task_id)).fetchone()
    return None if row is None else _read(row)


def _read(row: tuple[Any, ...]) -> TaskRow:
    return TaskRow(**dict(zip(_FIELDS, row, strict=True)))


def _values(row: TaskRow) -> dict[str, object]:
    return {name: getattr(row, name) for name in _FIELDS}
