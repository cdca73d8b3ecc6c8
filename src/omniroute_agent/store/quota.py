"""Quota windows of connections as they were told last, shared live by every process on the file."""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from omniroute_agent.kernel.quota import ConnectionQuota, QuotaReading

_READ: Final = (
    "SELECT connection, model, win, unit, replenished, quota_limit, used, remaining, resets_at, seconds, source, at "
    "FROM quota_window ORDER BY connection, model, win"
)
# What one answer told later than another stands, whichever is settled first.
_WRITE: Final = (
    "INSERT INTO quota_window (connection, model, win, unit, replenished, quota_limit, used, remaining, resets_at, "
    "seconds, source, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (connection, model, win) DO UPDATE SET unit = excluded.unit, replenished = excluded.replenished, "
    "quota_limit = excluded.quota_limit, used = excluded.used, remaining = excluded.remaining, "
    "resets_at = excluded.resets_at, seconds = excluded.seconds, source = excluded.source, at = excluded.at "
    "WHERE excluded.at >= quota_window.at"
)


def read_quotas(connection: sqlite3.Connection) -> tuple[ConnectionQuota, ...]:
    """Inside a job: the last reading of every window; which of them still say anything is the reader's to decide."""
    return tuple(map(_quota, connection.execute(_READ)))


def _quota(row: tuple[Any, ...]) -> ConnectionQuota:
    connection, model, window, unit, replenished, limit, used, remaining, resets_at, seconds, source, at = row
    return ConnectionQuota(
        connection=connection,
        model=model or None,
        reading=QuotaReading(
            window=window,
            unit=unit,
            account_wide=not model,
            replenished=bool(replenished),
            limit=limit,
            used=used,
            remaining=remaining,
            resets_at=resets_at,
            seconds=seconds,
            source=source,
            at=at,
        ),
    )


def write_readings(connection: sqlite3.Connection, name: str, model: str, readings: Sequence[QuotaReading]) -> None:
    """Inside a job: keep what an answer of `model` told."""
    connection.executemany(
        _WRITE,
        [
            (
                name,
                "" if reading.account_wide else model,
                reading.window,
                reading.unit,
                int(reading.replenished),
                reading.limit,
                reading.used,
                reading.remaining,
                reading.resets_at,
                reading.seconds,
                reading.source,
                reading.at,
            )
            for reading in readings
        ],
    )


def forget_readings(connection: sqlite3.Connection, *, before: float, limit: int) -> int:
    """Inside a job: delete what was told before then, `limit` rows at most; returns how many went."""
    return connection.execute(
        "DELETE FROM quota_window WHERE (connection, model, win) IN "
        "(SELECT connection, model, win FROM quota_window WHERE at < ? ORDER BY at LIMIT ?)",
        (before, limit),
    ).rowcount
