"""What can go wrong at one target, as values, and what each fault means: one table.

Sources of the rules: RFC 9110 §15 (status codes), the error pages of OpenAI and Anthropic, and the texts of refusals
that users of Gemini, Groq, OpenRouter and subscriptions report (read 2026-11).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from omniroute_agent.engine.hints import MOST_TEXT
from omniroute_agent.kernel.quota import UNKNOWN_RESET_SECONDS
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.wire.errors import ErrorReport

FaultKind = Literal[
    "rejected",
    "unsupported",
    "context_overflow",
    "unauthorized",
    "forbidden",
    "deactivated",
    "out_of_credit",
    "not_found",
    "rate_limited",
    "model_window_exhausted",
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

    when: str
    """What was seen, for people."""
    ends_loop: bool = False
    """Every target would repeat it: the request itself is at fault."""
    lock: Lock = "none"
    seconds: float | None = None
    """How long the lock lasts when nobody said; None: the profile's cool-down, longer each time. Short enough that a
    mended key or a topped-up account is noticed by itself."""
    outage: bool = False
    """Counts towards the connection's breaker."""
    silent: bool = False
    """Says nothing of the connection: neither that it works nor that it does not."""
    retry: bool = False
    """The same target may be tried once more when nothing else is left."""


EFFECTS: Final[Mapping[FaultKind, Effect]] = {
    "rejected": Effect(when="400: the conversation itself is malformed", ends_loop=True),
    "unsupported": Effect(
        when="any other 4xx, 409 too: this target cannot serve this request, or refuses what it would say"
    ),
    "context_overflow": Effect(when="413, or a 4xx that names the context window"),
    "unauthorized": Effect(when="401, or a 4xx that names the key", lock="connection", seconds=300.0),
    "forbidden": Effect(when="403 without a better reason", lock="connection", seconds=300.0),
    # A ban is final until a person acts: one call an hour finds out.
    "deactivated": Effect(
        when="401, 403, 429 or another 4xx that says the account is banned or disabled",
        lock="connection",
        seconds=3600.0,
    ),
    "out_of_credit": Effect(when="402, or words of an unpaid bill", lock="connection", seconds=900.0),
    "not_found": Effect(
        when="404, or a 4xx that says there is no such model or no access to it", lock="model", seconds=120.0
    ),
    "rate_limited": Effect(when="429, or words of a rate limit: too fast", lock="model", retry=True),
    # A used-up quota is never waited for inside a request.
    "model_window_exhausted": Effect(
        when="429 that names a used-up window of one model", lock="model", seconds=UNKNOWN_RESET_SECONDS
    ),
    "window_exhausted": Effect(
        when="429 that names a used-up window of the account", lock="connection", seconds=UNKNOWN_RESET_SECONDS
    ),
    "overloaded": Effect(when="503, 529, or an error in the answer that says so", outage=True, retry=True),
    "server_error": Effect(when="any other 5xx, 408, or an unknown error in the answer", outage=True, retry=True),
    "connect_failed": Effect(when="no connection: name, network, TLS or proxy", outage=True, retry=True),
    "connect_timeout": Effect(when="no connection within `limits.connect_seconds`", outage=True),
    "first_token_timeout": Effect(when="nothing within `limits.first_token_seconds`", outage=True),
    "idle_timeout": Effect(when="silence within the answer for `limits.between_chunks_seconds`", outage=True),
    "total_timeout": Effect(when="the answer took longer than `limits.total_seconds` or the deadline", silent=True),
    "cut_off": Effect(when="the answer broke off before its end", outage=True, retry=True),
    "malformed": Effect(when="the answer is not in the provider's own format", outage=True),
    "empty": Effect(when="a whole answer that says nothing"),
    "unreachable": Effect(
        when="nothing was sent, for a reason on this side: no access token, a local model that did not start",
        silent=True,
    ),
}


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
    402: "out_of_credit",
    404: "not_found",
    408: "server_error",
    409: "unsupported",
    413: "context_overflow",
    503: "overloaded",
    529: "overloaded",
}


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_BANNED: Final = _words(
    r"account_deactivated|deactivated account",
    r"(account|organi[sz]ation|user|key) (has been|is|was) (deactivated|suspended|terminated|banned|restricted)",
    r"(account|organi[sz]ation) (has been|is|was) disabled",
    r"verify your account",
    r"service (has been |is |was )?disabled .{0,40}violation",
)
_NO_CREDIT: Final = _words(
    r"insufficient[ _](quota|credits?|balance|funds)",
    r"credit balance|credits? (are |is |have been |has been )?(exhausted|used up|depleted)|out of credits?",
    r"(not enough|no remaining|exceeded your .{0,20}included) credits?",
    r"billing[ _](hard[ _])?limit|billing[ _](account[ _])?(is[ _])?not[ _]active|payment required",
)
_PAY: Final = _words(r"check your plan and billing")
_BAD_KEY: Final = _words(
    r"api[ _]key.{0,30}(not valid|invalid|expired)|(invalid|incorrect|expired)[ _]api[ _]key|API_KEY_INVALID"
)
_OVERFLOW: Final = _words(
    r"context[ _-]?(length|window)|maximum context|too many (input )?tokens|prompt is too long",
    r"exceeds? .{0,40}context",
)
_NO_MODEL: Final = _words(
    r"model.{0,80}(not (found|exist|available)|does ?n.t exist)|unknown model|model_not_found",
    r"access to (the |this )?model|not allowed to (use|sample from) (the |this )?model",
)
_RATE: Final = _words(r"rate[ _-]?limit|too many requests|ratelimit|throttl|RESOURCE_EXHAUSTED")
_WINDOW: Final = _words(
    r"(daily|weekly|monthly|hourly|usage|per[ -](day|week|month)|[0-9]{1,3}[ -]hour)[ _](quota|limit|request|token)",
    r"(quota|limit).{0,80}per[ -](day|week|month)|per[ -](day|week|month)\b|Per(Day|Week|Month)Per",
    r"quota.{0,20}(will )?resets?|exhausted .{0,20}capacity|capacity .{0,20}exhausted|QUOTA_EXHAUSTED",
    r"(?<!rate[ _-])(quota|limit)[ _](has been )?(exhausted|reached)",
    r"exceeded your (?!.{0,20}(rate|minute|second)).{0,20}(quota|limit)",
)
_FOR_ONE_MODEL: Final = _words(r"\bmodels?\b|PerModel|\bfree-models")
# The answer was refused for what it would say: neither the key nor the model is at fault.
_FLAGGED: Final = _words(r"flagged|moderation|content[ _-](policy|filter)|usage polic|project_route")
# The conversation itself is malformed: a tool result without its call, roles out of order, a message of a wrong shape.
# Our own door builds well-formed bodies, so nothing else of a 400 is blamed on the request.
_MALFORMED_CHAT: Final = _words(
    r"tool_call_id|tool_use_id|tool_result.{0,60}(without|correspond)|tool_calls.{0,60}must be followed",
    r"roles? must alternate|at least one message|messages?[.:\[].{0,40}(required|invalid type)",
)

_Rows = Sequence[tuple[re.Pattern[str], FaultKind]]

_UNPAID: Final[_Rows] = ((_BANNED, "deactivated"), (_NO_CREDIT, "out_of_credit"))
_UNAVAILABLE: Final[_Rows] = ((_BAD_KEY, "unauthorized"), (_NO_MODEL, "not_found"))
_FORBIDDEN: Final[_Rows] = (
    *_UNPAID,
    (_FLAGGED, "unsupported"),
    (_NO_MODEL, "not_found"),
)
_REFUSED: Final[_Rows] = (
    (_OVERFLOW, "context_overflow"),
    *_UNPAID,
    *_UNAVAILABLE,
    (_MALFORMED_CHAT, "rejected"),
)


def kind_of(status: int, report: ErrorReport, details: str = "") -> FaultKind:
    """The one classification of an HTTP error answer; `status` 200 stands for an error inside an answer that had begun
    well. `details` are further machine words of its body.
    """
    if status == 200 and (report.code or "").isascii() and (report.code or "").isdecimal():  # noqa: PLR2004 (OK)
        told = int((report.code or "")[:6])
        status = told if 400 <= told < 600 else status  # noqa: PLR2004 (errors, RFC 9110 §15.5 and §15.6)
    words = (report.message[:MOST_TEXT], report.type, report.code, report.param, details)
    text = " ".join(word[:MOST_TEXT] for word in words if word)
    if status in _BY_TEXT:
        return _BY_TEXT[status](text)
    if kind := _BY_STATUS.get(status):
        return kind
    return _refused(text) if 400 <= status < 500 else "server_error"  # noqa: PLR2004 (client errors)


def _first(rows: _Rows, text: str) -> FaultKind | None:
    return next((kind for pattern, kind in rows if pattern.search(text)), None)


def _unauthorized(text: str) -> FaultKind:
    return "deactivated" if _BANNED.search(text) else "unauthorized"


def _forbidden(text: str) -> FaultKind:
    return _first(_FORBIDDEN, text) or ("rate_limited" if _RATE.search(text) else "forbidden")


def _limited(text: str) -> FaultKind:
    """Too fast, or a window is used up: the model's or the account's. Google words both like an unpaid bill."""
    if kind := _first(_UNPAID, text):
        return kind
    if _PAY.search(text) and not _RATE.search(text):
        return "out_of_credit"
    if not _WINDOW.search(text.replace("exceeded your current quota", "")):
        return "rate_limited"
    return "model_window_exhausted" if _FOR_ONE_MODEL.search(text) else "window_exhausted"


def _refused(text: str) -> FaultKind:
    if kind := _first(_REFUSED, text):
        return kind
    return _limited(text) if _RATE.search(text) else "unsupported"


def _inside_an_answer(text: str) -> FaultKind:
    """An error event in a stream, or an answer that is an error as a whole."""
    lowered = text.lower()
    if "overloaded" in lowered:
        return "overloaded"
    if kind := _first(_UNPAID, text):
        return kind
    if _RATE.search(text):
        return _limited(text)
    if "invalid_request" in lowered or "invalid request" in lowered:
        return _refused(text)
    return _first(_UNAVAILABLE, text) or "server_error"


_BY_TEXT: Final[Mapping[int, Callable[[str], FaultKind]]] = {
    200: _inside_an_answer,
    401: _unauthorized,
    403: _forbidden,
    429: _limited,
}


_KEY_LIKE: Final = re.compile(r"\b(sk|pk|key|gsk|xai|AIza|or)[-_][A-Za-z0-9*_\-]{8,}")


def scrub(text: str, secret: Secret | None) -> str:
    """A provider's words without this connection's key or anything that looks like one, on one line, bounded."""
    if secret and (value := secret.reveal()):
        text = text.replace(value, "***")
    return _KEY_LIKE.sub("***", " ".join(text.split()))[:300]
