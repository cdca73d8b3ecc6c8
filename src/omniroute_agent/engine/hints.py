"""When to come back, read from what providers send along: headers, error bodies, sentences.

Nothing here raises, whatever came. A hint is seconds from now, never negative, never more than a day.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import islice
from math import isfinite
from typing import Any, Final

MAX_HINT_SECONDS: Final = 24 * 3600.0
"""A provider's hint is believed up to one day."""
MOST_NODES: Final = 400
"""Members of an error body that are looked at."""
MOST_TEXT: Final = 4000
"""Characters of a sentence that are looked at."""

EPOCH_SECONDS: Final = 1e9
"""A number from here on is a moment and no length of time."""
EPOCH_MILLISECONDS: Final = 1e12

_UNITS: Final[Mapping[str, float]] = {
    "d": 86_400.0,
    "day": 86_400.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hour": 3600.0,
    "m": 60.0,
    "min": 60.0,
    "minute": 60.0,
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "ms": 1e-3,
    "millisecond": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "ns": 1e-9,
}
_AMOUNT: Final = (
    r"[0-9]{1,12}(?:\.[0-9]{1,12})?\s{0,2}(?:milliseconds?|ms|µs|us|ns|days?|d|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)"
    r"(?![a-z])"
)
# Without a boundary between them: `27h41m36s`.
_COMPACT: Final = r"(?:[0-9]{1,12}(?:\.[0-9]{1,12})?(?:ms|µs|us|ns|d|h|m|s)){1,8}(?![a-z])"
_SPOKEN: Final = rf"{_AMOUNT}(?:(?:,?\s{{1,2}}(?:and\s)?){_AMOUNT}){{0,4}}"
_PIECE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([a-zµ]+)")
_DURATION: Final = re.compile(rf"(?:{_COMPACT}|{_SPOKEN})\Z", re.IGNORECASE)

_LEAD: Final = (
    r"(?:try again|retry|retrying|reset|resets|wait|available|renew|renews|refresh|refreshes|replenish\w*|lifted)"
)
_IN_TEXT: Final = re.compile(
    rf"{_LEAD}\b[^.0-9]{{0,24}}?\b(?:in|after|for|within)?\s*(?:about |approximately )?({_COMPACT}|{_SPOKEN})",
    re.IGNORECASE,
)
_AT_TEXT: Final = re.compile(
    rf"{_LEAD}\b[^.0-9]{{0,24}}?\b(?:at|on|until|after)\s*"
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
    r"\s?(?:Z|UTC|[+-][0-9]{2}:?[0-9]{2})?"
    r"|[0-9]{10,13})",
    re.IGNORECASE,
)


def seconds_until(text: str, now: datetime) -> float | None:
    """Seconds from now that a value means: `6m0s`, `17ms`, `2.5`, epoch seconds or milliseconds, an ISO or HTTP date.

    Not bounded: it may lie in the past or far away. None when it means nothing.
    """
    text = text.strip()[:MOST_TEXT]
    if not text:
        return None
    if (number := number_in(text)) is not None:
        return _from_number(number, now)
    if _DURATION.match(text):
        return _duration(text)
    return _from_date(text, now)


def number_in(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None


def _from_number(number: float, now: datetime) -> float:
    if number >= EPOCH_MILLISECONDS:
        return number / 1000 - now.timestamp()
    return number - now.timestamp() if number >= EPOCH_SECONDS else number


def means_duration(text: str) -> bool:
    return _DURATION.match(text.strip()) is not None


def _duration(text: str) -> float:
    """The sum of its pieces; `_DURATION` has matched."""
    total = 0.0
    for amount, unit in _PIECE.findall(text.lower()):
        name = unit if unit in _UNITS else unit.rstrip("s")
        total += float(amount) * _UNITS.get(name, 0.0)
    return total


def _from_date(text: str, now: datetime) -> float | None:
    try:
        date = datetime.fromisoformat(text.removesuffix("UTC").strip())
    except ValueError:
        try:
            date = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    try:
        return ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds()
    except (OverflowError, ValueError):
        return None


def bounded(seconds: float | None) -> float | None:
    """Into [0, one day]."""
    if seconds is None or seconds != seconds:  # noqa: PLR0124 (NaN is not a hint)
        return None
    return min(max(seconds, 0.0), MAX_HINT_SECONDS)


def retry_hint(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds from `Retry-After` in either of its forms (RFC 9110 §10.2.3) or from its variant in milliseconds."""
    if (milliseconds := number_in(headers.get("retry-after-ms", ""))) is not None:
        return bounded(milliseconds / 1000)
    return bounded(seconds_until(headers.get("retry-after", ""), now))


def hint_in_text(text: str, now: datetime) -> float | None:
    """Seconds from a sentence: `try again in 9m38s`, `quota will reset after 27h41m36s`, `resets at 2026-…`."""
    text = text[:MOST_TEXT]
    if found := _IN_TEXT.search(text):
        return bounded(_duration(found.group(1)))
    if found := _AT_TEXT.search(text):
        return bounded(seconds_until(found.group(1), now))
    return None


_FROM_NOW: Final = frozenset(
    ("retrydelay", "retryafter", "retryafterseconds", "resetsinseconds", "quotaresetdelay", "resetafter", "resetin")
)
_AT_TIME: Final = frozenset(("resetsat", "resetat", "quotaresettimestamp", "xratelimitreset"))


def hint_in_body(body: object, now: datetime) -> float | None:
    """Seconds from a member of an error body that says so by its name: `retryDelay`, `resets_in_seconds`, …"""
    later: float | None = None
    for name, value in _members(body):
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            continue
        key = re.sub(r"[^a-z]", "", name.lower())
        if key in _FROM_NOW:
            return bounded(_until(value, now))
        if key in _AT_TIME and later is None:
            later = bounded(_until(value, now))
    return later


def _until(value: str | float, now: datetime) -> float | None:
    if isinstance(value, str):
        return seconds_until(value, now)
    try:
        return _from_number(float(value), now)
    except OverflowError:
        return None


def names_in_body(body: object) -> str:
    """The machine words of Google's error details (`quotaId`, `quotaMetric`, `reason`), for the classification."""
    words = (value for name, value in _members(body) if name in ("quotaId", "quotaMetric", "reason"))
    return " ".join(word[:200] for word in islice((w for w in words if isinstance(w, str)), 20))


def _members(body: object) -> Iterator[tuple[str, Any]]:
    """Every named value in it, outside first, up to a bound."""
    waiting: list[object] = [body]
    seen = 0
    while waiting and seen < MOST_NODES:
        node = waiting.pop(0)
        if isinstance(node, dict):
            for name, value in islice(node.items(), MOST_NODES - seen):
                seen += 1
                yield str(name), value
                waiting.append(value)
        elif isinstance(node, list):
            seen += 1
            waiting += node[:MOST_NODES]
