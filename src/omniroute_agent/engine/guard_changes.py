"""A guard as somebody wants it: checked, put together, and told in words."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from omniroute_agent.kernel.errors import InvalidRequest
from omniroute_agent.kernel.guard import Action, Guard, GuardTier, Period
from omniroute_agent.kernel.money import nano_from_usd, usd

MOST: Final = 2**53
"""Nano-dollars of the largest limit: what is summed up beside it must fit into a column."""


_LONGEST: Final = 40
"""Characters of an amount; what is longer is none, and reading it would take time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to become of a guard; what is None stays, or is the default of a new one."""

    limit: int | None = None
    period: Period | None = None
    action: Action | None = None
    tier: GuardTier | None = None
    caller: str | None = None
    session: str | None = None
    combo: str | None = None
    enabled: bool | None = None

    def of(self, name: str, before: Guard | None, by: str) -> Guard:
        """
        Raises:
            InvalidRequest: it would be no guard.
        """
        limit = self.limit if self.limit is not None or before is None else before.limit
        if limit is None:
            raise InvalidRequest(f"The guard `{name}` needs a limit.", hint="Say how many USD per period.")
        found = before or Guard(name=name, limit=limit)
        action = self.action or found.action
        if self.tier is not None and action != "degrade":
            raise InvalidRequest("A tier goes with the action degrade only.", hint="Leave it away, or set degrade.")
        return Guard(
            name=name,
            limit=limit,
            period=self.period or found.period,
            action=action,
            tier=(self.tier or found.tier) if action == "degrade" else None,
            caller=self.caller or found.caller,
            session=self.session or found.session,
            combo=self.combo or found.combo,
            enabled=found.enabled if self.enabled is None else self.enabled,
            source="stored",
            created_by=by,
        )


def read_limit(text: str | Decimal) -> int:
    """
    Raises:
        InvalidRequest: not an amount of USD from 0 to nine million.
    """
    try:
        limit = nano_from_usd(text) if len(str(text)) <= _LONGEST else -1
    except (ValueError, ArithmeticError):
        limit = -1
    if not 0 <= limit <= MOST:
        raise InvalidRequest(
            f"`{str(text)[:40]}` is not a limit.", hint='Give an amount of USD, like "5" or "0.25", up to 9000000.'
        )
    return limit


def told(guard: Guard) -> str:
    """`block above 5 USD a day for combo cheap`."""
    words = [guard.action if guard.action != "degrade" else f"degrade to {guard.tier or 'free'}"]
    words.append(f"above {usd(guard.limit)} USD a {guard.period}")
    words += [f"for caller {guard.caller}"] if guard.caller else []
    words += [f"for combo {guard.combo}"] if guard.combo else []
    return " ".join(words) + ("" if guard.enabled else " (off)")
