"""Nothing grows for ever: what is older than the owner wants goes, in bounded steps; monthly sums stay."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from omniroute_agent.store.counts import forget_counts
from omniroute_agent.store.database import Database
from omniroute_agent.store.health import forget_locks
from omniroute_agent.store.quota import forget_readings

BATCH: Final = 500
"""Rows per commit, so that requests never wait long behind the sweep."""
DAY_SECONDS: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    decisions_days: int
    ledger_days: int


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
    gone += await _all(database, partial(_ledger_batch, before=ledger))
    # A day later no lock of the same model is its continuation any more.
    gone += await _all(database, partial(forget_locks, before=now - DAY_SECONDS, limit=BATCH))
    for forget in (forget_readings, forget_counts):
        gone += await _all(database, partial(forget, before=now - 62 * DAY_SECONDS, limit=BATCH))
    return gone


async def _all(database: Database, batch: Callable[[sqlite3.Connection], int]) -> int:
    total = 0
    while count := await database.write(batch):
        total += count
    return total


def _delete(connection: sqlite3.Connection, *, statement: str, before: float) -> int:
    return connection.execute(statement, (before, BATCH)).rowcount


def _ledger_batch(connection: sqlite3.Connection, *, before: float) -> int:
    attempts = connection.execute(_OLD_INTENTS, (before, BATCH)).fetchall()
    connection.executemany("DELETE FROM settlement WHERE attempt_id = ?", attempts)
    connection.executemany("DELETE FROM intent WHERE attempt_id = ?", attempts)
    return len(attempts)
