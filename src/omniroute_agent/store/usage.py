"""Reading the ledger: sums over a span, one session at a glance."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from omniroute_agent.store.database import Database
from omniroute_agent.store.sums import Asked, Report, Sums, figures_of, read_sums, row_figures

GroupBy = Literal["provider", "model", "combo", "task", "connection"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTotals(Sums):
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals(GroupTotals):
    since: float
    until: float
    """As asked for, or wider where the single rows of a ragged end are gone."""
    open_reserved_nano: int
    """Reserved by attempts that have not settled yet."""
    groups: tuple[GroupTotals, ...]
    """The dearest first."""


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


_SESSION: Final = (
    "i.session = :session AND (:caller IS NULL OR i.caller = :caller) AND i.at >= :since AND i.at < :until"
)
_ONES_SESSION: Final = "i.caller = :caller AND i.session = :session AND i.at >= :since AND i.at < :until"
"""A session has an index of its own: however far back the span goes, only its own rows are read."""
_JOINED: Final = " FROM intent i LEFT JOIN settlement s ON s.attempt_id = i.attempt_id WHERE "
_OPEN: Final = "SELECT COALESCE(SUM(i.reserved_nano), 0) FROM intent i WHERE i.settled = 0 AND "
_OPEN_IN_SPAN: Final = _OPEN + "i.at >= :since AND i.at < :until AND (:caller IS NULL OR i.caller = :caller)"


@dataclass(frozen=True, slots=True)
class _Statements:
    """The texts of one session's report, made once from constants: nothing is put together at run time."""

    whole: str
    open: str
    by: Mapping[GroupBy, str]


def _over(rows: str) -> _Statements:
    new: Mapping[GroupBy, str] = {
        "provider": "new_provider = 1",
        "model": "new_model = 1",
        "connection": "new_connection = 1",
        "combo": "nth = 1",
        "task": "nth = 1",
    }
    return _Statements(
        whole="SELECT NULL, " + row_figures() + _JOINED + rows,
        open=_OPEN + rows,
        by={
            column: "SELECT i." + column + ", " + row_figures(counted) + _JOINED + rows + " GROUP BY i." + column
            for column, counted in new.items()
        },
    )


_OVER_SESSION: Final = _over(_SESSION)
_OVER_ONES_SESSION: Final = _over(_ONES_SESSION)

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
        asked = Asked(since=since, until=until, caller=caller)

        def job(connection: sqlite3.Connection) -> Totals:
            if session is not None:
                return _session_totals(connection, asked, session, group_by)
            whole = read_sums(connection, asked, None)
            groups = None if group_by is None else read_sums(connection, asked, group_by).sums
            span = {"since": whole.since, "until": whole.until, "caller": caller}
            (reserved,) = connection.execute(_OPEN_IN_SPAN, span).fetchone()
            return _totals(whole, groups, reserved)

        return await self.database.read(job)

    async def session_summary(self, *, session: str, caller: str) -> SessionSummary:
        mine = {"session": session, "caller": caller}
        return await self.database.read(lambda connection: _session(connection, mine))


def _totals(whole: Report, groups: Mapping[str | None, Sums] | None, reserved: int) -> Totals:
    named = [GroupTotals(name=name, **figures_of(sums)) for name, sums in (groups or {}).items() if sums.attempts]
    return Totals(
        name=None,
        since=whole.since,
        until=whole.until,
        open_reserved_nano=reserved,
        groups=tuple(sorted(named, key=lambda group: (-group.cost_nano, group.name or ""))),
        **figures_of(whole.sums.get(None, Sums())),
    )


def _session_totals(connection: sqlite3.Connection, asked: Asked, session: str, group_by: GroupBy | None) -> Totals:
    texts = _OVER_SESSION if asked.caller is None else _OVER_ONES_SESSION
    span = {"since": asked.since, "until": asked.until, "caller": asked.caller, "session": session}

    def sums(statement: str) -> dict[str | None, Sums]:
        return {name: Sums.of(tuple(figures)) for name, *figures in connection.execute(statement, span)}

    (reserved,) = connection.execute(texts.open, span).fetchone()
    groups = None if group_by is None else sums(texts.by[group_by])
    return _totals(Report(asked.since, asked.until, sums(texts.whole)), groups, reserved)


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
