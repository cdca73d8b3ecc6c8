"""An agent of somebody else, as tests script it: a card, and an answer for every method."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from loopback import Seen, read_request

Wire = dict[str, Any]


@dataclass
class Events:
    """A stream; `cut` lets it end in the middle."""

    told: tuple[Wire, ...]
    cut: bool = False


@dataclass
class Refused:
    status: int
    body: bytes = b""


Reply = Wire | Events | Refused


@dataclass
class ForeignAgent:
    replies: Mapping[str, Reply] = field(default_factory=dict)
    """What stands in a JSON-RPC answer beside its id, by method."""
    card: Wire | None = None
    """In place of one that offers JSON-RPC 1.0 at this very server."""
    documents: dict[str, Wire] = field(default_factory=dict)
    """Other things to be read, by path."""
    port: int = 0
    seen: list[Seen] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def calls(self) -> list[Wire]:
        return [request.body for request in self.seen if request.method == "POST"]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await read_request(reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        self.seen.append(request)
        kind, status, body, whole = self._answer(request)
        length = len(body) if whole else len(body) + 1
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    def _answer(self, request: Seen) -> tuple[str, int, bytes, bool]:
        if request.method == "GET":
            return "application/json", 200, json.dumps(self._document(request.path)).encode(), True
        reply = self.replies[request.body["method"]]
        if isinstance(reply, Refused):
            return "application/json", reply.status, reply.body, True
        if isinstance(reply, Events):
            said = [json.dumps({"jsonrpc": "2.0", "id": 1, **each}) for each in reply.told]
            return "text/event-stream", 200, "".join(f"data: {each}\n\n" for each in said).encode(), not reply.cut
        return "application/json", 200, json.dumps({"jsonrpc": "2.0", "id": 1, **reply}).encode(), True

    def _document(self, path: str) -> Wire:
        if path in self.documents:
            return self.documents[path]
        interface = {"url": f"{self.url}/rpc", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
        return (
            {"name": "Foreign", "version": "7", "supportedInterfaces": [interface]} if self.card is None else self.card
        )


@asynccontextmanager
async def a_foreign_agent(**more: Any) -> AsyncGenerator[ForeignAgent, None]:
    agent = ForeignAgent(**more)
    server = await asyncio.start_server(agent.serve, "127.0.0.1", 0)
    agent.port = server.sockets[0].getsockname()[1]
    try:
        yield agent
    finally:
        server.close()
        await server.wait_closed()


def status(state: str, note: str = "", **metadata: Any) -> Wire:
    said: Wire = {"state": f"TASK_STATE_{state}"}
    if note:
        said["message"] = {"messageId": "s", "role": "ROLE_AGENT", "parts": [{"text": note}]}
    event: Wire = {"taskId": "t1", "contextId": "c1", "status": said}
    return {"result": {"statusUpdate": {**event, **({"metadata": metadata} if metadata else {})}}}


def words(text: str, *, artifact: str = "a", append: bool = False) -> Wire:
    said = {"artifactId": artifact, "parts": [{"text": text}]}
    return {"result": {"artifactUpdate": {"taskId": "t1", "contextId": "c1", "artifact": said, "append": append}}}


def task(state: str, *texts: str) -> Wire:
    artifacts = [{"artifactId": f"a{place}", "parts": [{"text": text}]} for place, text in enumerate(texts)]
    return {"id": "t1", "contextId": "c1", "status": {"state": f"TASK_STATE_{state}"}, "artifacts": artifacts}
