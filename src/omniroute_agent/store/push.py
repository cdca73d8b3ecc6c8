"""Whom to tell about a task of the A2A door, and how far each has been told.

There is no queue: a hook is due while its task's version is above the one it was told, so nothing is lost when a
process dies, and changes that come faster than they can be told are told as one. Who tells holds the row's lease.
Times are UTC epoch seconds.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from typing import Any, Final

from omniroute_agent.store.database import Database

TABLE: Final = "a2a_push"
LEASE_SECONDS: Final = 30.0
"""Longer than telling ever takes. When a process died, another one tells after this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRow:
    owner: str
    task_id: str
    id: str
    generation: str
    """Another one with each write by the owner: what was learnt about an older one says nothing about this one."""
    protocol: str
    url: str
    host: str
    scheme: str
    """Of the Authorization header; empty when none was asked for."""
    sealed: bytes | None
    created_at: float
    told_version: int = 0
    finished: bool = False
    """Nothing more is to be told: the task is over and the hook knows, or it was given up."""
    due_at: float
    """Not before."""
    tries: int = 0
    """Failed ones since the last that worked."""
    failing_since: float | None = None
    fault: str | None = None
    """How the last try failed, for the owner of this program."""
    given_up_at: float | None = None
    lease: str | None = None
    leased_until: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is there when a hook is to be written, all read in one transaction."""

    hooks: tuple[HookRow, ...]
    """Of the same task, oldest first."""
    sealed: tuple[bytes, ...]
    """What the master key has sealed elsewhere: the connections' secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """How many a process is telling already, and how many at most, so that nobody waits behind one slow server or one
    busy owner.
    """

    hosts: Mapping[str, int]
    owners: Mapping[str, int]
    per_host: int
    per_owner: int


_NAMES: Final = tuple(field.name for field in fields(HookRow))
_COLUMNS: Final = ", ".join("CAST(sealed AS BLOB)" if name == "sealed" else name for name in _NAMES)
_OF_TASK: Final = f"SELECT {_COLUMNS} FROM a2a_push WHERE owner = ? AND task_id = ? ORDER BY created_at, id"  # noqa: S608 (constants)
_WRITE: Final = (
    f"INSERT INTO a2a_push ({', '.join(_NAMES)}) VALUES ({', '.join('?' * len(_NAMES))}) "  # noqa: S608 (constants)
    "ON CONFLICT (owner, task_id, id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _NAMES if name not in {"owner", "task_id", "id"})
)
_LONGEST_LEASE: Final = 2 * LEASE_SECONDS
"""From now. A clock that was put back leaves leases that end later than that: they count as over. Twice as long as a
lease is, because another process may have leased a moment after this one read its clock.
"""
_DUE: Final = """
FROM a2a_push AS hook JOIN task ON task.owner = hook.owner AND task.id = hook.task_id
WHERE hook.finished = 0 AND hook.due_at <= :now AND task.version > hook.told_version
AND (hook.leased_until <= :now OR hook.leased_until > :longest)
"""
_HELD: Final = "WHERE owner = ? AND task_id = ? AND id = ? AND generation = ? AND lease = ?"


@dataclass(frozen=True, slots=True)
class PushRows:
    """All of it raises `StoreUnavailable` where the database cannot be used."""

    database: Database

    async def put(self, owner: str, task_id: str, make: Callable[[Standing], HookRow]) -> HookRow | None:
        """Write what `make` gives in one transaction with the look at what is there; None: the owner has no such task.
        What it raises is passed on, and nothing is written.
        """

        def job(connection: sqlite3.Connection) -> HookRow | None:
            if not _has_task(connection, owner, task_id):
                return None
            row = make(Standing(hooks=_of_task(connection, owner, task_id), sealed=_sealed_elsewhere(connection)))
            connection.execute(_WRITE, astuple(row))
            return row

        return await self.database.write(job)

    async def of_task(self, owner: str, task_id: str) -> tuple[HookRow, ...] | None:
        """Oldest first; None: the owner has no such task."""

        def job(connection: sqlite3.Connection) -> tuple[HookRow, ...] | None:
            hooks = _of_task(connection, owner, task_id)
            return hooks if _has_task(connection, owner, task_id) else None

        return await self.database.read(job)

    async def delete(self, owner: str, task_id: str, id: str) -> bool:  # noqa: A002 (its id)
        """One that is not there is no error. False: the owner has no such task."""

        def job(connection: sqlite3.Connection) -> bool:
            key = (owner, task_id, id)
            connection.execute("DELETE FROM a2a_push WHERE owner = ? AND task_id = ? AND id = ?", key)
            return _has_task(connection, owner, task_id)

        return await self.database.write(job)

    async def due(self, now: float) -> bool:
        """Whether anything could be told now."""
        moment = {"now": now, "longest": now + _LONGEST_LEASE}
        return await self.database.read(
            lambda connection: connection.execute(f"SELECT 1 {_DUE} LIMIT 1", moment).fetchone() is not None
        )

    async def take(self, lease: str, now: float, *, most: int, busy: Busy) -> tuple[HookRow, ...]:
        """Lease what is due: the longest waiting first, but everybody's first before anybody's second."""

        def job(connection: sqlite3.Connection) -> tuple[HookRow, ...]:
            due = _fairly(connection, now, busy)[:most]
            connection.executemany(
                "UPDATE a2a_push SET lease = ?, leased_until = ? WHERE owner = ? AND task_id = ? AND id = ?",
                [(lease, now + LEASE_SECONDS, *key) for key in due],
            )
            return tuple(hook for key in due if (hook := _hook(connection, key)) is not None)

        return await self.database.write(job)

    async def told(self, hook: HookRow, version: int, *, over: bool) -> None:
        """The hook knows the task as it was at `version`; `over`: there are no later ones. Gives the lease back."""
        await self._settle(
            hook,
            "told_version = ?, finished = ?, tries = 0, failing_since = NULL, fault = NULL",
            (version, int(over)),
        )

    async def failed(self, hook: HookRow, fault: str, *, since: float, due_at: float) -> None:
        """It is told again, not before `due_at`. Gives the lease back."""
        await self._settle(hook, "tries = tries + 1, failing_since = ?, fault = ?, due_at = ?", (since, fault, due_at))

    async def give_up(self, hook: HookRow, fault: str, at: float) -> None:
        """It is not told any more, until its owner writes it again."""
        await self._settle(
            hook,
            "tries = tries + 1, failing_since = COALESCE(failing_since, ?), fault = ?, given_up_at = ?, finished = 1",
            (at, fault, at),
        )

    def let_go(self, hooks: Iterable[HookRow]) -> None:
        """Give leases back without waiting, because this process ends: another one tells at once."""
        keys = [_held(hook) for hook in hooks]
        if not keys:
            return
        statement = f"UPDATE a2a_push SET lease = NULL, leased_until = 0 {_HELD}"  # noqa: S608 (constants)
        self.database.correct(lambda connection: connection.executemany(statement, keys))

    async def _settle(self, hook: HookRow, change: str, values: tuple[object, ...]) -> None:
        # A hook that was written anew meanwhile, or whose lease is somebody else's by now, is left as it is.
        statement = f"UPDATE a2a_push SET {change}, lease = NULL, leased_until = 0 {_HELD}"  # noqa: S608 (constants)
        await self.database.write(lambda connection: connection.execute(statement, (*values, *_held(hook))))


def read_sealed(connection: sqlite3.Connection) -> tuple[HookRow, ...]:
    """Inside a job: every hook with secrets."""
    return tuple(map(_read, connection.execute(f"SELECT {_COLUMNS} FROM a2a_push WHERE sealed IS NOT NULL")))  # noqa: S608 (constants)


def write_sealed(connection: sqlite3.Connection, hook: HookRow, sealed: bytes) -> None:
    """Inside a job: the same secrets, sealed anew."""
    connection.execute(
        "UPDATE a2a_push SET sealed = ? WHERE owner = ? AND task_id = ? AND id = ?",
        (sealed, hook.owner, hook.task_id, hook.id),
    )


def _held(hook: HookRow) -> tuple[object, ...]:
    return (hook.owner, hook.task_id, hook.id, hook.generation, hook.lease)


def _has_task(connection: sqlite3.Connection, owner: str, task_id: str) -> bool:
    return connection.execute("SELECT 1 FROM task WHERE owner = ? AND id = ?", (owner, task_id)).fetchone() is not None


def _of_task(connection: sqlite3.Connection, owner: str, task_id: str) -> tuple[HookRow, ...]:
    return tuple(map(_read, connection.execute(_OF_TASK, (owner, task_id))))


def _hook(connection: sqlite3.Connection, key: tuple[str, str, str]) -> HookRow | None:
    statement = f"SELECT {_COLUMNS} FROM a2a_push WHERE owner = ? AND task_id = ? AND id = ?"  # noqa: S608 (constants)
    found = connection.execute(statement, key).fetchone()
    return None if found is None else _read(found)


def _read(columns: tuple[Any, ...]) -> HookRow:
    found = dict(zip(_NAMES, columns, strict=True))
    return HookRow(**{**found, "finished": bool(found["finished"])})


def _sealed_elsewhere(connection: sqlite3.Connection) -> tuple[bytes, ...]:
    found = connection.execute(
        "SELECT CAST(sealed_key AS BLOB), CAST(sealed_headers AS BLOB), CAST(sealed_proxy AS BLOB) FROM connection"
    )
    return tuple(blob for row in found for blob in row if blob is not None)


def _fairly(connection: sqlite3.Connection, now: float, busy: Busy) -> list[tuple[str, str, str]]:
    """Keys of what may be told now, in the order of their turns, within the bounds."""
    full_hosts = {f"host{n}": name for n, name in enumerate(h for h, c in busy.hosts.items() if c >= busy.per_host)}
    full_owners = {f"owner{n}": name for n, name in enumerate(o for o, c in busy.owners.items() if c >= busy.per_owner)}
    statement = f"""
    SELECT owner, task_id, id, host FROM (
        SELECT owner, task_id, id, host, due_at, host_turn,
            ROW_NUMBER() OVER (PARTITION BY owner ORDER BY host_turn, due_at) AS owner_turn
        FROM (
            SELECT hook.owner, hook.task_id, hook.id, hook.host, hook.due_at,
                ROW_NUMBER() OVER (PARTITION BY hook.host ORDER BY hook.due_at) AS host_turn
            {_DUE} {_none_of("hook.host", full_hosts)} {_none_of("hook.owner", full_owners)}
        ) AS by_host WHERE host_turn <= :per_host
    ) AS by_owner WHERE owner_turn <= :per_owner
    ORDER BY owner_turn, host_turn, due_at
    """  # noqa: S608 (constants and placeholders)
    moment = {"now": now, "longest": now + _LONGEST_LEASE, "per_host": busy.per_host, "per_owner": busy.per_owner}
    hosts, owners = Counter(busy.hosts), Counter(busy.owners)
    chosen: list[tuple[str, str, str]] = []
    for owner, task_id, hook_id, host in connection.execute(statement, {**moment, **full_hosts, **full_owners}):
        if hosts[host] < busy.per_host and owners[owner] < busy.per_owner:
            hosts[host] += 1
            owners[owner] += 1
            chosen.append((owner, task_id, hook_id))
    return chosen


def _none_of(column: str, names: Iterable[str]) -> str:
    places = ", ".join(f":{name}" for name in names)
    return f"AND {column} NOT IN ({places})" if places else ""
