"""The HTTP door without sockets: one request in, one answer out, thousands a second."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp

HOST = "127.0.0.1:20128"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body, or the last message of an event stream."""
        text = self.body.decode()
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            text = [line[6:] for line in text.splitlines() if line.startswith("data: ") and len(line) > 6][-1]
        found = json.loads(text)
        assert isinstance(found, dict)
        return found

    @property
    def challenge(self) -> dict[str, str]:
        """The parameters of `WWW-Authenticate`."""
        said = self.headers["www-authenticate"].removeprefix("Bearer ")
        pairs = [part.partition("=") for part in said.split(", ")]
        return {name: value.strip('"') for name, _, value in pairs}


async def knock(
    app: ASGIApp,
    path: str = "/mcp",
    *,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    body: bytes | Mapping[str, Any] = b"",
    client: str = "127.0.0.1",
    scheme: str = "http",
) -> Answer:
    """One request with Host unless `headers` has one; an empty Host leaves it out."""
    given = {"Host": HOST, **(headers or {})}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    if not isinstance(body, bytes):
        given = {"Content-Type": "application/json", **given}
    sent: list[MutableMapping[str, Any]] = []
    asked = False

    async def receive() -> MutableMapping[str, Any]:
        nonlocal asked
        if asked:
            await asyncio.Event().wait()
        asked = True
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "scheme": scheme,
        "http_version": "1.1",
        "client": (client, 50000),
        "server": ("127.0.0.1", 20128),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in given.items() if value],
    }
    await app(scope, receive, send)
    start = sent[0]
    return Answer(
        start["status"],
        {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]},
        b"".join(message.get("body", b"") for message in sent[1:]),
    )


@asynccontextmanager
async def begun(app: ASGIApp) -> AsyncIterator[None]:
    """The app between its start and its end, as a server would run it."""
    inbox: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
    outbox: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
    async with asyncio.TaskGroup() as group:
        await inbox.put({"type": "lifespan.startup"})
        living = group.create_task(_live(app, inbox, outbox))
        assert (await outbox.get())["type"] == "lifespan.startup.complete"
        try:
            yield
        finally:
            await inbox.put({"type": "lifespan.shutdown"})
            await living
    assert outbox.get_nowait()["type"] == "lifespan.shutdown.complete"


async def _live(
    app: ASGIApp, inbox: asyncio.Queue[MutableMapping[str, Any]], outbox: asyncio.Queue[MutableMapping[str, Any]]
) -> None:
    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, inbox.get, outbox.put)
