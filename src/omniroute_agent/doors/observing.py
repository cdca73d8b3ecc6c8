"""What a supervisor asks: does the process live (`/healthz`), can it serve (`/readyz`), how much of what (`/metrics`).

The first two answer one word; who may read health is told more. None of them reaches a provider.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from omniroute_agent.doors.exposition import CONTENT_TYPE, Reading, exposition
from omniroute_agent.doors.gate import CALLER
from omniroute_agent.engine.breaker import standing
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.errors import StoreUnavailable
from omniroute_agent.kernel.health import ConnectionHealth, TargetHealth
from omniroute_agent.kernel.scopes import covers
from omniroute_agent.providers.model import Connection
from omniroute_agent.tooling.parts import Parts

HEALTH_PATHS: Final = frozenset(("/healthz", "/readyz"))
"""Fit for anybody: what they tell without a key is one word."""
FRESH_SECONDS: Final = 5.0
"""Supervisors ask often, and where the paths are open so may anybody."""
MOST_CONNECTIONS: Final = 500
"""Of which gauges are shown."""

_SCOPE: Final = "read:health"
_BREAKERS: Final = ("closed", "half_open", "open")


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    ready: bool
    """The database can be written, and something could answer a request."""
    database: str
    """`ok`, or what is wrong."""
    connections: int
    usable: int
    """Connections that no breaker and no lock holds back."""


def observing_routes(parts: Parts) -> list[BaseRoute]:
    """Routes for behind the gate; the first two may also be let through it without a key."""
    watch = _Watch(parts)

    async def healthz(_: Request) -> Response:
        return _word("ok", 200)

    async def readyz(request: Request) -> Response:
        found = await watch.readiness()
        status = 200 if found.ready else 503
        if not _may_read(request):
            return _word("ready" if found.ready else "not ready", status)
        return Response(json.dumps(asdict(found)) + "\n", status, media_type="application/json")

    async def metrics(request: Request) -> Response:
        if not _may_read(request):
            error = {
                "code": "not_allowed",
                "message": f"This needs the scope {_SCOPE}.",
                "hint": "Ask the owner for a key.",
            }
            return Response(json.dumps({"error": error}), 403, media_type="application/json")
        return Response(exposition(parts.meter, await watch.readings()), media_type=CONTENT_TYPE)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


def _may_read(request: Request) -> bool:
    caller: Caller | None = request.scope.get(CALLER)
    return caller is not None and covers(caller.scopes, _SCOPE)


def _word(word: str, status: int) -> Response:
    return Response(f"{word}\n", status, {"cache-control": "no-store"}, "text/plain")


@dataclass(slots=True)
class _Watch:
    parts: Parts
    _last: Readiness | None = None
    _until: float = field(default=float("-inf"))

    async def readiness(self) -> Readiness:
        """At most `FRESH_SECONDS` old."""
        clock = self.parts.ports.monotonic
        if self._last is None or clock() >= self._until:
            self._last = await self._look()
            self._until = clock() + FRESH_SECONDS
        return self._last

    async def _look(self) -> Readiness:
        database = await self.parts.checkup.finding()
        connections = await self.parts.connections.all()
        try:
            healths = await self._healths()
        except StoreUnavailable:
            healths = {}
        usable = [each for each in connections if self._usable(each, healths)]
        return Readiness(
            ready=database.trouble is None and bool(usable),
            database=database.trouble or "ok",
            connections=len(connections),
            usable=len(usable),
        )

    async def _healths(self) -> Mapping[str, ConnectionHealth]:
        return (await self.parts.health.snapshot()).connections

    def _usable(self, connection: Connection, healths: Mapping[str, ConnectionHealth]) -> bool:
        health = healths.get(connection.id) or ConnectionHealth(connection=connection.id)
        now = self.parts.ports.now().timestamp()
        return not connection.unavailable and standing(TargetHealth(connection=health), now) is None

    async def readings(self) -> list[Reading]:
        """What is no count of the past but so now."""
        parts = self.parts
        found = [
            _one("omniroute_info", "gauge", "Always 1.", 1, ("version",), (parts.version,)),
            _one("omniroute_start_time_seconds", "gauge", "When it started, Unix time.", parts.started_at.timestamp()),
            *_database(parts),
            *_audit(parts),
            *_crowds(parts),
            *_cache_requests(parts),
        ]
        try:
            found += await self._stored()
            database_up = 1
        except StoreUnavailable:
            database_up = 0
        found.append(_one("omniroute_database_up", "gauge", "1 when the database can be read.", database_up))
        return found

    async def _stored(self) -> list[Reading]:
        """
        Raises:
            StoreUnavailable: the database cannot be read.
        """
        parts, healths = self.parts, await self._healths()
        connections = (await parts.connections.all())[:MOST_CONNECTIONS]
        states = [
            ((each.id, state), float(_breaker(healths, each) == state)) for each in connections for state in _BREAKERS
        ]
        usable = [((each.provider.id, each.id), float(self._usable(each, healths))) for each in connections]
        found = [
            Reading(
                "omniroute_breaker_state", "gauge", "1 for the state it is in.", ("connection", "state"), tuple(states)
            ),
            Reading(
                "omniroute_connection_usable",
                "gauge",
                "1 when neither breaker nor lock holds it back.",
                ("provider", "connection"),
                tuple(usable),
            ),
        ]
        if parts.reuse.enabled:
            size = await parts.reuse.size()
            found.append(_one("omniroute_cache_entries", "gauge", "Answers kept.", size.entries))
            found.append(_one("omniroute_cache_bytes", "gauge", "Bytes of answers kept.", size.bytes))
        return found


def _breaker(healths: Mapping[str, ConnectionHealth], connection: Connection) -> str:
    health = healths.get(connection.id)
    return "closed" if health is None else health.breaker


def _database(parts: Parts) -> Iterator[Reading]:
    pulse = parts.database.pulse()
    yield _one("omniroute_database_commits_total", "counter", "Commits of this process.", pulse.commits)
    yield _one("omniroute_database_jobs_total", "counter", "Writes; those that wait share a commit.", pulse.jobs)
    yield _one("omniroute_database_waiting_jobs", "gauge", "Writes in the queue.", pulse.waiting)
    yield _one("omniroute_database_wal_bytes", "gauge", "Size of the write-ahead log.", pulse.wal_bytes)
    yield Reading(
        "omniroute_database_commit_seconds",
        "histogram",
        "From queueing a commit's first write until it is on the disk.",
        (),
        (((), pulse.seconds),),
    )


def _audit(parts: Parts) -> Iterator[Reading]:
    yield _one("omniroute_audit_waiting", "gauge", "Tool calls that are not in the audit yet.", parts.audit.waiting)
    yield _one("omniroute_audit_lost_total", "counter", "Tool calls the audit could not take.", parts.audit.lost)


def _crowds(parts: Parts) -> Iterator[Reading]:
    crowds = sorted(parts.engine.crowds().items())[:MOST_CONNECTIONS]
    shown = (
        ("omniroute_calls_in_flight", "Upstream calls under way.", [crowd.running for _, crowd in crowds]),
        ("omniroute_calls_waiting", "Requests that wait for a place.", [crowd.waiting for _, crowd in crowds]),
        ("omniroute_call_places", "Calls let through at a time.", [crowd.places for _, crowd in crowds]),
    )
    for name, text, figures in shown:
        values = tuple(((each,), float(figure)) for (each, _), figure in zip(crowds, figures, strict=True))
        yield Reading(name, "gauge", text, ("connection",), values)


def _cache_requests(parts: Parts) -> Iterator[Reading]:
    if parts.reuse.enabled:
        counts = parts.reuse.counts
        values = ((("hit",), counts.hits), (("joined",), counts.joined), (("miss",), counts.misses))
        yield Reading("omniroute_cache_requests_total", "counter", "Repeatable requests.", ("result",), values)


def _one(
    name: str, kind: str, text: str, figure: float, labels: tuple[str, ...] = (), values: tuple[str, ...] = ()
) -> Reading:
    return Reading(name, kind, text, labels, ((values, figure),))
