"""What limits spending: a guard, as the settings define it or as it was set at run time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from omniroute_agent.kernel.tier import Tier

Period = Literal["session", "day", "week", "month"]
"""What one window spans. Days are UTC, weeks start on Monday."""

CalendarPeriod = Literal["day", "week", "month"]
"""The same for all sessions."""

Action = Literal["block", "degrade", "alert", "ask"]
"""block: what may exceed the limit is not called. degrade: the same, and from `DEGRADE_FROM` of the limit on only
targets of its tier or below. ask: beyond the limit the owner is asked. alert: told, never refused."""

GuardTier = Literal["cheap", "free"]

Source = Literal["settings", "stored"]

DEGRADE_FROM: Final = 80
"""Percent of the limit, spent and reserved together, from which a degrading guard lets only its tier through."""

TIERS_BELOW: Final[Mapping[GuardTier, frozenset[Tier]]] = {
    "free": frozenset(("free",)),
    "cheap": frozenset(("free", "cheap")),
}
"""A subscription is not among them: what it costs shows in its quota, not in its tier."""

_STRICTNESS: Final[Mapping[Action, int]] = {"alert": 0, "ask": 1, "block": 2, "degrade": 3}
"""What the one lets through, the one before it does too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A limit on what calls may cost together. Of caller, session and combo, those that are set must all match."""

    name: str
    limit: int
    """Nano-dollars per window."""
    period: Period = "day"
    action: Action = "block"
    tier: GuardTier | None = None
    """For degrade; None is `free`."""
    caller: str | None = None
    session: str | None = None
    combo: str | None = None
    enabled: bool = True
    source: Source = "settings"
    overrides: bool = False
    """A stored guard in the place of one that the settings define."""
    created_at: float = 0.0
    created_by: str = "settings"

    @property
    def counted(self) -> tuple[Period, str | None, str | None, str | None]:
        """What it counts, and over which windows."""
        return self.period, self.caller, self.session, self.combo

    @property
    def strictness(self) -> tuple[int, bool]:
        return _STRICTNESS[self.action], self.action == "degrade" and self.tier != "cheap"

    def concerns(self, caller: str | None, session: str | None) -> bool:
        """Whether calls of that caller and session count in it. A guard per session needs one to count in."""
        if self.period == "session" and session is None:
            return False
        return self.caller in (None, caller) and self.session in (None, session)


def widens(before: Guard | None, after: Guard | None) -> bool:
    """Whether more could be spent than before. What it counts may not be changed without asking either."""
    if before is None or not before.enabled:
        return False
    return (
        after is None
        or not after.enabled
        or after.limit > before.limit
        or after.strictness < before.strictness
        or after.counted != before.counted
    )
