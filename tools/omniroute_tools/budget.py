"""The tool that limits spending."""

from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field, WithJsonSchema

from omniroute_agent.kernel.caller import OWNER_ID
from omniroute_agent.kernel.errors import NotAllowed, not_found
from omniroute_agent.kernel.guard import Action, Guard, GuardTier, Period, widens
from omniroute_agent.kernel.money import usd
from omniroute_agent.tooling.tool import DRY_RUN, NOT_YET, ToolContext, ToolInput, ToolOutput, as_in, tool
from omniroute_tools.health import GuardReport, guard_reports
from omniroute_tools.names import Name

if TYPE_CHECKING:  # a tool is listed before the rooms behind it are loaded
    from omniroute_agent.kernel.caller import Caller

NONE: Final = "none"


class SetBudgetGuardInput(ToolInput):
    limit_usd: str = Field(description="USD per period; none removes it.")
    period: Period | None = Field(default=None, description="Default day, UTC.")
    action: Action | None = Field(default=None, description="Default block.")
    tier: GuardTier | None = Field(default=None, description="For degrade.")
    combo: Name | None = Field(default=None, description="Count only this.")
    guard: Name | None = Field(default=None, description="Change this one.")
    dry_run: bool = DRY_RUN


class SetBudgetGuardOutput(ToolOutput):
    guard: Annotated[GuardReport | None, WithJsonSchema(as_in("get_health", nullable=True))]
    applied: bool
    would: str | None = Field(description="What a dry run leads to.")

    def summary(self) -> str:
        g = self.guard
        if self.would is not None:
            return f"{self.would} {NOT_YET}"
        if g is None:
            return "removed"
        return f"guard {g.guard}: {g.action} above {usd(g.limit)} USD, {usd(g.left)} USD left in {g.window}"


@tool(
    title="Set a budget guard",
    scopes=["write:budget"],
    toolsets=["core", "routing"],
    read_only=False,
    destructive=True,
    idempotent=True,
)
async def set_budget_guard(args: SetBudgetGuardInput, ctx: ToolContext) -> SetBudgetGuardOutput:
    """Limit your spending from the next request on. degrade: only cheap or free targets from 80 %. ask: the owner, each
    time. Loosening or removing a guard needs the owner's consent: the error says how; then call again.
    """
    # Imported here because listing a tool must not load the rooms behind it.
    from omniroute_agent.engine.guard_changes import Change, read_limit, told  # noqa: PLC0415 (lazy)
    from omniroute_agent.engine.guards import own_name  # noqa: PLC0415 (lazy)

    guards, caller = ctx.parts.guards, ctx.caller
    known = {guard.name: guard for guard in await guards.all()}
    name = args.guard or own_name(args.period or "day", caller, args.combo)
    before = known.get(name)
    if before is None and (args.guard is not None or args.limit_usd == NONE):
        raise not_found("guard", name, list(known))
    if before is not None and not _may_change(caller, before):
        raise NotAllowed(f"The guard `{name}` counts others' calls too.", hint="Set one of your own: leave guard away.")
    if args.combo is not None:
        await ctx.parts.combos.named(args.combo)
    whose = _whose(caller, args.period) if before is None else {}
    change = Change(
        limit=None if args.limit_usd == NONE else read_limit(args.limit_usd),
        period=args.period,
        action=args.action,
        tier=args.tier,
        combo=args.combo,
        enabled=args.limit_usd != NONE,
        **whose,
    )
    after = change.of(name, before, caller.id)
    what = f"change the guard `{name}` to {told(after)}" if after.enabled else f"remove the guard `{name}`"
    wider = before is not None and widens(before, after)
    if args.dry_run:
        what = what if before is not None else f"set the guard `{name}`: {told(after)}"
        would = f"This would {what}. {'The owner has to agree.' if wider else 'It needs no consent.'}"
        return SetBudgetGuardOutput(guard=await _report(ctx, name), applied=False, would=would)
    if before is not None and wider:
        await ctx.parts.consents.require(
            caller,
            "set_budget_guard",
            {"guard": name, "before": told(before), "after": told(after)},
            f"May `{caller.id}` {what}? Now it is {told(before)}.",
        )
    if before is not None and not after.enabled:
        await guards.remove(before, caller.id)
        return SetBudgetGuardOutput(guard=None, applied=True, would=None)
    await guards.put(after, before)
    return SetBudgetGuardOutput(guard=await _report(ctx, name), applied=True, would=None)


async def _report(ctx: ToolContext, name: str) -> GuardReport | None:
    situation = await ctx.parts.gatherer.situation(caller=ctx.caller)
    return next((guard for guard in guard_reports(situation) if guard.guard == name), None)


def _may_change(caller: "Caller", guard: Guard) -> bool:
    return caller.id in (OWNER_ID, guard.caller)


def _whose(caller: "Caller", period: Period | None) -> dict[str, str]:
    """What a new guard counts: its caller's session or calls; the owner's counts everybody's."""
    if period == "session":
        return {"caller": caller.id, "session": caller.session}
    return {} if caller.id == OWNER_ID else {"caller": caller.id}
