"""What is known of a connection and of a model on it: breaker, locks, last fault.

Values only: `engine.breaker` decides.

Times are UTC epoch seconds of `ports.now`, because this state is shared between processes and outlives them.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

BreakerState = Literal["closed", "open", "half_open"]


class ConnectionHealth(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    connection: str
    breaker: BreakerState = "closed"
    failures: int = 0
    """Outages in a row."""
    open_until: float | None = None
    """While the breaker is open: when a probe may go."""
    probe_until: float | None = None
    """While half open: until when the probe in flight is waited for."""
    lock: str | None = None
    """Fault kind that locks the whole connection: `unauthorized`, `out_of_credit`, `window_exhausted`."""
    lock_until: float | None = None
    last_fault: str | None = None
    last_fault_at: float | None = None
    last_fault_detail: str | None = None
    last_success_at: float | None = None


class ModelLock(BaseModel):
    """A cool-down or lock-out of one model on one connection."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connection: str
    model: str
    reason: str
    until: float
    hits: int = 1
    """Locks in a row, for the doubling of the next one; a success clears the row."""


class TargetHealth(BaseModel):
    """Everything one attempt may read and change: its connection's health and its model's lock."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connection: ConnectionHealth
    lock: ModelLock | None = None


class Refusal(BaseModel):
    """Why a target is not attempted now."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: str
    """Machine word: `breaker_open`, `cooling_down`, `locked_out`, …"""
    detail: str
    until: float | None = None
