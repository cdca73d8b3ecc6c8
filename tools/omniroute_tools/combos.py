"""Tools for combos: what is there, and which one is the default."""

from math import inf
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field, WithJsonSchema

from omniroute_agent.kernel.money import Nano
from omniroute_agent.kernel.tier import Tier
from omniroute_agent.tooling.tool import ToolContext, ToolInput, ToolOutput, as_in, tool

if TYPE_CHECKING:  # a tool is listed before the rooms behind it are loaded
    from omniroute_agent.engine.combos import Combo
    from omniroute_agent.store.usage import GroupTotals

DAY_SECONDS: Final = 86_400.0


class ComboTarget(ToolOutput):
    target: str
    resolves_to: tuple[str, ...] = Field(description="connection/model it stands for here and now; empty: none.")
    unavailable: str | None = Field(description="Why it cannot be used now.")


class ComboMetrics(ToolOutput):
    """Of the last 24 hours."""

    requests: int
    attempts: int
    cost: Nano | None = Field(description="USD; null while a price is unknown.")


class ComboView(ToolOutput):
    name: str
    strategy: str
    targets: tuple[ComboTarget, ...]
    tier: Tier | None
    enabled: bool
    is_default: bool
    source: str = Field(description="built-in or settings.")
    overridden: bool = Field(description="switch_combo changed what the settings say.")
    findings: tuple[str, ...] = Field(description="What would keep it from working, with what to do.")
    metrics: ComboMetrics | None = None


class ListCombosInput(ToolInput):
    include_metrics: bool = Field(default=False, description="Add requests and cost of the last 24 hours.")


class ListCombosOutput(ToolOutput):
    combos: tuple[ComboView, ...]

    def summary(self) -> str:
        return "\n".join(_line(combo) for combo in self.combos)


def _line(combo: ComboView) -> str:
    marks = [combo.strategy, "default" if combo.is_default else "", "" if combo.enabled else "disabled"]
    targets = " > ".join(target.target for target in combo.targets) or "no target yet"
    return f"{combo.name} ({', '.join(mark for mark in marks if mark)}): {targets}"


async def view_combo(combo: "Combo", ctx: ToolContext, metrics: ComboMetrics | None = None) -> ComboView:
    """A combo with what its targets stand for now and what would keep it from working."""
    targets: list[ComboTarget] = []
    for name in combo.targets:
        found = await ctx.parts.catalogue.resolve(name)
        usable = [f"{connection.id}/{model}" for connection, model in found if connection.unavailable is None]
        why = None if usable else (found[0][0].unavailable if found else "No connection here serves it.")
        targets.append(ComboTarget(target=name, resolves_to=tuple(usable), unavailable=why))
    findings = [f"{target.target}: {target.unavailable}" for target in targets if target.unavailable]
    if not any(target.resolves_to for target in targets):
        findings.append("None of its own targets can be used now; only the local model, if there is one, would answer.")
    if not combo.enabled:
        findings.append("It is disabled: switch_combo with active true makes it the default.")
    return ComboView(
        name=combo.name,
        strategy=combo.strategy,
        targets=tuple(targets),
        tier=combo.tier,
        enabled=combo.enabled,
        is_default=combo.is_default,
        source=combo.source,
        overridden=combo.overridden,
        findings=tuple(findings),
        metrics=metrics,
    )


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
    return ListCombosOutput(
        combos=tuple(
            [
                await view_combo(combo, ctx, _metrics(groups.get(combo.name)) if args.include_metrics else None)
                for combo in await ctx.parts.combos.all()
            ]
        )
    )


class SwitchComboInput(ToolInput):
    combo: str = Field(min_length=1, max_length=200)
    active: bool = Field(description="true: enable it and make it the default. false: disable it.")


class SwitchComboOutput(ToolOutput):
    combo: Annotated[ComboView, WithJsonSchema(as_in("list_combos"))]

    def summary(self) -> str:
        return _line(self.combo)


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
    combo = await ctx.parts.combos.switch(args.combo, active=args.active)
    return SwitchComboOutput(combo=await view_combo(combo, ctx))
