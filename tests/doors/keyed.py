"""An HTTP door with a real store of keys behind it, and a clock that only the test moves."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mcp.server.lowlevel import Server

from doors.asgi import Answer, begun, knock
from doors.http_rig import MODERN_META
from doors.small_tools import TOOLS, parts_of
from fakes import CountedIds, FakeClock, fake_ports
from omniroute_agent.doors.gate import Gate
from omniroute_agent.doors.keybook import KeyBook, draw_key
from omniroute_agent.doors.mcp.http import caller_of, http_app
from omniroute_agent.doors.mcp.needs import Needs
from omniroute_agent.doors.mcp.server import make_server
from omniroute_agent.kernel.view import EVERYTHING, View
from omniroute_agent.outside.ports import new_secret
from omniroute_agent.store.database import Database
from omniroute_agent.store.keys import KeyRow, KeyRows
from omniroute_agent.tooling.tool import Tool


@dataclass
class TickingClock(FakeClock):
    """Whoever sleeps, sleeps until the test ticks."""

    ticks: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    sleeping: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    asleep: asyncio.Event = field(default_factory=asyncio.Event)

    async def sleep(self, seconds: float) -> None:
        self.asleep.set()
        self.sleeping.release()
        await self.ticks.acquire()
        self.advance(seconds)

    async def sleepers(self, count: int) -> None:
        """Wait until so many have gone to sleep."""
        for _ in range(count):
            await self.sleeping.acquire()

    async def tick(self) -> None:
        """Wake the one sleeper and wait until it sleeps again."""
        await self.asleep.wait()
        self.asleep.clear()
        self.ticks.release()
        await self.asleep.wait()


@dataclass
class Keyed:
    app: Gate
    book: KeyBook
    rows: KeyRows
    clock: TickingClock
    ids: CountedIds

    async def new_key(
        self,
        scopes: Iterable[str] = ("*",),
        *,
        name: str = "key",
        expires_at: float | None = None,
        view: View = EVERYTHING,
    ) -> tuple[KeyRow, str]:
        drawn = draw_key(self.ids, new_secret)
        row = KeyRow(
            id=drawn.id,
            name=name,
            digest=drawn.digest,
            scopes=frozenset(scopes),
            view=view,
            created_at=self.clock.now().timestamp(),
            expires_at=expires_at,
        )
        await self.rows.put(lambda _: row)
        self.clock.advance(0.5)
        return row, drawn.key.reveal()

    async def change(self, row: KeyRow, **changes: Any) -> KeyRow:
        """As another process would."""
        return await self.rows.put(lambda _: replace(row, **changes))

    async def ask(self, key: str, tool: str = "ok", **headers: str) -> Answer:
        """Call a tool as clients of the modern era do."""
        return await modern_call(self.app, tool, {"Authorization": f"Bearer {key}", **headers})


async def modern_call(app: Gate, tool: str, headers: dict[str, str], *, arguments: object = None) -> Answer:
    name = tool if tool.startswith("omniroute_") else f"omniroute_{tool}"
    params = {"name": name, "arguments": arguments or {}, "_meta": MODERN_META}
    return await knock(
        app,
        headers={
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": "tools/call",
            "Mcp-Name": name,
            **headers,
        },
        body={"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params},
    )


@asynccontextmanager
async def keyed(
    directory: Path,
    *,
    tools: Sequence[Tool] = TOOLS,
    begin: bool = True,
    prepare: Callable[[Server[Any]], Server[Any]] = lambda server: server,
    **more: Any,
) -> AsyncIterator[Keyed]:
    clock, ids = TickingClock(), CountedIds()
    ports = fake_ports(clock=clock, ids=ids)
    database = await Database.open(directory)
    try:
        rows = KeyRows(database)
        book = KeyBook(rows, ports)
        app = http_app(
            lambda door: prepare(make_server(tools, parts_of(clock), caller_of, door=door, version="1")),
            {},
            ports,
            book=book,
            needs=Needs(tools),
            **more,
        )
        found = Keyed(app, book, rows, clock, ids)
        if begin:
            async with begun(app):
                yield found
        else:
            yield found
    finally:
        await database.close()
