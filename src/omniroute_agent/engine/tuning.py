"""How patient the engine is with a sick provider: three profiles of the same numbers.

None of them spaces calls or counts them per minute: a provider's own hints are always honoured, and concurrency adapts
from where a profile starts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Profile = Literal["conservative", "balanced", "aggressive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Times in seconds."""

    profile: Profile
    threshold: int
    """Outages in a row that open the breaker."""
    open_base: float
    """How long it is open the first time; doubled with each opening in a row."""
    cool_base: float
    """Cool-down of a rate-limited model without a hint; doubled with each hit in a row."""
    cool_steps: int
    """Hits in a row after which the cool-down grows no more."""
    concurrency: int
    """Calls at a time per connection, to begin with."""
    probe_wait: float = 120.0
    """How long the one probe may take before another process may send the next."""

    @property
    def open_max(self) -> float:
        return 10 * self.open_base

    def cool_down(self, hits: int) -> float:
        return self.cool_base * 2.0 ** (min(max(hits, 1), self.cool_steps) - 1)


CONSERVATIVE: Final = Tuning(
    profile="conservative", threshold=8, open_base=60.0, cool_base=30.0, cool_steps=8, concurrency=6
)
BALANCED: Final = Tuning(profile="balanced", threshold=5, open_base=30.0, cool_base=3.0, cool_steps=5, concurrency=10)
AGGRESSIVE: Final = Tuning(
    profile="aggressive", threshold=3, open_base=15.0, cool_base=2.0, cool_steps=3, concurrency=16
)

TUNINGS: Final[Mapping[Profile, Tuning]] = {tuning.profile: tuning for tuning in (CONSERVATIVE, BALANCED, AGGRESSIVE)}
