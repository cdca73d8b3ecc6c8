"""Who sent a request, and what came with it beside its parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from omniroute_agent.kernel.caller import Caller

Version = Literal["1.0", "0.3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    caller: Caller
    version: Version
    """The one its method belongs to."""
    base: str
    """Address of this server as the caller knows it, without a slash at its end."""
    extensions: frozenset[str] = frozenset()
    """URIs it activated."""
    traceparent: str | None = None


def visit_of(caller: Caller, version: Version, base: str, headers: Mapping[str, str]) -> Visit:
    """`headers` by lower-case name."""
    named = ",".join((headers.get("a2a-extensions", ""), headers.get("x-a2a-extensions", "")))
    return Visit(
        caller=caller,
        version=version,
        base=base,
        extensions=frozenset(uri for each in named.split(",") if (uri := each.strip())),
        traceparent=headers.get("traceparent"),
    )
