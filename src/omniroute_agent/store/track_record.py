"""How targets did over days, and how large requests for a task usually are."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from omniroute_agent.kernel.record import TargetStats
from omniroute_agent.store.database import Database
from omniroute_agent.store.target_stats import read_stats

RECORD_SECONDS: Final = 7 * 86_400.0
"""How far back it looks."""
SAMPLE: Final = 10_000
"""Attempts that are looked at, the newest."""

_SIZE: Final = (
    "SELECT AVG(tokens), COUNT(*) FROM (SELECT s.input_tokens AS tokens "
    "FROM intent AS i JOIN settlement AS s ON s.attempt_id = i.attempt_id "
    "WHERE i.at >= :since AND s.outcome = 'answered' AND s.input_tokens IS NOT NULL "
    "AND (:task IS NULL OR i.task = :task) ORDER BY i.at DESC LIMIT :sample) AS newest"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Input tokens of answered requests, the mean."""

    tokens: int
    requests: int
    of_task: bool
    """False: no request said that task, so all of them were looked at."""


@dataclass(frozen=True, slots=True)
class TrackRecord:
    targets: Mapping[str, TargetStats]
    """By target name."""
    size: Size | None
    """None: nothing was answered yet."""


async def track_record(database: Database, task: str, *, now: float) -> TrackRecord:
    since = now - RECORD_SECONDS

    def job(connection: sqlite3.Connection) -> TrackRecord:
        return TrackRecord(
            read_stats(connection, since=since, sample=SAMPLE),
            _size(connection, since, task) or _size(connection, since, None),
        )

    return await database.read(job)


def _size(connection: sqlite3.Connection, since: float, task: str | None) -> Size | None:
    values = {"since": since, "task": task, "sample": SAMPLE}
    tokens, requests = connection.execute(_SIZE, values).fetchone()
    return Size(tokens=round(tokens), requests=requests, of_task=task is not None) if requests else None
