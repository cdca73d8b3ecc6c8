"""Reading the ledger: sums over a span, one session at a glance."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionStats:
    connection: str
    attempts: int
    answered: int
    failed: int
    p50_ms: int | None
    """Of answered attempts, the last `SAMPLE` of all connections; None when none is among them."""
    p95_ms: int | None


SAMPLE: Final = 10_000
"""Latencies looked at, so that a report costs the same on a large ledger."""

_SUMS: Final = (
    "COUNT(DISTINCT i.request_id), COUNT(i.attempt_id), COALESCE(SUM(s.input_tokens), 0), "
    "COALESCE(SUM(s.output_tokens), 0), COALESCE(SUM(s.cache_read_tokens), 0), "
    "COALESCE(SUM(s.cache_write_tokens), 0), COALESCE(SUM(s.reasoning_tokens), 0), COALESCE(SUM(s.cost_nano), 0), "
    "COALESCE(SUM(CASE WHEN s.cost_state IN ('estimated', 'reserved') THEN s.cost_nano ELSE 0 END), 0), "
    "COALESCE(SUM(CASE WHEN s.cost_state = 'unknown' THEN 1 ELSE 0 END), 0)"
)
_JOINED: Final = " FROM intent i LEFT JOIN settlement s ON s.attempt_id = i.attempt_id WHERE "
_SPAN: Final = (
    "i.at >= :since AND i.at < :until AND (:caller IS NULL OR i.caller = :caller) "
    "AND (:session IS NULL OR i.session = :session)"
)
_SESSION: Final = "i.caller = :caller AND i.session = :session AND i.at >= :since AND i.at < :until"
"""A session has an index of its own: however far back the span goes, only its own rows are read."""
_OPEN: Final = "SELECT COALESCE(SUM(i.reserved_nano), 0) FROM intent i WHERE i.settled = 0 AND "


@dataclass(frozen=True, slots=True)
class _Statements:
    """The texts of one report, made once from constants: nothing is put together at run time."""

    whole: str
    open: str
    by: Mapping[GroupBy, str]


def _over(rows: str) -> _Statements:
    source = _SUMS + _JOINED + rows
    columns: tuple[GroupBy, ...] = ("provider", "model", "combo", "task", "connection")
    return _Statements(
        whole="SELECT NULL, " + source,
        open=_OPEN + rows,
        by={
            column: "SELECT i." + column + ", " + source + " GROUP BY i." + column + " ORDER BY 9 DESC, 1"
            for column in columns
        },
    )


_OVER_SPAN: Final = _over(_SPAN)
_OVER_SESSION: Final = _over(_SESSION)

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

_CONNECTIONS: Final = (
    "SELECT i.connection, COUNT(*), SUM(CASE WHEN s.outcome = 'answered' THEN 1 ELSE 0 END), "
    "SUM(CASE WHEN s.outcome IN ('failed', 'abandoned') THEN 1 ELSE 0 END) FROM intent i "
    "JOIN settlement s ON s.attempt_id = i.attempt_id WHERE i.at >= ? GROUP BY i.connection ORDER BY 1"
)
_LATENCIES: Final = (
    "SELECT i.connection, s.latency_ms FROM intent i JOIN settlement s ON s.attempt_id = i.attempt_id "
    "WHERE i.at >= ? AND s.outcome = 'answered' ORDER BY i.at DESC LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class UsageBook:
    database: Database

    async def totals(
        self, *, since: float, until: float, caller: str | None, session: str | None, group_by: GroupBy | None
    ) -> Totals:
        """Sums over attempts that began in [since, until), UTC epoch seconds. None counts everyone's."""
        span = {"since": since, "until": until, "caller": caller, "session": session}

        texts = _OVER_SPAN if caller is None or session is None else _OVER_SESSION
        grouped = None if group_by is None else texts.by[group_by]

        def job(connection: sqlite3.Connection) -> Totals:
            whole = connection.execute(texts.whole, span).fetchone()
            groups = [] if grouped is None else connection.execute(grouped, span).fetchall()
            (reserved,) = connection.execute(texts.open, span).fetchone()
            return Totals(
                **_named(whole), open_reserved_nano=reserved, groups=tuple(GroupTotals(**_named(row)) for row in groups)
            )

        return await self.database.read(job)

    async def connection_stats(self, *, since: float) -> tuple[ConnectionStats, ...]:
        """Of settled attempts that began at or after `since`, UTC epoch seconds; by name."""

        def job(connection: sqlite3.Connection) -> tuple[ConnectionStats, ...]:
            latencies: dict[str, list[int]] = {}
            for name, latency in connection.execute(_LATENCIES, (since, SAMPLE)):
                latencies.setdefault(name, []).append(latency)
            return tuple(
                ConnectionStats(
                    connection=name,
                    attempts=attempts,
                    answered=answered,
                    failed=failed,
                    p50_ms=_percentile(latencies.get(name, ()), 50),
                    p95_ms=_percentile(latencies.get(name, ()), 95),
                )
                for name, attempts, answered, failed in connection.execute(_CONNECTIONS, (since,))
            )

        return await self.database.read(job)

    async def session_summary(self, *, session: str, caller: str) -> SessionSummary:
        mine = {"session": session, "caller": caller}
        return await self.database.read(lambda connection: _session(connection, mine))


def _percentile(values: Sequence[int], percent: int) -> int | None:
    """The smallest value that at least that share of all values do not exceed."""
    if not values:
        return None
    return sorted(values)[-(-len(values) * percent // 100) - 1]


def _named(row: tuple[Any, ...]) -> dict[str, Any]:
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
