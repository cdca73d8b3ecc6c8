"""How much one key may ask of this process, and all of them together."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundLimits:
    under_way: int = 256
    """Requests of one key at the same time, with those that only listen."""
    together: int = 1024
    """The same for all keys together."""
    per_second: float = 5000.0
    """Requests of one key, sustained; twice as many may come at once."""
    sessions: int = 100
    """Sessions one key may hold open."""
    body_bytes: int = 16 * 1024 * 1024
    """Longest body of a request."""


@dataclass(slots=True)
class _Use:
    tokens: float
    refilled_at: float
    under_way: int = 0


class Turnstile:
    """Counts requests per key. Only recognised keys get here, so there are as many entries as callers."""

    def __init__(self, limits: InboundLimits, monotonic: Callable[[], float]) -> None:
        self._limits = limits
        self._monotonic = monotonic
        self._uses: dict[str, _Use] = {}
        self._under_way = 0

    def enter(self, holder: str) -> float | None:
        """None when the request may pass (then `leave` must follow), else seconds after which to try again."""
        now = self._monotonic()
        burst = 2 * self._limits.per_second
        use = self._uses.get(holder)
        if use is None:
            self._forget_rested(burst, now)
            use = self._uses[holder] = _Use(burst, now)
        self._refill(use, burst, now)
        if use.under_way >= self._limits.under_way or self._under_way >= self._limits.together:
            return 1.0
        if use.tokens < 1:
            return (1 - use.tokens) / self._limits.per_second
        use.tokens -= 1
        use.under_way += 1
        self._under_way += 1
        return None

    def leave(self, holder: str) -> None:
        self._uses[holder].under_way -= 1
        self._under_way -= 1

    def _refill(self, use: _Use, burst: float, now: float) -> None:
        use.tokens = min(burst, use.tokens + (now - use.refilled_at) * self._limits.per_second)
        use.refilled_at = now

    def _forget_rested(self, burst: float, now: float) -> None:
        """Drop those who could start anew without anybody noticing: an issuer may send any number of callers."""
        for holder, use in list(self._uses.items()):
            self._refill(use, burst, now)
            if use.under_way == 0 and use.tokens >= burst:
                del self._uses[holder]
