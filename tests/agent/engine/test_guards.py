"""Guards as their owner meets them: what each action does to requests, and that no limit is ever exceeded."""

import asyncio
import json
import logging
import sqlite3
from pathlib import Path

import httpx2
import pytest

from fakes import CountedIds, FakeClock, Upstream, openai_error, openai_stream
from houses import OWNER, TWO_TARGETS, a_house, ask
from omniroute_agent.app import House
from omniroute_agent.engine.events import Done
from omniroute_agent.engine.guards import Room
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.errors import ConsentRequired, LimitReached, NotAllowed, UpstreamFailed
from omniroute_agent.kernel.guard import Guard
from omniroute_agent.kernel.money import nano_from_usd, usd

KEY = Caller(id="key-1", scopes=frozenset(("*",)), session="s9")

FREE_TARGET = """
[[connections]]
id = "gift"
provider = "custom-openai"
base_url = "https://gift.example/v1"
key = "obviously-fake"
models = ["gamma"]
tier = "free"

[[combos]]
name = "all"
targets = ["one/alpha", "gift/gamma"]
"""

UNPRICED = """
[[connections]]
id = "odd"
provider = "custom-openai"
base_url = "https://odd.example/v1"
key = "obviously-fake"
models = ["delta"]
"""

USD = 1_000_000_000


def guard_settings(**fields: str) -> str:
    return "\n[[guards]]\n" + "".join(f'{name} = "{value}"\n' for name, value in fields.items())


def greedy(request: httpx2.Request) -> httpx2.Response:
    """Bills everything it was allowed to write."""
    body = json.loads(request.content)
    return openai_stream("x", usage=(10, body.get("max_completion_tokens") or body["max_tokens"]))


def forget_outages(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM connection_health")


async def rooms(house: House, caller: Caller = OWNER) -> dict[str, Room]:
    return dict((await house.parts.gatherer.situation(caller=caller)).rooms)


async def spend(house: House, caller: Caller = OWNER) -> Done:
    """One answer of alpha with 500 tokens, which cost 0.00101 USD."""
    return await house.parts.turn.take(ask(house, model="one/alpha", max_tokens=500, caller=caller))


async def test_a_block_guard_refuses_what_may_exceed_it_and_says_when_it_starts_anew(tmp_path: Path) -> None:
    settings = TWO_TARGETS + guard_settings(name="tight", limit_usd="0.0025")
    clock = FakeClock()
    async with a_house(tmp_path, Upstream([greedy]), settings=settings, clock=clock) as house:
        await spend(house)
        with pytest.raises(LimitReached) as refused:
            await spend(house)
        assert "`tight` has 0.00149 left" in refused.value.message
        clock.advance(86_400)
        await spend(house)


async def test_a_degrading_guard_lets_only_its_tier_through_and_the_plan_says_so(tmp_path: Path) -> None:
    settings = TWO_TARGETS + FREE_TARGET + guard_settings(name="soft", limit_usd="0.00345", action="degrade")
    async with a_house(tmp_path, Upstream([greedy]), settings=settings) as house:
        first = await house.parts.turn.take(ask(house, combo="all", max_tokens=500))
        assert first.receipt.served_by == "one/alpha"
        await house.parts.turn.take(ask(house, model="one/alpha", max_tokens=900))
        then = await house.parts.turn.take(ask(house, combo="all", max_tokens=16))
        assert then.receipt.served_by == "gift/gamma"
        planned, _, _ = await house.parts.engine.plan(ask(house, combo="all", max_tokens=16))
        assert {e.target: e.reason for e in planned.plan.excluded} == {"one/alpha": "degraded"}
        assert any("`soft`" in note and "only free targets until" in note for note in planned.plan.notes)
        assert (await rooms(house))["soft"].spent == 2_820_000


async def test_what_costs_nothing_always_fits(tmp_path: Path) -> None:
    settings = TWO_TARGETS + FREE_TARGET + guard_settings(name="nothing", limit_usd="0")
    async with a_house(tmp_path, Upstream([greedy]), settings=settings) as house:
        done = await house.parts.turn.take(ask(house, combo="all"))
    assert done.receipt.served_by == "gift/gamma"


async def test_an_alert_guard_refuses_nothing_and_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = TWO_TARGETS + guard_settings(name="watch", limit_usd="0.001", action="alert")
    with caplog.at_level(logging.WARNING, "omniroute_agent"):
        async with a_house(tmp_path, Upstream([greedy]), settings=settings) as house:
            for _ in range(3):
                await spend(house)
            planned, _, _ = await house.parts.engine.plan(ask(house))
            assert "The guard `watch` is over: 0.00303 of 0.001 USD. It only alerts." in planned.plan.notes
            assert (await rooms(house))["watch"].spent == 3_030_000
    assert [record.message for record in caplog.records if "`watch`" in record.message] == [
        "The guard `watch` is over: 0.00101 of 0.001 USD. It only alerts."
    ]


async def test_an_asking_guard_refuses_with_the_options_and_their_prices_until_the_owner_agrees(tmp_path: Path) -> None:
    settings = TWO_TARGETS + guard_settings(name="ask-me", limit_usd="0.0001", action="ask")
    upstream = Upstream([greedy])
    async with a_house(tmp_path, upstream, settings=settings) as house:
        with pytest.raises(ConsentRequired) as refused:
            await house.parts.turn.take(ask(house, max_tokens=500))
        facts = refused.value.facts
        options = facts["options"]
        assert isinstance(options, list)
        assert [option["target"] for option in options] == ["one/alpha", "two/beta"]
        assert all(0 < float(option["expected_usd"]) < float(option["worst_usd"]) for option in options)
        assert f"`omniroute-agent approve {facts['code']}`" in refused.value.hint
        assert upstream.seen == []
        stored = await house.parts.decisions.get(str(facts["request_id"]), caller="owner")
        assert stored is not None
        assert "consent_required" in stored
        await house.parts.consents.answer(str(facts["code"]), approved=True)
        # Another request is not meant by it.
        with pytest.raises(ConsentRequired):
            await house.parts.turn.take(ask(house, "Something else", max_tokens=500))
        done = await house.parts.turn.take(ask(house, max_tokens=500))
        assert done.receipt.served_by == "one/alpha"
        assert (await rooms(house))["ask-me"].spent == done.receipt.cost
        with pytest.raises(ConsentRequired):
            await house.parts.turn.take(ask(house, max_tokens=500))


async def test_what_the_owner_agreed_to_is_for_all_attempts_of_the_request_together(tmp_path: Path) -> None:
    settings = TWO_TARGETS + guard_settings(name="ask-me", limit_usd="0", action="ask")
    broken = openai_stream("some", usage=(10, 400), finish=None, done=False)
    async with a_house(tmp_path, Upstream([broken, greedy]), settings=settings) as house:
        with pytest.raises(ConsentRequired) as refused:
            await house.parts.turn.take(ask(house, max_tokens=500))
        options = refused.value.facts["options"]
        assert isinstance(options, list)
        most = sum(nano_from_usd(option["worst_usd"]) for option in options)
        assert f"for at most {usd(most)} USD to one/alpha, else two/beta" in str(refused.value.facts["question"])
        await house.parts.consents.answer(str(refused.value.facts["code"]), approved=True)
        done = await house.parts.turn.take(ask(house, max_tokens=500))
        assert [attempt.outcome for attempt in done.receipt.tried] == ["abandoned", "answered"]
        allowed = await house.parts.ledger.guard_state("consent", f"consent:{done.receipt.request_id}")
        assert (await rooms(house))["ask-me"].spent == allowed.spent == done.receipt.cost
        assert allowed.spent <= most


async def test_a_no_of_the_owner_is_told(tmp_path: Path) -> None:
    settings = TWO_TARGETS + guard_settings(name="ask-me", limit_usd="0", action="ask")
    async with a_house(tmp_path, settings=settings) as house:
        with pytest.raises(ConsentRequired) as refused:
            await house.parts.turn.take(ask(house))
        await house.parts.consents.answer(str(refused.value.facts["code"]), approved=False)
        with pytest.raises(NotAllowed):
            await house.parts.turn.take(ask(house))


async def test_an_unknown_price_is_refused_under_a_blocking_guard_and_asked_under_an_asking_one(tmp_path: Path) -> None:
    for action, error in (("block", "price_unknown"), ("ask", "May `owner` send one request at a price nobody knows")):
        settings = UNPRICED + guard_settings(name="day", limit_usd="5", action=action)
        async with a_house(tmp_path / action, Upstream([openai_stream("Hi")]), settings=settings) as house:
            with pytest.raises(Exception, match=error) as refused:
                await house.parts.turn.take(ask(house, model="odd/delta"))
            if isinstance(refused.value, ConsentRequired):
                await house.parts.consents.answer(str(refused.value.facts["code"]), approved=True)
                done = await house.parts.turn.take(ask(house, model="odd/delta"))
                assert done.receipt.cost is None


async def test_guards_count_whom_and_what_they_are_for(tmp_path: Path) -> None:
    settings = (
        TWO_TARGETS
        + guard_settings(name="key", limit_usd="1", caller="key-1")
        + guard_settings(name="both", limit_usd="1", combo="both", period="month")
        + guard_settings(name="each-session", limit_usd="1", period="session")
        + guard_settings(name="week", limit_usd="1", period="week")
        + guard_settings(name="all", limit_usd="1")
    )
    async with a_house(tmp_path, Upstream([greedy]), settings=settings) as house:
        await spend(house)
        await spend(house, KEY)
        await house.parts.turn.take(ask(house, max_tokens=500, caller=KEY))
        one = 1_010_000
        owner, key = await rooms(house), await rooms(house, KEY)
        assert {name: room.spent for name, room in owner.items()} == {
            "environment": 0,
            "both": one,
            "each-session": one,
            "week": 3 * one,
            "all": 3 * one,
        }
        assert {name: room.spent for name, room in key.items()} == {
            "environment": 0,
            "key": 2 * one,
            "both": one,
            "each-session": 2 * one,
            "week": 3 * one,
            "all": 3 * one,
        }
        assert {name: (room.window, room.resets) for name, room in key.items()} == {
            "environment": ("day:2026-11-21", "2026-11-22T00:00:00+00:00"),
            "key": ("day:2026-11-21", "2026-11-22T00:00:00+00:00"),
            "both": ("month:2026-11", "2026-12-01T00:00:00+00:00"),
            "each-session": ("session:key-1/s9", None),
            "week": ("week:2026-11-16", "2026-11-23T00:00:00+00:00"),
            "all": ("day:2026-11-21", "2026-11-22T00:00:00+00:00"),
        }


async def test_the_tightest_of_several_guards_decides(tmp_path: Path) -> None:
    settings = (
        TWO_TARGETS
        + guard_settings(name="wide", limit_usd="1", period="month")
        + guard_settings(name="tight", limit_usd="0.002", combo="both")
    )
    async with a_house(tmp_path, Upstream([greedy]), settings=settings) as house:
        await house.parts.turn.take(ask(house, max_tokens=500))
        with pytest.raises(LimitReached, match="`tight`"):
            await house.parts.turn.take(ask(house, max_tokens=500))
        await spend(house)


async def test_many_requests_at_once_never_exceed_a_guard(tmp_path: Path) -> None:
    settings = TWO_TARGETS + guard_settings(name="cap", limit_usd="0.02") + guard_settings(name="sum", limit_usd="9")
    upstream = Upstream([greedy, openai_error(500, "boom"), greedy])
    async with a_house(tmp_path, upstream, settings=settings) as house:
        requests = [ask(house, f"Hello {number}", max_tokens=100 * number) for number in range(1, 41)]
        outcomes = await asyncio.gather(*(house.parts.turn.take(r) for r in requests), return_exceptions=True)
        assert any(isinstance(outcome, LimitReached) for outcome in outcomes)
        served = sum(outcome.receipt.cost or 0 for outcome in outcomes if isinstance(outcome, Done))
        seen = await rooms(house)
        assert served == seen["cap"].spent == seen["sum"].spent <= 20_000_000
        assert seen["cap"].reserved == seen["sum"].reserved == 0


async def test_a_guard_that_is_set_counts_what_was_spent_before_it(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([greedy])) as house:
        done = await spend(house)
        await house.parts.guards.put(Guard(name="late", limit=USD), None)
        assert (await rooms(house))["late"].spent == done.receipt.cost
        await house.parts.guards.put(Guard(name="other", limit=USD, caller="key-1"), None)
        assert (await rooms(house, KEY))["other"].spent == 0


async def test_a_guard_that_the_settings_gain_counts_what_was_spent_before_it(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([greedy])) as house:
        done = await spend(house)
    settings = TWO_TARGETS + guard_settings(name="new", limit_usd="1")
    async with a_house(tmp_path, settings=settings, ids=CountedIds(1000)) as house:
        assert (await rooms(house))["new"].spent == done.receipt.cost


async def test_calls_under_way_are_reserved_in_a_guard_that_is_set_meanwhile(tmp_path: Path) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: httpx2.Request) -> httpx2.Response:
        entered.set()
        await go_on.wait()
        return openai_stream("x", usage=(10, 5))

    async with a_house(tmp_path, Upstream([slow])) as house:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(spend(house))
            await entered.wait()
            await house.parts.guards.put(Guard(name="late", limit=USD), None)
            assert (await rooms(house))["late"].reserved > 1_000_000
            go_on.set()
        seen = (await rooms(house))["late"]
        assert (seen.spent, seen.reserved) == (running.result().receipt.cost, 0)


async def test_a_stored_guard_stands_in_the_place_of_the_settings_and_is_shown_as_such(tmp_path: Path) -> None:
    settings = TWO_TARGETS + guard_settings(name="day", limit_usd="5")
    async with a_house(tmp_path, Upstream([greedy]), settings=settings) as house:
        guards = house.parts.guards
        await spend(house)
        before = await guards.find("day")
        after = await guards.put(Guard(name="day", limit=USD), before)
        assert (after.source, after.overrides) == ("stored", True)
        room = (await rooms(house))["day"]
        assert (room.limit, room.spent, room.source) == (USD, 1_010_000, "stored")
        assert await guards.restore(await guards.find("day")) == before
        assert (await rooms(house))["day"].limit == 5 * USD
        await guards.remove(before, "owner")
        assert "day" not in await rooms(house)


async def test_the_guard_over_keys_of_the_environment_can_be_set_like_any_other(tmp_path: Path) -> None:
    environment = {"OPENAI_API_KEY": "obviously-fake"}
    async with a_house(tmp_path, Upstream([greedy]), environment=environment) as house:
        await house.parts.guards.put(Guard(name="environment", limit=0), await house.parts.guards.find("environment"))
        with pytest.raises(LimitReached, match="`environment`"):
            await house.parts.turn.take(ask(house, model="openai/gpt-4o-mini", max_tokens=500))
        # Connections of the owner's own do not count in it.
        await spend(house)


async def test_a_guard_set_while_a_request_is_under_way_holds_for_its_next_attempt(tmp_path: Path) -> None:
    async with a_house(tmp_path, upstream := Upstream()) as house:

        async def narrowing(_: httpx2.Request) -> httpx2.Response:
            await house.parts.guards.put(Guard(name="late", limit=1000), None)
            return openai_error(500, "boom")

        upstream.replies = [narrowing]
        for max_tokens in (500, None):
            with pytest.raises(UpstreamFailed) as failed:
                await house.parts.turn.take(ask(house, max_tokens=max_tokens))
            assert "two/beta: over_budget (The guard `late` allows 0.000001 USD" in str(failed.value.facts["excluded"])
            await house.parts.guards.restore(await house.parts.guards.find("late"))
            await house.parts.database.write(forget_outages)
    assert len(upstream.seen) == 2
