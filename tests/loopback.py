"""A scripted OpenAI-compatible provider on a loopback port, for programs that are tested as whole processes."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fakes import openai_stream_bytes

MODEL = "fake-model"


class Cut:
    """In place of a piece: the connection is reset."""


Piece = bytes | asyncio.Event | Cut
"""Bytes are sent; at an event the answer pauses until the test sets it or the client leaves."""


@dataclass(frozen=True)
class Reply:
    pieces: Sequence[Piece]
    status: int = 200
    content_type: str = "text/event-stream"


def says(*texts: str, usage: tuple[int, int] | None = (10, 5), finish: str | None = "stop") -> Reply:
    """A whole streamed answer."""
    return Reply([openai_stream_bytes(*texts, model=MODEL, usage=usage, finish=finish)])


def begins(*texts: str) -> bytes:
    """The beginning of a streamed answer: text, and no end."""
    return openai_stream_bytes(*texts, model=MODEL, usage=None, finish=None, done=False)


def refuses(status: int, message: str) -> Reply:
    body = json.dumps({"error": {"message": message, "type": "error", "code": None, "param": None}})
    return Reply([body.encode()], status, "application/json")


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.content)
        return found


@dataclass
class Loopback:
    """Chats are answered with the replies in order, the last one again and again; `GET /v1/models` with one model."""

    replies: Sequence[Reply]
    models_status: int = 200
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    paused: asyncio.Event = field(default_factory=asyncio.Event)
    """An answer has reached a pause."""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """A client left in the middle of an answer."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def chats(self) -> list[Seen]:
        return [request for request in self.seen if request.method == "POST"]

    def settings(self, *, price: bool = True) -> str:
        """TOML of a connection `fake` to this provider, 1 and 2 USD per million tokens, and nothing else to find."""
        priced = f'[prices."fake/{MODEL}"]\ninput = "1"\noutput = "2"\n' if price else ""
        return (
            "[discovery]\nloopback = false\nenvironment = false\n[local]\nenabled = false\n"
            f'[[connections]]\nid = "fake"\nprovider = "custom-openai"\nbase_url = "{self.url}"\n'
            f'key = "obviously-fake"\nmodels = ["{MODEL}"]\n{priced}'
        )

    def reply_to(self, _request: Seen) -> Reply:
        return self.replies[min(len(self.chats), len(self.replies)) - 1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await read_request(reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        self.seen.append(request)
        try:
            await self._answer(request, reader, writer)
        except ConnectionError:
            # It left while pieces were still being written, before the next pause could notice.
            self.left.set()
        finally:
            writer.close()

    async def _answer(self, request: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if request.method == "GET":
            listed = json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model"}]}).encode()
            reply = Reply([listed], self.models_status, "application/json")
        else:
            reply = self.reply_to(request)
        writer.write(
            f"HTTP/1.1 {reply.status} X\r\ncontent-type: {reply.content_type}\r\n"
            "transfer-encoding: chunked\r\nconnection: close\r\n\r\n".encode()
        )
        for piece in reply.pieces:
            if isinstance(piece, Cut):
                writer.transport.abort()
                return
            if isinstance(piece, asyncio.Event):
                await writer.drain()
                self.paused.set()
                if await self._gone_before(piece, reader):
                    self.left.set()
                    return
                continue
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async def _gone_before(self, event: asyncio.Event, reader: asyncio.StreamReader) -> bool:
        waiting = asyncio.create_task(event.wait())
        watching = asyncio.create_task(reader.read(1))
        done, pending = await asyncio.wait({waiting, watching}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        return watching in done


async def read_request(reader: asyncio.StreamReader) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    content = await reader.readexactly(int(headers.get("content-length", "0")))
    return Seen(method, path, headers, content)


@asynccontextmanager
async def loopback(*replies: Reply, models_status: int = 200) -> AsyncGenerator[Loopback, None]:
    upstream = Loopback(replies or (says("Hello from the fake."),), models_status)
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        await server.wait_closed()
