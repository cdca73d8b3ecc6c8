"""Which addresses this program may connect to. Pure: text in, verdict out; nobody resolves a name here.

The strict rule: an address must be globally reachable, and must not smuggle another address inside it (mapped,
compatible, 6to4, Teredo, NAT64). Ranges are from the IANA special-purpose registries (read 2026-11-21); 168.63.129.16
is Azure's host agent, which the registries do not list.
"""

import ipaddress
import re
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple

import httpx2

_HIDDEN_V4: Final = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "100.64.0.0/10",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "168.63.129.16/32",
    )
)
_PUBLIC_V6: Final = ipaddress.IPv6Network("2000::/3")
"""The only space global unicast is handed out from; mapped, compatible, NAT64, local and multicast all lie outside."""
_HIDDEN_V6: Final = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "2001::/23",  # Teredo, ORCHID, benchmarking and the other protocol assignments
        "2001:db8::/32",
        "2002::/16",  # 6to4 carries an IPv4 address
        "3fff::/20",
    )
)
_OWN: Final = (
    ipaddress.IPv4Network("10.0.0.0/8"),
    ipaddress.IPv4Network("100.64.0.0/10"),
    ipaddress.IPv4Network("127.0.0.0/8"),
    ipaddress.IPv4Network("172.16.0.0/12"),
    ipaddress.IPv4Network("192.168.0.0/16"),
    ipaddress.IPv6Network("::1/128"),
    ipaddress.IPv6Network("fc00::/7"),
)
"""Where an owner's own servers live. Link-local is not among them: cloud metadata services answer there."""

_NAME: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?", re.IGNORECASE)
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)
_LOCAL_NAMES: Final = ("localhost", "local", "internal", "home.arpa", "onion", "test", "invalid")
"""Names that the public name system does not serve (RFC 6761, 6762, 7686, 8375; `internal` is ICANN's, 2024)."""
_ORIGIN: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?(?:/\S*)?", re.IGNORECASE
)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_MAX_PORT: Final = 65535


class BlockedAddress(httpx2.ConnectError):
    """No connection was made, because the address is not public and the owner did not allow its origin."""


class Origin(NamedTuple):
    scheme: str
    host: str
    """Lower case; IPv6 in its canonical form, without brackets."""
    port: int


class AllowedOrigins:
    """The exact origins off the public internet that the owner's configuration allows. No request may add to it."""

    def __init__(self, *urls: str) -> None:
        self._origins: set[Origin] = set()
        self._listed: frozenset[Origin] = frozenset()
        for url in urls:
            self.allow(url)

    def allow(self, url: str) -> None:
        """Let the origin of `url` pass; a path is ignored.

        Raises:
            ValueError: not an http or https URL without user name.
        """
        self._origins.add(origin_of(url))

    def withdraw(self, url: str) -> None:
        """The origin no longer passes. One that was never allowed is no error."""
        self._origins.discard(origin_of(url))

    def list_anew(self, urls: Iterable[str]) -> None:
        """Besides, let the origins of these pass, in the place of those that were listed before. What is no URL as
        `allow` takes it is left out.
        """
        listed: set[Origin] = set()
        for url in urls:
            with suppress(ValueError):
                listed.add(origin_of(url))
        self._listed = frozenset(listed)

    def allows(self, origin: Origin) -> bool:
        return origin in self._origins or origin in self._listed


def origin_of(url: str) -> Origin:
    """
    Raises:
        ValueError: not an http or https URL without user name.
    """
    found = _ORIGIN.fullmatch(url)
    port = int(found["port"] or _DEFAULT_PORTS[found["scheme"].lower()]) if found else 0
    if not found or not 0 < port <= _MAX_PORT:
        raise ValueError("an origin looks like `http://127.0.0.1:11434`: scheme, host and port, no user name")
    return Origin(found["scheme"].lower(), canonical_host(found["host"].strip("[]")), port)


def canonical_host(host: str) -> str:
    """Lower case; an IP address in its one canonical spelling."""
    address = _literal(host)
    return host.lower() if address is None else str(address)


def is_literal(host: str) -> bool:
    """Whether the host is an address already and needs no resolving."""
    return _literal(host) is not None


def is_public(address: str) -> bool:
    """The strict rule for one address. Text that is no plain IP address (a zone, octal, a name) is not public."""
    ip = _literal(address)
    if ip is None or not ip.is_global or ip.is_multicast:
        return False
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _HIDDEN_V4)
    return ip in _PUBLIC_V6 and not any(ip in network for network in _HIDDEN_V6)


def is_own(address: str) -> bool:
    """Whether an allowed origin may lead to this address: loopback, private, or public."""
    ip = _literal(address)
    if ip is None:
        return False
    return is_public(address) or any(ip in network for network in _OWN)


def host_fault(host: str) -> str | None:
    """Why the host of a URL is refused before it is resolved; None when resolving it decides.

    A name whose last label is a number is refused: resolvers read `0x7f.1` and `2130706433` as 127.0.0.1.
    """
    if _literal(host) is not None:
        return None if is_public(host) else "is not a public address"
    if not _NAME.fullmatch(host):
        return "is not a plain host name"
    labels = host.lower().rstrip(".").split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return "is a number in disguise, not a host name"
    name = ".".join(labels)
    if any(name == local or name.endswith(f".{local}") for local in _LOCAL_NAMES):
        return "is a name of the local network"
    return None


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    # A zone (`fe80::1%eth0`) is parsed by the library, but names an interface of this machine.
    if "%" in host:
        return None
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
