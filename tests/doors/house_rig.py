"""A real house behind each door, and the official client in front of it."""

import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.lowlevel import Server
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult, TextContent

from doors.http_rig import running
from fakes import FakeClock
from houses import OWNER, TWO_TARGETS, a_house
from omniroute_agent.app import House
from omniroute_agent.doors.gate import Gate
from omniroute_agent.doors.holders import Holder, key_digest
from omniroute_agent.doors.mcp.http import caller_of, http_app
from omniroute_agent.doors.mcp.needs import Needs
from omniroute_agent.doors.mcp.offered import needs_of
from omniroute_agent.doors.mcp.server import Context, make_server
from omniroute_agent.doors.mcp.witness import refusals
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.tooling.parts import Parts

MODES = ("legacy", "2026-07-28")
BOTH_ERAS = pytest.mark.parametrize("mode", MODES)
EVERY_WAY = pytest.mark.parametrize(
    "way", ["stdio-legacy", "stdio-2026-07-28", "http-legacy", "http-2026-07-28", "sse-legacy"]
)
FULL = frozenset(("*",))
KEYS = {
    "obviously-fake-owner-key": Holder(id="owner", scopes=FULL),
    "obviously-fake-other-key": Holder(id="key-1", scopes=FULL),
    "obviously-fake-narrow-key": Holder(id="key-2", scopes=frozenset(("read:health",))),
}
OWNER_KEY, OTHER_KEY, NARROW_KEY = KEYS
ALONE = "[discovery]\nloopback = false\nenvironment = false\n[local]\nenabled = false\n[secrets]\nkeyring = false\n"
"""Settings of a program that finds nothing but what it is told."""


def server_of(house: House, who: Caller | Callable[[Context], Caller] = OWNER, door: str = "mcp-stdio") -> Server[Any]:
    async def parts() -> Parts:
        return house.parts

    return make_server(house.tools, parts, who, door=door, version="1.2.3")


@asynccontextmanager
async def near(house: House, mode: str, who: Caller = OWNER, **options: Any) -> AsyncGenerator[Client, None]:
    """A client in this process, without a transport."""
    async with Client(server_of(house, who), mode=mode, **options) as client:
        yield client


def app_of(house: House) -> Gate:
    async def parts() -> Parts:
        return house.parts

    return http_app(
        lambda door: server_of(house, caller_of, door),
        {key_digest(Secret(key)): holder for key, holder in KEYS.items()},
        house.parts.ports,
        needs=Needs(house.tools, needs_of(house.tools)),
        refused=refusals(parts, "mcp-http"),
    )


@asynccontextmanager
async def over_http(
    url: str, wire: str, mode: str, *, key: str = OWNER_KEY, **options: Any
) -> AsyncGenerator[Client, None]:
    """`wire` is http or sse."""
    headers = {"authorization": f"Bearer {key}"}
    if wire == "sse":
        async with Client(sse_client(f"{url}/sse", headers=headers), mode=mode, **options) as client:
            yield client
        return
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False, timeout=20) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=mode, **options) as client,
    ):
        yield client


@asynccontextmanager
async def over_stdio(directory: Path, settings: str, mode: str, **options: Any) -> AsyncGenerator[Client, None]:
    """The program as an editor starts it, with these settings and no others."""
    (directory / "config.toml").write_text(settings, "utf-8")
    words = ["--config", str(directory / "config.toml"), "--data-dir", str(directory / "data"), "mcp"]
    server = StdioServerParameters(
        command=sys.executable,
        args=["-P", "-m", "omniroute_agent", *words],
        env={"PATH": os.defpath, "HOME": str(directory), "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        cwd="/",
    )
    async with Client(stdio_client(server), mode=mode, read_timeout_seconds=60, **options) as client:
        yield client


@asynccontextmanager
async def reached(
    way: str, directory: Path, *, settings: str = TWO_TARGETS, key: str = OWNER_KEY, **options: Any
) -> AsyncGenerator[Client, None]:
    """A client on one of `EVERY_WAY`: over stdio it is always the owner's, otherwise that of `key`."""
    wire, _, mode = way.partition("-")
    async with AsyncExitStack() as stack:
        if wire == "stdio":
            client = await stack.enter_async_context(over_stdio(directory, ALONE + settings, mode, **options))
        else:
            house = await stack.enter_async_context(a_house(directory, settings=settings, clock=FakeClock()))
            rig = await stack.enter_async_context(running(app_of(house)))
            client = await stack.enter_async_context(over_http(rig.url, wire, mode, key=key, **options))
        yield client


@dataclass
class Owner:
    """Somebody in front of the client, who answers as the test says and remembers what was asked."""

    action: str = "accept"
    answer: str | None = "allow this once"
    asked: list[str] = field(default_factory=list[str])

    async def __call__(self, _: Any, params: ElicitRequestParams) -> ElicitResult:
        self.asked.append(params.message)
        content = {"answer": self.answer} if self.action == "accept" and self.answer is not None else None
        return ElicitResult.model_validate({"action": self.action, "content": content})


def text(result: CallToolResult) -> str:
    (only,) = result.content
    assert isinstance(only, TextContent)
    return only.text
