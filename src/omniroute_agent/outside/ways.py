"""The ways out: directly through the guard, or through a proxy that the owner's configuration names.

A request says by which way it wants to go (`by_way_of`), and one client serves all. Through a proxy the guard still
decides what it can: an address or a name that is not public is refused unless its origin is allowed. What a public name
leads to is up to the proxy, which resolves it. The proxy's own address may lie on this machine or in the owner's
network, because nothing but the configuration can name one.
"""

import ssl
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Final

import httpcore2
import httpx2
from httpcore2._backends.auto import AutoBackend  # the one backend httpcore2 itself would use; it has no public name

from omniroute_agent.kernel.ports import PROXY
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.outside.addresses import AllowedOrigins, BlockedAddress, Origin, canonical_host, host_fault
from omniroute_agent.outside.guard import Guard, GuardedTransport, Resolve, system_resolve

_MAX_CONNECTIONS: Final = 512
_MAX_IDLE: Final = 16
_IDLE_SECONDS: Final = 30.0
_PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


class WaysOut(httpx2.AsyncBaseTransport):
    """Sends each request by the way it names. A proxy keeps its pool as long as the program runs: there are as many as
    the owner ever named.
    """

    def __init__(
        self,
        origins: AllowedOrigins,
        *,
        resolve: Resolve = system_resolve,
        connector: httpcore2.AsyncNetworkBackend | None = None,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        self._origins = origins
        self._resolve = resolve
        self._connector = connector or AutoBackend()
        self._context = verify or httpx2.create_ssl_context(trust_env=False)
        self._direct = GuardedTransport(origins, resolve=resolve, connector=self._connector, verify=self._context)
        self._proxied: dict[Secret, _ProxiedTransport] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        extensions: Mapping[str, Any] = request.extensions
        proxy = extensions.get(PROXY)
        if not isinstance(proxy, Secret) or not proxy:
            return await self._direct.handle_async_request(request)
        # The libraries below log and trace what they are given.
        request.extensions = {name: value for name, value in extensions.items() if name != PROXY}
        if proxy not in self._proxied:
            self._proxied[proxy] = self._through(proxy)
        return await self._proxied[proxy].handle_async_request(request)

    async def aclose(self) -> None:
        await self._direct.aclose()
        for transport in self._proxied.values():
            await transport.aclose()

    def _through(self, proxy: Secret) -> "_ProxiedTransport":
        return _ProxiedTransport(proxy, self._origins, self._resolve, self._connector, self._context)


class _ProxiedTransport(httpx2.AsyncHTTPTransport):
    """The client's own transport over a pool that connects to one proxy and nowhere else."""

    def __init__(
        self,
        proxy: Secret,
        origins: AllowedOrigins,
        resolve: Resolve,
        connector: httpcore2.AsyncNetworkBackend,
        context: ssl.SSLContext,
    ) -> None:
        """
        Raises:
            httpx2.ProxyError: SOCKS is wanted and its extra is not installed.
        """
        super().__init__(verify=context, trust_env=False)
        self._origins = origins
        url = httpx2.URL(proxy.reveal())
        port = url.port or _PORTS[url.scheme]
        way = Guard(
            Origin("http", canonical_host(url.host), port),
            AllowedOrigins(f"http://{url.raw_host.decode('ascii') if ':' not in url.host else f'[{url.host}]'}:{port}"),
            resolve,
            connector,
        )
        address = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=port, target=b"/")
        auth = (url.username, url.password) if url.userinfo else None
        limits = (_MAX_CONNECTIONS, _MAX_IDLE, _IDLE_SECONDS)
        if url.scheme.startswith("socks"):
            self._pool = _socks(address, auth, context, limits, way)
        else:
            self._pool = httpcore2.AsyncHTTPProxy(
                address,
                proxy_auth=auth,
                ssl_context=context,
                proxy_ssl_context=context if url.scheme == "https" else None,
                max_connections=limits[0],
                max_keepalive_connections=limits[1],
                keepalive_expiry=limits[2],
                network_backend=way,
            )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        if url.userinfo:
            raise BlockedAddress("The address holds a user name, so no connection was made.")
        origin = Origin(url.scheme, canonical_host(url.host), url.port or _PORTS.get(url.scheme, 0))
        if not self._origins.allows(origin) and (fault := host_fault(url.host)):
            raise BlockedAddress(f"{url.host[:100]} {fault}, so the proxy was not asked for it.")
        return await super().handle_async_request(request)


def _socks(
    address: httpcore2.URL,
    auth: tuple[str, str] | None,
    context: ssl.SSLContext,
    limits: tuple[int, int, float],
    way: httpcore2.AsyncNetworkBackend,
) -> httpcore2.AsyncConnectionPool:
    if find_spec("socksio") is None:
        raise httpx2.ProxyError(
            "a SOCKS proxy needs the extra `socks`; install it with `pip install 'omniroute-agent[socks]'`"
        )
    return httpcore2.AsyncSOCKSProxy(
        address,
        proxy_auth=auth,
        ssl_context=context,
        max_connections=limits[0],
        max_keepalive_connections=limits[1],
        keepalive_expiry=limits[2],
        network_backend=way,
    )
