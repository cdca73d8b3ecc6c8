"""How patient the router is with a sick provider."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from omniroute_agent.tooling.tool import DRY_RUN, NOT_YET, ToolContext, ToolInput, ToolOutput, tool

if TYPE_CHECKING:  # a tool is listed before the rooms behind it are loaded
    from omniroute_agent.engine.tuning import Tuning


class SetResilienceProfileInput(ToolInput):
    profile: Literal["conservative", "balanced", "aggressive"]
    dry_run: bool = DRY_RUN


class SetResilienceProfileOutput(ToolOutput):
    profile: str
    configured: str = Field(description="In the settings file.")
    breaker_opens_after: int = Field(description="Outages in a row.")
    breaker_open_seconds: float = Field(description="At first; doubles in a row.")
    breaker_open_most_seconds: float
    cooldown_seconds: float = Field(description="Without a provider's hint; doubles too.")
    cooldown_most_seconds: float
    calls_at_a_time: int = Field(description="Per connection, at first.")
    applied: bool

    def summary(self) -> str:
        words = (
            f"{self.profile}: a breaker opens after {self.breaker_opens_after} outages in a row, for "
            f"{self.breaker_open_seconds:g} to {self.breaker_open_most_seconds:g} s; a model without a hint cools down "
            f"{self.cooldown_seconds:g} to {self.cooldown_most_seconds:g} s; {self.calls_at_a_time} calls at a time to "
            "begin with"
        )
        return words if self.applied else f"Would be {words}. {NOT_YET}"


@tool(
    title="Set the resilience profile",
    scopes=["write:resilience"],
    toolsets=["routing"],
    read_only=False,
    idempotent=True,
)
async def set_resilience_profile(args: SetResilienceProfileInput, ctx: ToolContext) -> SetResilienceProfileOutput:
    """How soon a sick provider is left alone. In force with the next request, in every process; kept over a restart.

    What a provider itself says of when to come back is always honoured. The owner's settings file stays as it is.
    """
    # Imported here because a tool is listed before the rooms behind it are loaded.
    from omniroute_agent.engine.tuning import TUNINGS  # noqa: PLC0415 (lazy)

    parts = ctx.parts
    if args.dry_run:
        return profile_report(TUNINGS[args.profile], parts.resilience.configured, applied=False)
    await parts.profiles.set(args.profile, at=parts.ports.now().timestamp(), by=ctx.caller.id)
    parts.resilience.follow(args.profile)
    return profile_report(parts.resilience.tuning, parts.resilience.configured)


def profile_report(tuning: "Tuning", configured: "Tuning", *, applied: bool = True) -> SetResilienceProfileOutput:
    return SetResilienceProfileOutput(
        profile=tuning.profile,
        configured=configured.profile,
        breaker_opens_after=tuning.threshold,
        breaker_open_seconds=tuning.open_base,
        breaker_open_most_seconds=tuning.open_max,
        cooldown_seconds=tuning.cool_down(1),
        cooldown_most_seconds=tuning.cool_down(tuning.cool_steps),
        calls_at_a_time=tuning.concurrency,
        applied=applied,
    )
