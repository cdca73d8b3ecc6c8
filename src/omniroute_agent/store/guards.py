"""Guards that were set at run time, and what is spent and reserved in the windows of all guards."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from omniroute_agent.kernel.errors import Conflict
from omniroute_agent.kernel.guard import Guard
from omniroute_agent.store.database import Database

_READ: Final = (
    "SELECT name, limit_nano, period, action, tier, caller, session, combo, enabled, created_at, created_by FROM guard"
)
_SUM: Final = "SELECT COALESCE(SUM(COALESCE(s.cost_nano, i.reserved_nano)), 0)"
"""An attempt of unknown cost counts with what it had reserved."""
_JOINED: Final = "FROM intent AS i LEFT JOIN settlement AS s ON s.attempt_id = i.attempt_id WHERE i.at >= ?"
_EACH: Final = f"{_JOINED} AND (? IS NULL OR i.caller = ?) AND (? IS NULL OR i.combo = ?)"
_IN_SESSION: Final = f"{_JOINED} AND i.caller = ? AND i.session = ? AND (? IS NULL OR i.combo = ?)"
_SPENT: Final = f"{_SUM} {_EACH} AND i.settled = 1"
_SPENT_IN_SESSION: Final = f"{_SUM} {_IN_SESSION} AND i.settled = 1"
_HOLD: Final = "INSERT INTO hold (attempt_id, guard, win, amount_nano) SELECT i.attempt_id, ?, ?, i.reserved_nano"
_HELD: Final = f"{_HOLD} {_EACH} AND i.settled = 0"
_HELD_IN_SESSION: Final = f"{_HOLD} {_IN_SESSION} AND i.settled = 0"


@dataclass(frozen=True, slots=True)
class GuardState:
    spent: int
    reserved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardsSeen:
    """The stored guards, and the windows that were asked for, by guard."""

    stored: tuple[Guard, ...]
    states: Mapping[str, GuardState]


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """A window that begins with what the ledger has of it: a guard that is new in it counts what was spent before."""

    guard: Guard
    window: str
    since: float
    resets_at: float | None
    caller: str | None
    session: str | None


@dataclass(frozen=True, slots=True)
class GuardRows:
    database: Database

    async def seen(self, windows: Callable[[Sequence[Guard]], Mapping[str, str]]) -> GuardsSeen:
        return await self.database.read(lambda connection: read_seen(connection, windows))

    async def put(self, guard: Guard, *, before: Guard | None, counts: Sequence[Count], now: float) -> None:
        """Keep a guard that takes the place of the stored one `before`, and begin its windows anew.

        Raises:
            Conflict: another one is stored by now.
        """

        def job(connection: sqlite3.Connection) -> None:
            _expect(connection, guard.name, before)
            set_guard(connection, guard, counts, now)

        await self.database.write(job)

    async def remove(self, name: str, *, before: Guard | None) -> None:
        """
        Raises:
            Conflict: another one is stored by now.
        """

        def job(connection: sqlite3.Connection) -> None:
            _expect(connection, name, before)
            drop_guard(connection, name)

        await self.database.write(job)

    async def begin(self, counts: Sequence[Count], now: float) -> None:
        """Begin those windows that nobody has counted in yet."""

        def job(connection: sqlite3.Connection) -> None:
            for count in counts:
                if read_state(connection, count.guard.name, count.window) is None:
                    _begin(connection, count, now)

        await self.database.write(job)


def set_guard(connection: sqlite3.Connection, guard: Guard, counts: Sequence[Count], now: float) -> None:
    """Inside a job: keep a guard, whatever was there of its name, and begin its windows anew."""
    drop_guard(connection, guard.name)
    connection.execute(
        "INSERT INTO guard (name, limit_nano, period, action, tier, caller, session, combo, enabled, "
        "created_at, created_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            guard.name,
            guard.limit,
            guard.period,
            guard.action,
            guard.tier,
            guard.caller,
            guard.session,
            guard.combo,
            int(guard.enabled),
            guard.created_at,
            guard.created_by,
        ),
    )
    for count in counts:
        _begin(connection, count, now)


def drop_guard(connection: sqlite3.Connection, name: str) -> None:
    """Inside a job: forget a guard that was set at run time, if there is one."""
    connection.execute("DELETE FROM guard WHERE name = ?", (name,))


def _expect(connection: sqlite3.Connection, name: str, before: Guard | None) -> None:
    found = next((guard for guard in read_stored(connection) if guard.name == name), None)
    if found != before:
        raise Conflict(f"The guard `{name}` was changed meanwhile.", hint="Look at it and set it again.")


def _begin(connection: sqlite3.Connection, count: Count, now: float) -> None:
    guard, window = count.guard, count.window
    # One session is found by its index; all of them by their time.
    alone = None not in (count.caller, count.session)
    whose = (count.caller, count.session if alone else count.caller)
    which = (count.since, *whose, guard.combo, guard.combo)
    connection.execute("DELETE FROM hold WHERE guard = ? AND win = ?", (guard.name, window))
    connection.execute(_HELD_IN_SESSION if alone else _HELD, (guard.name, window, *which))
    spent = connection.execute(_SPENT_IN_SESSION if alone else _SPENT, which).fetchone()[0]
    reserved = connection.execute(
        "SELECT COALESCE(SUM(amount_nano), 0) FROM hold WHERE guard = ? AND win = ?", (guard.name, window)
    ).fetchone()[0]
    connection.execute(
        "INSERT INTO guard_window (guard, win, spent_nano, reserved_nano, resets_at, touched_at) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (guard, win) DO UPDATE SET spent_nano = excluded.spent_nano, "
        "reserved_nano = excluded.reserved_nano, resets_at = excluded.resets_at, touched_at = excluded.touched_at",
        (guard.name, window, spent, reserved, count.resets_at, now),
    )


def read_seen(connection: sqlite3.Connection, windows: Callable[[Sequence[Guard]], Mapping[str, str]]) -> GuardsSeen:
    """Inside a job: the stored guards, and the windows which `windows`, a pure function of them, asks for."""
    stored = read_stored(connection)
    states = {name: read_state(connection, name, win) for name, win in windows(stored).items()}
    nothing = GuardState(0, 0)
    return GuardsSeen(stored=stored, states={name: state or nothing for name, state in states.items()})


def read_stored(connection: sqlite3.Connection) -> tuple[Guard, ...]:
    """Inside a job: all guards that were set at run time."""
    return tuple(
        Guard(
            name=name,
            limit=limit,
            period=period,
            action=action,
            tier=tier,
            caller=caller,
            session=session,
            combo=combo,
            enabled=bool(enabled),
            source="stored",
            created_at=created_at,
            created_by=created_by,
        )
        for name, limit, period, action, tier, caller, session, combo, enabled, created_at, created_by in (
            connection.execute(f"{_READ} ORDER BY created_at, name")
        )
    )


def read_state(connection: sqlite3.Connection, guard: str, window: str) -> GuardState | None:
    """Inside a job: what is spent and reserved in a guard's window; None: nothing was counted in it yet."""
    row = connection.execute(
        "SELECT spent_nano, reserved_nano FROM guard_window WHERE guard = ? AND win = ?", (guard, window)
    ).fetchone()
    return GuardState(*row) if row else None


def forget_session_guards(connection: sqlite3.Connection, *, before: float, limit: int) -> int:
    """Inside a job: delete guards of sessions in which nothing was counted since then; returns how many went."""
    return connection.execute(
        "DELETE FROM guard WHERE name IN (SELECT g.name FROM guard AS g WHERE g.session IS NOT NULL "
        "AND g.created_at < ? AND NOT EXISTS (SELECT 1 FROM guard_window AS w WHERE w.guard = g.name) LIMIT ?)",
        (before, limit),
    ).rowcount
