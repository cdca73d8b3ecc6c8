"""Spend guards: named limits over a window, reserved before each attempt and settled after it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from omniroute_agent.kernel.bill import Hold

REQUEST_GUARD: Final = "request"
"""The guard a request brings along as `budget_usd`; its window is the request itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a guard has left in its present window, in nano-dollars."""

    guard: str
    window: str
    limit: int
    spent: int
    reserved: int
    resets_at: float | None

    @property
    def left(self) -> int:
        return max(self.limit - self.spent - self.reserved, 0)

    def hold(self, amount: int) -> Hold:
        return Hold(guard=self.guard, window=self.window, limit=self.limit, amount=amount, resets_at=self.resets_at)


def day_window(now: datetime) -> tuple[str, float]:
    """Name and end (epoch seconds) of the UTC day `now` lies in."""
    start = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return f"day:{start.date().isoformat()}", (start + timedelta(days=1)).timestamp()


def request_room(request_id: str, budget: int) -> Room:
    """The room of a request's own budget before its first attempt."""
    return Room(guard=REQUEST_GUARD, window=f"request:{request_id}", limit=budget, spent=0, reserved=0, resets_at=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """The standing guards by name, with their limit per UTC day in nano-dollars."""

    per_day: Mapping[str, int]
