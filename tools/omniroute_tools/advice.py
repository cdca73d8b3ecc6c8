"""The tool that recommends a combo for a task."""

from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field, WithJsonSchema

from omniroute_agent.engine.request import Task
from omniroute_agent.kernel.errors import NoRoute
from omniroute_agent.kernel.money import Nano, nano_from_usd
from omniroute_agent.tooling.tool import ToolContext, ToolInput, ToolOutput, tool
from omniroute_tools.chat_input import UsdText

if TYPE_CHECKING:  # a tool is listed before the rooms behind it are loaded
    from omniroute_agent.engine.advice import Advice, Limits, Prospect

ALTERNATIVES: Final = 3


class BestComboForTaskInput(ToolInput):
    task: Task
    budget_usd: UsdText | None = Field(default=None, description="Most a request may cost, decimal USD.")
    latency_ms: int | None = Field(default=None, ge=1, description="Longest wait for an answer.")


class ComboAdvice(ToolOutput):
    combo: str
    first_target: str
    expected_cost: Nano | None = Field(description="USD; null: unknown, as below.")
    p95_ms: int | None
    success: float | None = Field(description="Chance of an answer.")
    fit: float | None
    within_limits: str = Field(description="yes, no or unknown.")
    reason: str = Field(description="Or what changes.")


_LIKE: Final = {"description": "Like recommendation."}


class BestComboForTaskOutput(ToolOutput):
    recommendation: ComboAdvice
    alternatives: Annotated[
        tuple[ComboAdvice, ...], WithJsonSchema({"type": "array", "items": {"type": "object"}, **_LIKE})
    ]
    free: Annotated[ComboAdvice | None, WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "null"}], **_LIKE})]
    notes: tuple[str, ...] = Field(description="What is assumed.")

    def summary(self) -> str:
        lines = [f"{self.recommendation.combo}: {self.recommendation.reason}"]
        lines += [f"or {each.combo}: {each.reason}" for each in self.alternatives]
        lines += [f"free: {self.free.combo}"] if self.free else []
        return "\n".join([*lines, *self.notes, "Next: route_request with this combo."])


@tool(
    title="Recommend a combo",
    scopes=["read:combos", "read:health"],
    toolsets=["routing"],
    read_only=True,
    idempotent=True,
)
async def best_combo_for_task(args: BestComboForTaskInput, ctx: ToolContext) -> BestComboForTaskOutput:
    """Which combo to use for a kind of work: compares their plans for a typical request with costs, speed and success
    measured here. Free; sends nothing.
    """
    advice = await ctx.parts.adviser.advise(
        args.task,
        caller=ctx.caller,
        door=ctx.door,
        budget=None if args.budget_usd is None else nano_from_usd(args.budget_usd),
        latency_ms=args.latency_ms,
    )
    if not advice.prospects:
        raise NoRoute(f"No combo can serve a {args.task} request now.", hint=" ".join(advice.unable))
    return _told(advice, args.task)


def _told(advice: "Advice", task: Task) -> BestComboForTaskOutput:
    best, *others = advice.prospects
    limits = advice.limits
    free = next((each for each in advice.prospects if each.free), None)
    return BestComboForTaskOutput(
        recommendation=_view(best, limits, best.because()),
        alternatives=tuple(_view(each, limits, each.beside(best)) for each in others[:ALTERNATIVES]),
        free=None if free is None else _view(free, limits, free.because()),
        notes=_notes(advice, task),
    )


def _view(prospect: "Prospect", limits: "Limits", reason: str) -> ComboAdvice:
    return ComboAdvice(
        combo=prospect.combo,
        first_target=prospect.first,
        expected_cost=prospect.cost,
        p95_ms=None if prospect.latency_ms is None else round(prospect.latency_ms),
        success=None if prospect.success is None else round(prospect.success, 3),
        fit=None if prospect.fit is None else round(prospect.fit, 2),
        within_limits={True: "yes", False: "no", None: "unknown"}[prospect.keeps(limits)],
        reason=reason,
    )


def _notes(advice: "Advice", task: Task) -> tuple[str, ...]:
    size, tokens = advice.size, advice.input_tokens
    if size is None:
        notes = [f"Nothing was answered in the last 7 days: a request of {tokens} tokens is assumed."]
    else:
        which = f"{task} requests" if size.of_task else f"requests of any task (none said {task})"
        notes = [f"Costs are for {tokens} input tokens, the mean of {size.requests} {which} of the last 7 days."]
    if all(prospect.latency_ms is None for prospect in advice.prospects):
        notes.append("No target has five answers in the last 7 days, so nothing is known of speed.")
    if not any(prospect.fit for prospect in advice.prospects):
        notes.append("None of these models is in the table of task fitness.")
    return (*notes, *(f"Not now: {each}" for each in advice.unable))
