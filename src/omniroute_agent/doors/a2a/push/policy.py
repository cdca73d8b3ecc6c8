"""Which addresses may be hooks. Decided from the text, when a hook is written and each time before it is told; what a
name leads to is decided by the guard when the connection is made.

Nothing is resolved here on purpose: an answer that depended on it would let callers ask which names exist in the
network this program runs in.
"""

import re
from dataclasses import dataclass
from typing import Final

import httpx2

from omniroute_agent.kernel.errors import InvalidRequest
from omniroute_agent.outside.addresses import AllowedOrigins, Origin, canonical_host, host_fault

# Two parsers may disagree about anything but this: no spaces, no backslashes, no brackets but an IPv6 address's.
_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<rest>[/?][!$%&'()*+,\-./0-9:;=?@a-z_~]*)?",
    re.IGNORECASE,
)
_PORTS: Final = {"http": 80, "https": 443}
_MAX_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class HookPolicy:
    allowed: AllowedOrigins
    """Origins off the public internet, or without TLS, that the owner's settings name as hooks."""
    taken: AllowedOrigins
    """What the guard lets pass for other ends, such as model servers on loopback. Not for hooks: whoever may send
    prompts to this program may not post to its owner's own machines.
    """

    def admit(self, url: str) -> Origin:
        """
        Raises:
            InvalidRequest: no hook may lie there.
        """
        found = _URL.fullmatch(url)
        port = int(found["port"] or _PORTS[found["scheme"].lower()]) if found else 0
        if not found or not 0 < port <= _MAX_PORT:
            raise _refused("is not a plain https address", "It looks like `https://agent.example.com/hook`.")
        origin = Origin(found["scheme"].lower(), canonical_host(found["host"].strip("[]")), port)
        if not _read_alike(url, origin):
            raise _refused("can be read in two ways")
        if self.allowed.allows(origin):
            return origin
        if fault := host_fault(origin.host):
            raise _refused(f"leads to a host that {fault}")
        if origin.scheme != "https":
            raise _refused("is not https")
        if self.taken.allows(origin):
            raise _refused("is not an address that hooks may have")
        return origin


def _read_alike(url: str, origin: Origin) -> bool:
    """Whether the client that sends the notification finds the same host in it."""
    try:
        read = httpx2.URL(url)
    except httpx2.InvalidURL:
        return False
    there = (read.scheme, canonical_host(read.raw_host.decode("ascii").strip("[]")), read.port or _PORTS[origin.scheme])
    return there == tuple(origin) and not read.userinfo


def audience(origin: Origin) -> str:
    """The origin as text, without a port that its scheme implies."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return f"{origin.scheme}://{host}" + ("" if _PORTS[origin.scheme] == origin.port else f":{origin.port}")


def _refused(fault: str, hint: str = "") -> InvalidRequest:
    default = (
        "Hooks are https addresses on the public internet; the owner of this agent can allow others by their origin."
    )
    return InvalidRequest(
        f"The push notification's `url` {fault}, so nothing is sent there.",
        hint=hint or default,
        facts={"field": "url"},
    )
