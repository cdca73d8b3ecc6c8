"""The tool that tries a combo: one small real call to each of its targets."""

from typing import TYPE_CHECKING, Final

import anyio
from pydantic import Field

from omniroute_agent.kernel.errors import NoRoute
from omniroute_agent.kernel.money import Nano
from omniroute_agent.tooling.tool import ToolContext, ToolInput, ToolOutput, tool
from omniroute_agent.tooling.trials import PROMPT, Trial, try_target
from omniroute_tools.names import Name

if TYPE_CHECKING:  # a tool is listed before the rooms behind it are loaded
    from omniroute_agent.engine.decision import Attempt

AT_ONCE: Final = 4
"""Calls under way at a time."""
_MAX_TEXT: Final = 80


class TestComboInput(ToolInput):
    combo: Name
    prompt: str = Field(default=PROMPT, min_length=1, max_length=2_000, description="At most 64 tokens of answer.")


class TargetTrial(ToolOutput):
    target: str
    ok: bool
    text: str
    latency_ms: int | None = Field(description="null: not sent.")
    cost: Nano | None
    fault: str | None
    request_id: str


class TestComboOutput(ToolOutput):
    combo: str
    answered: int
    cost: Nano | None = Field(description="USD; null: a price is unknown.")
    trials: tuple[TargetTrial, ...]

    def summary(self) -> str:
        lines = [f"{self.answered} of {len(self.trials)} targets of {self.combo} answered"]
        lines += [f"{t.target}: {f'{t.latency_ms} ms, {t.text!r}' if t.ok else t.fault}" for t in self.trials]
        return "\n".join(lines)


@tool(
    title="Test a combo",
    scopes=["execute:completions", "read:combos"],
    toolsets=["routing"],
    read_only=False,
    open_world=True,
)
async def test_combo(args: TestComboInput, ctx: ToolContext) -> TestComboOutput:
    """Send one small real request to each target of a combo, four at a time: who answers, how fast, at what cost.

    Priced targets are billed. One that is locked or over budget is not called, and says why.
    """
    parts = ctx.parts
    combo = await parts.combos.named(args.combo)
    targets = [
        candidate.name for candidate in await parts.examiner.candidates(combo) if not candidate.connection.last_resort
    ]
    if not targets:
        raise NoRoute(
            f"No target of `{combo.name}` leads anywhere now, so nothing was sent.",
            hint="list_combos says what is wrong with each.",
        )
    seconds = parts.deadlines.listening if ctx.listens else parts.deadlines.quiet
    deadline = parts.ports.monotonic() + seconds
    trials: dict[str, TargetTrial] = {}
    free_line = anyio.CapacityLimiter(AT_ONCE)

    async def one(target: str) -> None:
        async with free_line:
            trial = await try_target(
                parts,
                target,
                caller=ctx.caller,
                door=ctx.door,
                prompt=args.prompt,
                combo=combo.name,
                deadline=deadline,
            )
        trials[target] = _seen(target, trial)
        answered = sum(each.ok for each in trials.values())
        await ctx.progress(len(trials), len(targets), f"{len(trials)} of {len(targets)} tried, {answered} answered")

    async with anyio.create_task_group() as group:
        for target in targets:
            group.start_soon(one, target)
    ordered = tuple(trials[target] for target in targets)
    costs = [trial.cost for trial in ordered if trial.latency_ms is not None]
    return TestComboOutput(
        combo=combo.name,
        answered=sum(trial.ok for trial in ordered),
        cost=None if None in costs else sum(cost for cost in costs if cost is not None),
        trials=ordered,
    )


def _seen(target: str, trial: Trial) -> TargetTrial:
    receipt = trial.receipt
    last = receipt.tried[-1] if receipt is not None else None
    return TargetTrial(
        target=target,
        ok=trial.answered,
        text=trial.text[:_MAX_TEXT],
        latency_ms=None if last is None else last.latency_ms,
        cost=None if receipt is None else receipt.cost,
        fault=_fault(trial, last),
        request_id=trial.request_id,
    )


def _fault(trial: Trial, last: "Attempt | None") -> str | None:
    """What the provider said; where nothing was sent, why not."""
    if trial.refusal is None:
        return None
    if last is None or last.fault is None:
        return trial.refusal.sentence()
    return f"{last.fault}: {last.detail}" if last.detail else last.fault
