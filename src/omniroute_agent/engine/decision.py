"""The decision about one request, as it is shown to everyone: `simulate_route` before, the receipt and `explain_route`
after. One set of values, made by pure functions, stored as they are.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from omniroute_agent.kernel.bill import CostState, Outcome
from omniroute_agent.kernel.chat import Usage
from omniroute_agent.kernel.money import Nano


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Factor(_Value):
    """One reason in numbers: `contribution` = `value` × `weight`."""

    name: str
    value: float
    weight: float
    contribution: float


class Choice(_Value):
    """A target in its place in the plan."""

    target: str = Field(description="connection/model")
    provider: str
    model: str
    because: str = Field(description="Why it stands at this place.")
    expected_cost: Nano | None = Field(default=None, description="USD for this call; null: price unknown.")
    worst_cost: Nano | None = Field(default=None, description="USD that is reserved before the call.")
    price_source: str | None = None
    max_tokens: int | None = Field(default=None, description="Output cap that will be sent.")
    unknown: tuple[str, ...] = Field(default=(), description="Needed capabilities nobody could confirm.")
    factors: tuple[Factor, ...] = ()


class Exclusion(_Value):
    target: str
    reason: str = Field(description="Machine word, e.g. no_vision, breaker_open, price_unknown.")
    detail: str
    until: str | None = Field(default=None, description="UTC time at which it may come back.")


class Plan(_Value):
    asked: str = Field(description="Model or combo as the caller wrote it.")
    combo: str | None = None
    strategy: str
    strategy_because: str = ""
    task: str | None = None
    input_tokens: int = Field(description="Counted or estimated, see input_tokens_source.")
    input_tokens_source: str
    choices: tuple[Choice, ...]
    excluded: tuple[Exclusion, ...] = ()
    best_cost: Nano | None = Field(default=None, description="USD if the first choice answers as expected.")
    worst_cost: Nano | None = Field(default=None, description="USD if every choice is tried and fails after billing.")
    notes: tuple[str, ...] = ()


class Attempt(_Value):
    """What became of one try."""

    attempt_id: str
    target: str
    outcome: Outcome
    fault: str | None = None
    detail: str | None = None
    status: int | None = None
    latency_ms: int
    first_token_ms: int | None = None
    usage: Usage | None = None
    cost: Nano | None = None
    cost_state: CostState


class Receipt(_Value):
    """The one bill of a request: who served it, what it cost, what was tried, why."""

    request_id: str
    served_by: str | None = Field(description="connection/model that answered; null when none did.")
    reported_model: str | None = Field(default=None, description="Model name the provider put on its answer.")
    usage: Usage | None = None
    cost: Nano | None = Field(description="USD over all attempts; null while a price is unknown.")
    cost_state: CostState
    latency_ms: int
    first_token_ms: int | None = None
    tried: tuple[Attempt, ...] = ()
    because: str
    replayed: bool = Field(default=False, description="True when an idempotency key returned an earlier answer.")


class Decision(_Value):
    """What is stored: the plan and what came of it."""

    request_id: str
    caller: str
    session: str
    door: str
    at: str = Field(description="UTC time of arrival, ISO 8601.")
    state: Literal["running", "answered", "failed", "cancelled", "unknown"]
    plan: Plan | None
    receipt: Receipt | None = None
    error: str | None = None
    error_detail: str | None = None
