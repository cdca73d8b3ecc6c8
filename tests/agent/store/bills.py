"""Intents and settlements with everything a test does not care about filled in."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from omniroute_agent.kernel.bill import CostState, Hold, Intent, Outcome, Settlement
from omniroute_agent.kernel.chat import Usage
from omniroute_agent.kernel.health import TargetHealth
from omniroute_agent.store.database import Database
from omniroute_agent.store.ledger import Ledger

AT = 1_800_000_000.0
"""2027-01-15 08:00 UTC."""


def as_it_is(health: TargetHealth) -> TargetHealth:
    """Admits every attempt and learns nothing from it."""
    return health


def hold(amount: int, *, limit: int = 100, guard: str = "environment", window: str = "day:2027-01-15") -> Hold:
    return Hold(guard=guard, window=window, limit=limit, amount=amount, resets_at=AT + 3600)


def intent(
    attempt_id: str,
    *holds: Hold,
    request_id: str = "request",
    caller: str = "owner",
    session: str = "s1",
    at: float = AT,
    connection: str = "one",
    model: str = "alpha",
    reserved: int | None = None,
) -> Intent:
    return Intent(
        attempt_id=attempt_id,
        request_id=request_id,
        caller=caller,
        session=session,
        door="test",
        at=at,
        connection=connection,
        provider=f"provider-{connection}",
        model=model,
        combo=None,
        task=None,
        reserved=max((h.amount for h in holds), default=0) if reserved is None else reserved,
        price_source="test",
        holds=holds,
    )


def settlement(
    attempt_id: str,
    cost: int | None = 0,
    *,
    outcome: Outcome = "answered",
    state: CostState | None = None,
    usage: Usage | None = None,
    fault: str | None = None,
    latency_ms: int = 10,
    at: float = AT + 1,
) -> Settlement:
    return Settlement(
        attempt_id=attempt_id,
        at=at,
        outcome=outcome,
        fault=fault,
        usage=usage,
        cost=cost,
        cost_state=state or ("unknown" if cost is None else "exact"),
        latency_ms=latency_ms,
    )


@asynccontextmanager
async def opened(directory: Path) -> AsyncGenerator[Database, None]:
    database = await Database.open(directory)
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def a_ledger(directory: Path, instance: str = "here") -> AsyncGenerator[Ledger, None]:
    async with opened(directory) as database:
        yield Ledger(database, instance)
