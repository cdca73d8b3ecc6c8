"""The scripted world around one server: a provider that answers by what it is asked, webhooks, and levers."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from fakes import openai_stream_bytes
from loopback import MODEL, Loopback, Reply, Seen, begins, read_request, says

HELLO = ("Say hello.", "Hello from the fake.")
STORY = ("Tell a story.", "First part.\n\nSecond part.\n\nThird part.")
SLOW = ("Go slowly.", "One.\n\nTwo.\n\nThree.")
WAIT = "Wait for me."
QUESTION = "Spend a lot."
_PARAGRAPHS = STORY[1].splitlines(keepends=True)
PATIENCE = 10.0
"""Seconds a lever waits for what it was asked about."""

CAREFUL_COMBO = "careful"
CAREFUL = f"""
[[combos]]
name = "{CAREFUL_COMBO}"
targets = ["fake/{MODEL}"]
[[guards]]
name = "careful"
combo = "{CAREFUL_COMBO}"
limit_usd = "0.000001"
action = "ask"
"""
"""A combo of which every use is asked about."""


class Provider(Loopback):
    """Answers by the last words of the conversation."""

    def __init__(self) -> None:
        super().__init__([says(HELLO[1])])
        self.go = asyncio.Event()

    def reply_to(self, request: Seen) -> Reply:
        asked = str(request.body["messages"][-1]["content"])
        if WAIT in asked:
            return Reply([begins("Begun.\n\n"), asyncio.Event()])
        if SLOW[0] in asked:
            self.go = asyncio.Event()
            return Reply([begins("One.\n\n"), self.go, openai_stream_bytes("Two.\n\n", "Three.", model=MODEL)])
        if STORY[0] in asked:
            return Reply([*(begins(part) for part in _PARAGRAPHS), openai_stream_bytes("", model=MODEL)])
        return super().reply_to(request)


class World:
    """Provider and control. A POST to `/go` lets the slow answer go on, to `/approve/CODE` answers a question for the
    owner; `/left` waits until the upstream was closed, `/hooked/NAME` until a notification came to `/hook/NAME`.
    """

    def __init__(self) -> None:
        self.provider = Provider()
        self.port = 0
        self.approve: Callable[[str], Awaitable[None]] | None = None
        """What the owner types in a terminal to answer a question with yes."""
        self._notes: defaultdict[str, asyncio.Queue[dict[str, Any]]] = defaultdict(asyncio.Queue)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await read_request(reader)
            status, told = await self._answer(request)
            body = json.dumps(told).encode()
            writer.write(
                f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
                "connection: close\r\n\r\n".encode()
            )
            writer.write(body)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, request: Seen) -> tuple[int, Any]:
        lever, _, name = request.path.removeprefix("/").partition("/")
        try:
            async with asyncio.timeout(PATIENCE):
                return 200, await self._pull(lever, name, request)
        except TimeoutError:
            return 504, {"error": f"{request.path}: it did not happen within {PATIENCE} s"}

    async def _pull(self, lever: str, name: str, request: Seen) -> Any:
        match lever:
            case "hook":
                self._notes[name].put_nowait({"headers": request.headers, "body": request.body})
            case "hooked":
                return await self._notes[name].get()
            case "go":
                self.provider.go.set()
            case "approve" if self.approve:
                await self.approve(name)
            case "left":
                await self.provider.left.wait()
                self.provider.left.clear()
            case _:
                raise ValueError(f"no such lever: {lever}")
        return {}


@asynccontextmanager
async def world() -> AsyncGenerator[World, None]:
    made = World()
    async with (
        await asyncio.start_server(made.provider.serve, "127.0.0.1", 0) as provider,
        await asyncio.start_server(made.serve, "127.0.0.1", 0) as control,
    ):
        made.provider.port = provider.sockets[0].getsockname()[1]
        made.port = control.sockets[0].getsockname()[1]
        yield made
