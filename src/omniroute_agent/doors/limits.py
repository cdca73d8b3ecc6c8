"""How much one key may ask of this process: calls under way, and calls a second."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundLimits:
    under_way: int = 256
    """Requests of one key at the same time."""
    per_second: float = 5000.0
    """Requests of one key, sustained; twice as many may come at once."""


@dataclass(slots=True)
class _Use:
    tokens: float
    refilled_at: float
    under_way: int = 0


class Turnstile:
    """Counts requests per key. There are as many entries as keys, and keys are the owner's to make."""

    def __init__(self, limits: InboundLimits, monotonic: Callable[[], float]) -> None:
        self._limits = limits
        self._monotonic = monotonic
        self._uses: dict[str, _Use] = {}

    def enter(self, holder: str) -> float | None:
        """None when the request may pass (then `leave` must follow), else seconds after which to try again."""
        now = self._monotonic()
        burst = 2 * self._limits.per_second
        use = self._uses.setdefault(holder, _Use(burst, now))
        use.tokens = min(burst, use.tokens + (now - use.refilled_at) * self._limits.per_second)
        use.refilled_at = now
        if use.under_way >= self._limits.under_way:
            return 1.0
        if use.tokens < 1:
            return (1 - use.tokens) / self._limits.per_second
        use.tokens -= 1
        use.under_way += 1
        return None

    def leave(self, holder: str) -> None:
        self._uses[holder].under_way -= 1
