"""Which Host and Origin headers may reach a server that listens on loopback: the defence against DNS rebinding.

Decided on the raw header bytes by one strict grammar. A prefix comparison would let `localhost:1@evil` pass, and a URL
parser would first repair what must be refused.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv6Address
from typing import Final

LOOPBACK: Final = frozenset(("localhost", "127.0.0.1", "::1"))

_AUTHORITY: Final = rb"(?P<name>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}))(?::(?P<port>[0-9]{1,5}))?"
_HOST: Final = re.compile(_AUTHORITY)
_ORIGIN: Final = re.compile(rb"https?://" + _AUTHORITY)
_PORTS: Final = range(1, 65536)


def host_allowed(values: Sequence[bytes], allowed: frozenset[str]) -> bool:
    """Exactly one Host header, and it names an allowed host, at any port: a tunnel may change the port."""
    return len(values) == 1 and _name(_HOST, values[0]) in allowed


def origin_allowed(values: Sequence[bytes], allowed: frozenset[str]) -> bool:
    """No Origin header (no browser), or one that names an allowed host. `null` and other schemes are strangers."""
    return not values or (len(values) == 1 and _name(_ORIGIN, values[0]) in allowed)


def _name(grammar: re.Pattern[bytes], value: bytes) -> str | None:
    match = grammar.fullmatch(value)
    if match is None or (match["port"] is not None and int(match["port"]) not in _PORTS):
        return None
    name = match["name"].decode("ascii").lower()
    if not name.startswith("["):
        return name
    try:
        return str(IPv6Address(name[1:-1]))
    except ValueError:
        return None
