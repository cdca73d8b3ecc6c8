"""How the server is: every connection's standing, the guards, the database."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

from omniroute_agent.engine.breaker import standing
from omniroute_agent.kernel.health import ConnectionHealth, Refusal, TargetHealth
from omniroute_agent.kernel.money import Nano
from omniroute_agent.tooling.tool import ToolContext, ToolInput, ToolOutput, tool

if TYPE_CHECKING:  # a tool is listed before the rooms behind it are loaded
    from omniroute_agent.engine.situation import Situation
    from omniroute_agent.providers.model import Connection

ConnectionState = Literal["ready", "probing", "breaker_open", "locked", "unavailable"]

NOT_MEASURED: Final = {
    "rate_limit_headroom": "Provider rate-limit headers are not read yet.",
    "quota_left": "Quota windows are not tracked yet.",
    "cache": "This server has no response cache.",
}


class GetHealthInput(ToolInput):
    pass


class LockedModel(ToolOutput):
    model: str
    reason: str
    seconds_left: int


class ConnectionReport(ToolOutput):
    id: str
    provider: str
    source: str = Field(description="environment, settings, loopback or local.")
    tier: str
    state: ConnectionState
    breaker: str
    outages_in_a_row: int
    cooldown_left_seconds: int | None
    locked_models: tuple[LockedModel, ...]
    last_fault: str | None
    last_fault_at: str | None
    last_success_at: str | None
    note: str | None = Field(description="Why it is not ready and what to do.")
    rate_limit_headroom: None = None
    quota_left: None = None


class GuardReport(ToolOutput):
    guard: str
    window: str
    limit: Nano
    spent: Nano
    reserved: Nano
    left: Nano
    resets_at: str | None


class DatabaseReport(ToolOutput):
    ok: bool = Field(description="A row was written and read back at checked_at.")
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
    database: DatabaseReport
    cache: None = None
    settled_orphans: int = Field(description="Requests of a killed process, settled as unknown when this one started.")
    skipped: tuple[str, ...] = Field(description="What was looked for and left out, with the reason.")
    not_measured: dict[str, str] = Field(description="Fields that are null, and why.")

    def summary(self) -> str:
        lines = [f"{self.status}, up {self.uptime_seconds} s, version {self.version}"]
        lines += [f"{c.id}: {c.state}{f' ({c.note})' if c.note else ''}" for c in self.connections]
        if not self.connections:
            lines.append("no connection found yet")
        if not self.database.ok:
            lines.append(f"database: {self.database.detail}")
        return "\n".join(lines)


@tool(title="Health", scopes=["read:health"], toolsets=["core", "insight"], read_only=True, idempotent=True)
async def get_health(_: GetHealthInput, ctx: ToolContext) -> GetHealthOutput:
    """Server state: connections with breaker, cool-down, last fault; spend guards; database; what was left out."""
    parts = ctx.parts
    now = parts.ports.now()
    database = await _database(ctx)
    connections = await parts.connections.all()
    situation = await parts.gatherer.situation() if database.ok else None
    reports = tuple(_connection(connection, situation, now.timestamp()) for connection in connections)
    ready = [report for report in reports if report.state == "ready"]
    if not ready or not database.ok:
        status: Literal["ok", "degraded", "down"] = "down"
    else:
        status = "ok" if all(r.state in ("ready", "unavailable") for r in reports) else "degraded"
    return GetHealthOutput(
        status=status,
        version=parts.version,
        uptime_seconds=int((now - parts.started_at).total_seconds()),
        checked_at=now.isoformat(timespec="milliseconds"),
        connections=reports,
        guards=tuple(guard_reports(situation)) if situation else (),
        database=database,
        settled_orphans=len(parts.orphans),
        skipped=parts.connections.notes,
        not_measured=NOT_MEASURED,
    )


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


def guard_reports(situation: "Situation") -> list[GuardReport]:
    return [
        GuardReport(
            guard=room.guard,
            window=room.window,
            limit=room.limit,
            spent=room.spent,
            reserved=room.reserved,
            left=room.left,
            resets_at=_iso(room.resets_at),
        )
        for room in situation.rooms.values()
    ]


def _iso(epoch: float | None) -> str | None:
    return None if epoch is None else datetime.fromtimestamp(epoch, UTC).isoformat(timespec="seconds")


def _connection(connection: "Connection", situation: "Situation | None", now: float) -> ConnectionReport:
    health = ConnectionHealth(connection=connection.id)
    locks: tuple[LockedModel, ...] = ()
    if situation is not None:
        health = situation.connections.get(connection.id, health)
        locks = tuple(
            LockedModel(model=lock.model, reason=lock.reason, seconds_left=round(lock.until - now))
            for (owner, _), lock in sorted(situation.locks.items())
            if owner == connection.id and lock.until > now
        )
    refusal = standing(TargetHealth(connection=health), now)
    return ConnectionReport(
        id=connection.id,
        provider=connection.provider.id,
        source=connection.source,
        tier=connection.tier,
        state="unavailable" if connection.unavailable else _state(refusal),
        breaker=health.breaker,
        outages_in_a_row=health.failures,
        cooldown_left_seconds=round(refusal.until - now) if refusal is not None and refusal.until else None,
        locked_models=locks,
        last_fault=health.last_fault,
        last_fault_at=_iso(health.last_fault_at),
        last_success_at=_iso(health.last_success_at),
        note=connection.unavailable or (refusal.detail if refusal else None),
    )


def _state(refusal: Refusal | None) -> ConnectionState:
    match refusal.reason if refusal else None:
        case None:
            return "ready"
        case "breaker_open":
            return "breaker_open"
        case "probe_in_flight":
            return "probing"
        case _:
            return "locked"
