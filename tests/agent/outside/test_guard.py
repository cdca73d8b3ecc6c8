"""The guard on the way out, over real sockets on loopback and names that a fake resolver answers."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpcore2
import httpx2
import pytest

from omniroute_agent.outside.addresses import AllowedOrigins, BlockedAddress, is_public
from omniroute_agent.outside.guard import GuardedTransport, Resolve, system_resolve

PUBLIC = "93.184.215.14"


@dataclass
class Canary:
    """A server on loopback that nobody should reach unless its origin is allowed."""

    port: int = 0
    hits: int = 0

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.hits += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi")
        await writer.drain()
        writer.close()


@asynccontextmanager
async def canary() -> AsyncGenerator[Canary]:
    bird = Canary()
    server = await asyncio.start_server(bird.answer, "127.0.0.1", 0)
    bird.port = server.sockets[0].getsockname()[1]
    try:
        yield bird
    finally:
        server.close()


@dataclass
class Cable(httpcore2.AsyncNetworkBackend):
    """Notes every address a connection was tried to, and has none of them answer."""

    tried: list[str] = field(default_factory=list)
    shares: list[float | None] = field(default_factory=list)
    reachable: tuple[str, ...] = ()

    async def connect_tcp(
        self,
        host: str,
        port: int,  # noqa: ARG002 (the backend's own signature, also below)
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore2.AsyncNetworkStream:
        self.tried.append(host)
        self.shares.append(timeout)
        if host in self.reachable:
            return httpcore2.AsyncMockStream([b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"])
        raise httpcore2.ConnectError("unplugged")


def names(*answers: Sequence[str]) -> Resolve:
    """A resolver that gives these answers in turn; the last one repeats."""
    given = iter(answers)
    last: list[Sequence[str]] = [()]

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        last[0] = next(given, last[0])
        return last[0]

    return resolve


def client(
    *allowed: str, resolve: Resolve = system_resolve, cable: httpcore2.AsyncNetworkBackend | None = None
) -> httpx2.AsyncClient:
    transport = GuardedTransport(AllowedOrigins(*allowed), resolve=resolve, connector=cable)
    return httpx2.AsyncClient(transport=transport, trust_env=False)


async def test_a_loopback_address_is_not_connected_to() -> None:
    async with canary() as bird, client() as http:
        with pytest.raises(BlockedAddress, match=r"127\.0\.0\.1 is not a public address, so no connection was made"):
            await http.get(bird.origin)
    assert bird.hits == 0


async def test_an_allowed_origin_is_connected_to_and_no_other_port() -> None:
    async with canary() as bird, canary() as other, client(bird.origin) as http:
        assert (await http.get(f"{bird.origin}/v1/models")).text == "hi"
        with pytest.raises(BlockedAddress):
            await http.get(other.origin)
    assert (bird.hits, other.hits) == (1, 0)


async def test_an_allowed_name_may_lead_to_loopback() -> None:
    async with canary() as bird:
        origin = f"http://models.lan:{bird.port}"
        async with client(origin, resolve=names(["127.0.0.1"])) as http:
            assert (await http.get(origin)).text == "hi"


async def test_an_allowed_name_may_not_lead_to_a_metadata_service() -> None:
    async with client("http://models.lan", resolve=names(["169.254.169.254"]), cable=(cable := Cable())) as http:
        with pytest.raises(BlockedAddress):
            await http.get("http://models.lan/latest")
    assert cable.tried == []


async def test_one_private_address_among_public_ones_blocks_the_host() -> None:
    async with client(resolve=names([PUBLIC, "10.0.0.1"]), cable=(cable := Cable())) as http:
        with pytest.raises(BlockedAddress, match="leads to an address that is not public"):
            await http.get("http://two-faced.example.com")
    assert cable.tried == []


async def test_a_name_that_changes_its_answer_leaks_no_request_to_loopback() -> None:
    async with canary() as bird:
        for first in ([PUBLIC], ["127.0.0.1"], [PUBLIC, "127.0.0.1"]):
            for _ in range(40):
                cable = Cable()
                async with client(resolve=names(first, ["127.0.0.1"]), cable=cable) as http:
                    for _ in range(2):
                        with pytest.raises(httpx2.ConnectError):
                            await http.get(f"http://rebind.example.com:{bird.port}")
                assert all(map(is_public, cable.tried))
    assert bird.hits == 0


async def test_a_redirect_to_loopback_is_blocked_at_its_own_connection() -> None:
    async def moved(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        target = f"http://127.0.0.1:{bird.port}/secret"
        writer.write(f"HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async with canary() as bird:
        server = await asyncio.start_server(moved, "127.0.0.1", 0)
        origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with client(origin) as http:
            with pytest.raises(BlockedAddress):
                await http.get(origin, follow_redirects=True)
        server.close()
    assert bird.hits == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/",
        "http://0x7f.1/",
        "http://127.1/",
        "http://localhost./",
        "http://[::ffff:127.0.0.1]/",
        "http://[fe80::1%25eth0]/",
        "http://127。0。0。1/",
        "http://exa mple.com/",
        "http://metadata.google.internal/",
    ],
)
async def test_a_disguised_address_is_blocked_without_asking_the_resolver(url: str) -> None:
    async def never(host: str, _port: int) -> Sequence[str]:
        raise AssertionError(f"{host} was resolved")

    async with client(resolve=never, cable=(cable := Cable())) as http:
        with pytest.raises(BlockedAddress):
            await http.get(url)
    assert cable.tried == []


@pytest.mark.parametrize("url", ["http://user:pass@example.com/", "http://example.com\\@127.0.0.1/"])
async def test_an_address_with_a_user_name_is_blocked_and_not_repeated(url: str) -> None:
    async with client(resolve=names([PUBLIC]), cable=(cable := Cable())) as http:
        with pytest.raises(BlockedAddress, match="holds a user name") as caught:
            await http.get(url)
    assert cable.tried == []
    assert "pass" not in str(caught.value)


async def test_the_connection_goes_to_the_resolved_address_and_to_the_next_when_one_is_down() -> None:
    cable = Cable(reachable=("8.8.4.4",))
    async with client(resolve=names(["2606:4700:4700::1111", "8.8.4.4", "8.8.8.8"]), cable=cable) as http:
        assert (await http.get("http://example.com", timeout=9.0)).status_code == 200
    assert cable.tried == ["2606:4700:4700::1111", "8.8.4.4"]
    # The addresses share the limit of the request.
    first = cable.shares[0]
    assert first is not None
    assert 2.5 < first <= 3.0


async def test_a_host_whose_addresses_are_all_down_is_a_connect_error_and_not_a_block() -> None:
    async with client(resolve=names([PUBLIC, "8.8.8.8"]), cable=(cable := Cable())) as http:
        with pytest.raises(httpx2.ConnectError, match="unplugged") as caught:
            await http.get("http://example.com")
    assert not isinstance(caught.value, BlockedAddress)
    assert cable.tried == [PUBLIC, "8.8.8.8"]


async def test_a_name_that_does_not_resolve_is_a_connect_error() -> None:
    async def unknown(_host: str, _port: int) -> Sequence[str]:
        raise OSError("no such name")

    async with client(resolve=unknown) as http:
        with pytest.raises(httpx2.ConnectError, match="could not be resolved"):
            await http.get("http://nowhere.example.com")
        # Nobody asks a resolver for a label longer than 63 characters.
        async with client() as real:
            with pytest.raises(httpx2.ConnectError):
                await real.get(f"http://{'a' * 64}.example.com")


async def test_a_slow_name_server_counts_into_the_connect_limit() -> None:
    async def slow(_host: str, _port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    async with client(resolve=slow) as http:
        with pytest.raises(httpx2.ConnectTimeout, match="not resolved in time"):
            await http.get("http://slow.example.com", timeout=0.01)


async def test_tls_still_verifies_the_name_of_the_url() -> None:
    class Asked(Exception):
        pass

    class Stream(httpcore2.AsyncMockStream):
        async def start_tls(
            self,
            ssl_context: ssl.SSLContext,
            server_hostname: str | None = None,
            timeout: float | None = None,  # noqa: ARG002, ASYNC109 (the stream's own signature)
        ) -> httpcore2.AsyncNetworkStream:
            assert ssl_context.check_hostname
            raise Asked(server_hostname)

    class Wired(Cable):
        async def connect_tcp(self, *args: Any, **options: Any) -> httpcore2.AsyncNetworkStream:
            with suppress(httpcore2.ConnectError):
                await super().connect_tcp(*args, **options)
            return Stream([])

    async with client(resolve=names([PUBLIC]), cable=(cable := Wired())) as http:
        with pytest.raises(Asked, match=r"^api\.example\.com$"):
            await http.get("https://api.example.com")
    assert cable.tried == [PUBLIC]
