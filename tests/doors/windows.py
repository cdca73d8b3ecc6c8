"""A window in a process of its own, and its lines as a client writes and reads them."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from doors.http_rig import MODERN_META

WINDOW = str(Path(__file__).parent / "window_server.py")
PATIENCE = 30
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}},
}


class Pipes:
    def __init__(self, process: asyncio.subprocess.Process, *, modern: bool) -> None:
        self.process = process
        self._modern = modern
        self._ids = 0

    async def tell(self, message: dict[str, Any]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        await self.process.stdin.drain()

    async def hear(self) -> dict[str, Any]:
        assert self.process.stdout
        async with asyncio.timeout(PATIENCE):
            found: dict[str, Any] = json.loads(await self.process.stdout.readline())
            return found

    async def begin(self, method: str, params: dict[str, Any]) -> None:
        self._ids += 1
        meta = {"_meta": MODERN_META} if self._modern else {}
        await self.tell({"jsonrpc": "2.0", "id": self._ids, "method": method, "params": {**params, **meta}})

    async def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        await self.begin(method, params)
        answer = await self.hear()
        assert answer["id"] == self._ids
        return answer

    async def greet(self) -> None:
        if not self._modern:
            await self.tell(INITIALIZE)
            assert "result" in await self.hear()
            await self.tell({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def end(self) -> str:
        """What the window says on stderr until it ends by itself."""
        assert self.process.stderr
        async with asyncio.timeout(PATIENCE):
            return (await self.process.stderr.read()).decode()


@asynccontextmanager
async def window(url: str, key: str, *, modern: bool) -> AsyncGenerator[Pipes, None]:
    """One that hands over by saying so on stderr."""
    host, port = url.removeprefix("http://").split(":")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, WINDOW, host, port, key, stdin=pipe, stdout=pipe, stderr=pipe
    )
    try:
        yield Pipes(process, modern=modern)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
