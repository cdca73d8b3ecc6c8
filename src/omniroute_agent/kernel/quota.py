"""What is known of a connection's quota, one reading per window with where it was read and when; and what its owner
says that it is.

Times are UTC epoch seconds of `ports.now`: this state is shared between processes and outlives them.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

QuotaUnit = Literal["requests", "tokens", "input tokens", "output tokens", "share"]
"""share: the provider tells only which part of the window is used; its limit counts as 1."""

UNKNOWN_RESET_SECONDS: Final = 300.0
"""How long a used-up window whose end nobody named is left alone before it is asked again."""


OWN_COUNT: Final = "own count"
"""Source of a reading that nobody told."""
STALE_SECONDS: Final = 86_400.0
"""How long a reading counts whose window has no known end ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaReading:
    """One window as it was told or counted at `at`. None everywhere means: not said."""

    window: str
    """Its name for people: `5h`, `week`, `requests/day`; `requests` where the provider does not say per what."""
    unit: QuotaUnit
    account_wide: bool = False
    """Counts for the whole connection; otherwise only for the model that was called."""
    replenished: bool = False
    """Fills up all the time, and `resets_at` is when it is full again: at 0 the next call may pass long before."""
    limit: float | None = None
    used: float | None = None
    remaining: float | None = None
    resets_at: float | None = None
    seconds: float | None = None
    """Length of the window."""
    source: str
    """`header x-ratelimit-remaining-requests`, `error body`, `own count`."""
    at: float

    def left(self, now: float) -> float | None:
        """Share of the limit, 0 to 1, that is left at `now`; None: unknown. A window that has ended since is full."""
        if self.ended(now):
            return 1.0
        if self.limit is None or self.limit <= 0 or self.remaining is None:
            return None
        return min(max(self.remaining / self.limit, 0.0), 1.0)

    def ended(self, now: float) -> bool:
        """Whether it has started anew since it was told."""
        end = self.at + self.seconds if self.resets_at is None and self.seconds is not None else self.resets_at
        return end is not None and end <= now

    def stale(self, now: float) -> bool:
        """Too old to say anything of now."""
        ahead = self.resets_at is not None and self.resets_at > now
        return not ahead and now - self.at > STALE_SECONDS

    def exhausted_until(self, now: float) -> float | None:
        """Until when nothing is left in it; None when something is, or when that is unknown."""
        if self.replenished or self.remaining is None or self.remaining > 0 or self.limit == 0:
            return None
        until = self.at + UNKNOWN_RESET_SECONDS if self.resets_at is None else self.resets_at
        return until if until > now else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionQuota:
    """A reading and whose it is."""

    connection: str
    model: str | None
    """None: the whole connection's."""
    reading: QuotaReading


Span = Literal["day", "week", "month", "hours"]

_LIMIT: Final = re.compile(
    r"(?P<most>[0-9]{1,15}) ?(?P<unit>requests|tokens) ?(?:/|per) ?"
    r"(?:(?P<span>day|week|month)|(?P<hours>[0-9]{1,3}) ?h)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaLimit:
    """A quota that no provider tells but its owner knows; what is drawn on it is counted here, by UTC hours."""

    most: int
    unit: Literal["requests", "tokens"]
    span: Span
    """day, week and month are those of the UTC calendar, weeks start on Monday; hours: any so many hours in a row."""
    hours: int = 0

    def __str__(self) -> str:
        return f"{self.most} {self.window}"

    @property
    def window(self) -> str:
        return f"{self.unit}/{f'{self.hours}h' if self.span == 'hours' else self.span}"

    def since(self, now: float) -> int:
        """The first hour that counts, in hours since 1970. Of a rolling window the hour it begins in counts whole."""
        if self.span == "hours":
            return int(now // 3600) - self.hours
        return int(self._start(now).timestamp() // 3600)

    def ends(self, now: float, oldest: int) -> float:
        """When it starts anew, or, of a rolling window, when its `oldest` hour leaves it; UTC epoch seconds."""
        if self.span == "hours":
            return (oldest + self.hours + 1) * 3600.0
        start = self._start(now)
        if self.span == "month":
            return (start + timedelta(days=32)).replace(day=1).timestamp()
        return (start + timedelta(days=7 if self.span == "week" else 1)).timestamp()

    def seconds(self, now: float) -> float:
        return self.hours * 3600.0 if self.span == "hours" else self.ends(now, 0) - self._start(now).timestamp()

    def _start(self, now: float) -> datetime:
        day = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if self.span == "week":
            return day - timedelta(days=day.weekday())
        return day.replace(day=1) if self.span == "month" else day


def quota_limit(text: str) -> QuotaLimit:
    """`1000 requests/day`, `2000000 tokens per month`, `50 requests/5h`.

    Raises:
        ValueError: what was expected.
    """
    found = _LIMIT.fullmatch(" ".join(text.split()))
    hours = int(found["hours"] or 0) if found else 0
    if found is None or int(found["most"]) == 0 or (found["hours"] and not 1 <= hours <= 168):  # noqa: PLR2004 (a week)
        raise ValueError('expected a quota like "1000 requests/day", "2000000 tokens/month" or "50 requests/5h"')
    unit: Literal["requests", "tokens"] = "requests" if found["unit"] == "requests" else "tokens"
    spans: dict[str, Span] = {"day": "day", "week": "week", "month": "month"}
    return QuotaLimit(most=int(found["most"]), unit=unit, span=spans.get(found["span"] or "", "hours"), hours=hours)
