"""From where and under which names a server may be reached, and what a proxy in front of it may say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from starlette.types import Scope

from omniroute_agent.doors.hosts import LOOPBACK, host_allowed

Headers = Mapping[bytes, Sequence[bytes]]
"""Values by lower-case name, in the order they came in."""

Network = IPv4Network | IPv6Network

_FORWARDED: Final = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    hosts: frozenset[str] = LOOPBACK
    """Names that may stand in Host, and in Origin, at any port."""
    origins: frozenset[str] = frozenset()
    """Pages of these exact origins may use the server from a browser, too, and read its answers."""
    proxies: tuple[Network, ...] = ()
    """Whose X-Forwarded headers are believed."""
    only_by_proxy: bool = False
    """Turn away who comes neither from this machine nor through one of the proxies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who is at the other end, as far as the network tells."""

    address: str
    scheme: str
    host: bytes
    """Host and port under which the caller knows this server."""
    direct: bool
    """It comes neither from this machine nor through a trusted proxy."""


def headers_of(scope: Scope) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name, []).append(value)
    return found


def peer_of(scope: Scope, headers: Headers, access: Access) -> Peer:
    """X-Forwarded headers count only when the connection itself comes from a trusted proxy."""
    client = scope.get("client")
    nearest = str(client[0]) if client else ""
    hosts = headers.get(b"host", ())
    scheme, host = str(scope.get("scheme", "http")), hosts[0] if hosts else b""
    if not (access.proxies and _within(_address(nearest), access.proxies)):
        return Peer(address=nearest, scheme=scheme, host=host, direct=not _local(nearest))
    forwarded_for, proto, named = (b",".join(headers.get(name, ())) for name in _FORWARDED)
    scheme = {b"https": "https", b"http": "http"}.get(_last(proto), scheme)
    shown = _last(named)
    return Peer(
        address=_origin_of(forwarded_for, access.proxies) or nearest,
        scheme=scheme,
        host=shown if host_allowed((shown,), access.hosts) else host,
        direct=False,
    )


def _origin_of(forwarded_for: bytes, proxies: Sequence[Network]) -> str:
    """The last hop that is no proxy of ours: everything left of it was said by a stranger. Empty when none is told."""
    seen = ""
    for hop in reversed(forwarded_for.decode("latin-1").split(",")):
        address = _address(hop.strip())
        if address is None:
            break
        seen = str(address)
        if not _within(address, proxies):
            break
    return seen


def _last(value: bytes) -> bytes:
    return value.rpartition(b",")[2].strip().lower()


@lru_cache(maxsize=1024)
def _local(text: str) -> bool:
    """Of this machine, as is what has no address at all."""
    address = _address(text)
    return address is None or address.is_loopback


@lru_cache(maxsize=1024)
def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _within(address: IPv4Address | IPv6Address | None, networks: Sequence[Network]) -> bool:
    return address is not None and any(address in network for network in networks)
