"""The ways out, over real sockets: directly, through an HTTP proxy, through SOCKS5."""

import asyncio
import importlib.util
from typing import Literal

import httpx2
import pytest

from loopback import loopback
from omniroute_agent.kernel.ports import by_way_of
from omniroute_agent.kernel.proxy import DIRECTLY, proxy_of
from omniroute_agent.outside import ways
from omniroute_agent.outside.addresses import AllowedOrigins, BlockedAddress
from omniroute_agent.outside.ports import real_ports
from omniroute_agent.outside.ways import WaysOut
from proxies import a_proxy

Kind = Literal["http", "socks5"]
KINDS: tuple[Kind, ...] = ("http", "socks5")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_request_goes_through_the_proxy_it_names_and_the_proxy_resolves(kind: Kind) -> None:
    async with loopback() as upstream, a_proxy(kind, upstream.port) as proxy, real_ports().http as http:
        answer = await http.get("http://api.example.org/v1/models", extensions=by_way_of(proxy_of(proxy.url())))
    assert answer.is_success
    assert proxy.asked == [{"http": "GET http://api.example.org/v1/models", "socks5": "api.example.org:80"}[kind]]
    assert [(seen.path, seen.headers["host"]) for seen in upstream.seen] == [("/v1/models", "api.example.org")]


async def _hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def test_an_encrypted_address_is_tunnelled() -> None:
    server = await asyncio.start_server(_hang_up, "127.0.0.1", 0)
    async with a_proxy("http", server.sockets[0].getsockname()[1]) as proxy, real_ports().http as http:
        with pytest.raises(httpx2.ConnectError):  # it hangs up instead of speaking TLS
            await http.get("https://api.example.org/v1/models", extensions=by_way_of(proxy_of(proxy.url())))
    assert proxy.asked == ["CONNECT api.example.org:443"]
    server.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_the_proxys_password_goes_to_the_proxy_alone(kind: Kind) -> None:
    async with loopback() as upstream, a_proxy(kind, upstream.port) as proxy, real_ports().http as http:
        way = proxy_of(proxy.url("me:obviously-fake"))
        await http.get("http://api.example.org/v1/models", extensions=by_way_of(way))
    assert proxy.passwords == [{"http": "Basic bWU6b2J2aW91c2x5LWZha2U=", "socks5": "me:obviously-fake"}[kind]]
    assert "authorization" not in upstream.seen[0].headers or kind == "http"


@pytest.mark.parametrize("proxy", [None, DIRECTLY])
async def test_without_a_proxy_the_way_is_direct(proxy: None) -> None:
    async with loopback() as upstream, real_ports(AllowedOrigins(upstream.url)).http as http:
        assert (await http.get(f"{upstream.url}/models", extensions=by_way_of(proxy))).is_success


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/v1",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/v1",
        "http://localhost:9/v1",
        "http://2130706433/v1",
        "http://metadata.google.internal/",
    ],
)
async def test_a_proxy_is_not_asked_for_what_is_not_public(kind: Kind, url: str) -> None:
    async with loopback() as upstream, a_proxy(kind, upstream.port) as proxy, real_ports().http as http:
        with pytest.raises(BlockedAddress):
            await http.get(url, extensions=by_way_of(proxy_of(proxy.url())))
    assert proxy.asked == []


async def test_what_the_owner_allowed_is_reached_through_a_proxy_too() -> None:
    origins = AllowedOrigins("http://10.0.0.1")
    async with loopback() as upstream, a_proxy("http", upstream.port) as proxy, real_ports(origins).http as http:
        await http.get("http://10.0.0.1/v1/models", extensions=by_way_of(proxy_of(proxy.url())))
    assert proxy.asked == ["GET http://10.0.0.1/v1/models"]


async def test_a_proxy_cannot_be_where_clouds_keep_their_credentials() -> None:
    async with real_ports().http as http:
        with pytest.raises(BlockedAddress):
            await http.get("http://api.example.org/", extensions=by_way_of(proxy_of("http://169.254.169.254:80")))


async def test_each_proxy_keeps_its_connections() -> None:
    async with loopback() as upstream, a_proxy("http", upstream.port) as proxy:
        transport = WaysOut(AllowedOrigins())
        async with httpx2.AsyncClient(transport=transport, trust_env=False) as http:
            for _ in range(3):
                await http.get("http://api.example.org/v1/models", extensions=by_way_of(proxy_of(proxy.url())))
        assert len(transport._proxied) == 1


async def test_socks_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(ways, "find_spec", lambda name: None if name == "socksio" else real(name))
    async with real_ports().http as http:
        with pytest.raises(httpx2.ProxyError, match=r"pip install 'omniroute-agent\[socks\]'"):
            await http.get("http://api.example.org/", extensions=by_way_of(proxy_of("socks5://127.0.0.1:9")))


async def test_a_dead_proxy_is_a_failed_connection() -> None:
    async with a_proxy("http", 9) as proxy:
        gone = proxy_of(proxy.url())
    async with real_ports().http as http:
        with pytest.raises(httpx2.ConnectError):
            await http.get("http://api.example.org/", extensions=by_way_of(gone))
