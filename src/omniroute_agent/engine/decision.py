"""The decision about one request, as it is shown to everyone: `simulate_route` before, the receipt and `explain_route`
after. One set of values, made by pure functions, stored as they are.
"""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, with_config

from omniroute_agent.kernel.bill import CostState, Outcome
from omniroute_agent.kernel.chat import Usage
from omniroute_agent.kernel.money import Nano
from omniroute_agent.kernel.value import value

_STRICT: Final = ConfigDict(extra="forbid")
_AS_USAGE: Final = {"anyOf": [{"type": "object"}, {"type": "null"}], "description": "As usage above."}


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


@with_config(_STRICT)
@value
class Factor:
    """One reason in numbers: `contribution` = `value` × `weight`."""

    name: str
    value: float
    weight: float
    contribution: float


@with_config(_STRICT)
@value
class Choice:
    """A target in its place in the plan."""

    target: Annotated[str, Field(description="connection/model")]
    provider: str
    model: str
    because: Annotated[str, Field(description="Why here.")]
    expected_cost: Annotated[Nano | None, Field(description="USD; null: price unknown.")] = None
    worst_cost: Annotated[Nano | None, Field(description="Reserved before it.")] = None
    price_source: str | None = None
    max_tokens: Annotated[int | None, Field(description="Output cap sent.")] = None
    unknown: Annotated[tuple[str, ...], Field(description="Needed, but nobody confirms it.")] = ()
    factors: tuple[Factor, ...] = ()


@with_config(_STRICT)
@value
class Exclusion:
    target: str
    reason: Annotated[str, Field(description="Like no_vision, breaker_open, price_unknown.")]
    detail: str
    until: Annotated[str | None, Field(description="UTC; may be back then.")] = None


class Plan(_Value):
    asked: str = Field(description="Model or combo as written.")
    combo: str | None = None
    strategy: str
    strategy_because: str = ""
    task: str | None = None
    input_tokens: int
    input_tokens_source: str
    choices: tuple[Choice, ...]
    excluded: tuple[Exclusion, ...] = ()
    best_cost: Nano | None = Field(default=None, description="USD if the first answers.")
    worst_cost: Nano | None = Field(default=None, description="USD if all are tried and billed.")
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
    usage: Annotated[Usage | None, WithJsonSchema(_AS_USAGE)] = None
    cost: Nano | None = None
    cost_state: Annotated[CostState, WithJsonSchema({"type": "string"})]


Reused = Literal["cached", "joined"]
"""cached: an earlier answer was given again. joined: an equal request was running and its answer is shared."""


class Receipt(_Value):
    """The one bill of a request: who served it, what it cost, what was tried, why."""

    request_id: str
    served_by: str | None = Field(description="connection/model that answered.")
    reported_model: str | None = Field(default=None, description="As the provider named it.")
    usage: Usage | None = None
    cost: Nano | None = Field(description="USD of all attempts; null: a price is unknown.")
    cost_state: CostState
    latency_ms: int
    first_token_ms: int | None = None
    tried: tuple[Attempt, ...] = ()
    because: str
    replayed: bool = Field(default=False, description="By its idempotency key.")
    reused: Reused | None = Field(default=None, description="Got an equal request's answer.")
    answer_of: str | None = Field(default=None, description="That request's id.")


class Decision(_Value):
    """What is stored: the plan and what came of it."""

    request_id: str
    caller: str
    session: str
    door: str
    at: str = Field(description="UTC time of arrival.")
    state: Literal["running", "answered", "failed", "cancelled", "unknown"]
    plan: Plan | None
    receipt: Receipt | None = None
    error: str | None = None
    error_detail: str | None = None
