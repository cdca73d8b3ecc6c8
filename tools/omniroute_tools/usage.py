"""What was spent: a report over a period, and this session at a glance."""

from datetime import MAXYEAR, UTC, datetime, timedelta
from math import inf
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from omniroute_agent.kernel.money import Nano, usd
from omniroute_agent.tooling.tool import ToolContext, ToolInput, ToolOutput, as_in, tool
from omniroute_tools.health import GuardReport, guard_reports

if TYPE_CHECKING:  # a tool is listed before the rooms behind it are loaded
    from omniroute_agent.store.usage import GroupTotals

Period = Literal["session", "day", "week", "month"]
GroupBy = Literal["provider", "model", "combo", "task", "connection"]


def _moment(told: object) -> object:
    if not isinstance(told, str):
        return told
    try:
        moment = datetime.fromisoformat(told)
    except ValueError:
        raise ValueError("give a day or a time in ISO 8601, like 2026-11-21 or 2026-11-21T08:00Z") from None
    if not 1970 <= moment.year < MAXYEAR:  # noqa: PLR2004 (the first year of the clock's count)
        raise ValueError("there is no ledger of that year")
    return moment


Moment = Annotated[datetime, BeforeValidator(_moment)]


class CostReportInput(ToolInput):
    period: Period | None = Field(
        default=None, description="Default day. UTC; weeks start on Monday; session is this connection's."
    )
    since: Moment | None = Field(default=None, description="Instead of period: start, ISO 8601.")
    until: Moment | None = Field(default=None, description="End, ISO 8601; default now.")
    group_by: GroupBy | None = None

    @model_validator(mode="after")
    def _one_span(self) -> "CostReportInput":
        if self.period is not None and (self.since is not None or self.until is not None):
            raise ValueError("give period or since/until, not both")
        if self.until is not None and self.since is None:
            raise ValueError("until needs since")
        if self.since is not None and self.until is not None and _utc(self.until) <= _utc(self.since):
            raise ValueError("until must lie after since")
        return self


class UsageTotals(ToolOutput):
    requests: int
    attempts: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost: Nano = Field(description="USD of what has a known price.")
    estimated_share: float | None = Field(description="Of cost, from estimated tokens; 0 to 1.")
    unknown_cost_attempts: int = Field(description="Not in cost.")


class UsageGroup(UsageTotals):
    name: str | None


class CostReportOutput(ToolOutput):
    since: str = Field(description="As asked, or earlier where single rows are gone.")
    until: str
    scope: str = Field(description="Whose requests are counted.")
    totals: UsageTotals
    open_reserved: Nano = Field(description="USD held by requests that run now.")
    group_by: Annotated[GroupBy | None, WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]})]
    groups: Annotated[
        tuple[UsageGroup, ...],
        WithJsonSchema({"type": "array", "items": {"type": "object"}, "description": "As totals, with a name."}),
    ]
    guards: Annotated[tuple[GuardReport, ...], WithJsonSchema(as_in("get_health", items=True))]

    def summary(self) -> str:
        t = self.totals
        lines = [
            f"{usd(t.cost)} USD for {t.requests} requests, {t.input_tokens}+{t.output_tokens} tokens since {self.since}"
        ]
        if t.unknown_cost_attempts:
            lines.append(f"{t.unknown_cost_attempts} attempts have an unknown price and are not in it")
        lines += [f"{g.name}: {usd(g.cost)} USD, {g.requests} requests" for g in self.groups]
        lines += [f"guard {g.guard}: {usd(g.left)} of {usd(g.limit)} USD left" for g in self.guards]
        return "\n".join(lines)


@tool(title="Cost report", scopes=["read:usage"], toolsets=["core", "insight"], read_only=True, idempotent=True)
async def cost_report(args: CostReportInput, ctx: ToolContext) -> CostReportOutput:
    """Your spending over a period from the ledger: totals, groups, share that is estimated, budget left."""
    now = ctx.parts.ports.now()
    since, until, session = _span(args, now, ctx)
    found = await ctx.parts.usage.totals(
        since=since.timestamp(),
        # A report up to now includes what begins in this very moment.
        until=until.timestamp() if args.until is not None else inf,
        caller=ctx.caller.id,
        session=session,
        group_by=args.group_by,
    )
    situation = await ctx.parts.gatherer.situation(caller=ctx.caller)
    return CostReportOutput(
        since=datetime.fromtimestamp(found.since, UTC).isoformat(timespec="seconds"),
        until=(until if found.until == inf else datetime.fromtimestamp(found.until, UTC)).isoformat(timespec="seconds"),
        scope=f"caller {ctx.caller.id}" + (f", session {session}" if session else ""),
        totals=UsageTotals(**_figures(found)),
        open_reserved=found.open_reserved_nano,
        group_by=args.group_by,
        groups=tuple(UsageGroup(name=group.name, **_figures(group)) for group in found.groups),
        guards=tuple(guard_reports(situation)),
    )


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _span(args: CostReportInput, now: datetime, ctx: ToolContext) -> tuple[datetime, datetime, str | None]:
    if args.since is not None:
        return _utc(args.since), _utc(args.until) if args.until else now, None
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    match args.period or "day":
        case "session":
            return datetime.fromtimestamp(0, UTC), now, ctx.caller.session
        case "day":
            return midnight, now, None
        case "week":
            return midnight - timedelta(days=midnight.weekday()), now, None
        case "month":
            return midnight.replace(day=1), now, None


def _figures(totals: "GroupTotals") -> dict[str, Any]:
    cost = totals.cost_nano
    return {
        "requests": totals.requests,
        "attempts": totals.attempts,
        "input_tokens": totals.input_tokens,
        "output_tokens": totals.output_tokens,
        "cache_read_tokens": totals.cache_read_tokens,
        "cache_write_tokens": totals.cache_write_tokens,
        "reasoning_tokens": totals.reasoning_tokens,
        "cost": cost,
        "estimated_share": round(totals.estimated_cost_nano / cost, 4) if cost else None,
        "unknown_cost_attempts": totals.unknown_cost_attempts,
    }


class GetSessionSnapshotInput(ToolInput):
    pass


class Count(ToolOutput):
    name: str
    count: int


_COUNTS = WithJsonSchema({"type": "array", "items": {"type": "object"}, "description": "name, count."})


class GetSessionSnapshotOutput(ToolOutput):
    session: str
    first_request_at: str | None
    requests: int
    answered: int
    failed: int
    fallbacks: int
    input_tokens: int
    output_tokens: int
    cost: Nano = Field(description="USD of what has a known price.")
    unknown_cost_attempts: int
    top_models: Annotated[tuple[Count, ...], _COUNTS]
    faults: Annotated[tuple[Count, ...], _COUNTS]
    guards: Annotated[tuple[GuardReport, ...], WithJsonSchema(as_in("get_health", items=True))]

    def summary(self) -> str:
        top = ", ".join(f"{m.name} ×{m.count}" for m in self.top_models) or "none"
        return (
            f"{self.requests} requests: {self.answered} answered, {self.failed} failed, {self.fallbacks} fell back; "
            f"{usd(self.cost)} USD, models: {top}"
        )


@tool(title="Session snapshot", scopes=["read:usage"], toolsets=["insight"], read_only=True, idempotent=True)
async def get_session_snapshot(_: GetSessionSnapshotInput, ctx: ToolContext) -> GetSessionSnapshotOutput:
    """Your session so far: requests, tokens, cost, top models, faults, fallbacks and the guards in force."""
    seen = await ctx.parts.usage.session_summary(session=ctx.caller.session, caller=ctx.caller.id)
    situation = await ctx.parts.gatherer.situation(caller=ctx.caller)
    first = None if seen.first_at is None else datetime.fromtimestamp(seen.first_at, UTC)
    return GetSessionSnapshotOutput(
        session=ctx.caller.session,
        first_request_at=first.isoformat(timespec="seconds") if first else None,
        requests=seen.requests,
        answered=seen.answered,
        failed=seen.failed,
        fallbacks=seen.fallbacks,
        input_tokens=seen.input_tokens,
        output_tokens=seen.output_tokens,
        cost=seen.cost_nano,
        unknown_cost_attempts=seen.unknown_cost_attempts,
        top_models=tuple(Count(name=name, count=count) for name, count in seen.top_models),
        faults=tuple(Count(name=name, count=count) for name, count in seen.faults),
        guards=tuple(guard_reports(situation)),
    )
