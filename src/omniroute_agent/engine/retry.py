"""The retry budget: repeating a call to the same target is the exception, in numbers."""

from dataclasses import dataclass
from typing import Final

from omniroute_agent.engine.faults import Fault

RETRY_SHARE: Final = 0.1
"""Same-target retries after outages stay at or below this share of first calls."""

LONGEST_WAIT: Final = 30.0
"""Seconds; a longer hint is told to the caller instead of waited for."""


@dataclass(slots=True)
class RetryBudget:
    """Each first call puts a tenth in, each retry after an outage takes one out."""

    saved: float = 0.0
    most: float = 10.0

    def first_call(self) -> None:
        self.saved = min(self.saved + RETRY_SHARE, self.most)

    def wait_for(self, fault: Fault, jitter: float) -> float | None:
        """Seconds to wait before the same target is tried again; None when it is not. `jitter` lies in [0, 1).

        A rate limit with its hint says itself when it ends, so it takes nothing from the budget.
        """
        if not fault.effect.retry:
            return None
        if fault.kind == "rate_limited":
            hinted = fault.retry_after
            return None if hinted is None or hinted > LONGEST_WAIT else hinted + 0.1 * jitter
        # Tenths do not add up exactly in binary.
        if self.saved < 1.0 - 1e-9 or (fault.retry_after or 0.0) > LONGEST_WAIT:
            return None
        self.saved -= 1.0
        return fault.retry_after + 0.1 * jitter if fault.retry_after is not None else 0.2 + 0.8 * jitter
