"""Proxies on loopback that note what they were asked for: HTTP (forwarding and CONNECT) and SOCKS5."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal


@dataclass
class Proxy:
    """Leads every request to one server, whatever it was asked for."""

    kind: Literal["http", "socks5"]
    leads_to: int
    """Port on loopback."""
    port: int = 0
    asked: list[str] = field(default_factory=list)
    """Method and address for HTTP, host and port for SOCKS."""
    passwords: list[str] = field(default_factory=list)
    serving: "set[asyncio.Task[None]]" = field(default_factory=set)

    def url(self, user: str = "") -> str:
        return f"{self.kind}://{f'{user}@' if user else ''}127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.serving.add(task)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._lead(reader, writer)
        finally:
            writer.close()
            self.serving.discard(task)

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await (self._http(reader, writer) if self.kind == "http" else self._socks(reader, writer))
        there, back = await asyncio.open_connection("127.0.0.1", self.leads_to)
        back.write(first)
        try:
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        finally:
            back.close()
            await back.wait_closed()

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *lines = head.split("\r\n")
        method, address, version = line.split(" ")
        self.asked.append(f"{method} {address}")
        self.passwords += [text.split(": ")[1] for text in lines if text.lower().startswith("proxy-authorization:")]
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            return b""
        path = "/" + address.split("/", 3)[3]
        return "\r\n".join((f"{method} {path} {version}", *lines)).encode("latin-1")

    async def _socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """RFC 1928, and RFC 1929 when a password is offered."""
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        writer.write(bytes((5, max(methods))))
        if 2 in methods:
            await reader.readexactly(1)
            user = await reader.readexactly((await reader.readexactly(1))[0])
            word = await reader.readexactly((await reader.readexactly(1))[0])
            self.passwords.append(f"{user.decode()}:{word.decode()}")
            writer.write(b"\x01\x00")
        await reader.readexactly(3)
        kind = (await reader.readexactly(1))[0]
        length = 4 if kind == 1 else (await reader.readexactly(1))[0]
        host = await reader.readexactly(length)
        port = int.from_bytes(await reader.readexactly(2), "big")
        name = ".".join(map(str, host)) if kind == 1 else host.decode()
        self.asked.append(f"{name}:{port}")
        writer.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        return b""


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await source.read(65536):
            sink.write(piece)
            await sink.drain()
    sink.close()


@asynccontextmanager
async def a_proxy(kind: Literal["http", "socks5"], leads_to: int) -> AsyncGenerator[Proxy, None]:
    proxy = Proxy(kind, leads_to)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await server.wait_closed()
        if proxy.serving:
            await asyncio.wait(proxy.serving, timeout=5)
