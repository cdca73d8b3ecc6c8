"""What can go wrong at one target, as values, and what each fault means: one table.

Sources of the rules: RFC 9110 §15 (status codes) and the error pages of OpenAI and Anthropic (read 2026-11).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final, Literal

from omniroute_agent.kernel.secret import Secret
from omniroute_agent.wire.errors import ErrorReport

FaultKind = Literal[
    "rejected",
    "unsupported",
    "context_overflow",
    "unauthorized",
    "forbidden",
    "out_of_credit",
    "not_found",
    "rate_limited",
    "window_exhausted",
    "overloaded",
    "server_error",
    "connect_failed",
    "connect_timeout",
    "first_token_timeout",
    "idle_timeout",
    "total_timeout",
    "cut_off",
    "malformed",
    "empty",
    "unreachable",
]

Lock = Literal["none", "model", "connection"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What follows from a fault, beyond trying the next target."""

    ends_loop: bool = False
    """Every target would repeat it: the request itself is at fault."""
    lock: Lock = "none"
    outage: bool = False
    """Counts towards the connection's breaker."""
    retry: bool = False
    """The same target may be tried once more when nothing else is left."""


EFFECTS: Final[Mapping[FaultKind, Effect]] = {
    "rejected": Effect(ends_loop=True),
    "unsupported": Effect(),
    "context_overflow": Effect(),
    "unauthorized": Effect(lock="connection"),
    "forbidden": Effect(lock="connection"),
    "out_of_credit": Effect(lock="connection"),
    "not_found": Effect(lock="model"),
    "rate_limited": Effect(lock="model", retry=True),
    "window_exhausted": Effect(lock="connection"),
    "overloaded": Effect(outage=True, retry=True),
    "server_error": Effect(outage=True, retry=True),
    "connect_failed": Effect(outage=True, retry=True),
    "connect_timeout": Effect(outage=True),
    "first_token_timeout": Effect(outage=True),
    "idle_timeout": Effect(outage=True),
    "total_timeout": Effect(),
    "cut_off": Effect(outage=True, retry=True),
    "malformed": Effect(outage=True),
    "empty": Effect(),
    "unreachable": Effect(),
}

MAX_HINT_SECONDS: Final = 24 * 3600.0
"""A provider's hint is believed up to one day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    kind: FaultKind
    detail: str
    """One sentence for a person, scrubbed of secrets, at most 300 characters."""
    status: int | None = None
    retry_after: float | None = None
    """Seconds, as the provider hinted."""

    @property
    def effect(self) -> Effect:
        return EFFECTS[self.kind]


_BY_STATUS: Final[Mapping[int, FaultKind]] = {
    401: "unauthorized",
    402: "out_of_credit",
    403: "forbidden",
    404: "not_found",
    408: "server_error",
    409: "unsupported",
    413: "context_overflow",
    429: "rate_limited",
    503: "overloaded",
    529: "overloaded",
}

_OVERFLOW: Final = re.compile(
    r"context[ _-]?(length|window)|maximum context|too many (input )?tokens|prompt is too long|exceeds? .{0,40}context",
    re.IGNORECASE,
)
_CREDIT: Final = re.compile(r"insufficient[ _](quota|credit|balance|funds)|credit balance|billing", re.IGNORECASE)
_WINDOW: Final = re.compile(
    r"(daily|weekly|monthly|per[ -]day|usage) (quota|limit)|limit .{0,30}per day", re.IGNORECASE
)
_NO_MODEL: Final = re.compile(r"model.{0,80}(not (found|exist|available)|does ?n.t exist)|unknown model", re.IGNORECASE)
# The conversation itself is malformed: a tool result without its call, roles out of order, a message of a wrong shape.
# Our own door builds well-formed bodies, so nothing else of a 400 is blamed on the request.
_MALFORMED_CHAT: Final = re.compile(
    r"tool_call_id|tool_use_id|tool_result.{0,60}(without|correspond)|tool_calls.{0,60}must be followed"
    r"|roles? must alternate|at least one message|messages?[.:\[].{0,40}(required|invalid type)",
    re.IGNORECASE,
)


def _refused_request(text: str) -> FaultKind:
    if _OVERFLOW.search(text):
        return "context_overflow"
    if _CREDIT.search(text):
        return "out_of_credit"
    if _NO_MODEL.search(text):
        return "not_found"
    if _MALFORMED_CHAT.search(text):
        return "rejected"
    return "unsupported"


def kind_of(status: int, report: ErrorReport) -> FaultKind:
    """The one classification of an HTTP error answer; `status` 200 stands for an error event inside a stream."""
    text = " ".join(word for word in (report.message, report.type, report.code, report.param) if word)
    if status == 429:  # noqa: PLR2004 (Too Many Requests)
        if _CREDIT.search(text):
            return "out_of_credit"
        return "window_exhausted" if _WINDOW.search(text) else "rate_limited"
    if kind := _BY_STATUS.get(status):
        return kind
    if status == 200:  # noqa: PLR2004 (an error event inside a stream that had begun well)
        return _kind_of_event(text)
    if 400 <= status < 500:  # noqa: PLR2004 (client errors, RFC 9110 §15.5)
        return _refused_request(text)
    return "server_error"


def _kind_of_event(text: str) -> FaultKind:
    lowered = text.lower()
    if "rate_limit" in lowered or "rate limit" in lowered:
        return "rate_limited"
    if "overloaded" in lowered:
        return "overloaded"
    if "invalid_request" in lowered:
        return _refused_request(text)
    return "server_error"


def retry_hint(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds from `Retry-After` in either of its forms (RFC 9110 §10.2.3), bounded to [0, one day]."""
    raw = headers.get("retry-after", "").strip()
    if not raw:
        return None
    try:
        seconds = float(raw)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(raw) - now).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), MAX_HINT_SECONDS) if seconds == seconds else None  # noqa: PLR0124 (NaN is not a hint)


_KEY_LIKE: Final = re.compile(r"\b(sk|pk|key|gsk|xai|AIza|or)[-_][A-Za-z0-9*_\-]{8,}")


def scrub(text: str, secret: Secret | None) -> str:
    """A provider's words without this connection's key or anything that looks like one, on one line, bounded."""
    if secret and (value := secret.reveal()):
        text = text.replace(value, "***")
    return _KEY_LIKE.sub("***", " ".join(text.split()))[:300]
