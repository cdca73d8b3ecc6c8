"""Who cancels a call frees the upstream: on every way in, in both eras; the bill is written after it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client

from doors.house_rig import EVERY_WAY, app_of, over_http, over_stdio
from doors.http_rig import running
from fakes import Upstream, openai_stream_bytes
from houses import TWO_TARGETS, a_house
from loopback import Reply, begins, loopback

PATIENCE = 30.0

_log = logging.getLogger(__name__)
HELLO = {"messages": [{"role": "user", "content": "Hello"}]}


@dataclass
class Endless(httpx2.AsyncByteStream):
    """An answer that begins and never ends, and that notices when nobody reads it any more."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield openai_stream_bytes("Half", usage=None, finish=None, done=False)
        self.begun.set()
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        self.closed.set()


@EVERY_WAY
async def test_cancelling_a_call_frees_the_upstream_and_bills_what_came(way: str, tmp_path: Path) -> None:
    wire, _, mode = way.partition("-")
    if wire == "stdio":
        async with (
            loopback(Reply([begins("Half"), asyncio.Event()])) as provider,
            over_stdio(tmp_path, provider.settings(), mode) as client,
        ):
            await _cancel(way, client, provider.paused, provider.left)
        return
    endless = Endless()
    upstream = Upstream([httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=endless)])
    async with (
        a_house(tmp_path, upstream, settings=TWO_TARGETS) as house,
        running(app_of(house)) as rig,
        over_http(rig.url, wire, mode) as client,
    ):
        await _cancel(way, client, endless.begun, endless.closed)
    assert len(upstream.seen) == 1


async def _cancel(way: str, client: Client, running: asyncio.Event, freed: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    call = asyncio.create_task(client.call_tool("omniroute_route_request", HELLO))
    async with asyncio.timeout(PATIENCE):
        await running.wait()
        began = loop.time()
        call.cancel()
        await freed.wait()
        # Told (`--log-cli-level INFO`), not asserted: a busy machine takes its time.
        _log.info("%s: freed %.1f ms after the call was cancelled", way, (loop.time() - began) * 1000)
        with pytest.raises(asyncio.CancelledError):
            await call
        while (report := await _report(client))["open_reserved"] != "0":
            pass
    assert float(report["totals"]["cost"]) > 0


async def _report(client: Client) -> dict[str, Any]:
    found: dict[str, Any] | None = (await client.call_tool("omniroute_cost_report", {})).structured_content
    assert found is not None
    return found
