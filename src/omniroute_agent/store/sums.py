"""Sums of what was settled, by the UTC hour, day and month its attempts began in, written in the settlement's commit.

A request counts where its first attempt began; in a grouping by provider, connection or model where its first attempt
there did. So sums over neighbouring spans add up, and equal the single rows.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, Self

from omniroute_agent.kernel.bill import Settlement
from omniroute_agent.store.buckets import KINDS, Kind, Piece, bucket_start, pieces, visible

LARGEST: Final = 2**53
"""Of any sum or count kept here. A limit beyond it (9 million USD) is none, and a provider that reports more tokens
must not make its bill fail; a thousand of them still add up in 64 bits.
"""

By = Literal["provider", "model", "combo", "task", "connection", "target", "fault"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAttempt:
    """What an open intent says of whom its settlement is for."""

    caller: str
    provider: str
    connection: str
    model: str
    combo: str | None
    task: str | None
    at: float
    nth: int
    """Which attempt of its request it is, from 1."""
    new_provider: int
    """1 when its request had no attempt at this provider before; else 0. Likewise the others."""
    new_connection: int
    new_model: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    requests: int = 0
    attempts: int = 0
    answered: int = 0
    failed: int = 0
    """Of the attempts, as `answered`; the rest was cancelled, is unknown or still runs."""
    fallbacks: int = 0
    """Requests that needed a second attempt."""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nano: int = 0
    """Of attempts whose price is known."""
    estimated_cost_nano: int = 0
    """The part of it that rests on our own counts or on a kept reservation."""
    unknown_cost_attempts: int = 0

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(**{name: getattr(self, name) + getattr(other, name) for name in FIGURES})

    @classmethod
    def of(cls, row: tuple[int, ...]) -> Self:
        return cls(**dict(zip(FIGURES, row, strict=True)))


FIGURES: Final = tuple(field.name for field in fields(Sums))

_KEY: Final = ("span", "start", "caller", "provider", "connection", "model", "combo", "task", "fault")
_COUNTED: Final = (
    *("attempts", "answered", "failed", "requests", "fallbacks"),
    *("provider_requests", "connection_requests", "model_requests"),
    *("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens"),
    *("cost_nano", "estimated_cost_nano", "unknown_cost_attempts"),
)
_ADD: Final = (
    "INSERT INTO usage_sum ("  # noqa: S608 (constants)
    + ", ".join(_KEY + _COUNTED)
    + ") VALUES ("
    + ", ".join("?" for _ in _KEY + _COUNTED)
    + ") ON CONFLICT ("
    + ", ".join(_KEY)
    + ") DO UPDATE SET "
    + ", ".join(f"{name} = usage_sum.{name} + excluded.{name}" for name in _COUNTED)
)


def add_to_sums(connection: sqlite3.Connection, attempt: OpenAttempt, settlement: Settlement) -> None:
    """Inside the job that settles it: one more attempt in its hour, its day and its month."""
    usage, cost = settlement.usage, min(settlement.cost or 0, LARGEST)
    key = (
        attempt.caller,
        attempt.provider,
        attempt.connection,
        attempt.model,
        attempt.combo or "",
        attempt.task or "",
        settlement.fault or "",
    )
    counted = (
        1,
        int(settlement.outcome == "answered"),
        int(settlement.outcome in {"failed", "abandoned"}),
        int(attempt.nth == 1),
        int(attempt.nth == 2),  # noqa: PLR2004 (its request fell back)
        attempt.new_provider,
        attempt.new_connection,
        attempt.new_model,
        min(usage.input_tokens, LARGEST) if usage else 0,
        min(usage.output_tokens, LARGEST) if usage else 0,
        min(usage.cache_read_tokens, LARGEST) if usage else 0,
        min(usage.cache_write_tokens, LARGEST) if usage else 0,
        min(usage.reasoning_tokens, LARGEST) if usage else 0,
        cost,
        cost if settlement.cost_state in {"estimated", "reserved"} else 0,
        int(settlement.cost_state == "unknown"),
    )
    starts = ((kind, int(bucket_start(attempt.at, kind))) for kind in KINDS[1:])
    connection.executemany(_ADD, [(*start, *key, *counted) for start in starts])


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which attempts a report is about: those that began in [since, until), UTC epoch seconds. None: of everyone."""

    since: float
    until: float
    caller: str | None = None
    provider: str | None = None
    connection: str | None = None
    combo: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    since: float
    until: float
    """The span that could be told; wider than asked where the single rows of a ragged end are gone."""
    sums: Mapping[str | None, Sums]
    """By name of what it is grouped by; ungrouped there is one under None."""


@dataclass(frozen=True, slots=True)
class _Statements:
    """One grouping's texts, made once from constants: nothing is put together at run time."""

    summed: str
    settled: str
    running: str


_FILTER: Final = (
    " AND (:caller IS NULL OR caller = :caller) AND (:provider IS NULL OR provider = :provider) "
    "AND (:connection IS NULL OR connection = :connection) AND (:combo IS NULL OR combo = :combo)"
)
_ROWS: Final = " FROM intent i JOIN settlement s ON s.attempt_id = i.attempt_id WHERE i.at >= :since AND i.at < :until"
_NAMES: Final[Mapping[By | None, str]] = {
    None: "NULL",
    "provider": "provider",
    "model": "model",
    "connection": "connection",
    "combo": "NULLIF(combo, '')",
    "task": "NULLIF(task, '')",
    "target": "connection || '/' || model",
    "fault": "NULLIF(fault, '')",
}
_NEW: Final[Mapping[By | None, tuple[str, str]]] = {
    "provider": ("provider_requests", "new_provider = 1"),
    "connection": ("connection_requests", "new_connection = 1"),
    "model": ("model_requests", "new_model = 1"),
}
"""How requests are counted, in the sums and in the single rows; elsewhere by their first attempt."""


def _count(condition: str) -> str:
    return f"COALESCE(SUM(CASE WHEN {condition} THEN 1 ELSE 0 END), 0)"


def row_figures(new: str = "nth = 1") -> str:
    """The columns of `Sums` over `intent i LEFT JOIN settlement s`."""
    counts = (
        new,
        "i.attempt_id IS NOT NULL",
        "s.outcome = 'answered'",
        "s.outcome IN ('failed', 'abandoned')",
        "nth = 2",
    )
    tokens = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
    return ", ".join(
        (
            *(_count(condition) for condition in counts),
            *(f"COALESCE(SUM(s.{name}), 0)" for name in (*tokens, "cost_nano")),
            "COALESCE(SUM(CASE WHEN s.cost_state IN ('estimated', 'reserved') THEN s.cost_nano ELSE 0 END), 0)",
            _count("s.cost_state = 'unknown'"),
        )
    )


def _texts(by: By | None) -> _Statements:
    name = _NAMES[by]
    counted, new = _NEW.get(by, ("requests", "nth = 1"))
    summed = ", ".join(f"COALESCE(SUM({counted if figure == 'requests' else figure}), 0)" for figure in FIGURES)
    group = "" if by is None else " GROUP BY 1"
    running = "NULL" if by == "fault" else name
    return _Statements(
        summed=f"SELECT {name}, {summed} FROM usage_sum WHERE span = :span AND start >= :since AND start < :until"  # noqa: S608 (constants)
        + _FILTER
        + group,
        settled=f"SELECT {name}, " + row_figures(new) + _ROWS + _FILTER + group,
        running=f"SELECT {running}, {_count(new)}, COUNT(*), 0, 0, {_count('nth = 2')} "  # noqa: S608 (constants)
        "FROM intent WHERE settled = 0 AND at >= :since AND at < :until" + _FILTER + group,
    )


_TEXTS: Final[Mapping[By | None, _Statements]] = {by: _texts(by) for by in _NAMES}


def read_sums(connection: sqlite3.Connection, asked: Asked, by: By | None) -> Report:
    """Inside a job: the sums of whole buckets, the single rows of ragged ends, and what still runs."""
    gone = read_horizons(connection)
    since, until = visible(asked.since, asked.until, gone)
    texts, sums = _TEXTS[by], dict[str | None, Sums]()
    whose = {
        "caller": asked.caller,
        "provider": asked.provider,
        "connection": asked.connection,
        "combo": asked.combo,
    }

    def take(statement: str, piece: Piece) -> None:
        span = {"span": piece.kind, "since": piece.since, "until": piece.until}
        for name, *figures in connection.execute(statement, span | whose):
            padded = (*figures, *(0 for _ in FIGURES[len(figures) :]))
            sums[name] = sums.get(name, Sums()) + Sums.of(padded)

    for piece in pieces(since, until, gone):
        take(texts.settled if piece.kind == "detail" else texts.summed, piece)
    take(texts.running, Piece("detail", since, until))
    return Report(since, until, sums)


def read_horizons(connection: sqlite3.Connection) -> Mapping[Kind, float]:
    """Inside a job: before when the rows of each kind are gone."""
    return dict(connection.execute("SELECT kind, before FROM sum_horizon"))


def move_horizon(connection: sqlite3.Connection, kind: Kind, before: float) -> None:
    """Inside a job: from now on nobody counts on rows of that kind from before then. It never moves back."""
    connection.execute(
        "INSERT INTO sum_horizon (kind, before) VALUES (?, ?) "
        "ON CONFLICT (kind) DO UPDATE SET before = excluded.before WHERE excluded.before > sum_horizon.before",
        (kind, before),
    )


_FORGET: Final = (
    f"DELETE FROM usage_sum WHERE ({', '.join(_KEY)}) IN "  # noqa: S608 (constants)
    f"(SELECT {', '.join(_KEY)} FROM usage_sum WHERE span = ? AND start < ? LIMIT ?)"
)


def forget_sums(connection: sqlite3.Connection, *, kind: Kind, before: float, limit: int) -> int:
    """Inside a job: delete sums of that kind from before then, `limit` rows at most; returns how many went."""
    return connection.execute(_FORGET, (kind, before, limit)).rowcount


def figures_of(sums: Sums) -> dict[str, Any]:
    """By name, for values that carry the same figures and more."""
    return {name: getattr(sums, name) for name in FIGURES}
