"""How targets did lately, from the ledger's newest rows: read now and then, kept up with what happens in between."""

import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import sqrt
from typing import Final

from omniroute_agent.kernel.ports import Ports
from omniroute_agent.kernel.record import TargetStats
from omniroute_agent.store.database import Database

STATS_SECONDS: Final = 3600.0
"""How far back the figures reach."""
SAMPLE: Final = 2_000
"""Attempts that are looked at, the newest: reading them takes a few milliseconds however long the ledger is."""
FRESH_SECONDS: Final = 1.0
"""Age from which the figures are read anew."""

# Over the index of intents by time, from its end; the newest rows of both tables lie together.
_NEWEST: Final = (
    "SELECT i.connection, i.model, i.at, s.outcome, s.latency_ms, s.first_token_ms, s.output_tokens "
    "FROM intent AS i JOIN settlement AS s ON s.attempt_id = i.attempt_id "
    "WHERE i.at >= ? ORDER BY i.at DESC LIMIT ?"
)


def read_stats(connection: sqlite3.Connection, *, since: float, sample: int = SAMPLE) -> dict[str, TargetStats]:
    """Inside a job: by target name, over the newest attempts since then."""
    rows: defaultdict[str, _Rows] = defaultdict(_Rows)
    for name, model, at, outcome, latency, first, tokens in connection.execute(_NEWEST, (since, sample)):
        rows[f"{name}/{model}"].add(at, outcome, latency, first, tokens)
    return {target: found.stats() for target, found in rows.items()}


@dataclass(slots=True)
class _Rows:
    """One target's attempts, the newest first."""

    attempts: int = 0
    last_used_at: float | None = None
    last_success_at: float | None = None
    latencies: list[int] = field(default_factory=list[int])
    speeds: list[float] = field(default_factory=list[float])

    def add(self, at: float, outcome: str, latency: int, first: int | None, tokens: int | None) -> None:
        if self.last_used_at is None:
            self.last_used_at = at
        if outcome in _TELL_NOTHING:
            return
        self.attempts += 1
        if outcome != "answered":
            return
        self.last_success_at = self.last_success_at or at
        self.latencies.append(latency)
        if tokens and first is not None and latency > first:
            self.speeds.append(tokens * 1000 / (latency - first))

    def stats(self) -> TargetStats:
        ordered = sorted(self.latencies)
        return TargetStats(
            attempts=self.attempts,
            successes=len(ordered),
            p50_ms=_quantile(ordered, 0.5),
            p95_ms=_quantile(ordered, 0.95),
            stddev_ms=_deviation(ordered),
            tokens_per_second=_quantile(sorted(self.speeds), 0.5),
            last_used_at=self.last_used_at,
            last_success_at=self.last_success_at,
        )


_TELL_NOTHING: Final = frozenset(("cancelled", "unknown"))
"""Outcomes that say nothing of the target: the caller left, or this program died."""


def _quantile(ordered: list[int] | list[float], share: float) -> float | None:
    """Between the two nearest values, in proportion."""
    if not ordered:
        return None
    mark = share * (len(ordered) - 1)
    low = int(mark)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (mark - low)


def _deviation(values: list[int]) -> float | None:
    if not values:
        return None
    mean = sum(values) / len(values)
    return sqrt(sum((value - mean) ** 2 for value in values) / len(values))


class TargetBook:
    """The figures of `STATS_SECONDS`, at most about a second old; what this process itself settles counts at once."""

    def __init__(self, database: Database, ports: Ports) -> None:
        self._database = database
        self._ports = ports
        self._stats: dict[str, TargetStats] | None = None
        self._until = float("-inf")

    async def stats(self) -> Mapping[str, TargetStats]:
        """By target name; a target that was not attempted lately is not among them."""
        held = self._stats
        if held is not None and self._ports.monotonic() < self._until:
            return held
        # Whoever comes while this one reads is given the figures of before.
        self._until = self._ports.monotonic() + FRESH_SECONDS
        since = self._ports.now().timestamp() - STATS_SECONDS
        self._stats = await self._database.read(lambda connection: read_stats(connection, since=since))
        return self._stats

    def note(self, target: str, outcome: str, at: float) -> None:
        """An attempt that began at `at` was settled: its count is not to wait for the next read, or a burst of requests
        would all go to the target that looked idle. Its latency waits.
        """
        if self._stats is None:
            return
        before = self._stats.get(target, TargetStats())
        if outcome in _TELL_NOTHING:
            self._stats[target] = replace(before, last_used_at=at)
            return
        answered = outcome == "answered"
        self._stats[target] = replace(
            before,
            attempts=before.attempts + 1,
            successes=before.successes + answered,
            last_used_at=at,
            last_success_at=at if answered else before.last_success_at,
        )
