"""What was added by hand is what a client's request goes to."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from agent.providers.test_stored import a_store
from fakes import START, FakeClock, Upstream, openai_stream
from houses import TWO_TARGETS, a_house
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.outside.addresses import origin_of
from omniroute_agent.providers.stored import LOOK_SECONDS, StoredConnection
from tools.test_tools import HELLO, caller_of

LAB = StoredConnection(
    id="lab",
    provider="custom-openai",
    base_url="https://lab.example/v1",
    key=Secret("obviously-fake-lab"),
    models=("gamma",),
    expires_at=START + timedelta(days=3),
)


async def test_a_request_is_served_by_a_stored_connection_and_its_key(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("Hi")])
    async with a_house(tmp_path, upstream) as house:
        await house.stored.put("lab", lambda _: LAB)
        routed = await caller_of(house)("route_request", model="lab/gamma", messages=HELLO)
    assert routed["receipt"]["served_by"] == "lab/gamma"
    assert str(upstream.seen[0].url) == "https://lab.example/v1/chat/completions"
    assert upstream.seen[0].headers["authorization"] == "Bearer obviously-fake-lab"


async def test_a_running_house_takes_the_change_of_another_and_a_stored_row_overrides_the_file(tmp_path: Path) -> None:
    upstream, clock = Upstream([openai_stream("Hi")]), FakeClock()
    async with a_house(tmp_path, upstream, clock=clock) as running, a_store(tmp_path / "data") as command:
        call = caller_of(running)
        await call("route_request", model="one/alpha", messages=HELLO)
        one = StoredConnection(
            id="one", provider="custom-openai", base_url="https://new.example/v1", key=Secret("new"), models=("alpha",)
        )
        await command.put("one", lambda _: one)
        clock.advance(LOOK_SECONDS)
        await call("route_request", model="one/alpha", messages=HELLO)
        health = await call("get_health")
        await command.remove("one")
        clock.advance(LOOK_SECONDS)
        await call("route_request", model="one/alpha", messages=HELLO)
    assert [request.url.host for request in upstream.seen] == ["one.example", "new.example", "one.example"]
    assert {c["id"]: c["source"] for c in health["connections"]} == {"one": "stored", "two": "settings"}
    assert health["skipped"] == ["Connection `one` added by hand is used instead of the one in your settings."]


async def test_health_announces_an_expiry_in_time(tmp_path: Path) -> None:
    clock = FakeClock()
    async with a_house(tmp_path, Upstream(), settings=TWO_TARGETS, clock=clock) as house:
        await house.stored.put("lab", lambda _: LAB)
        notes = []
        for _ in range(3):
            health = await caller_of(house)("get_health")
            notes += [c["note"] for c in health["connections"] if c["id"] == "lab"]
            clock.advance(timedelta(days=2).total_seconds())
    assert notes == [
        "Its key expires in 3 days (2026-11-24T12:00Z): renew it in time.",
        "Its key expires in 24 hours (2026-11-24T12:00Z): renew it in time.",
        "Its key has expired (2026-11-24T12:00Z): put a new one in its place.",
    ]


async def test_a_removed_connection_takes_its_address_with_it(tmp_path: Path) -> None:
    settings = TWO_TARGETS.replace("https://two.example/v1", "http://10.0.0.8:8080/v1")
    own, named = origin_of("http://10.0.0.7:8080"), origin_of("http://10.0.0.8:8080")
    near = replace(LAB, base_url="http://10.0.0.7:8080/v1")
    async with a_house(tmp_path, settings=settings) as house:

        async def passes() -> tuple[bool, bool]:
            await house.parts.connections.all()
            return house.origins.allows(own), house.origins.allows(named)

        assert await passes() == (False, True)
        await house.stored.put("lab", lambda _: near)
        await house.stored.put("beside", lambda _: replace(near, id="beside", base_url="http://10.0.0.7:8080/v2"))
        assert await passes() == (True, True)
        await house.stored.remove("lab")
        assert await passes() == (True, True), "another row names it still"
        await house.stored.remove("beside")
        assert await passes() == (False, True)
        await house.stored.put("lab", lambda _: replace(near, base_url="http://10.0.0.8:8080/v1"))
        await house.stored.put("lab", lambda _: near)
        assert await passes() == (True, True), "the settings name it"
        await house.stored.put("lab", lambda _: replace(near, enabled=False))
        assert await passes() == (False, True)
