"""Which target served a prompt's beginning last: its prompt cache may still hold it."""

import sqlite3
from collections.abc import Sequence
from typing import Final

from omniroute_agent.kernel.record import Affinity

_WRITE: Final = (
    "INSERT INTO prompt_affinity (prefix, target, served_at, expires_at) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (prefix) DO UPDATE SET target = excluded.target, served_at = excluded.served_at, "
    "expires_at = excluded.expires_at WHERE excluded.served_at >= prompt_affinity.served_at"
)


def read_affinity(connection: sqlite3.Connection, prefixes: Sequence[str], now: float) -> Affinity | None:
    """Inside a job: of the first of these beginnings that anybody is known to hold now."""
    for prefix in prefixes:
        row = connection.execute(
            "SELECT target, served_at, expires_at FROM prompt_affinity WHERE prefix = ? AND expires_at > ?",
            (prefix, now),
        ).fetchone()
        if row is not None:
            target, served_at, expires_at = row
            return Affinity(target=target, served_at=served_at, expires_at=expires_at)
    return None


def write_affinity(connection: sqlite3.Connection, prefixes: Sequence[str], affinity: Affinity) -> None:
    """Inside a job: the target holds all of these beginnings from now on."""
    rows = [(prefix, affinity.target, affinity.served_at, affinity.expires_at) for prefix in prefixes]
    connection.executemany(_WRITE, rows)


def forget_affinities(connection: sqlite3.Connection, *, before: float, limit: int) -> int:
    """Inside a job: delete what nobody holds since then, `limit` rows at most; returns how many went."""
    return connection.execute(
        "DELETE FROM prompt_affinity WHERE prefix IN "
        "(SELECT prefix FROM prompt_affinity WHERE expires_at < ? ORDER BY expires_at LIMIT ?)",
        (before, limit),
    ).rowcount
