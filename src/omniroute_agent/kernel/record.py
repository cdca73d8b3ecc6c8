"""What is measured of targets and remembered for combos: values that the store keeps and planning looks at.

Times are UTC epoch seconds of `ports.now`: every process on the file reads them.
"""

from dataclasses import dataclass, field
from typing import Final

ENOUGH_ANSWERS: Final = 5
"""Fewer measured answers than this tell nothing of latency: it counts as unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetStats:
    """What the ledger measured of one target lately."""

    attempts: int = 0
    """Attempts that ended and say something of the target: cancelled ones are not among them."""
    successes: int = 0
    p50_ms: float | None = None
    """Milliseconds from call to end of the answer, as `p95_ms` and `stddev_ms` over answered attempts only."""
    p95_ms: float | None = None
    stddev_ms: float | None = None
    tokens_per_second: float | None = None
    """Output tokens over the time from first token to end, median of answered attempts."""
    last_used_at: float | None = None
    """Start of the latest attempt."""
    last_success_at: float | None = None

    success: float = field(init=False, compare=False, repr=False)
    """Share of attempts that were answered, one answer taken as given: a first fault alone condemns nobody."""
    answer_ms: float | None = field(init=False, compare=False, repr=False)
    """Slow answer (p95) over success: what an answer takes when failed calls have to be repeated."""
    pace: tuple[float | None, float | None] = field(init=False, compare=False, repr=False)
    """`answer_ms` and the spread around it, both once there are enough answers to tell."""

    def __post_init__(self) -> None:
        """Plans look at these far more often than they change."""
        success = (self.successes + 1) / (self.attempts + 1)
        answer = None if self.p95_ms is None else self.p95_ms / success
        object.__setattr__(self, "success", success)
        object.__setattr__(self, "answer_ms", answer)
        object.__setattr__(self, "pace", (answer, self._spread()) if self.successes >= ENOUGH_ANSWERS else (None, None))

    def _spread(self) -> float | None:
        """Standard deviation over median."""
        if self.stddev_ms is None or self.p50_ms is None:
            return None
        # Below a millisecond a median is the clock's noise.
        return self.stddev_ms / max(self.p50_ms, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Affinity:
    """The target that served this prompt's beginning last, so that its cache may still hold it."""

    target: str
    served_at: float
    expires_at: float
    """When the provider is taken to have forgotten it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A target that `auto` took out because its own score was too low, until a probe shows that it recovered."""

    times: int
    """In a row: each one doubles the wait."""
    since: float
    until: float
    score: float
    """The one that put it here."""
    probe_at: float | None = None
    """When its probe went out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComboMemory:
    """What a combo remembers from one request to the next."""

    turns: int = 0
    """Requests it routed."""
    last_target: str | None = None
    """The first choice of the latest request."""
    streak: int = 0
    """Requests in a row with that first choice."""
    last_good: str | None = None
    """The target that answered last."""
    bag: tuple[str, ...] = ()
    """First choices since the bag was full, oldest first."""
