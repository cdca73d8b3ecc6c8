"""Word of changes: on a stream of the present era, on the connection before that; to those it concerns."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from anyio.lowlevel import checkpoint
from mcp import Client
from mcp.server.subscriptions import (
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    ToolsListChanged,
)
from mcp.shared.exceptions import MCPError
from mcp_types import (
    EmptyResult,
    Request,
    ResourceUpdatedNotification,
    SubscribeRequest,
    SubscribeRequestParams,
    UnsubscribeRequest,
    UnsubscribeRequestParams,
)

from doors.house_rig import NARROW_KEY, OTHER_KEY, app_of, near, over_http
from doors.http_rig import MODERN_META, running
from fakes import FakeClock, Upstream, openai_error
from houses import OWNER, a_house, ask
from omniroute_agent.app import House, caretakers_of
from omniroute_agent.engine.combos import Change as Wanted
from omniroute_agent.kernel.errors import UpstreamFailed
from omniroute_agent.kernel.news import News, Topic

PATIENCE = 10.0
HEALTH, BOTH = "omniroute://health", "omniroute://combos/both"


class Mail(asyncio.Queue[str]):
    """What a client of the handshake era is told."""

    async def __call__(self, message: Any) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            self.put_nowait(str(message.params.uri))

    async def next(self) -> str:
        async with asyncio.timeout(PATIENCE):
            return await self.get()


async def subscribe(client: Client, uri: str) -> None:
    await _send(client, SubscribeRequest(params=SubscribeRequestParams(uri=uri)))


async def unsubscribe(client: Client, uri: str) -> None:
    await _send(client, UnsubscribeRequest(params=UnsubscribeRequestParams(uri=uri)))


async def _send(client: Client, request: Request[Any, Any]) -> None:
    await client.session.send_request(request, EmptyResult)


async def switched(house: House, clock: FakeClock, name: str, *, active: bool) -> None:
    """A combo changes; the caretaker looks some time later."""
    await house.parts.combos.switch(name, active=active)
    clock.advance(2)
    await house.parts.watch.look()


async def unheard(house: House, *topics: Topic) -> None:
    """Returns once nobody listens any more."""
    async with asyncio.timeout(PATIENCE):
        while any(house.parts.news.heard(topic) for topic in topics):
            await checkpoint()


@asynccontextmanager
async def two_combos(
    directory: Path, upstream: Upstream | None = None
) -> AsyncGenerator[tuple[House, FakeClock], None]:
    clock = FakeClock()
    async with a_house(directory, upstream, clock=clock) as house:
        await house.parts.combos.put("fresh", Wanted(targets=("one/alpha",)), new=True)
        yield house, clock


@asynccontextmanager
async def legacy(house: House, wire: str, mail: Mail) -> AsyncGenerator[Client, None]:
    if wire == "near":
        async with near(house, "legacy", message_handler=mail) as client:
            yield client
        return
    async with running(app_of(house)) as rig, over_http(rig.url, wire, "legacy", message_handler=mail) as client:
        yield client


@pytest.mark.parametrize("wire", ["near", "http", "sse"])
async def test_a_client_that_subscribed_hears_of_that_combo_and_of_no_other(wire: str, tmp_path: Path) -> None:
    mail = Mail()
    async with two_combos(tmp_path) as (house, clock), legacy(house, wire, mail) as client:
        await subscribe(client, BOTH)
        await switched(house, clock, "fresh", active=True)
        await switched(house, clock, "both", active=False)
        assert await mail.next() == BOTH
        await subscribe(client, "omniroute://combos/fresh")
        await switched(house, clock, "both", active=True)
        assert sorted([await mail.next(), await mail.next()]) == [BOTH, "omniroute://combos/fresh"]
        await unsubscribe(client, BOTH)
        await unsubscribe(client, "omniroute://combos/fresh")
        assert not house.parts.news.heard("combos")
        await switched(house, clock, "fresh", active=True)
        assert mail.empty()


async def test_health_is_told_when_a_connection_goes_and_when_it_comes_back(tmp_path: Path) -> None:
    mail = Mail()
    upstream = Upstream([openai_error(401, "no such key")])
    async with two_combos(tmp_path, upstream) as (house, clock), legacy(house, "near", mail) as client:
        await subscribe(client, HEALTH)
        await house.parts.watch.look()
        assert mail.empty()
        with pytest.raises(UpstreamFailed):
            await house.parts.turn.take(ask(house, model="one/alpha"))
        await house.parts.watch.look()
        assert await mail.next() == HEALTH
        await house.parts.watch.look()
        assert mail.empty()
        clock.advance(7 * 86_400)
        await house.parts.watch.look()
        assert await mail.next() == HEALTH


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("omniroute://prices", "tells no changes"),
        ("omniroute://combos/bot", "Did you mean `both`"),
        ("omniroute://models/one/alpha", "tells no changes"),
        ("omniroute://nothing", "No resource is called"),
    ],
)
async def test_what_tells_no_changes_cannot_be_subscribed_to(uri: str, words: str, tmp_path: Path) -> None:
    async with two_combos(tmp_path) as (house, _), near(house, "legacy") as client:
        with pytest.raises(MCPError, match=words):
            await subscribe(client, uri)
        assert not house.parts.news.heard("combos")


async def test_nobody_hears_of_what_it_may_not_read(tmp_path: Path) -> None:
    narrow = replace(OWNER, scopes=frozenset(("read:health",)))
    async with two_combos(tmp_path) as (house, _):
        async with near(house, "legacy", narrow) as client:
            with pytest.raises(MCPError, match="read:combos"):
                await subscribe(client, BOTH)
        async with (
            near(house, "2026-07-28", narrow) as client,
            client.listen(
                resource_subscriptions=[BOTH, HEALTH, "omniroute://prices", "omniroute://combos/b%6Fth"]
            ) as s,
        ):
            assert s.honored.resource_subscriptions == [HEALTH]
            assert (house.parts.news.heard("combos"), house.parts.news.heard("health")) == (False, True)


async def test_a_client_has_only_so_many_subscriptions(tmp_path: Path) -> None:
    async with two_combos(tmp_path) as (house, _), near(house, "legacy") as client:
        for number in range(100):
            await house.parts.combos.put(f"c{number}", Wanted(targets=("one/alpha",)), new=True)
            await subscribe(client, f"omniroute://combos/c{number}")
        with pytest.raises(MCPError, match="Too many"):
            await subscribe(client, BOTH)


@pytest.mark.parametrize("wire", ["near", "http", "sse"])
async def test_a_client_that_left_is_forgotten(wire: str, tmp_path: Path) -> None:
    async with two_combos(tmp_path) as (house, clock):
        async with legacy(house, wire, Mail()) as client:
            await subscribe(client, BOTH)
            assert house.parts.news.heard("combos")
        await unheard(house, "combos")
        await switched(house, clock, "both", active=True)


async def heard(stream: Any, count: int) -> list[ServerEvent]:
    async with asyncio.timeout(PATIENCE):
        return [await anext(stream) for _ in range(count)]


@asynccontextmanager
async def modern(house: House, wire: str, key: str | None = None) -> AsyncGenerator[Client, None]:
    if wire == "near":
        async with near(house, "2026-07-28") as client:
            yield client
        return
    options = {} if key is None else {"key": key}
    async with running(app_of(house)) as rig, over_http(rig.url, wire, "2026-07-28", **options) as client:
        yield client


@pytest.mark.parametrize("wire", ["near", "http"])
async def test_a_stream_tells_what_was_asked_for_and_nothing_else(wire: str, tmp_path: Path) -> None:
    async with two_combos(tmp_path) as (house, clock), modern(house, wire) as client:
        async with (
            client.listen(resource_subscriptions=[BOTH]) as one,
            client.listen(resources_list_changed=True, tools_list_changed=True) as lists,
        ):
            await switched(house, clock, "both", active=False)
            assert await heard(one, 1) == [ResourceUpdated(uri=BOTH)]
            await house.parts.combos.remove("fresh")
            clock.advance(2)
            await house.parts.watch.look()
            assert await heard(lists, 1) == [ResourcesListChanged()]
            await house.parts.news.grants_changed(frozenset(("key-9",)))
            await house.parts.news.grants_changed(frozenset(("owner", "key-1")))
            assert set(await heard(lists, 2)) == {ToolsListChanged(), ResourcesListChanged()}
        await unheard(house, "combos", "grants")


async def test_a_changed_grant_is_told_to_its_own_caller(tmp_path: Path) -> None:
    async with (
        two_combos(tmp_path) as (house, _),
        modern(house, "http", OTHER_KEY) as client,
        client.listen(prompts_list_changed=True) as stream,
    ):
        await house.parts.news.grants_changed(frozenset(("owner",)))
        await house.parts.news.grants_changed(frozenset(("key-1",)))
        assert await heard(stream, 1) == [PromptsListChanged()]


async def test_one_key_cannot_take_every_place_to_listen(tmp_path: Path) -> None:
    async with two_combos(tmp_path) as (house, _), running(app_of(house)) as rig, AsyncExitStack() as stack:
        greedy = await stack.enter_async_context(rig.http({"Authorization": f"Bearer {NARROW_KEY}"}))
        other = await stack.enter_async_context(rig.http({"Authorization": f"Bearer {OTHER_KEY}"}))
        for number in range(64):
            words = await stack.enter_async_context(listening(greedy, number))
            assert (await anext(words))["method"] == "notifications/subscriptions/acknowledged"
        async with listening(greedy, 64) as words:
            error = (await anext(words))["error"]
            assert (error["code"], error["data"]["code"]) == (-32004, "limit_reached")
            assert "Close a stream first" in error["message"]
        async with listening(other, 0) as words:
            assert "method" in await anext(words)
        await stack.aclose()
        await unheard(house, "grants")


@asynccontextmanager
async def listening(http: httpx2.AsyncClient, number: int) -> AsyncGenerator[AsyncGenerator[Any, None], None]:
    """What is said on a stream of its own, word by word; or in place of one."""
    params = {"notifications": {"toolsListChanged": True}, "_meta": MODERN_META}
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "subscriptions/listen"}
    message = {"jsonrpc": "2.0", "id": number, "method": "subscriptions/listen", "params": params}
    async with http.stream("POST", "/mcp", json=message, headers=headers) as stream:
        lines = stream.aiter_lines()

        async def words() -> AsyncGenerator[Any, None]:
            async for line in lines:
                if line.startswith(("data: ", "{")):
                    yield json.loads(line.removeprefix("data: "))

        async with asyncio.timeout(PATIENCE):
            yield words()


async def test_a_stopping_server_ends_the_streams_that_listen(tmp_path: Path) -> None:
    async with two_combos(tmp_path) as (house, _):
        gate = app_of(house)
        async with (
            running(gate, drain_seconds=8) as rig,
            over_http(rig.url, "http", "2026-07-28") as client,
            client.listen(tools_list_changed=True),
        ):
            gate.close()
            await unheard(house, "grants")


async def test_while_nobody_listens_nothing_is_looked_at(tmp_path: Path) -> None:
    async with two_combos(tmp_path) as (house, _):
        looks = [each for each in caretakers_of(house, house.parts.database) if each.name == "watch"]
        assert [each.job for each in looks] == [house.parts.watch.look]
        await house.parts.database.close()
        # A look at a closed database would fail.
        await house.parts.watch.look()


async def test_a_listener_in_trouble_does_not_keep_the_news_from_others(caplog: pytest.LogCaptureFixture) -> None:
    news, told = News(), []

    async def broken(_: object) -> None:
        raise OSError("gone")

    async def well(change: object) -> None:
        told.append(change)

    news.listen(broken, "grants")
    leave = news.listen(well, "grants")
    await news.grants_changed(frozenset())
    assert len(told) == 1
    assert "OSError" in caplog.text
    leave()
    await news.grants_changed(frozenset())
    assert len(told) == 1
