"""Tools that route: send a request, plan one without sending it, explain one that was served."""

from typing import Annotated, Any, Final

from pydantic import Field, WithJsonSchema

from omniroute_agent.engine.decision import Decision, Plan, Receipt
from omniroute_agent.engine.events import Discarded, EngineEvent, Routed
from omniroute_agent.kernel.chat import Reasoning, ReasoningDelta, TextDelta, ToolCallDelta
from omniroute_agent.kernel.errors import NotFound
from omniroute_agent.kernel.money import usd
from omniroute_agent.tooling.tool import Detail, ToolContext, ToolInput, ToolOutput, as_in, sparse, tool
from omniroute_tools.chat_input import RequestInput, SimulatedInput
from omniroute_tools.names import Name

_IN_FULL: Final = 2
_TOLD: Final = 6
_DETAILS: Final = frozenset(("provider", "model", "price_source", "max_tokens", "factors"))


class RouteRequestInput(RequestInput):
    deadline_seconds: float | None = Field(default=None, gt=0, le=3600, description="Longest wait.")
    idempotency_key: Name | None = Field(default=None, description="Same key and body: same answer, billed once.")
    cache: bool = Field(default=True, description="false: ask anew, keep nothing.")
    detail: Detail = Field(default="concise", description="detailed adds the reasoning.")


class RoutedToolCall(ToolOutput):
    id: str
    name: str
    arguments: str = Field(description="JSON text as the model wrote it.")


class RouteRequestOutput(ToolOutput):
    request_id: str
    text: str
    tool_calls: tuple[RoutedToolCall, ...]
    finish: str = Field(description="stop, length, tool_calls, content_filter or refusal.")
    receipt: Receipt
    reasoning: str | None

    def summary(self) -> str:
        """The answer itself, then one line of receipt: what a model that sees only text needs."""
        calls = "".join(f"\n[tool call {call.id}] {call.name}({call.arguments})" for call in self.tool_calls)
        receipt = self.receipt
        cost = "unknown cost" if receipt.cost is None else f"{usd(receipt.cost)} USD ({receipt.cost_state})"
        reused = f" ({receipt.reused} answer of {receipt.answer_of})" if receipt.reused else ""
        return (
            f"{self.text}{calls}\n\n[served by {receipt.served_by}{reused}, {cost}, {receipt.latency_ms} ms, "
            f"finish {self.finish}, request_id {self.request_id}]"
        )


class _Meter:
    """Turns what the engine does into progress notices: counts, never text."""

    def __init__(self, ctx: ToolContext) -> None:
        self._ctx = ctx
        self._pieces = 0

    async def watch(self, event: EngineEvent) -> None:
        match event:
            case Routed(plan):
                first = plan.choices[0].target if plan.choices else "no target"
                await self._ctx.progress(self._pieces, None, f"planned, first target {first}")
            case TextDelta() | ReasoningDelta() | ToolCallDelta():
                self._pieces += 1
                await self._ctx.progress(self._pieces, None, f"pieces received: {self._pieces}")
            case Discarded(fault):
                self._pieces += 1
                await self._ctx.progress(self._pieces, None, f"a target broke off ({fault.kind}); trying the next")
            case _:
                pass


@tool(
    title="Route a request",
    scopes=["execute:completions"],
    toolsets=["core", "routing"],
    read_only=False,
    open_world=True,
)
async def route_request(args: RouteRequestInput, ctx: ToolContext) -> RouteRequestOutput:
    """Send a chat to the best language model; returns its answer and a receipt: who served it, cost, what was tried.

    Falls back by itself. May spend money: simulate_route shows the plan for free. explain_route tells why afterwards.
    """
    request = args.request(
        ctx, deadline_seconds=args.deadline_seconds, idempotency_key=args.idempotency_key, cache=args.cache
    )
    done = await ctx.parts.turn.take(request, _Meter(ctx).watch)
    reasoning = "".join(part.text for part in done.answer.parts if isinstance(part, Reasoning))
    return RouteRequestOutput(
        request_id=done.receipt.request_id,
        text=done.answer.text,
        tool_calls=tuple(
            RoutedToolCall(id=call.id, name=call.name, arguments=call.arguments) for call in done.answer.tool_calls
        ),
        finish=done.answer.finish,
        receipt=done.receipt,
        reasoning=reasoning if args.detail == "detailed" and reasoning else None,
    )


class SimulateRouteOutput(Plan, ToolOutput):
    def summary(self) -> str:
        best, worst = (
            ("unknown" if cost is None else f"{usd(cost)} USD") for cost in (self.best_cost, self.worst_cost)
        )
        first = f"{self.strategy} for {self.asked}; best {best}, worst {worst}"
        then = "route_request sends it" if self.choices else "get_health shows what ails the connections"
        return "\n".join((first, *_order(self), *self.notes, f"Next: {then}."))


def _order(plan: Plan) -> list[str]:
    """Who comes first and who is left out, as many as a reader takes in."""
    lines = [f"{place}. {c.target}: {c.because}" for place, c in enumerate(plan.choices[:_TOLD], 1)]
    if (more := len(plan.choices) - _TOLD) > 0:
        lines.append(f"then {more} more")
    lines += [f"excluded {e.target}: {e.reason}, {e.detail}" for e in plan.excluded[:_TOLD]]
    if (more := len(plan.excluded) - _TOLD) > 0:
        lines.append(f"excluded {more} more")
    return lines


class BriefPlan(SimulateRouteOutput):
    def structured(self) -> dict[str, Any]:
        return _brief_plan(super().structured())


def _brief_plan(told: dict[str, Any]) -> dict[str, Any]:
    """The same plan; scores and sources stand with the first two only: why the one goes before the other."""
    choices = [sparse(choice, () if place < _IN_FULL else _DETAILS) for place, choice in enumerate(told["choices"])]
    return {**told, "choices": choices, "excluded": [sparse(each) for each in told["excluded"]]}


@tool(
    title="Simulate a route",
    scopes=["read:combos", "read:health"],
    toolsets=["core", "routing"],
    read_only=True,
    idempotent=True,
)
async def simulate_route(args: SimulatedInput, ctx: ToolContext) -> SimulateRouteOutput:
    """Plan a request without sending it: order of targets, reasons, exclusions, best and worst cost. Free.

    It is the very plan route_request would follow now.
    """
    planned, _, _ = await ctx.parts.engine.plan(args.request(ctx))
    shape = SimulateRouteOutput if args.detail == "detailed" else BriefPlan
    return shape.model_validate(planned.plan.model_dump())


class ExplainRouteInput(ToolInput):
    request_id: Name
    detail: Detail = Field(default="concise", description="As in simulate_route.")


class ExplainRouteOutput(Decision, ToolOutput):
    plan: Annotated[Plan | None, WithJsonSchema(as_in("simulate_route", nullable=True))]
    receipt: Annotated[Receipt | None, WithJsonSchema(as_in("route_request", nullable=True))] = None

    def summary(self) -> str:
        lines = [f"{self.state} at {self.at}; {self.receipt.because if self.receipt else 'no receipt yet'}"]
        if self.plan:
            lines += _order(self.plan)
        for attempt in self.receipt.tried if self.receipt else ():
            lines.append(f"tried {attempt.target}: {attempt.outcome} {attempt.fault or ''} {attempt.latency_ms} ms")
        if self.error_detail:
            lines.append(f"{self.error}: {self.error_detail}")
        return "\n".join(lines)


class BriefRoute(ExplainRouteOutput):
    """The plan as `simulate_route` tells it in brief."""

    def structured(self) -> dict[str, Any]:
        told = super().structured()
        return {**told, "plan": told["plan"] and _brief_plan(told["plan"])}


@tool(
    title="Explain a route",
    scopes=["read:usage"],
    toolsets=["core", "insight"],
    read_only=True,
    idempotent=True,
)
async def explain_route(args: ExplainRouteInput, ctx: ToolContext) -> ExplainRouteOutput:
    """Why a past request went where it went: the stored plan, exclusions, attempts and cost of one request_id."""
    document = await ctx.parts.decisions.get(args.request_id, ctx.caller.id)
    if document is None:
        recent = [row.request_id for row in await ctx.parts.decisions.recent(ctx.caller.id, limit=3)]
        raise NotFound(
            f"No request `{args.request_id}` of yours is stored.",
            hint=f"Your latest: {', '.join(recent)}." if recent else "You have sent no request yet.",
        )
    shape = ExplainRouteOutput if args.detail == "detailed" else BriefRoute
    return shape.model_validate_json(document)
