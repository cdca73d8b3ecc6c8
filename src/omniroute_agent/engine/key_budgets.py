"""A key's budget: a guard over the calls of that key alone, which comes, changes and goes with it."""

import sqlite3
from collections.abc import Callable
from datetime import datetime
from typing import Final

from omniroute_agent.engine.guards import count_of
from omniroute_agent.kernel.caller import OWNER_ID
from omniroute_agent.kernel.guard import CalendarPeriod, Guard
from omniroute_agent.store.guards import drop_guard, set_guard
from omniroute_agent.store.keys import KeyRow

DEFAULT_PERIOD: Final[CalendarPeriod] = "day"


def guard_of(key: KeyRow, limit: int, period: CalendarPeriod, now: datetime) -> Guard:
    """`limit` in nano-dollars. It has the key's id as its name."""
    return Guard(
        name=key.id,
        limit=limit,
        period=period,
        action="block",
        caller=key.id,
        source="stored",
        created_at=now.timestamp(),
        created_by=OWNER_ID,
    )


def setting(limit: int, period: CalendarPeriod, now: datetime) -> Callable[[sqlite3.Connection, KeyRow], None]:
    """What goes into the commit of a key that is to have this budget: what it spent in the period already counts."""

    def job(connection: sqlite3.Connection, key: KeyRow) -> None:
        guard = guard_of(key, limit, period, now)
        set_guard(connection, guard, [count_of(guard, now)], now.timestamp())

    return job


def clearing(connection: sqlite3.Connection, key: KeyRow) -> None:
    """What goes into the commit of a key that is to have no budget, or that is revoked."""
    drop_guard(connection, key.id)
