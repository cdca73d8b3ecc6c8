"""Every way a call can fail, as one tree.

CallError                code                whose fault
├── InvalidRequest       invalid_request     the caller's: the request itself cannot be served
├── NotAllowed           not_allowed         the caller's: a scope is missing
├── NotFound             not_found           the caller's: no such model, combo, request, tool
├── Conflict             conflict            the caller's: a name that is taken, or what changed meanwhile
├── LimitReached         limit_reached       the owner's budget or quota says no
├── ConsentRequired      consent_required    nobody's: only the owner may allow this, and has not been asked yet
├── NoRoute              no_route            the configuration's: every candidate was excluded
├── UpstreamFailed       upstream_failed     the providers': every attempt failed
├── DeadlineExceeded     deadline_exceeded   nobody's: the caller's time ran out
└── StoreUnavailable     store_unavailable   this machine's: the ledger cannot be written, so nothing is spent

Inside the engine a provider's failure is a value (`engine.faults.Fault`), because the next target may still answer.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from omniroute_agent.kernel.likeness import nearest


class CallError(Exception):
    """A failure a caller can read: what happened, and what to do next.

    `facts` are typed details for programs (`resets_at`, `missing`, `request_id` …); they never hold a secret.
    """

    code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, hint: str = "", facts: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.facts: dict[str, object] = dict(facts or {})

    def sentence(self) -> str:
        """Message and hint as one text for a person or a model."""
        return f"{self.message} {self.hint}".strip()


class InvalidRequest(CallError):
    code = "invalid_request"


class NotAllowed(CallError):
    code = "not_allowed"


class NotFound(CallError):
    code = "not_found"


class Conflict(CallError):
    code = "conflict"


class LimitReached(CallError):
    code = "limit_reached"


class ConsentRequired(CallError):
    code = "consent_required"


class NoRoute(CallError):
    code = "no_route"


class UpstreamFailed(CallError):
    code = "upstream_failed"


class DeadlineExceeded(CallError):
    code = "deadline_exceeded"


class StoreUnavailable(CallError):
    code = "store_unavailable"


def not_found(kind: str, name: str, known: Sequence[str]) -> NotFound:
    """A `NotFound` that names the nearest known names; `kind` is the noun shown to the reader ("combo", "model")."""
    near = nearest(name, known)
    if near:
        hint = "Did you mean " + ", ".join(f"`{n}`" for n in near) + "?"
    elif known:
        hint = f"Known: {', '.join(f'`{n}`' for n in known[:8])}{' …' if len(known) > 8 else ''}."  # noqa: PLR2004 (a line's worth)
    else:
        hint = f"No {kind} is known here yet."
    return NotFound(f"No {kind} is called `{name[:200]}`.", hint=hint, facts={"nearest": near})
