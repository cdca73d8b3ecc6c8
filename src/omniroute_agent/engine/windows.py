"""How much is left of an account's windows, read from the headers of any answer and from the words of a refusal.

Nothing here raises. Forms in use (seen 2026-11): OpenAI, Groq, xAI and Azure `x-ratelimit-remaining-requests` with
resets like `6m0s` and `17ms`; Cerebras `-requests-day` and `-tokens-minute`; Mistral `-req-minute` and `-tokens-month`;
Together `x-tokenlimit-*`; Fireworks `-tokens-prompt`; OpenRouter epoch milliseconds; Anthropic RFC 3339 times, and
`unified` windows of subscriptions with their utilization.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

from omniroute_agent.engine.hints import EPOCH_SECONDS, MOST_TEXT, bounded, means_duration, number_in, seconds_until
from omniroute_agent.kernel.quota import QuotaReading, QuotaUnit

FARTHEST_RESET: Final = 40 * 86_400.0
"""Seconds ahead that the end of a window may lie: the longest there is, a month, and some."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the headers of an answer told, before the answer itself."""

    readings: tuple[QuotaReading, ...]


_SPANS: Final[Mapping[str, tuple[str, float]]] = {
    "second": ("s", 1.0),
    "minute": ("min", 60.0),
    "hour": ("hour", 3600.0),
    "day": ("day", 86_400.0),
    "week": ("week", 7 * 86_400.0),
    "month": ("month", 30 * 86_400.0),
}
_COUNTED: Final[Mapping[str, QuotaUnit]] = {
    "requests": "requests",
    "req": "requests",
    "tokens": "tokens",
    "input-tokens": "input tokens",
    "tokens-prompt": "input tokens",
    "output-tokens": "output tokens",
    "tokens-generated": "output tokens",
}
_WHAT: Final = "|".join(sorted(_COUNTED, key=len, reverse=True))
_COMMON: Final = re.compile(
    rf"(?:x-)?(?P<kind>rate|token)-?limit-(?P<word>limit|remaining|reset)"
    rf"(?:-(?P<what>{_WHAT}))?(?:-(?P<span>{'|'.join(_SPANS)}))?"
)
_ANTHROPIC: Final = re.compile(rf"anthropic-ratelimit-(?P<what>{_WHAT})-(?P<word>limit|remaining|reset)")
_UNIFIED: Final = re.compile(
    r"anthropic-ratelimit-unified-(?P<name>(?P<span>5h|7d)(?:_(?P<model>[a-z0-9]{1,20}))?)-(?P<word>utilization|reset|status)"
)
_UNIFIED_SPANS: Final[Mapping[str, tuple[str, float]]] = {"5h": ("5h", 5 * 3600.0), "7d": ("week", 7 * 86_400.0)}


@dataclass(slots=True)
class _Window:
    """One window while its headers are put together."""

    name: str
    unit: QuotaUnit
    seconds: float | None
    account_wide: bool = False
    continuous: bool = False
    source: str = ""
    limit: float | None = None
    used: float | None = None
    remaining: float | None = None
    resets_in: float | None = None
    relative: bool = False

    def reading(self, now: datetime) -> QuotaReading | None:
        if self.remaining is None and self.limit is None:
            return None
        at = now.timestamp()
        known = self.limit is not None and self.remaining is not None
        used = self.used if self.used is not None else (self.limit or 0) - (self.remaining or 0) if known else None
        ahead = None if self.resets_in is None else min(max(self.resets_in, 0.0), FARTHEST_RESET)
        return QuotaReading(
            window=self.name,
            unit=self.unit,
            account_wide=self.account_wide,
            replenished=self.continuous or (self.relative and self.seconds is None),
            limit=self.limit,
            used=None if used is None else max(used, 0.0),
            remaining=self.remaining,
            resets_at=None if ahead is None else at + ahead,
            seconds=self.seconds,
            source=self.source,
            at=at,
        )


def readings_of(headers: Iterable[tuple[str, str]], now: datetime) -> tuple[QuotaReading, ...]:
    """What the headers of an answer say of the account's windows, one reading per window."""
    windows: dict[str, _Window] = {}
    for name, value in islice(headers, 200):
        lowered = name.lower()
        if "limit-" in lowered:
            _read_header(windows, lowered, value[:200], now)
    readings = (window.reading(now) for window in windows.values())
    return tuple(reading for reading in readings if reading is not None)


def _read_header(windows: dict[str, _Window], name: str, value: str, now: datetime) -> None:
    if found := _COMMON.fullmatch(name):
        what = _COUNTED[found["what"]] if found["what"] else ("tokens" if found["kind"] == "token" else "requests")
        span, seconds = _SPANS[found["span"]] if found["span"] else ("", None)
        window = _Window(f"{what}/{span}" if span else what, what, seconds)
    elif found := _ANTHROPIC.fullmatch(name):
        window = _Window(_COUNTED[found["what"]], _COUNTED[found["what"]], 60.0, continuous=True)
    elif found := _UNIFIED.fullmatch(name):
        span, seconds = _UNIFIED_SPANS[found["span"]]
        window = _Window(f"{span} ({found['model']})" if found["model"] else span, "share", seconds)
        window.account_wide = found["model"] is None
    else:
        return
    _fill(windows.setdefault(window.name, window), found["word"], name, value, now)


def _fill(window: _Window, word: str, name: str, value: str, now: datetime) -> None:
    if word == "reset":
        window.resets_in = seconds_until(value, now)
        number = number_in(value.strip())
        window.relative = number < EPOCH_SECONDS if number is not None else means_duration(value)
        return
    if word == "status":
        if value.strip().lower() == "rejected":
            window.limit, window.used, window.remaining = 1.0, 1.0, 0.0
            window.source = f"header {name}"
        return
    number = number_in(value.partition(",")[0].partition(";")[0].strip())
    if number is None or number < 0:
        return
    if word == "utilization":
        if window.remaining != 0:
            window.limit, window.used, window.remaining = 1.0, number, max(1.0 - number, 0.0)
            window.source = f"header {name}"
    elif word == "limit":
        # 0 says "none" at some and "no limit" at others: it is no number to divide by.
        window.limit = number or None
        window.source = window.source or f"header {name}"
    else:
        window.remaining = number
        window.source = f"header {name}"


_SAID: Final = re.compile(
    r"on (?P<unit>requests|tokens) per (?P<span>minute|hour|day)\b.{0,12}?:\s*Limit (?P<limit>[0-9]{1,15})"
    r"(?:,\s?Used (?P<used>[0-9]{1,15}))?",
    re.IGNORECASE,
)


def reading_in_text(text: str, now: datetime) -> QuotaReading | None:
    """The window a refusal names with its numbers: `on tokens per day (TPD): Limit 100000, Used 97050`."""
    found = _SAID.search(text[:MOST_TEXT])
    if found is None:
        return None
    unit: QuotaUnit = "requests" if found["unit"].lower() == "requests" else "tokens"
    span, seconds = _SPANS[found["span"].lower()]
    limit, used = float(found["limit"]), float(found["used"]) if found["used"] else None
    return QuotaReading(
        window=f"{unit}/{span}",
        unit=unit,
        # The time such a refusal names is that until this one request fits; the window fills up all the time.
        replenished=True,
        limit=limit or None,
        used=used,
        remaining=None if used is None else max(limit - used, 0.0),
        seconds=seconds,
        source="error body",
        at=now.timestamp(),
    )


def used_up_hint(readings: Iterable[QuotaReading], now: datetime) -> float | None:
    """Seconds until the last of the used-up windows starts anew: what a refusal without a hint of its own means."""
    ends = [r.resets_at for r in readings if r.remaining == 0 and r.resets_at is not None]
    return bounded(max(ends) - now.timestamp()) if ends else None
