"""What an attempt cost and what it taught: pure sums from the events that came and the fault that ended them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from omniroute_agent.engine.breaker import drained, failed, released, succeeded
from omniroute_agent.engine.decision import Attempt, Receipt
from omniroute_agent.engine.faults import Fault, FaultKind
from omniroute_agent.engine.tuning import BALANCED, Tuning
from omniroute_agent.kernel.bill import CostState, Outcome, Settlement
from omniroute_agent.kernel.chat import Usage
from omniroute_agent.kernel.fold import Fold
from omniroute_agent.kernel.health import TargetHealth
from omniroute_agent.kernel.quota import QuotaReading
from omniroute_agent.providers.model import Price
from omniroute_agent.providers.tokens import count

_UNBILLED: Final[frozenset[FaultKind]] = frozenset(("connect_failed", "connect_timeout", "unreachable"))
"""Faults after which the provider cannot have worked: nothing was sent."""


_LEAST_SURE_FIRST: Final[tuple[CostState, ...]] = ("unknown", "reserved", "estimated", "exact")
"""A bill is as sure as its least sure attempt."""


@dataclass(slots=True, kw_only=True)
class Tried:
    """One attempt while it runs: what came so far and when."""

    attempt_id: str
    target: str
    model: str
    price: Price | None
    input_tokens: int
    started: float
    """`ports.monotonic` seconds."""
    fold: Fold = field(default_factory=Fold)
    first_token: float | None = None
    fault: Fault | None = None
    readings: tuple[QuotaReading, ...] = ()

    @property
    def produced(self) -> bool:
        """Whether a piece of the answer came."""
        return self.first_token is not None

    def usage(self) -> Usage | None:
        """The provider's counts when the answer ended well, else ours where work was surely done, marked."""
        if self.fault is None and self.fold.usage is not None:
            return self.fold.usage
        if self.fault is not None and not self.produced and (self.fault.status or self.fault.kind in _UNBILLED):
            return None
        counted = count([self.fold.produced_text], self.model).tokens
        seen = self.fold.usage
        if seen is None:
            return Usage(input_tokens=self.input_tokens, output_tokens=counted, estimated=True)
        # A stream that broke may have reported its input and only the beginning of its output.
        return seen.model_copy(update={"output_tokens": max(seen.output_tokens, counted), "estimated": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    settlement: Settlement
    attempt: Attempt
    learn: Callable[[TargetHealth], TargetHealth]


def settle(tried: Tried, outcome: Outcome, *, now: datetime, ended: float, tuning: Tuning = BALANCED) -> Settled:
    """The bill of one attempt; `ended` is `ports.monotonic` seconds."""
    usage = tried.usage()
    cost, state = _cost(tried.price, usage, now)
    latency = round((ended - tried.started) * 1000)
    first = None if tried.first_token is None else round((tried.first_token - tried.started) * 1000)
    fault = tried.fault
    settlement = Settlement(
        attempt_id=tried.attempt_id,
        at=now.timestamp(),
        outcome=outcome,
        fault=fault.kind if fault else None,
        usage=usage,
        cost=cost,
        cost_state=state,
        latency_ms=latency,
        first_token_ms=first,
        readings=tried.readings,
    )
    attempt = Attempt(
        attempt_id=tried.attempt_id,
        target=tried.target,
        outcome=outcome,
        fault=settlement.fault,
        detail=fault.detail if fault else None,
        status=fault.status if fault else None,
        latency_ms=latency,
        first_token_ms=first,
        usage=usage,
        cost=cost,
        cost_state=state,
    )
    return Settled(settlement=settlement, attempt=attempt, learn=_lesson(tried, outcome, now.timestamp(), tuning))


def _lesson(tried: Tried, outcome: Outcome, now: float, tuning: Tuning) -> Callable[[TargetHealth], TargetHealth]:
    def learn(health: TargetHealth) -> TargetHealth:
        if tried.fault is not None:
            after = failed(health, tried.model, tried.fault, now, tuning)
        elif outcome == "cancelled" and not tried.produced:
            after = released(health)
        else:
            after = succeeded(health, now)
        return drained(after, tried.model, tried.readings, now)

    return learn


def _cost(price: Price | None, usage: Usage | None, now: datetime) -> tuple[int | None, CostState]:
    if usage is None:
        return 0, "exact"
    if price is None:
        return None, "unknown"
    return price.cost(usage, now), "estimated" if usage.estimated else "exact"


def receipt_of(
    request_id: str, attempts: tuple[Attempt, ...], *, because: str, latency_ms: int, reported_model: str | None
) -> Receipt:
    """One bill over all attempts; its cost is unknown while one of them is."""
    served = next((a for a in attempts if a.outcome == "answered"), None)
    costs = [a.cost for a in attempts]
    states: set[CostState] = {a.cost_state for a in attempts} or {"exact"}
    return Receipt(
        request_id=request_id,
        served_by=served.target if served else None,
        reported_model=reported_model,
        usage=served.usage if served else None,
        cost=None if None in costs else sum(cost for cost in costs if cost is not None),
        cost_state=min(states, key=_LEAST_SURE_FIRST.index),
        latency_ms=latency_ms,
        first_token_ms=served.first_token_ms if served else None,
        tried=attempts,
        because=because,
    )
