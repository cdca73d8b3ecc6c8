"""Tools for combos: what is there, which one is the default, what orders the targets of one."""

from math import inf
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field, JsonValue, WithJsonSchema

from omniroute_agent.engine.nesting import COMBO_PREFIX
from omniroute_agent.kernel.money import Nano
from omniroute_agent.kernel.tier import Tier
from omniroute_agent.tooling.tool import (
    DRY_RUN,
    NOT_YET,
    Detail,
    ToolContext,
    ToolInput,
    ToolOutput,
    as_in,
    sparse,
    tool,
)
from omniroute_tools.names import Name
from omniroute_tools.pages import Cursor, more_line, page_of

if TYPE_CHECKING:  # a tool is listed before the rooms behind it are loaded
    from omniroute_agent.engine.combos import Combo
    from omniroute_agent.store.usage import GroupTotals

DAY_SECONDS: Final = 86_400.0
PAGE: Final = 10
_DETAILS: Final = frozenset(("options", "overridden", "resolves_to", "source"))
_SHOWN_TARGETS: Final = 3


class ComboTarget(ToolOutput):
    target: str
    resolves_to: tuple[str, ...] = Field(description="connection/model now.")
    unavailable: str | None = Field(description="Why not usable.")


class ComboMetrics(ToolOutput):
    """Of the last 24 hours."""

    requests: int
    attempts: int
    cost: Nano | None = Field(description="USD; null while a price is unknown.")


class ComboView(ToolOutput):
    name: str
    strategy: str
    options: dict[str, JsonValue]
    targets: tuple[ComboTarget, ...]
    tier: Annotated[Tier | None, WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]})]
    enabled: bool
    is_default: bool
    source: str = Field(description="built-in, settings, stored or template.")
    overridden: bool = Field(description="Differs from the settings file.")
    findings: tuple[str, ...] = Field(description="What keeps it from working, what to do.")
    metrics: Annotated[
        ComboMetrics | None,
        WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "null"}], "description": "requests, attempts, cost."}),
    ] = None


class ListCombosInput(ToolInput):
    include_metrics: bool = Field(default=False, description="Add requests and cost of the last 24 hours.")
    detail: Detail = Field(default="concise", description="detailed adds options and what targets stand for.")
    cursor: Cursor = None


class ListCombosOutput(ToolOutput):
    combos: tuple[ComboView, ...]
    next_cursor: str | None
    truncated: bool

    def summary(self) -> str:
        return "\n".join([*(_line(combo) for combo in self.combos), *more_line(self.next_cursor)])


class BriefCombos(ListCombosOutput):
    """Of a combo: what it is called, what it tries, and what ails it."""

    def structured(self) -> dict[str, Any]:
        told = super().structured()
        return {**told, "combos": [sparse(combo, _DETAILS) for combo in told["combos"]]}


def _line(combo: ComboView) -> str:
    marks = [combo.strategy, "default" if combo.is_default else "", "" if combo.enabled else "disabled"]
    first = [target.target for target in combo.targets[:_SHOWN_TARGETS]]
    more = len(combo.targets) - len(first)
    targets = " > ".join([*first, *([f"{more} more"] if more else [])]) or "no target yet"
    return f"{combo.name} ({', '.join(mark for mark in marks if mark)}): {targets}"


async def view_combo(combo: "Combo", ctx: ToolContext, metrics: ComboMetrics | None = None) -> ComboView:
    """A combo with what its targets stand for now and what would keep it from working."""
    findings = [*(await ctx.parts.examiner.examine(combo)).all]
    if not combo.enabled:
        findings.append("It is disabled: switch_combo with active true makes it the default.")
    return ComboView(
        name=combo.name,
        strategy=combo.strategy,
        options=dict(combo.options),
        targets=tuple([await _target(name, ctx) for name in combo.targets]),
        tier=combo.tier,
        enabled=combo.enabled,
        is_default=combo.is_default,
        source=combo.source,
        overridden=combo.overridden,
        findings=tuple(findings),
        metrics=metrics,
    )


async def _target(name: str, ctx: ToolContext) -> ComboTarget:
    parts = ctx.parts
    inner = await parts.combos.get(name.removeprefix(COMBO_PREFIX)) if name.startswith(COMBO_PREFIX) else None
    plain = (name,) if inner is None else (await parts.combos.expansion(inner)).targets
    found = [pair for each in plain for pair in await parts.catalogue.resolve(each)]
    usable = [f"{connection.id}/{model}" for connection, model in found if connection.unavailable is None]
    why = None if usable else (found[0][0].unavailable if found else "No connection here serves it.")
    return ComboTarget(target=name, resolves_to=tuple(dict.fromkeys(usable)), unavailable=why)


def _metrics(group: "GroupTotals | None") -> ComboMetrics:
    if group is None:
        return ComboMetrics(requests=0, attempts=0, cost=0)
    cost = None if group.unknown_cost_attempts else group.cost_nano
    return ComboMetrics(requests=group.requests, attempts=group.attempts, cost=cost)


@tool(
    title="List combos",
    scopes=["read:combos"],
    toolsets=["core", "routing"],
    read_only=True,
    idempotent=True,
)
async def list_combos(args: ListCombosInput, ctx: ToolContext) -> ListCombosOutput:
    """The combos (fallback chains of models): targets, strategy, default, and what would keep one from working."""
    groups: dict[str | None, GroupTotals] = {}
    if args.include_metrics:
        since = ctx.parts.ports.now().timestamp() - DAY_SECONDS
        totals = await ctx.parts.usage.totals(
            since=since, until=inf, caller=ctx.caller.id, session=None, group_by="combo"
        )
        groups = {group.name: group for group in totals.groups}
    combos, next_cursor = page_of(tuple(await ctx.parts.combos.all()), args.cursor, PAGE)
    shape = ListCombosOutput if args.detail == "detailed" else BriefCombos
    return shape(
        combos=tuple(
            [
                await view_combo(combo, ctx, _metrics(groups.get(combo.name)) if args.include_metrics else None)
                for combo in combos
            ]
        ),
        next_cursor=next_cursor,
        truncated=next_cursor is not None,
    )


class SwitchComboInput(ToolInput):
    combo: Name
    active: bool = Field(description="true: enable it and make it the default. false: disable it.")
    dry_run: bool = DRY_RUN


class SwitchComboOutput(ToolOutput):
    combo: Annotated[ComboView, WithJsonSchema(as_in("list_combos"))]
    applied: bool

    def summary(self) -> str:
        line = _line(self.combo)
        return line if self.applied else f"Would be: {line}. {NOT_YET}"


@tool(
    title="Switch a combo",
    scopes=["write:combos"],
    toolsets=["routing"],
    read_only=False,
    idempotent=True,
)
async def switch_combo(args: SwitchComboInput, ctx: ToolContext) -> SwitchComboOutput:
    """Make a combo the default, or disable it. The next request that names no model follows the default.

    The owner's settings file stays as it is.
    """
    combo = await ctx.parts.combos.switch(args.combo, active=args.active, dry_run=args.dry_run)
    return SwitchComboOutput(combo=await view_combo(combo, ctx), applied=not args.dry_run)


class SetRoutingStrategyInput(ToolInput):
    combo: Name
    strategy: Name = Field(description="priority, weighted, auto …")
    options: dict[str, JsonValue] | None = Field(
        default=None, description="All of the strategy's: weights, sticky, pack, exploration, adapt."
    )
    dry_run: bool = DRY_RUN


@tool(
    title="Set a routing strategy",
    scopes=["write:combos"],
    toolsets=["routing"],
    read_only=False,
    destructive=True,
    idempotent=True,
)
async def set_routing_strategy(args: SetRoutingStrategyInput, ctx: ToolContext) -> SwitchComboOutput:
    """Change what orders a combo's targets, from the next request on. What cannot work on its targets is refused with
    the reason. The owner's settings file stays as it is.
    """
    combo = await ctx.parts.examiner.set_strategy(args.combo, args.strategy, args.options, dry_run=args.dry_run)
    return SwitchComboOutput(combo=await view_combo(combo, ctx), applied=not args.dry_run)
