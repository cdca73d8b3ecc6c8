"""Tools that route: send a request, plan one without sending it, explain one that was served."""

from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema

from omniroute_agent.engine.decision import Decision, Plan, Receipt
from omniroute_agent.engine.events import Discarded, EngineEvent, Routed
from omniroute_agent.kernel.chat import Reasoning, ReasoningDelta, TextDelta, ToolCallDelta
from omniroute_agent.kernel.errors import NotFound
from omniroute_agent.kernel.money import usd
from omniroute_agent.tooling.tool import ToolContext, ToolInput, ToolOutput, as_in, tool
from omniroute_tools.chat_input import RequestInput


class RouteRequestInput(RequestInput):
    deadline_seconds: float | None = Field(default=None, gt=0, le=3600, description="Longest wait, up to 3600.")
    idempotency_key: str | None = Field(
        default=None, min_length=1, max_length=200, description="Same key and body: same answer, billed once."
    )
    cache: bool = Field(default=True, description="false: ask anew, keep nothing.")
    detail: Literal["concise", "detailed"] = Field(default="concise", description="detailed adds the reasoning.")


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
    """Send a chat to the best language model and return its answer with a receipt: who served it, cost, what was tried.

    Falls back to the next target by itself. It may spend money: simulate_route shows the plan for free.
    Afterwards explain_route tells why.
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
        lines = [f"{place}. {c.target}: {c.because}" for place, c in enumerate(self.choices, 1)]
        lines += [f"excluded {e.target}: {e.reason}, {e.detail}" for e in self.excluded]
        best, worst = (
            ("unknown" if cost is None else f"{usd(cost)} USD") for cost in (self.best_cost, self.worst_cost)
        )
        return "\n".join((f"{self.strategy} for {self.asked}; best {best}, worst {worst}", *lines, *self.notes))


@tool(
    title="Simulate a route",
    scopes=["read:combos", "read:health"],
    toolsets=["core", "routing"],
    read_only=True,
    idempotent=True,
)
async def simulate_route(args: RequestInput, ctx: ToolContext) -> SimulateRouteOutput:
    """Plan a request without sending it: order of targets, reasons, exclusions, best and worst cost. Free.

    It is the very plan route_request would follow now.
    """
    planned, _, _ = await ctx.parts.engine.plan(args.request(ctx))
    return SimulateRouteOutput.model_validate(planned.plan.model_dump())


class ExplainRouteInput(ToolInput):
    request_id: str = Field(min_length=1, max_length=64)


class ExplainRouteOutput(Decision, ToolOutput):
    plan: Annotated[Plan | None, WithJsonSchema(as_in("simulate_route", nullable=True))]
    receipt: Annotated[Receipt | None, WithJsonSchema(as_in("route_request", nullable=True))] = None

    def summary(self) -> str:
        lines = [f"{self.state} at {self.at}; {self.receipt.because if self.receipt else 'no receipt yet'}"]
        if self.plan:
            lines += [f"{place}. {c.target}: {c.because}" for place, c in enumerate(self.plan.choices, 1)]
            lines += [f"excluded {e.target}: {e.reason}, {e.detail}" for e in self.plan.excluded]
        for attempt in self.receipt.tried if self.receipt else ():
            lines.append(f"tried {attempt.target}: {attempt.outcome} {attempt.fault or ''} {attempt.latency_ms} ms")
        if self.error_detail:
            lines.append(f"{self.error}: {self.error_detail}")
        return "\n".join(lines)


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
    return ExplainRouteOutput.model_validate_json(document)
