"""The guard on the way out: it decides when the connection is made, not when the URL is read.

A name is resolved once, every address it has must pass, and the connection goes to one of those very addresses; TLS
still verifies the URL's host. So redirects, retries, the pool and a name that changes its answer cannot get around it.
Imported at the first request: it brings in the HTTP machinery and the TLS context, which cost start-up time.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

import httpcore2
import httpx2
from httpcore2._backends.auto import AutoBackend  # the one backend httpcore2 itself would use; it has no public name

from omniroute_agent.outside.addresses import (
    AllowedOrigins,
    BlockedAddress,
    Origin,
    canonical_host,
    host_fault,
    is_literal,
    is_own,
    is_public,
)

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to every address of the host, best first. Raises OSError when there is none."""

_MAX_CONNECTIONS: Final = 512
_MAX_IDLE: Final = 64
_IDLE_SECONDS: Final = 30.0
_OWN_IDLE_SECONDS: Final = 2.0
"""For allowed origins: small servers close idle connections after few seconds, and reconnecting costs nothing there."""
_MAX_ADDRESSES: Final = 4
"""Addresses of one host that are tried before giving up."""
_TRY_SECONDS: Final = 5.0
"""Limit of one address when the request set none and another address is left."""


async def system_resolve(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


class GuardedTransport(httpx2.AsyncHTTPTransport):
    """The client's own transport over a pool whose every connection passes the guard."""

    def __init__(
        self,
        origins: AllowedOrigins,
        *,
        resolve: Resolve = system_resolve,
        connector: httpcore2.AsyncNetworkBackend | None = None,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        context = verify or httpx2.create_ssl_context(trust_env=False)
        super().__init__(verify=context, trust_env=False)
        self._pool = _GuardedPool(origins, resolve, connector or AutoBackend(), context)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        # Two parsers may disagree on where the host begins when something stands before an @.
        if request.url.userinfo:
            raise BlockedAddress("The address holds a user name, so no connection was made.")
        return await super().handle_async_request(request)


class _GuardedPool(httpcore2.AsyncConnectionPool):
    """Gives each connection a guard that knows the whole origin: a backend by itself is not told the scheme."""

    def __init__(
        self,
        origins: AllowedOrigins,
        resolve: Resolve,
        connector: httpcore2.AsyncNetworkBackend,
        context: ssl.SSLContext,
    ) -> None:
        super().__init__(
            ssl_context=context,
            max_connections=_MAX_CONNECTIONS,
            max_keepalive_connections=_MAX_IDLE,
            keepalive_expiry=_IDLE_SECONDS,
        )
        self._origins = origins
        self._resolve = resolve
        self._connector = connector
        self._context = context

    def create_connection(self, origin: httpcore2.Origin) -> httpcore2.AsyncConnectionInterface:
        ours = Origin(origin.scheme.decode("ascii"), canonical_host(origin.host.decode("ascii")), origin.port)
        return httpcore2.AsyncHTTPConnection(
            origin=origin,
            ssl_context=self._context,
            keepalive_expiry=_OWN_IDLE_SECONDS if self._origins.allows(ours) else _IDLE_SECONDS,
            network_backend=Guard(ours, self._origins, self._resolve, self._connector),
        )


class Guard(httpcore2.AsyncNetworkBackend):
    """The way of one connection. Over TCP only; a Unix socket stays the base class's refusal."""

    def __init__(
        self,
        origin: Origin,
        origins: AllowedOrigins,
        resolve: Resolve,
        connector: httpcore2.AsyncNetworkBackend,
    ) -> None:
        self._origin = origin
        self._origins = origins
        self._resolve = resolve
        self._connector = connector

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (the backend's own signature)
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """
        Raises:
            BlockedAddress: an address of the host is neither public nor of an allowed origin.
            httpcore2.ConnectError: no address of the host could be reached.
        """
        clock = asyncio.get_running_loop().time
        until = None if timeout is None else clock() + timeout
        addresses = await self._addresses(host, port, timeout)
        failure: Exception = httpcore2.ConnectError(f"The name {host[:100]} has no address.")
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            try:
                return await self._connector.connect_tcp(
                    address,
                    port,
                    timeout=_share(None if until is None else until - clock(), left),
                    local_address=local_address,
                    socket_options=socket_options,
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        await self._connector.sleep(seconds)

    async def _addresses(self, host: str, port: int, seconds: float | None) -> Sequence[str]:
        allowed = self._origins.allows(self._origin)
        if not allowed and (fault := host_fault(host)):
            raise _blocked(host, fault)
        addresses = [host] if is_literal(host) else await self._resolved(host, port, seconds)
        if not all(map(is_own if allowed else is_public, addresses)):
            raise _blocked(host, "leads to an address that is not public")
        return addresses[:_MAX_ADDRESSES]

    async def _resolved(self, host: str, port: int, seconds: float | None) -> Sequence[str]:
        try:
            async with asyncio.timeout(seconds):
                return await self._resolve(host, port)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(f"The name {host[:100]} was not resolved in time.") from error
        # UnicodeError: a label is empty or longer than 63 characters.
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(f"The name {host[:100]} could not be resolved.") from error


def _share(remaining: float | None, left: int) -> float | None:
    """Seconds for the next address when `left` addresses, it included, are still to try."""
    if remaining is None:
        return _TRY_SECONDS if left > 1 else None
    return max(remaining, 0.0) / left


def _blocked(host: str, fault: str) -> BlockedAddress:
    return BlockedAddress(
        f"{host[:100]} {fault}, so no connection was made. "
        "A model server of your own is allowed by naming its exact address in the settings."
    )
