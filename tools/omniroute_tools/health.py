"""How the server is: every connection's standing, the guards, the database."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field, WithJsonSchema

from omniroute_agent.engine.breaker import standing
from omniroute_agent.kernel.health import ConnectionHealth, Refusal, TargetHealth
from omniroute_agent.kernel.money import Nano
from omniroute_agent.providers.expiry import expiry_note
from omniroute_agent.tooling.tool import Detail, ToolContext, ToolInput, ToolOutput, sparse, tool

if TYPE_CHECKING:  # a tool is listed before the rooms behind it are loaded
    from omniroute_agent.engine.guards import Room
    from omniroute_agent.engine.situation import QuotaWindow, Situation
    from omniroute_agent.providers.model import Connection

ConnectionState = Literal[
    "ready", "probing", "breaker_open", "out_of_credit", "quota_exhausted", "locked", "unavailable"
]

NOT_MEASURED: Final = {
    "rate_limit_headroom": "No answer of that connection has told its rate limits within a day.",
    "quota_left": "No answer of that connection has told a quota of five hours or more.",
    "cache": "The settings turn the cache off ([cache] enabled).",
}

_DETAILS: Final = frozenset(("provider", "source", "outages_in_a_row", "last_fault_at", "last_success_at", "windows"))
LONGEST_RATE_SECONDS: Final = 3600.0
"""A window up to this long limits the rate of calls; a longer one is a quota."""


class GetHealthInput(ToolInput):
    detail: Detail = Field(default="concise", description="detailed adds windows and times.")


class LockedModel(ToolOutput):
    model: str
    reason: str
    seconds_left: int


class ConnectionReport(ToolOutput):
    id: str
    provider: str
    source: str
    tier: str
    state: Annotated[ConnectionState, WithJsonSchema({"type": "string"})]
    breaker: str
    outages_in_a_row: int
    cooldown_left_seconds: int | None
    locked_models: Annotated[
        tuple[LockedModel, ...],
        WithJsonSchema({"type": "array", "items": {"type": "object"}, "description": "model, reason, seconds_left."}),
    ]
    last_fault: str | None
    last_fault_at: str | None
    last_success_at: str | None
    note: str | None = Field(description="What to do about it.")
    rate_limit_headroom: float | None = Field(description="Share left, tightest window up to 1 h.")
    quota_left: float | None
    """The same of longer windows."""
    windows: dict[str, str]
    """By name: what is left, where that was read, how long ago."""


class GuardReport(ToolOutput):
    guard: str
    action: str
    state: str
    source: str
    window: str
    limit: Nano
    spent: Nano
    reserved: Nano
    left: Nano
    resets_at: str | None


class DatabaseReport(ToolOutput):
    ok: bool
    """A row was written and read back."""
    checked_at: str
    detail: str | None
    schema_version: int | None
    sqlite_version: str | None
    wal_bytes: int | None


class GetHealthOutput(ToolOutput):
    status: Literal["ok", "degraded", "down"] = Field(description="down: nothing can be routed.")
    version: str
    uptime_seconds: int
    checked_at: str
    connections: tuple[ConnectionReport, ...]
    guards: tuple[GuardReport, ...]
    database: Annotated[
        DatabaseReport,
        WithJsonSchema(
            {
                "type": "object",
                "description": "ok (a row was written and read back), checked_at, detail, schema_version, "
                "sqlite_version, wal_bytes.",
            }
        ),
    ]
    cache: dict[str, int] | None
    """entries and bytes now; hits, joined and misses since the start."""
    settled_orphans: int = Field(description="Attempts a killed process left.")
    skipped: tuple[str, ...] = Field(description="What was left out, and why.")
    not_measured: dict[str, str] = Field(description="Fields that are null, and why.")

    def summary(self) -> str:
        lines = [f"{self.status}, up {self.uptime_seconds} s, version {self.version}"]
        lines += [f"{c.id}: {c.state}{f' ({c.note})' if c.note else ''}" for c in self.connections]
        if not self.connections:
            lines.append("no connection found yet; the owner adds one with `omniroute-agent connections add`")
        if not self.database.ok:
            lines.append(f"database: {self.database.detail}")
        if self.cache is not None:
            lines.append("cache: " + ", ".join(f"{count} {name}" for name, count in self.cache.items()))
        return "\n".join(lines)


class BriefHealth(GetHealthOutput):
    """A connection says only what sets it apart from one that nothing ails."""

    def structured(self) -> dict[str, Any]:
        told = super().structured()
        return {
            **told,
            "connections": [sparse(each, _DETAILS) for each in told["connections"]],
            "guards": [sparse(each) for each in told["guards"]],
            "database": sparse(told["database"]),
        }


@tool(title="Health", scopes=["read:health"], toolsets=["core", "insight"], read_only=True, idempotent=True)
async def get_health(args: GetHealthInput, ctx: ToolContext) -> GetHealthOutput:
    """Server state: connections with breaker, cool-down, last fault; spend guards; database; what was left out."""
    parts = ctx.parts
    now = parts.ports.now()
    database = await _database(ctx)
    connections = await parts.connections.all()
    situation, cache = None, None
    if database.ok:
        # Together: the database's thread then goes from one read to the next without being woken again.
        situation, cache = await asyncio.gather(parts.gatherer.situation(caller=ctx.caller), _cache(ctx))
    reports = tuple(_connection(connection, situation, now) for connection in connections)
    ready = [report for report in reports if report.state == "ready"]
    if not ready or not database.ok:
        status: Literal["ok", "degraded", "down"] = "down"
    else:
        status = "ok" if all(r.state in ("ready", "unavailable") for r in reports) else "degraded"
    shape = GetHealthOutput if args.detail == "detailed" else BriefHealth
    return shape(
        status=status,
        version=parts.version,
        uptime_seconds=int((now - parts.started_at).total_seconds()),
        checked_at=now.isoformat(timespec="milliseconds"),
        connections=reports,
        guards=tuple(guard_reports(situation)) if situation else (),
        database=database,
        cache=cache,
        settled_orphans=len(parts.orphans),
        skipped=parts.connections.notes,
        not_measured=_not_measured(reports, cache_on=ctx.parts.reuse.enabled),
    )


def _not_measured(reports: Sequence[ConnectionReport], *, cache_on: bool) -> dict[str, str]:
    known = {
        "cache": cache_on,
        "rate_limit_headroom": all(report.rate_limit_headroom is not None for report in reports),
        "quota_left": all(report.quota_left is not None for report in reports),
    }
    return {field: why for field, why in NOT_MEASURED.items() if not known.get(field)}


async def _database(ctx: ToolContext) -> DatabaseReport:
    """A write and its read-back: a database that only answers reads cannot keep a ledger."""
    found = await ctx.parts.checkup.finding()
    state = found.state
    return DatabaseReport(
        ok=state is not None,
        checked_at=found.at.isoformat(timespec="milliseconds"),
        detail=found.trouble,
        schema_version=state.schema_version if state else None,
        sqlite_version=state.sqlite_version if state else None,
        wal_bytes=state.wal_bytes if state else None,
    )


async def _cache(ctx: ToolContext) -> dict[str, int] | None:
    reuse = ctx.parts.reuse
    if not reuse.enabled:
        return None
    size, counts = await reuse.size(), reuse.counts
    return {
        "entries": size.entries,
        "bytes": size.bytes,
        "hits": counts.hits,
        "joined": counts.joined,
        "misses": counts.misses,
    }


def guard_reports(situation: "Situation") -> list[GuardReport]:
    return [
        GuardReport(
            guard=room.guard,
            action=f"{room.action} to {room.tier or 'free'}" if room.action == "degrade" else room.action,
            state=_guard_state(room),
            source=room.source,
            window=room.window,
            limit=room.limit,
            spent=room.spent,
            reserved=room.reserved,
            left=room.left,
            resets_at=_iso(room.resets_at),
        )
        for room in situation.rooms.values()
    ]


def _guard_state(room: "Room") -> str:
    if room.left == 0:
        return "over"
    return "degraded" if room.degraded else "within"


def _iso(epoch: float | None) -> str | None:
    return None if epoch is None else datetime.fromtimestamp(epoch, UTC).isoformat(timespec="seconds")


def _connection(connection: "Connection", situation: "Situation | None", now: datetime) -> ConnectionReport:
    at = now.timestamp()
    health = ConnectionHealth(connection=connection.id)
    locks: tuple[LockedModel, ...] = ()
    if situation is not None:
        health = situation.connections.get(connection.id, health)
        locks = tuple(
            LockedModel(model=lock.model, reason=lock.reason, seconds_left=round(lock.until - at))
            for (owner, _), lock in sorted(situation.locks.items())
            if owner == connection.id and lock.until > at
        )
    refusal = standing(TargetHealth(connection=health), at)
    windows = _windows(connection, situation)
    return ConnectionReport(
        id=connection.id,
        provider=connection.provider.id,
        source=connection.source,
        tier=connection.tier,
        state="unavailable" if connection.unavailable else _state(refusal),
        breaker=health.breaker,
        outages_in_a_row=health.failures,
        cooldown_left_seconds=round(refusal.until - at) if refusal is not None and refusal.until else None,
        locked_models=locks,
        last_fault=health.last_fault,
        last_fault_at=_iso(health.last_fault_at),
        last_success_at=_iso(health.last_success_at),
        note=connection.unavailable or (refusal.detail if refusal else None) or expiry_note(connection.expires_at, now),
        rate_limit_headroom=_tightest(w for w in windows.values() if (w.seconds or 0.0) <= LONGEST_RATE_SECONDS),
        quota_left=_tightest(w for w in windows.values() if (w.seconds or 0.0) > LONGEST_RATE_SECONDS),
        windows={name: _told(window, at) for name, window in windows.items()},
    )


def _windows(connection: "Connection", situation: "Situation | None") -> "dict[str, QuotaWindow]":
    """Its windows by name; one that counts for a single model names it."""
    found: dict[str, QuotaWindow] = {}
    for whose, windows in situation.quotas.items() if situation is not None else ():
        owner, _, model = whose.partition("/")
        if owner == connection.id:
            found |= {f"{w.window} ({model})" if model else w.window: w for w in windows}
    return found


def _tightest(windows: "Iterable[QuotaWindow]") -> float | None:
    left = min((window.left for window in windows if window.left is not None), default=None)
    return None if left is None else round(left, 4)


def _told(window: "QuotaWindow", now: float) -> str:
    """`12 of 50 left, resets at 2026-…; header x-ratelimit-remaining-requests-day, 4 s ago`."""
    amount = "unknown" if window.remaining is None else f"{window.remaining:g}"
    limit = "" if window.limit is None else f" of {window.limit:g}"
    resets = f", resets at {_iso(window.resets_at)}" if window.resets_at is not None else ""
    return f"{amount}{limit} left{resets}; {window.source}, {max(round(now - (window.at or now)), 0)} s ago"


def _state(refusal: Refusal | None) -> ConnectionState:
    match refusal.reason if refusal else None:
        case None:
            return "ready"
        case "breaker_open":
            return "breaker_open"
        case "probe_in_flight":
            return "probing"
        case "out_of_credit":
            return "out_of_credit"
        case "window_exhausted":
            return "quota_exhausted"
        case _:
            return "locked"
