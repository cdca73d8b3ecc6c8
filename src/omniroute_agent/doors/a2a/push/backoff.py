"""When a notification that failed is sent again, and when never more."""

from dataclasses import dataclass
from typing import Final

FIRST_SECONDS: Final = 5.0
MOST_SECONDS: Final = 3600.0
"""Between two tries, unless the hook itself asks for longer."""
MOST_TRIES: Final = 20
GIVE_UP_SECONDS: Final = 24 * 3600.0
"""After the first failure in a row."""
GONE: Final = frozenset((404, 410))
"""Statuses by which a hook says that it is not there any more."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a notification did not arrive."""

    reason: str
    """For the owner of this program; without anything secret."""
    final: bool = False
    """Trying again makes no sense."""
    retry_after: float | None = None
    """Seconds the hook asked to be left alone."""


def seconds_until_next(failure: Failure, *, tries: int, failing_for: float, chance: float) -> float | None:
    """Seconds to wait; None: it is given up. `tries` failed, this one included; `failing_for` seconds since the first
    of them. `chance` lies in [0, 1): those that failed together do not come back together.
    """
    if failure.final or tries >= MOST_TRIES:
        return None
    doubled = min(FIRST_SECONDS * 2.0 ** (tries - 1), MOST_SECONDS)
    wait = max(doubled * (0.5 + chance / 2), failure.retry_after or 0.0)
    return None if failing_for + wait > GIVE_UP_SECONDS else wait
