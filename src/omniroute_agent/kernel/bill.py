"""The values of one bill: an intent before each upstream call, one settlement after it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from omniroute_agent.kernel.chat import Usage
from omniroute_agent.kernel.money import Nano
from omniroute_agent.kernel.quota import QuotaLimit, QuotaReading

CostState = Literal["exact", "estimated", "unknown", "reserved"]
"""exact: provider's counts × known price. estimated: our counts. unknown: no price. reserved: outcome unknown after a
crash, the reservation is kept as the cost."""

Outcome = Literal["answered", "failed", "abandoned", "cancelled", "unknown"]
"""answered: the caller got it. failed: no answer. abandoned: broke after it began, another target took over.
cancelled: the caller left. unknown: the process died in between."""


class Hold(BaseModel):
    """A share of a guard's window to reserve before an attempt."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    guard: str
    """Name of the guard, e.g. `environment`."""
    window: str
    """The window it counts in, e.g. `day:2026-11-21`, `session:<id>`."""
    limit: Nano
    amount: Nano
    resets_at: float | None = None
    """UTC epoch seconds at which the window ends."""
    enforced: bool = True
    """False: it counts, and refuses nothing."""
    handle: bool = False
    """`guard` is the id of a budget handle, and what that has left at this moment is the limit."""


class Intent(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    attempt_id: str
    request_id: str
    caller: str
    session: str
    door: str
    at: float
    connection: str
    provider: str
    model: str
    combo: str | None
    task: str | None
    reserved: Nano
    """Worst case of this attempt; 0 for a free target or when the price is unknown and no guard asks."""
    price_source: str | None
    """None: the price is unknown."""
    holds: tuple[Hold, ...] = ()
    tokens: int = 0
    """The most this attempt can draw on a quota of tokens."""
    limits: tuple[QuotaLimit, ...] = ()
    """What the connection's owner says of its quota."""


class Settlement(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    attempt_id: str
    at: float
    outcome: Outcome
    fault: str | None = None
    usage: Usage | None = None
    cost: Nano | None = None
    """None when the price is unknown."""
    cost_state: CostState
    latency_ms: int
    first_token_ms: int | None = None
    readings: tuple[QuotaReading, ...] = ()
    """What the answer told of the connection's quota windows."""
