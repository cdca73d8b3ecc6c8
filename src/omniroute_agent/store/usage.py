"""Reading the ledger: sums over a span, one session at a glance."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from omniroute_agent.store.database import Database

GroupBy = Literal["provider", "model", "combo", "task", "connection"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTotals:
    name: str | None
    requests: int
    attempts: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost_nano: int
    """Of attempts whose price is known."""
    estimated_cost_nano: int
    """The part of it that rests on our own counts or on a kept reservation."""
    unknown_cost_attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals(GroupTotals):
    open_reserved_nano: int
    """Reserved by attempts that have not settled yet."""
    groups: tuple[GroupTotals, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSummary:
    first_at: float | None
    requests: int
    answered: int
    failed: int
    fallbacks: int
    input_tokens: int
    output_tokens: int
    cost_nano: int
    unknown_cost_attempts: int
    top_models: tuple[tuple[str, int], ...]
    faults: tuple[tuple[str, int], ...]


_SUMS: Final = (
    "COUNT(DISTINCT i.request_id), COUNT(i.attempt_id), COALESCE(SUM(s.input_tokens), 0), "
    "COALESCE(SUM(s.output_tokens), 0), COALESCE(SUM(s.cache_read_tokens), 0), "
    "COALESCE(SUM(s.cache_write_tokens), 0), COALESCE(SUM(s.reasoning_tokens), 0), COALESCE(SUM(s.cost_nano), 0), "
    "COALESCE(SUM(CASE WHEN s.cost_state IN ('estimated', 'reserved') THEN s.cost_nano ELSE 0 END), 0), "
    "COALESCE(SUM(CASE WHEN s.cost_state = 'unknown' THEN 1 ELSE 0 END), 0)"
)
_FROM: Final = (
    " FROM intent i LEFT JOIN settlement s ON s.attempt_id = i.attempt_id WHERE i.at >= :since AND i.at < :until "
    "AND (:caller IS NULL OR i.caller = :caller) AND (:session IS NULL OR i.session = :session)"
)
_ALL: Final = "SELECT NULL, " + _SUMS + _FROM
_BY: Final[Mapping[GroupBy, str]] = {
    "provider": "SELECT i.provider, " + _SUMS + _FROM + " GROUP BY i.provider ORDER BY 9 DESC, 1",
    "model": "SELECT i.model, " + _SUMS + _FROM + " GROUP BY i.model ORDER BY 9 DESC, 1",
    "combo": "SELECT i.combo, " + _SUMS + _FROM + " GROUP BY i.combo ORDER BY 9 DESC, 1",
    "task": "SELECT i.task, " + _SUMS + _FROM + " GROUP BY i.task ORDER BY 9 DESC, 1",
    "connection": "SELECT i.connection, " + _SUMS + _FROM + " GROUP BY i.connection ORDER BY 9 DESC, 1",
}
"""One text per grouping: a column's name is never put together at run time."""
_OPEN: Final = "SELECT COALESCE(SUM(i.reserved_nano), 0)" + _FROM + " AND i.settled = 0"

_FALLBACKS: Final = (
    "SELECT COUNT(*) FROM (SELECT i.request_id FROM intent i WHERE i.caller = :caller AND i.session = :session "
    "GROUP BY i.request_id HAVING COUNT(*) > 1) AS again"
)
_SESSION_SUMS: Final = (
    "SELECT COALESCE(SUM(s.input_tokens), 0), COALESCE(SUM(s.output_tokens), 0), COALESCE(SUM(s.cost_nano), 0), "
    "COALESCE(SUM(CASE WHEN s.cost_state = 'unknown' THEN 1 ELSE 0 END), 0) FROM intent i "
    "JOIN settlement s ON s.attempt_id = i.attempt_id WHERE i.caller = :caller AND i.session = :session"
)
_TOP_MODELS: Final = (
    "SELECT i.model, COUNT(*) FROM intent i JOIN settlement s ON s.attempt_id = i.attempt_id "
    "WHERE i.caller = :caller AND i.session = :session AND s.outcome = 'answered' "
    "GROUP BY i.model ORDER BY 2 DESC, 1 LIMIT 5"
)
_FAULTS: Final = (
    "SELECT s.fault, COUNT(*) FROM intent i JOIN settlement s ON s.attempt_id = i.attempt_id "
    "WHERE i.caller = :caller AND i.session = :session AND s.fault IS NOT NULL GROUP BY s.fault ORDER BY 2 DESC, 1"
)


@dataclass(frozen=True, slots=True)
class UsageBook:
    database: Database

    async def totals(
        self, *, since: float, until: float, caller: str | None, session: str | None, group_by: GroupBy | None
    ) -> Totals:
        """Sums over attempts that began in [since, until), UTC epoch seconds. None counts everyone's."""
        span = {"since": since, "until": until, "caller": caller, "session": session}

        def job(connection: sqlite3.Connection) -> Totals:
            whole = connection.execute(_ALL, span).fetchone()
            groups = connection.execute(_BY[group_by], span).fetchall() if group_by else []
            (reserved,) = connection.execute(_OPEN, span).fetchone()
            return Totals(
                **_named(whole), open_reserved_nano=reserved, groups=tuple(GroupTotals(**_named(row)) for row in groups)
            )

        return await self.database.read(job)

    async def session_summary(self, *, session: str, caller: str) -> SessionSummary:
        mine = {"session": session, "caller": caller}
        return await self.database.read(lambda connection: _session(connection, mine))


def _named(row: tuple[object, ...]) -> dict[str, object]:
    names = (
        "name",
        "requests",
        "attempts",
        "input_tokens",
        "output_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "reasoning_tokens",
        "cost_nano",
        "estimated_cost_nano",
        "unknown_cost_attempts",
    )
    return dict(zip(names, row, strict=True))


def _session(connection: sqlite3.Connection, mine: Mapping[str, str]) -> SessionSummary:
    first_at, requests, answered, failed = connection.execute(
        "SELECT MIN(at), COUNT(*), COALESCE(SUM(CASE WHEN state = 'answered' THEN 1 ELSE 0 END), 0), "
        "COALESCE(SUM(CASE WHEN state IN ('failed', 'unknown') THEN 1 ELSE 0 END), 0) "
        "FROM decision WHERE caller = :caller AND session = :session",
        mine,
    ).fetchone()
    (fallbacks,) = connection.execute(_FALLBACKS, mine).fetchone()
    tokens_in, tokens_out, cost, unknown = connection.execute(_SESSION_SUMS, mine).fetchone()
    models = connection.execute(_TOP_MODELS, mine).fetchall()
    faults = connection.execute(_FAULTS, mine).fetchall()
    return SessionSummary(
        first_at=first_at,
        requests=requests,
        answered=answered,
        failed=failed,
        fallbacks=fallbacks,
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        cost_nano=cost,
        unknown_cost_attempts=unknown,
        top_models=tuple(models),
        faults=tuple(faults),
    )
