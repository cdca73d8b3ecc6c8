"""Nothing grows for ever: what is older than the owner wants goes, in bounded steps; monthly sums stay.

The file does not shrink: the pages that become free are used again by what comes next.
"""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from omniroute_agent.store.affinity import forget_affinities
from omniroute_agent.store.audit import forget_calls
from omniroute_agent.store.buckets import Kind, bucket_start
from omniroute_agent.store.cached import forget_expired
from omniroute_agent.store.combo_state import forget_states
from omniroute_agent.store.consents import forget_consents
from omniroute_agent.store.counts import forget_counts
from omniroute_agent.store.database import Database
from omniroute_agent.store.guards import forget_session_guards
from omniroute_agent.store.handle_books import close_ended, forget_handles
from omniroute_agent.store.health import forget_locks
from omniroute_agent.store.keys import forget_keys
from omniroute_agent.store.outcomes import forget_arms, forget_outcomes
from omniroute_agent.store.quota import forget_readings
from omniroute_agent.store.sums import forget_sums, move_horizon
from omniroute_agent.store.tasks import forget_tasks

BATCH: Final = 500
"""Rows per commit, so that requests never wait long behind the sweep."""
DAY_SECONDS: Final = 86_400.0
SUM_DAYS: Final[Mapping[Kind, int]] = {"hour": 62, "day": 400}
"""How long sums by hour and by day are kept; those by month stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    decisions_days: int
    ledger_days: int
    audit_days: int = 90
    tasks_days: int = 30
    """For tasks that were given no end: how long after the last that happened to them they go."""


_OLD_INTENTS: Final = "SELECT attempt_id FROM intent WHERE at < ? AND settled = 1 ORDER BY at LIMIT ?"
_STEPS: Final = (
    "DELETE FROM decision WHERE request_id IN (SELECT request_id FROM decision WHERE at < ? ORDER BY at LIMIT ?)",
    """DELETE FROM answer WHERE (caller, idempotency_key) IN
    (SELECT caller, idempotency_key FROM answer WHERE keep_until < ? ORDER BY keep_until LIMIT ?)""",
    """DELETE FROM guard_window WHERE reserved_nano = 0 AND (guard, win) IN
    (SELECT guard, win FROM guard_window WHERE touched_at < ? AND reserved_nano = 0 ORDER BY touched_at LIMIT ?)""",
)


async def sweep(database: Database, *, now: float, keep: Retention) -> int:
    """Delete what is past its time; returns how many rows went."""
    decisions = now - keep.decisions_days * DAY_SECONDS
    ledger = now - keep.ledger_days * DAY_SECONDS
    gone = 0
    # A guard's window is over long before two months: none is longer than a month.
    for statement, before in zip(_STEPS, (decisions, now, now - 62 * DAY_SECONDS), strict=True):
        gone += await _all(database, partial(_delete, statement=statement, before=before))
    # Said first: a report must not count on rows that are about to go.
    await database.write(partial(_move_horizons, detail=ledger, now=now))
    gone += await _all(database, partial(_ledger_batch, before=ledger))
    for kind, days in SUM_DAYS.items():
        gone += await _all(database, partial(forget_sums, kind=kind, before=_sums_from(now, kind, days), limit=BATCH))
    for expired in (forget_expired, forget_affinities):
        gone += await _all(database, partial(expired, before=now, limit=BATCH))
    # A day later no lock of the same model is its continuation any more.
    gone += await _all(database, partial(forget_locks, before=now - DAY_SECONDS, limit=BATCH))
    for forget in (forget_readings, forget_counts, forget_arms, forget_states):
        gone += await _all(database, partial(forget, before=now - 62 * DAY_SECONDS, limit=BATCH))
    gone += await _all(database, partial(forget_outcomes, before=decisions, limit=BATCH))
    audit = now - keep.audit_days * DAY_SECONDS
    gone += await _all(database, partial(forget_calls, before=audit, limit=BATCH))
    gone += await _all(database, partial(forget_session_guards, before=now - 62 * DAY_SECONDS, limit=BATCH))
    gone += await _all(database, partial(forget_consents, before=now, limit=BATCH))
    await _all(database, partial(close_ended, before=now, limit=BATCH))
    gone += await _all(database, partial(forget_handles, before=decisions, limit=BATCH))
    idle = now - keep.tasks_days * DAY_SECONDS
    gone += await _all(database, partial(forget_tasks, before=now, idle_before=idle, limit=BATCH))
    # As long as the rows that name a caller: till then its id says whose they were.
    gone += await _all(database, partial(forget_keys, before=ledger, limit=BATCH))
    return gone


async def _all(database: Database, batch: Callable[[sqlite3.Connection], int]) -> int:
    total = 0
    while count := await database.write(batch):
        total += count
    return total


def _sums_from(now: float, kind: Kind, days: int) -> float:
    """The begin of the oldest bucket that is kept."""
    return bucket_start(now - days * DAY_SECONDS, kind)


def _move_horizons(connection: sqlite3.Connection, *, detail: float, now: float) -> None:
    move_horizon(connection, "detail", detail)
    for kind, days in SUM_DAYS.items():
        move_horizon(connection, kind, _sums_from(now, kind, days))


def _delete(connection: sqlite3.Connection, *, statement: str, before: float) -> int:
    return connection.execute(statement, (before, BATCH)).rowcount


def _ledger_batch(connection: sqlite3.Connection, *, before: float) -> int:
    attempts = connection.execute(_OLD_INTENTS, (before, BATCH)).fetchall()
    connection.executemany("DELETE FROM settlement WHERE attempt_id = ?", attempts)
    connection.executemany("DELETE FROM intent WHERE attempt_id = ?", attempts)
    return len(attempts)
