"""Sessions and streams of keys: bounded, never shared, ended with the key, and told when their tools change."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.sse import sse_client
from mcp.server.lowlevel import Server
from mcp.server.session import ServerSession
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp_types import SubscriptionsListenRequestParams

from doors.asgi import Answer, knock
from doors.http_rig import MODERN_META, Rig, running
from doors.keyed import Keyed, keyed
from omniroute_agent.doors.idle import IDLE_SECONDS
from omniroute_agent.doors.keybook import LOOK_SECONDS
from omniroute_agent.doors.limits import InboundLimits
from omniroute_agent.kernel.view import EVERYTHING, View

GREETING = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}


def bearer(key: str, session: str | None = None) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}", **({"Mcp-Session-Id": session} if session else {})}


async def greet(door: Keyed, key: str) -> Answer:
    return await knock(door.app, headers=bearer(key), body=GREETING)


def listing(session_era: bool = True) -> dict[str, Any]:
    params: dict[str, Any] = {} if session_era else {"_meta": MODERN_META}
    return {"jsonrpc": "2.0", "id": 3, "method": "tools/list", "params": params}


async def test_five_hundred_sessions_of_one_key_stop_at_its_limit(tmp_path: Path) -> None:
    async with keyed(tmp_path, limits=InboundLimits(sessions=20)) as door:
        _, greedy = await door.new_key(name="greedy")
        _, other = await door.new_key(name="other")
        answers = [await greet(door, greedy) for _ in range(500)]
        assert [answer.status for answer in answers].count(200) == 20
        refused = answers[-1]
        assert (refused.status, refused.json["error"]["code"]) == (429, "too_many_sessions")
        assert "rested for half an hour" in refused.json["error"]["hint"]
        assert (await greet(door, other)).status == 200
        # One that is closed makes room, and so do those that rested long enough.
        session = answers[0].headers["mcp-session-id"]
        assert (await knock(door.app, method="DELETE", headers=bearer(greedy, session))).status == 200
        assert (await greet(door, greedy)).status == 200
        assert (await greet(door, greedy)).status == 429
        door.clock.advance(IDLE_SECONDS + 1)
        assert (await greet(door, greedy)).status == 200


async def test_calls_of_the_modern_era_need_no_session(tmp_path: Path) -> None:
    async with keyed(tmp_path, limits=InboundLimits(sessions=1)) as door:
        _, key = await door.new_key()
        assert (await greet(door, key)).status == 200
        assert [(await door.ask(key)).status for _ in range(5)] == [200] * 5


async def test_a_session_answers_to_no_other_key(tmp_path: Path) -> None:
    async with keyed(tmp_path) as door:
        keys = [(await door.new_key(name=str(number)))[1] for number in range(3)]
        sessions = [(await greet(door, key)).headers["mcp-session-id"] for key in keys]
        for number, key in enumerate(keys):
            for other, session in enumerate(sessions):
                for method in ("POST", "DELETE") if number != other else ("POST",):
                    answer = await knock(door.app, method=method, headers=bearer(key, session), body=listing())
                    assert (answer.status == 404) == (number != other)
        assert [
            (await knock(door.app, headers=bearer(k, s), body=listing())).status
            for k, s in zip(keys, sessions, strict=True)
        ] == [200] * 3


async def test_all_keys_together_have_a_limit_too(tmp_path: Path) -> None:
    async with keyed(tmp_path, limits=InboundLimits(together=2)) as door:
        keys = [(await door.new_key(name=str(number)))[1] for number in range(3)]
        waiting = [
            asyncio.create_task(door.ask(key, "slow"))  # the clock stands still, and so does the tool
            for key in keys[:2]
        ]
        await door.clock.sleepers(3)  # they, and who looks after the keys
        assert (await door.ask(keys[2])).status == 429
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert (await door.ask(keys[2])).status == 200


async def lines_of(response: httpx2.Response) -> AsyncIterator[dict[str, Any]]:
    async for line in response.aiter_lines():
        if line.startswith("data: {"):
            yield json.loads(line[6:])


async def initialized(rig: Rig, http: httpx2.AsyncClient) -> dict[str, str]:
    both = {"Accept": "application/json, text/event-stream"}
    greeted = await http.post(f"{rig.url}/mcp", json=GREETING, headers=both)
    headers = {**both, "Mcp-Session-Id": greeted.headers["mcp-session-id"]}
    await http.post(f"{rig.url}/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=headers)
    return headers


async def test_a_client_hears_when_its_list_of_tools_changes_and_others_do_not(tmp_path: Path) -> None:
    async with keyed(tmp_path, begin=False) as door, running(door.app) as rig:
        row, key = await door.new_key(["read:health"])
        _, other = await door.new_key(["read:health"], name="other")
        async with rig.http(bearer(key)) as http, rig.http(bearer(other)) as http_of_other:
            mine, theirs = await initialized(rig, http), await initialized(rig, http_of_other)
            for client, headers in ((http, mine), (http_of_other, theirs)):
                assert (await client.post("/mcp", json=listing(), headers=headers)).status_code == 200
            async with (
                http.stream("GET", "/mcp", headers=mine) as heard,
                http_of_other.stream("GET", "/mcp", headers=theirs) as unheard,
            ):
                await door.change(row, scopes=frozenset(("read:health", "read:usage")))
                door.clock.advance(LOOK_SECONDS)
                await door.clock.tick()
                assert (await anext(lines_of(heard)))["method"] == "notifications/tools/list_changed"
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await anext(lines_of(unheard))


async def test_a_client_over_sse_hears_when_its_list_changes(tmp_path: Path) -> None:
    async with keyed(tmp_path, begin=False) as door, running(door.app) as rig:
        row, key = await door.new_key(["read:health"])
        told: asyncio.Queue[str] = asyncio.Queue()

        async def hear(message: Any) -> None:
            told.put_nowait(type(message).__name__)

        wire = sse_client(f"{rig.url}/sse", headers=bearer(key))
        async with Client(wire, mode="legacy", message_handler=hear) as client:
            await client.list_tools()
            await door.change(row, scopes=frozenset(("read:health", "read:usage")))
            await door.clock.tick()
            async with asyncio.timeout(10):
                assert await told.get() == "ToolListChangedNotification"


async def test_a_client_that_does_not_read_holds_up_no_revocation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never_read(*_: object) -> None:
        await asyncio.Event().wait()

    async with keyed(tmp_path, begin=False) as door, running(door.app) as rig:
        slow_row, slow = await door.new_key(["read:health"], name="slow")
        row, key = await door.new_key(name="victim")
        async with rig.http(bearer(slow)) as http, rig.http(bearer(key)) as victim:
            mine, theirs = await initialized(rig, http), await initialized(rig, victim)
            await http.post("/mcp", json=listing(), headers=mine)
            monkeypatch.setattr(ServerSession, "send_notification", never_read)
            async with victim.stream("GET", "/mcp", headers=theirs) as ends:
                await door.change(slow_row, scopes=frozenset(("read:usage",)))
                async with asyncio.timeout(0.5):
                    await door.clock.tick()
                    await door.change(row, revoked_at=1.0)
                    await door.clock.tick()
                    async for _ in ends.aiter_lines():
                        pass


async def test_the_greeting_promises_word_of_changes(tmp_path: Path) -> None:
    async with keyed(tmp_path) as door:
        _, key = await door.new_key()
        assert (await greet(door, key)).json["result"]["capabilities"]["tools"] == {"listChanged": True}


@pytest.mark.parametrize("way", ["GET", "sse"])
async def test_a_stream_ends_with_its_key(tmp_path: Path, way: str) -> None:
    async with keyed(tmp_path, begin=False) as door, running(door.app) as rig:
        row, key = await door.new_key()
        _, other = await door.new_key(name="other")
        async with rig.http(bearer(key)) as http, rig.http(bearer(other)) as http_of_other:
            path = "/sse" if way == "sse" else "/mcp"
            mine = {} if way == "sse" else await initialized(rig, http)
            theirs = {} if way == "sse" else await initialized(rig, http_of_other)
            async with (
                http.stream("GET", path, headers=mine) as ends,
                http_of_other.stream("GET", path, headers=theirs) as goes_on,
            ):
                await door.change(row, revoked_at=1.0)
                await door.clock.tick()
                async with asyncio.timeout(10):
                    async for _ in ends.aiter_lines():
                        pass
                assert not goes_on.is_closed
                assert (await http_of_other.post("/mcp", json=GREETING)).status_code == 200


def with_subscriptions(server: Server[Any]) -> Server[Any]:
    """The library's own, which hear of nothing and last for ever."""
    listen = ListenHandler(InMemorySubscriptionBus())
    server.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, listen)
    return server


LISTEN = {
    "jsonrpc": "2.0",
    "id": 9,
    "method": "subscriptions/listen",
    "params": {"notifications": {"toolsListChanged": True}, "_meta": MODERN_META},
}
LISTENS = {
    "MCP-Protocol-Version": "2026-07-28",
    "Mcp-Method": "subscriptions/listen",
    "Accept": "application/json, text/event-stream",
}


async def test_a_subscription_of_the_modern_era_ends_with_its_key(tmp_path: Path) -> None:
    async with keyed(tmp_path, begin=False, prepare=with_subscriptions) as door, running(door.app) as rig:
        row, key = await door.new_key()
        async with (
            rig.http(bearer(key)) as http,
            http.stream("POST", "/mcp", json=LISTEN, headers=LISTENS) as stream,
        ):
            heard = lines_of(stream)
            assert "acknowledged" in (await anext(heard))["method"]
            await door.change(row, revoked_at=1.0)
            await door.clock.tick()
            async with asyncio.timeout(10):
                assert [each async for each in heard if "method" in each] == []


@pytest.mark.parametrize(
    ("scopes", "view", "ends"),
    [
        (("read:usage",), EVERYTHING, True),
        (("read:health", "read:combos"), EVERYTHING, True),
        (("write:*", "read:*"), View(read_only=True), True),
        (("read:*", "write:*"), EVERYTHING, False),
        (("*",), EVERYTHING, False),
    ],
)
async def test_a_narrowed_key_loses_what_it_may_not_read(
    tmp_path: Path, scopes: tuple[str, ...], view: View, ends: bool
) -> None:
    async with keyed(tmp_path, begin=False, prepare=with_subscriptions) as door, running(door.app) as rig:
        row, key = await door.new_key(["read:health", "write:combos"])
        async with (
            rig.http(bearer(key)) as http,
            http.stream("POST", "/mcp", json=LISTEN, headers=LISTENS) as stream,
        ):
            heard = lines_of(stream)
            assert "acknowledged" in (await anext(heard))["method"]
            await door.change(row, scopes=frozenset(scopes), view=view)
            await door.clock.tick()
            try:
                async with asyncio.timeout(10 if ends else 0.2):
                    left = [each async for each in heard]
            except TimeoutError:
                assert not ends
            else:
                assert ends, left


async def test_a_stream_ends_when_its_key_expires(tmp_path: Path) -> None:
    async with keyed(tmp_path, begin=False) as door, running(door.app) as rig:
        _, key = await door.new_key(expires_at=door.clock.now().timestamp() + 3)
        async with rig.http(bearer(key)) as http, http.stream("GET", "/sse") as stream:
            for _ in range(5):
                await door.clock.tick()
            async with asyncio.timeout(10):
                async for _ in stream.aiter_lines():
                    pass


async def test_revocation_is_seen_within_a_second(tmp_path: Path) -> None:
    async with keyed(tmp_path, begin=False) as door, running(door.app) as rig:
        row, key = await door.new_key()
        async with rig.http(bearer(key)) as http, http.stream("GET", "/sse") as stream:
            await door.clock.asleep.wait()
            revoked = door.clock.monotonic()
            await door.change(row, revoked_at=1.0)
            await door.clock.tick()
            async with asyncio.timeout(10):
                async for _ in stream.aiter_lines():
                    pass
            assert door.clock.monotonic() - revoked <= 1


async def test_a_call_with_a_revoked_key_is_refused_within_a_second(tmp_path: Path) -> None:
    async with keyed(tmp_path) as door:
        row, key = await door.new_key()
        assert (await door.ask(key)).status == 200
        await door.change(row, revoked_at=1.0)
        door.clock.advance(1)
        assert (await door.ask(key)).status == 401
