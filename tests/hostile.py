"""A provider that speaks bytes: whatever can go wrong below HTTP or in its framing, on a loopback port."""

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


class Reset:
    """The connection is reset."""


class Hang:
    """Nothing more comes, and the connection stays open."""


@dataclass(frozen=True)
class Drip:
    """One byte at a time."""

    content: bytes


@dataclass(frozen=True)
class Endless:
    """Again and again, until the client leaves."""

    content: bytes


Step = bytes | Reset | Hang | Drip | Endless


@dataclass
class Provider:
    steps: Sequence[Step]
    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    """What came before each body."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            for step in self.steps:
                await self._do(step, reader, writer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client left, or the test is over
        finally:
            writer.close()

    async def _do(self, step: Step, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        match step:
            case bytes():
                writer.write(step)
                await writer.drain()
            case Reset():
                taken = writer.get_extra_info("socket")
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                raise ConnectionResetError
            case Hang():
                await reader.read()
                raise ConnectionResetError
            case Drip(content):
                for at in range(len(content)):
                    writer.write(content[at : at + 1])
                    await writer.drain()
                    await asyncio.sleep(0)
            case Endless(content):
                while True:
                    writer.write(content)
                    await writer.drain()
                    await asyncio.sleep(0)


@asynccontextmanager
async def provider(*steps: Step) -> AsyncGenerator[Provider, None]:
    found = Provider(steps)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        await server.wait_closed()


def head(status: str = "200 OK", kind: str = "text/event-stream", *more: str) -> bytes:
    """Without a length and without chunks: the body ends with the connection."""
    lines = [f"HTTP/1.1 {status}", *([f"content-type: {kind}"] if kind else []), *more, "connection: close"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece)
