"""The HTTP door on a real port of this machine, served by the code the program runs, inside the test's loop."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from doors.small_tools import TOOLS, parts_of
from fakes import FakeClock, fake_ports
from omniroute_agent.doors.gate import Gate
from omniroute_agent.doors.holders import Holder, key_digest
from omniroute_agent.doors.impatient import BODY_SECONDS, HEADER_SECONDS
from omniroute_agent.doors.limits import InboundLimits
from omniroute_agent.doors.listen import Certificate, serve_http
from omniroute_agent.doors.mcp.http import caller_of, http_app
from omniroute_agent.doors.mcp.server import make_server
from omniroute_agent.kernel.secret import Secret

KEY = "owner-key-for-tests"
OTHER_KEY = "another-key-for-tests"
OWNER = Holder(id="owner", scopes=frozenset(("*",)))
OTHER = Holder(id="other", scopes=frozenset(("read:health",)))
KEYS = {key_digest(Secret(KEY)): OWNER, key_digest(Secret(OTHER_KEY)): OTHER}
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}
MODERN_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def new_app(
    *, clock: FakeClock | None = None, anyone: Holder | None = None, limits: InboundLimits | None = None
) -> Gate:
    held = clock or FakeClock()
    return http_app(
        lambda door: make_server(TOOLS, parts_of(held), caller_of, door=door, version="1.2.3"),
        KEYS,
        fake_ports(clock=held),
        anyone=anyone,
        limits=limits,
    )


@dataclass(frozen=True)
class Rig:
    url: str

    def http(self, headers: Mapping[str, str] | None = None) -> httpx2.AsyncClient:
        """A client with the owner's key unless told otherwise."""
        return httpx2.AsyncClient(
            base_url=self.url, headers=AUTHORIZED if headers is None else headers, trust_env=False, timeout=20
        )

    @asynccontextmanager
    async def client(self, mode: str, *, key: str = KEY) -> AsyncIterator[Client]:
        """The official client: `legacy`, `modern`, or `sse`."""
        headers = {"Authorization": f"Bearer {key}"}
        if mode == "sse":
            async with Client(sse_client(f"{self.url}/sse", headers=headers), mode="legacy") as client:
                yield client
            return
        async with self.http(headers) as http:
            wire = streamable_http_client(f"{self.url}/mcp", http_client=http)
            async with Client(wire, mode="2026-07-28" if mode == "modern" else "legacy") as client:
                yield client


@asynccontextmanager
async def running(
    app: Gate | None = None,
    *,
    drain_seconds: int = 2,
    certificate: Certificate | None = None,
    header_seconds: float = HEADER_SECONDS,
    body_seconds: float = BODY_SECONDS,
) -> AsyncIterator[Rig]:
    """Serves `app` and stops it by SIGTERM, as a supervisor would."""
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(
            serve_http(
                app or new_app(),
                "127.0.0.1",
                0,
                drain_seconds=drain_seconds,
                ready=listening.set_result,
                certificate=certificate,
                header_seconds=header_seconds,
                body_seconds=body_seconds,
            )
        )
        try:
            yield Rig(f"{'https' if certificate else 'http'}://127.0.0.1:{await listening}")
        finally:
            if not serving.done():
                os.kill(os.getpid(), signal.SIGTERM)


def call(name: str, arguments: dict[str, Any] | None = None, *, modern: bool = True, number: int = 1) -> dict[str, Any]:
    """A raw `tools/call`."""
    params: dict[str, Any] = {"name": f"omniroute_{name}", "arguments": arguments or {}}
    if modern:
        params["_meta"] = MODERN_META
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


def modern_headers(name: str) -> dict[str, str]:
    return {
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": f"omniroute_{name}",
        "Accept": "application/json, text/event-stream",
    }
