"""How connections and combos did lately: sums over the whole window, times from its newest attempts."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from omniroute_agent.store.database import Database
from omniroute_agent.store.sums import Asked, By, Sums, read_sums

SAMPLE: Final = 1_000
"""Newest attempts of a connection or a combo whose times are looked at, so that a large ledger costs no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    p50: int
    p95: int
    p99: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """None: nothing in the window tells it."""

    sums: Sums
    faults: Mapping[str, int]
    sampled: int
    """Answers that the times below rest on."""
    latency_ms: Percentiles | None
    first_token_ms: Percentiles | None
    tokens_per_second: float | None
    """Output tokens over the time from first token to end, median."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComboMetrics:
    whole: Metrics
    """Its `latency_ms` are those of requests: from their first attempt to the end of the answer."""
    targets: Mapping[str, Metrics]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    target: str
    latency_ms: int
    request_ms: int
    """From the first attempt of its request."""
    first_token_ms: int | None
    tokens_per_second: float | None


_ANSWERS: Final = (
    "SELECT n.connection || '/' || n.model, s.latency_ms, s.first_token_ms, s.output_tokens, s.at - CASE "
    "WHEN n.nth = 1 THEN n.at ELSE (SELECT MIN(e.at) FROM intent e WHERE e.request_id = n.request_id) END FROM "
    "(SELECT attempt_id, request_id, connection, model, at, nth FROM intent WHERE "
)
_NEWEST: Final = (
    " AND at >= ? ORDER BY at DESC LIMIT ?) n JOIN settlement s ON s.attempt_id = n.attempt_id "
    "WHERE s.outcome = 'answered'"
)
_BY_CONNECTION: Final = _ANSWERS + "connection = ?" + _NEWEST
_BY_COMBO: Final = _ANSWERS + "combo = ?" + _NEWEST


@dataclass(frozen=True, slots=True)
class MetricsBook:
    database: Database

    async def connections(
        self,
        names: Sequence[str],
        *,
        since: float,
        until: float,
        provider: str | None = None,
        connection: str | None = None,
    ) -> tuple[Metrics, Mapping[str, Metrics]]:
        """Of all, or of that provider or connection, and of each of these connections, which are its own."""
        asked = Asked(since=since, until=until, provider=provider, connection=connection)

        def job(reader: sqlite3.Connection) -> tuple[Metrics, Mapping[str, Metrics]]:
            answers = {name: _answers(reader, _BY_CONNECTION, name, since) for name in names}
            sums = read_sums(reader, asked, "connection").sums
            by_name = {
                name: _metrics(sums.get(name, Sums()), _faults(reader, replace(asked, connection=name)), some)
                for name, some in answers.items()
            }
            by: By | None = "provider" if provider else "connection" if connection else None
            whole = read_sums(reader, asked, by).sums.get(provider or connection, Sums())
            every = [answer for some in answers.values() for answer in some]
            return _metrics(whole, _faults(reader, asked), every), by_name

        return await self.database.read(job)

    async def combo(self, name: str, *, since: float, until: float) -> ComboMetrics:
        asked = Asked(since=since, until=until, combo=name)

        def job(connection: sqlite3.Connection) -> ComboMetrics:
            answers = _answers(connection, _BY_COMBO, name, since)
            whole = read_sums(connection, asked, None).sums.get(None, Sums())
            targets = read_sums(connection, asked, "target").sums
            return ComboMetrics(
                whole=_metrics(
                    whole, _faults(connection, asked), [replace(a, latency_ms=a.request_ms) for a in answers]
                ),
                targets={
                    target: _metrics(sums, {}, [answer for answer in answers if answer.target == target])
                    for target, sums in targets.items()
                    if target is not None
                },
            )

        return await self.database.read(job)


def _answers(connection: sqlite3.Connection, statement: str, name: str, since: float) -> list[_Answer]:
    return [
        _Answer(
            target=target,
            latency_ms=latency,
            request_ms=round(request * 1000),
            first_token_ms=first,
            tokens_per_second=None if first is None or not out or latency <= first else out / (latency - first) * 1000,
        )
        for target, latency, first, out, request in connection.execute(statement, (name, since, SAMPLE))
    ]


def _faults(connection: sqlite3.Connection, asked: Asked) -> Mapping[str, int]:
    sums = read_sums(connection, asked, "fault").sums
    return {fault: found.attempts for fault, found in sorted(sums.items(), key=str) if fault is not None}


def _metrics(sums: Sums, faults: Mapping[str, int], answers: Sequence[_Answer]) -> Metrics:
    speeds = [answer.tokens_per_second for answer in answers if answer.tokens_per_second is not None]
    return Metrics(
        sums=sums,
        faults=faults,
        sampled=len(answers),
        latency_ms=_percentiles(answer.latency_ms for answer in answers),
        first_token_ms=_percentiles(a.first_token_ms for a in answers if a.first_token_ms is not None),
        tokens_per_second=round(median(speeds), 2) if speeds else None,
    )


def _percentiles(values: Iterable[int]) -> Percentiles | None:
    """Each is the smallest value that at least that share of all values do not exceed."""
    found = sorted(values)
    if not found:
        return None
    p50, p95, p99 = (found[-(-len(found) * percent // 100) - 1] for percent in (50, 95, 99))
    return Percentiles(p50=p50, p95=p95, p99=p99)
