"""What the commands of keys say and read of a key's budget."""

import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from omniroute_agent.app import House
from omniroute_agent.cli.failures import USAGE, CommandFailed
from omniroute_agent.engine.guard_changes import read_limit
from omniroute_agent.engine.guards import Room
from omniroute_agent.engine.key_budgets import DEFAULT_PERIOD, clearing, setting
from omniroute_agent.kernel.guard import CalendarPeriod, Guard
from omniroute_agent.kernel.money import usd
from omniroute_agent.store.keys import KeyRow

NONE: Final = "none"
"""As an amount: the budget goes."""

Budget = tuple[Guard, Room] | None
"""A key's guard with its present room; None: it has none."""


async def budgets(house: House) -> dict[str, tuple[Guard, Room]]:
    """By the key's id, which is the guard's name."""
    return {
        guard.name: (guard, room)
        for guard, room in await house.parts.guards.report()
        if guard.name == guard.caller and room is not None
    }


def read_budget(amount: str | None, period: CalendarPeriod | None, *, changing: bool = False) -> int | None:
    """Nano-dollars; None: nothing is said of it.

    Raises:
        CommandFailed: a period without an amount.
        InvalidRequest: the amount is none.
    """
    if amount is not None:
        return read_limit(amount)
    if period is not None and not changing:
        raise _wrong("--budget-period goes with --budget.")
    return None


def change_of(
    before: Mapping[str, tuple[Guard, Room]],
    limit: int | None,
    period: CalendarPeriod | None,
    *,
    clears: bool,
    now: datetime,
) -> Callable[[sqlite3.Connection, KeyRow], None]:
    """What goes into the commit of a change of a key. What is not said of its budget stays."""

    def job(connection: sqlite3.Connection, row: KeyRow) -> None:
        had = before.get(row.id)
        if clears:
            clearing(connection, row)
        elif limit is not None or period is not None:
            amount = limit if limit is not None or had is None else had[0].limit
            if amount is None:
                raise _wrong(f"The key `{row.name}` has no budget yet.", "Say how much: `--budget 5`.")
            setting(amount, period or _period(had), now)(connection, row)

    return job


def _period(budget: Budget) -> CalendarPeriod:
    if budget is None or budget[0].period == "session":
        return DEFAULT_PERIOD
    return budget[0].period


def money(budget: Budget) -> str:
    """`1.5 of 5 USD a day left`."""
    return "-" if budget is None else f"{usd(budget[1].left)} of {per_period(budget)} left"


def per_period(budget: tuple[Guard, Room]) -> str:
    return f"{usd(budget[0].limit)} USD a {budget[0].period}"


def budget_json(guard: Guard, room: Room) -> dict[str, Any]:
    return {
        "limit_usd": usd(guard.limit),
        "period": guard.period,
        "spent_usd": usd(room.spent),
        "reserved_usd": usd(room.reserved),
        "left_usd": usd(room.left),
        "resets_at": room.resets,
    }


def _wrong(message: str, hint: str = "Try `omniroute-agent keys create --help`.") -> CommandFailed:
    return CommandFailed(message, hint, "usage", USAGE)
