"""Own counts: what the calls of this house drew on each connection, by UTC hour, held against what its owner allows."""

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from omniroute_agent.kernel.bill import Intent
from omniroute_agent.kernel.health import Refusal
from omniroute_agent.kernel.quota import OWN_COUNT, ConnectionQuota, QuotaLimit, QuotaReading
from omniroute_agent.store.sums import LARGEST

_ADD: Final = (
    "INSERT INTO quota_count (connection, hour, requests, tokens) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (connection, hour) DO UPDATE SET requests = quota_count.requests + excluded.requests, "
    "tokens = quota_count.tokens + excluded.tokens"
)
_SUMS: Final = (
    "SELECT COALESCE(SUM(requests), 0), COALESCE(SUM(tokens), 0), MIN(hour) FROM quota_count "
    "WHERE connection = ? AND hour >= ? AND (requests > 0 OR tokens > 0)"
)


def draw(connection: sqlite3.Connection, intent: Intent) -> Refusal | None:
    """Inside a job, with the intent inserted: count one call and the most tokens it can draw, or say which quota is too
    small for it.
    """
    for limit in intent.limits:
        used, oldest = _used(connection, intent.connection, limit, intent.at)
        needed = 1 if limit.unit == "requests" else intent.tokens
        if used + needed > limit.most:
            return _reached(limit, used, needed, limit.ends(intent.at, oldest))
    tokens = min(intent.tokens, LARGEST)
    connection.execute(_ADD, (intent.connection, _hour(intent.at), 1, tokens))
    connection.execute("UPDATE intent SET reserved_tokens = ? WHERE attempt_id = ?", (tokens, intent.attempt_id))
    return None


def _reached(limit: QuotaLimit, used: int, needed: int, until: float) -> Refusal:
    when = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    detail = f"Of {limit} {used} are used, counted here, and this call may take {needed}; more at {when}."
    return Refusal(reason="quota_reached", detail=detail, until=until)


def _used(connection: sqlite3.Connection, name: str, limit: QuotaLimit, now: float) -> tuple[int, int]:
    """What was drawn within the window, and the oldest hour of it."""
    requests, tokens, oldest = connection.execute(_SUMS, (name, limit.since(now))).fetchone()
    return (requests if limit.unit == "requests" else tokens), _hour(now) if oldest is None else oldest


def _hour(at: float) -> int:
    return int(at // 3600)


def correct(connection: sqlite3.Connection, attempt_id: str, name: str, at: float, tokens: int) -> None:
    """Inside a job: the true tokens of a call that began at `at` take the place of the most it could draw."""
    row = connection.execute("SELECT reserved_tokens FROM intent WHERE attempt_id = ?", (attempt_id,)).fetchone()
    if row is not None and row[0] != tokens:
        connection.execute(_ADD, (name, _hour(at), 0, min(tokens, LARGEST) - row[0]))


def give_back(connection: sqlite3.Connection, intent: Intent) -> None:
    """Inside a job, while the intent is there: the call was never sent."""
    correct(connection, intent.attempt_id, intent.connection, intent.at, 0)
    connection.execute(_ADD, (intent.connection, _hour(intent.at), -1, 0))


def read_counts(
    connection: sqlite3.Connection, limits: Mapping[str, Sequence[QuotaLimit]], now: float
) -> tuple[ConnectionQuota, ...]:
    """Inside a job: how much of each declared quota is used."""
    return tuple(
        ConnectionQuota(connection=name, model=None, reading=_reading(connection, name, limit, now))
        for name, declared in limits.items()
        for limit in declared
    )


def _reading(connection: sqlite3.Connection, name: str, limit: QuotaLimit, now: float) -> QuotaReading:
    used, oldest = _used(connection, name, limit, now)
    return QuotaReading(
        window=limit.window,
        unit=limit.unit,
        account_wide=True,
        limit=float(limit.most),
        used=float(used),
        remaining=float(max(limit.most - used, 0)),
        resets_at=limit.ends(now, oldest),
        seconds=limit.seconds(now),
        source=OWN_COUNT,
        at=now,
    )


def forget_counts(connection: sqlite3.Connection, *, before: float, limit: int) -> int:
    """Inside a job: delete the counts of hours before then, `limit` at most; returns how many went."""
    return connection.execute(
        "DELETE FROM quota_count WHERE (connection, hour) IN "
        "(SELECT connection, hour FROM quota_count WHERE hour < ? ORDER BY hour LIMIT ?)",
        (_hour(before), limit),
    ).rowcount
