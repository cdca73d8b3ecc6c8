"""One request while it is served: its attempts, its trail, what is left of its time."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, cast

from omniroute_agent.engine.breaker import PROBE_IN_FLIGHT
from omniroute_agent.engine.decision import Attempt, Choice, Decision, Exclusion, Plan, Receipt
from omniroute_agent.engine.faults import Fault
from omniroute_agent.engine.planning import Outlook
from omniroute_agent.engine.request import Request
from omniroute_agent.engine.retry import RetryBudget
from omniroute_agent.engine.settle import Tried, receipt_of
from omniroute_agent.engine.situation import Candidate
from omniroute_agent.kernel.errors import CallError, LimitReached
from omniroute_agent.kernel.ports import Ports

Pair = tuple[Choice, Candidate]
State = Literal["running", "answered", "failed", "cancelled", "unknown"]


@dataclass(slots=True, kw_only=True)
class Run:
    request: Request
    plan: Plan
    ports: Ports
    outlook: Outlook
    """What the plan was made of."""
    arrived: datetime = field(init=False)
    started: float = field(init=False)
    attempts: list[Attempt] = field(default_factory=list)
    tries: list[Tried] = field(default_factory=list)
    excluded: list[Exclusion] = field(default_factory=list)
    """Refused at the last moment: another request had opened the breaker or used up the guard."""
    limit: LimitReached | None = None
    committed: bool = False
    ended: float | None = None
    """`ports.monotonic` at which its outcome was known; what is recorded and what is given say the same time."""

    def __post_init__(self) -> None:
        self.arrived = self.ports.now()
        self.started = self.ports.monotonic()

    @property
    def seconds_left(self) -> float:
        return max(self.request.deadline - self.ports.monotonic(), 0.0)

    @property
    def answered(self) -> Tried | None:
        last = self.tries[-1] if self.tries else None
        return last if last is not None and last.fault is None and self.attempts[-1].outcome == "answered" else None

    @property
    def last_fault(self) -> Fault | None:
        return self.tries[-1].fault if self.tries else None

    @property
    def over(self) -> bool:
        """No further target may be tried: it answered, the caller has seen a piece, time is up, or every target would
        refuse this request.
        """
        fault = self.last_fault
        ended = fault is not None and fault.effect.ends_loop
        return self.answered is not None or self.committed or ended or self.seconds_left <= 0

    @property
    def missing(self) -> bool:
        """One model was asked for, and every connection that was tried says that it does not exist."""
        faults = [tried.fault for tried in self.tries]
        return (
            not self.over
            and self.plan.combo is None
            and bool(faults)
            and all(fault is not None and fault.kind == "not_found" for fault in faults)
        )

    @property
    def spent(self) -> int:
        """Nano-dollars of all attempts so far whose price is known."""
        return sum(attempt.cost or 0 for attempt in self.attempts)

    def settled(self, tried: Tried, attempt: Attempt) -> None:
        self.tries.append(tried)
        self.attempts.append(attempt)

    def behind_probes(self, choices: list[Pair]) -> list[Pair]:
        """Choices that were refused because the one probe of their connection was out; none when it is over."""
        if self.over:
            return []
        refused = {exclusion.target for exclusion in self.excluded if exclusion.reason == PROBE_IN_FLIGHT}
        return [pair for pair in choices if pair[0].target in refused]

    def ask_again(self, target: str) -> None:
        """That it was refused for a probe counts no more: what it says next does."""
        self.excluded = [e for e in self.excluded if e.target != target or e.reason != PROBE_IN_FLIGHT]

    def retry(self, choices: list[Pair], budget: RetryBudget) -> tuple[Pair, float] | None:
        """The one target worth repeating and the seconds to wait before; None when there is none."""
        if self.over or not self.tries or self.request.only is not None:
            return None
        for tried in sorted(self.tries, key=lambda t: (t.fault.retry_after or 0.0) if t.fault else 0.0):
            pair = next((p for p in choices if p[0].target == tried.target), None)
            if pair is None or tried.fault is None or not tried.fault.effect.retry:
                continue
            wait = budget.wait_for(tried.fault, self.ports.dice.random())
            if wait is not None and wait < self.seconds_left:
                return pair, wait
        return None

    def receipt(self) -> Receipt:
        if self.ended is None:
            self.ended = self.ports.monotonic()
        tried = self.answered
        target = tried.target if tried else None
        because = next((c.because for c in self.plan.choices if c.target == target), "no target answered")
        failed = [a for a in self.attempts if a.outcome != "answered"]
        if target and failed:
            because += f"; before it {', '.join(f'{a.target} ({a.fault})' for a in failed)} failed"
        return receipt_of(
            self.request.id,
            tuple(self.attempts),
            because=because,
            latency_ms=round((self.ended - self.started) * 1000),
            reported_model=tried.fold.model if tried else None,
        )

    def decision(self, state: str, error: CallError | None) -> Decision:
        request = self.request
        plan = self.plan.model_copy(update={"excluded": (*self.plan.excluded, *self.excluded)})
        return Decision(
            request_id=request.id,
            caller=request.caller.id,
            session=request.caller.session,
            door=request.door,
            at=self.arrived.isoformat(timespec="milliseconds"),
            state=cast("State", state),
            plan=plan,
            receipt=None if state == "running" else self.receipt(),
            error=error.code if error else None,
            error_detail=error.sentence() if error else None,
        )
