"""The state of a target as a small machine: pure functions of (state, event, now).

Breaker per connection: closed → open after `threshold` outages in a row → half open with one probe → closed or open
again, for twice as long. Locks are narrower: a rate limit, an unknown model or a used-up window of one model locks that
model of a connection; a bad credential, an empty account or a used-up window of the account locks the connection; only
outages open the breaker.

Calls run side by side, so an outcome may belong to a call that began before the state it meets: it never lengthens a
wait that is already on, and a success does not end one.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from omniroute_agent.engine.faults import Fault
from omniroute_agent.engine.tuning import BALANCED, Tuning
from omniroute_agent.kernel.health import ConnectionHealth, ModelLock, Refusal, TargetHealth
from omniroute_agent.kernel.quota import QuotaReading

PROBE_IN_FLIGHT: Final = "probe_in_flight"


def clock(epoch: float) -> str:
    """UTC time of day for people."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def moment(text: str) -> float:
    """The UTC epoch seconds that `clock` told."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC).timestamp()


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
            reason=PROBE_IN_FLIGHT,
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
    """An answer came: the breaker closes, locks that had run out are forgotten."""
    before, lock = health.connection, health.lock
    held = before.lock_until is not None and now < before.lock_until
    connection = ConnectionHealth(
        connection=before.connection,
        lock=before.lock if held else None,
        lock_until=before.lock_until if held else None,
        last_fault=before.last_fault,
        last_fault_at=before.last_fault_at,
        last_fault_detail=before.last_fault_detail,
        last_success_at=now,
    )
    return TargetHealth(connection=connection, lock=lock if lock is not None and now < lock.until else None)


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
    told, effect = health.model_copy(update={"connection": connection}), fault.effect
    if effect.silent:
        return released(told)
    if effect.outage:
        lock = health.lock if fault.retry_after is None else _model_lock(health, model, fault, now, tuning)
        return TargetHealth(connection=_outage(connection, now, tuning), lock=lock)
    # Any answer that is not an outage shows that the connection is alive.
    connection = connection.model_copy(
        update={"breaker": "closed", "failures": 0, "open_until": None, "probe_until": None}
    )
    if effect.lock == "connection":
        seconds = fault.retry_after or effect.seconds or 0.0
        connection = _locked(connection, fault.kind, now + seconds)
    lock = _model_lock(health, model, fault, now, tuning) if effect.lock == "model" else health.lock
    return TargetHealth(connection=connection, lock=lock)


def drained(health: TargetHealth, model: str, readings: Iterable[QuotaReading], now: float) -> TargetHealth:
    """Lock what the provider says is used up until its window starts anew, whatever became of the attempt itself."""
    for reading in readings:
        until = reading.exhausted_until(now)
        if until is None:
            continue
        if reading.account_wide:
            connection = _locked(health.connection, "window_exhausted", until)
            health = health.model_copy(update={"connection": connection})
        elif health.lock is None or health.lock.until < until:
            lock = ModelLock(
                connection=health.connection.connection, model=model, reason="model_window_exhausted", until=until
            )
            health = health.model_copy(update={"lock": lock})
    return health


def _locked(connection: ConnectionHealth, reason: str, until: float) -> ConnectionHealth:
    """A lock that lasts longer than the new one stays, with its reason."""
    if connection.lock is not None and connection.lock_until is not None and connection.lock_until >= until:
        return connection
    return connection.model_copy(update={"lock": reason, "lock_until": until})


def _outage(connection: ConnectionHealth, now: float, tuning: Tuning) -> ConnectionHealth:
    if connection.breaker == "open" and connection.open_until is not None and now < connection.open_until:
        return connection
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
    """A hint is kept to; one that proved too short is lengthened by the cool-down. A longer lock that is on stays."""
    before = health.lock
    running = before is not None and now < before.until
    hits = 1
    if before is not None and before.reason == fault.kind:
        hits = before.hits if running else before.hits + 1
    if fault.retry_after is not None:
        # How long an outage lasts is known to nobody: its hint counts only as far as the breaker itself would wait.
        hint = min(fault.retry_after, tuning.open_max) if fault.effect.outage else fault.retry_after
        seconds = max(hint, tuning.cool_down(hits)) if hits > 1 else hint
    else:
        seconds = fault.effect.seconds or tuning.cool_down(hits)
    if before is not None and before.until >= now + seconds:
        return before
    return ModelLock(
        connection=health.connection.connection, model=model, reason=fault.kind, until=now + seconds, hits=hits
    )
