"""Every tool call is on record: who, what, how it ended, how long it took."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from doors.house_rig import NARROW_KEY, app_of, over_http
from doors.http_rig import running
from doors.small_tools import TOOLS
from fakes import Upstream, openai_stream
from houses import OWNER, a_house
from omniroute_agent.app import House
from omniroute_agent.doors.exposition import exposition
from omniroute_agent.doors.mcp.server import make_server
from omniroute_agent.kernel.errors import StoreUnavailable
from omniroute_agent.store.audit import Question, Recorded, input_hash
from patience import until

BOTH_ERAS = pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])


@asynccontextmanager
async def client_of(
    house: House, *, scopes: frozenset[str] = OWNER.scopes, mode: str = "2026-07-28"
) -> AsyncIterator[Client]:
    async def parts() -> Any:
        return house.parts

    caller = replace(OWNER, scopes=scopes)
    server = make_server((*house.tools, *TOOLS), parts, lambda _: caller, door="mcp-stdio", version="1.0.0")
    async with Client(server, mode=mode) as client:
        yield client


async def recorded(house: House, **question: Any) -> tuple[Recorded, ...]:
    """What the audit has once everything waiting is written, the first call first."""
    await until(lambda: not house.parts.audit.waiting)
    return tuple(reversed(await house.parts.audit.calls(Question(**question))))


@BOTH_ERAS
async def test_a_routed_request_is_recorded_with_its_request_id(tmp_path: Path, mode: str) -> None:
    async with a_house(tmp_path, Upstream([openai_stream("Hello.")])) as house, client_of(house, mode=mode) as client:
        arguments = {"combo": "both", "messages": [{"role": "user", "content": "Hi"}]}
        answer = await client.call_tool("omniroute_route_request", arguments)
        (call,) = await recorded(house)
    assert answer.structured_content is not None
    assert call.request_id == answer.structured_content["request_id"]
    assert (call.caller, call.session, call.door, call.tool) == (
        "owner",
        OWNER.session,
        "mcp-stdio",
        "omniroute_route_request",
    )
    assert call.outcome == "ok"
    assert call.input_hash == input_hash(arguments)
    assert call.arguments is None


@BOTH_ERAS
async def test_refusals_are_recorded_too(tmp_path: Path, mode: str) -> None:
    narrow = frozenset(("read:health",))
    async with a_house(tmp_path) as house, client_of(house, scopes=narrow, mode=mode) as client:
        with suppress(MCPError):
            await client.call_tool("omniroute_no_such_tool", {"x": 1})
        await client.call_tool("omniroute_guarded", {})
        await client.call_tool("omniroute_ok", {"times": "often"})
        await client.call_tool("omniroute_fail", {"how": "budget"})
        await client.call_tool("omniroute_fail", {"how": "crash"})
        calls = await recorded(house)
    assert [(call.tool, call.outcome) for call in calls] == [
        ("omniroute_no_such_tool", "unknown_tool"),
        ("omniroute_guarded", "not_allowed"),
        ("omniroute_ok", "invalid_request"),
        ("omniroute_fail", "limit_reached"),
        ("omniroute_fail", "internal"),
    ]


@pytest.mark.parametrize(("wire", "mode"), [("http", "legacy"), ("http", "2026-07-28"), ("sse", "legacy")])
async def test_a_call_refused_at_the_door_is_on_record(tmp_path: Path, wire: str, mode: str) -> None:
    async with (
        a_house(tmp_path) as house,
        running(app_of(house)) as rig,
        over_http(rig.url, wire, mode, key=NARROW_KEY) as client,
    ):
        with suppress(MCPError):
            await client.call_tool("omniroute_set_budget_guard", {"limit_usd": "1", "period": "day"})
        await client.call_tool("omniroute_get_health", {})
        refused, answered = await recorded(house)
        figures = exposition(house.parts.meter, ())
    assert (refused.caller, refused.tool, refused.outcome) == ("key-2", "omniroute_set_budget_guard", "not_allowed")
    assert (refused.door, refused.session) == (f"mcp-{wire}", answered.session)
    assert refused.input_hash == input_hash({"limit_usd": "1", "period": "day"})
    assert (answered.tool, answered.outcome) == ("omniroute_get_health", "ok")
    assert 'omniroute_tool_calls_total{tool="omniroute_set_budget_guard",outcome="not_allowed"} 1' in figures


@BOTH_ERAS
async def test_a_call_that_is_cancelled_is_recorded_as_that(tmp_path: Path, mode: str) -> None:
    async with a_house(tmp_path) as house, client_of(house, mode=mode) as client:
        async with asyncio.TaskGroup() as group:
            calling = group.create_task(client.call_tool("omniroute_slow", {"steps": 0, "forever": True}))
            await asyncio.sleep(0.2)
            calling.cancel()
        await until(lambda: bool(house.parts.audit.waiting))
        (call,) = await recorded(house)
    assert (call.tool, call.outcome) == ("omniroute_slow", "cancelled")


async def test_a_house_that_cannot_open_does_not_hide_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    async def parts() -> Any:
        raise StoreUnavailable("The disk is full.", hint="Free some space.")

    server = make_server(TOOLS, parts, lambda _: OWNER, door="mcp-stdio", version="1.0.0")
    async with Client(server, mode="2026-07-28") as client:
        refused = await client.call_tool("omniroute_ok", {})
    assert refused.is_error
    assert "The disk is full." in str(refused.content)
    assert "cannot be recorded" in caplog.text
