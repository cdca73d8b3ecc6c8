"""The state of a target as a small machine: pure functions of (state, event, now).

Breaker per connection: closed → open after `threshold` outages in a row → half open with one probe → closed or open
again, for twice as long. Locks are narrower: a rate limit or an unknown model locks one model of a connection, a bad
credential, an empty account or a used-up window locks the connection, and only outages open the breaker.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from omniroute_agent.engine.faults import Fault, FaultKind
from omniroute_agent.kernel.health import ConnectionHealth, ModelLock, Refusal, TargetHealth


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Numbers of the machine, in seconds unless said otherwise."""

    threshold: int = 5
    """Outages in a row that open the breaker."""
    open_base: float = 30.0
    open_max: float = 300.0
    probe_wait: float = 120.0
    """How long the one probe may take before another process may send the next."""
    cool_base: float = 3.0
    cool_max: float = 120.0
    """Cool-down of a rate-limited model without a hint: base doubled per hit, up to max."""


BALANCED: Final = Tuning()

_LOCK_SECONDS: Final[dict[FaultKind, float]] = {
    "unauthorized": 300.0,
    "forbidden": 300.0,
    "out_of_credit": 900.0,
    "window_exhausted": 900.0,
    "not_found": 120.0,
}
"""Lock-outs without a hint. Short enough that a mended key or a topped-up account is noticed by itself."""


def clock(epoch: float) -> str:
    """UTC time of day for people."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def standing(health: TargetHealth, now: float) -> Refusal | None:
    """Why this target is not attempted now; None when it may be."""
    connection, lock = health.connection, health.lock
    if connection.lock and connection.lock_until is not None and now < connection.lock_until:
        detail = f"The connection is locked ({connection.lock}) until {clock(connection.lock_until)}."
        return Refusal(reason=connection.lock, detail=_because(detail, connection), until=connection.lock_until)
    if lock is not None and now < lock.until:
        detail = f"This model cools down on this connection ({lock.reason}) until {clock(lock.until)}."
        return Refusal(reason=lock.reason, detail=detail, until=lock.until)
    if connection.breaker == "open" and connection.open_until is not None and now < connection.open_until:
        detail = f"The breaker is open after {connection.failures} outages until {clock(connection.open_until)}."
        return Refusal(reason="breaker_open", detail=_because(detail, connection), until=connection.open_until)
    if connection.breaker == "half_open" and connection.probe_until is not None and now < connection.probe_until:
        return Refusal(
            reason="probe_in_flight",
            detail="The breaker is half open and its one probe is still out.",
            until=connection.probe_until,
        )
    return None


def _because(detail: str, connection: ConnectionHealth) -> str:
    return f"{detail} Last fault: {connection.last_fault_detail}" if connection.last_fault_detail else detail


def admit(health: TargetHealth, now: float, tuning: Tuning = BALANCED) -> TargetHealth | Refusal:
    """Let one attempt through; an open breaker whose time is up becomes half open with this attempt as its probe."""
    if refusal := standing(health, now):
        return refusal
    if health.connection.breaker == "closed":
        return health
    probing = health.connection.model_copy(
        update={"breaker": "half_open", "open_until": None, "probe_until": now + tuning.probe_wait}
    )
    return health.model_copy(update={"connection": probing})


def succeeded(health: TargetHealth, now: float) -> TargetHealth:
    """An answer came: the breaker closes, locks end."""
    connection = ConnectionHealth(
        connection=health.connection.connection,
        last_fault=health.connection.last_fault,
        last_fault_at=health.connection.last_fault_at,
        last_fault_detail=health.connection.last_fault_detail,
        last_success_at=now,
    )
    return TargetHealth(connection=connection, lock=None)


def released(health: TargetHealth) -> TargetHealth:
    """An attempt ended without telling anything of the target (the caller left): a probe is given back."""
    if health.connection.breaker != "half_open":
        return health
    again = health.connection.model_copy(update={"breaker": "open", "open_until": 0.0, "probe_until": None})
    return health.model_copy(update={"connection": again})


def failed(health: TargetHealth, model: str, fault: Fault, now: float, tuning: Tuning = BALANCED) -> TargetHealth:
    """Learn from a fault: the narrowest lock that fits, the breaker only for outages."""
    connection = health.connection.model_copy(
        update={"last_fault": fault.kind, "last_fault_at": now, "last_fault_detail": fault.detail}
    )
    effect = fault.effect
    if effect.outage:
        return health.model_copy(update={"connection": _outage(connection, now, tuning)})
    # Any answer that is not an outage shows that the connection is alive.
    connection = connection.model_copy(
        update={"breaker": "closed", "failures": 0, "open_until": None, "probe_until": None}
    )
    if effect.lock == "connection":
        until = now + (fault.retry_after or _LOCK_SECONDS[fault.kind])
        connection = connection.model_copy(update={"lock": fault.kind, "lock_until": until})
    lock = _model_lock(health, model, fault, now, tuning) if effect.lock == "model" else health.lock
    return TargetHealth(connection=connection, lock=lock)


def _outage(connection: ConnectionHealth, now: float, tuning: Tuning) -> ConnectionHealth:
    failures = connection.failures + 1
    if failures < tuning.threshold and connection.breaker == "closed":
        return connection.model_copy(update={"failures": failures})
    # Each further opening doubles the wait: failures beyond the threshold count the openings.
    openings = max(failures - tuning.threshold, 0)
    wait = min(tuning.open_base * 2 ** min(openings, 10), tuning.open_max)
    return connection.model_copy(
        update={"breaker": "open", "failures": failures, "open_until": now + wait, "probe_until": None}
    )


def _model_lock(health: TargetHealth, model: str, fault: Fault, now: float, tuning: Tuning) -> ModelLock:
    hits = health.lock.hits + 1 if health.lock is not None and health.lock.reason == fault.kind else 1
    if fault.retry_after is not None:
        seconds = fault.retry_after
    elif fault.kind in _LOCK_SECONDS:
        seconds = _LOCK_SECONDS[fault.kind]
    else:
        seconds = min(tuning.cool_base * 2 ** min(hits - 1, 10), tuning.cool_max)
    return ModelLock(
        connection=health.connection.connection, model=model, reason=fault.kind, until=now + seconds, hits=hits
    )
