"""The door's own error codes: what each way a call can fail is called on the wire (docs/a2a-extension.md).

The protocol's codes end at -32009, so ours begin at -32010. A code never changes its meaning. What is wrong with the
parameters has JSON-RPC's own code.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from omniroute_agent.kernel.errors import (
    CallError,
    Conflict,
    ConsentRequired,
    DeadlineExceeded,
    InvalidRequest,
    LimitReached,
    NoRoute,
    NotAllowed,
    NotFound,
    StoreUnavailable,
    UpstreamFailed,
)


@dataclass(frozen=True, slots=True)
class Code:
    code: int
    """Of JSON-RPC."""
    reason: str
    """Of google.rpc.ErrorInfo."""
    canonical: str
    """One of google.rpc.Code's names."""
    status: int
    """Of HTTP, where the answer is not JSON-RPC."""


LIMIT_REACHED: Final = Code(-32010, "LIMIT_REACHED", "RESOURCE_EXHAUSTED", 429)
HANDLE_UNKNOWN: Final = Code(-32011, "BUDGET_HANDLE_UNKNOWN", "NOT_FOUND", 404)
HANDLE_ENDED: Final = Code(-32012, "BUDGET_HANDLE_ENDED", "FAILED_PRECONDITION", 400)
NOT_FOUND: Final = Code(-32013, "NOT_FOUND", "NOT_FOUND", 404)
NOT_ALLOWED: Final = Code(-32014, "NOT_ALLOWED", "PERMISSION_DENIED", 403)
CONSENT_REQUIRED: Final = Code(-32015, "CONSENT_REQUIRED", "FAILED_PRECONDITION", 400)
NO_ROUTE: Final = Code(-32016, "NO_ROUTE", "UNAVAILABLE", 503)
UPSTREAM_FAILED: Final = Code(-32017, "UPSTREAM_FAILED", "UNAVAILABLE", 502)
DEADLINE_EXCEEDED: Final = Code(-32018, "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", 504)
STORE_UNAVAILABLE: Final = Code(-32019, "STORE_UNAVAILABLE", "UNAVAILABLE", 503)
CONFLICT: Final = Code(-32020, "CONFLICT", "ABORTED", 409)
INVALID_REQUEST: Final = Code(-32602, "INVALID_REQUEST", "INVALID_ARGUMENT", 400)
INTERNAL: Final = Code(-32603, "INTERNAL", "INTERNAL", 500)

CODES: Final[Mapping[type[CallError], Code]] = {
    InvalidRequest: INVALID_REQUEST,
    LimitReached: LIMIT_REACHED,
    NotFound: NOT_FOUND,
    NotAllowed: NOT_ALLOWED,
    ConsentRequired: CONSENT_REQUIRED,
    NoRoute: NO_ROUTE,
    UpstreamFailed: UPSTREAM_FAILED,
    DeadlineExceeded: DEADLINE_EXCEEDED,
    StoreUnavailable: STORE_UNAVAILABLE,
    Conflict: CONFLICT,
}

_OF_HANDLES: Final = {"unknown": HANDLE_UNKNOWN, "expired": HANDLE_ENDED, "revoked": HANDLE_ENDED}
"""By what the facts say of the budget handle."""


def code_of(error: CallError) -> Code:
    """By its class, and what is wrong with a budget handle by what its facts say."""
    state = error.facts.get("state") if "budget_handle" in error.facts else None
    if isinstance(state, str) and state in _OF_HANDLES:
        return _OF_HANDLES[state]
    return next((code for kind, code in CODES.items() if isinstance(error, kind)), INTERNAL)
