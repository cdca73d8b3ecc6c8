"""Strategies at work in a real house: what one request leaves behind, the next one goes on from."""

import asyncio
import sqlite3
from collections import Counter
from itertools import pairwise
from pathlib import Path

import httpx2
import pytest

from fakes import CountedIds, FakeClock, Upstream, openai_error, openai_stream
from houses import OWNER, TWO_TARGETS, a_house, ask
from omniroute_agent.app import House
from omniroute_agent.engine.decision import Plan
from omniroute_agent.engine.request import Request
from omniroute_agent.engine.strategies import STRATEGIES
from omniroute_agent.engine.strategies.healing import BENCH_SECONDS
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.chat import Chat, Message, Text
from omniroute_agent.kernel.errors import UpstreamFailed
from omniroute_agent.store.retention import Retention, sweep

ALPHA, BETA, GAMMA = "one/alpha", "two/beta", "three/gamma"

THREE_TARGETS = (
    TWO_TARGETS.replace('targets = ["one/alpha", "two/beta"]', 'targets = ["one/alpha", "two/beta", "three/gamma"]')
    + """
[[connections]]
id = "three"
provider = "custom-openai"
base_url = "https://three.example/v1"
key = "obviously-fake-three"
models = ["gamma"]

[prices."three/gamma"]
input = "5"
output = "9"
"""
)


def under(strategy: str, options: str = "", settings: str = TWO_TARGETS) -> str:
    extra = f"\noptions = {{ {options} }}" if options else ""
    return settings.replace('name = "both"', f'name = "both"\nstrategy = "{strategy}"{extra}')


def answering(*hosts: str) -> Upstream:
    """Those hosts answer; every other one is out of order."""

    def reply(request: httpx2.Request) -> httpx2.Response:
        return openai_stream("Hi!") if request.url.host in hosts else openai_error(503, "Out of order.")

    return Upstream([reply])


def all_well() -> Upstream:
    return Upstream([openai_stream("Hi!")])


async def served(house: House, request: Request | None = None) -> str | None:
    return (await house.parts.turn.take(request or ask(house))).receipt.served_by


async def planned(house: House, request: Request | None = None) -> Plan:
    return (await house.parts.engine.plan(request or ask(house)))[0].plan


def order(plan: Plan) -> list[str]:
    return [choice.target for choice in plan.choices]


async def test_round_robin_gives_each_its_turn(tmp_path: Path) -> None:
    async with a_house(tmp_path, all_well(), settings=under("round-robin", "sticky = 1", THREE_TARGETS)) as house:
        assert [await served(house) for _ in range(7)] == [ALPHA, BETA, GAMMA, ALPHA, BETA, GAMMA, ALPHA]


async def test_round_robin_stays_as_long_as_its_owner_wants(tmp_path: Path) -> None:
    async with a_house(tmp_path, all_well(), settings=under("round-robin", "sticky = 2")) as house:
        assert [await served(house) for _ in range(6)] == [ALPHA, ALPHA, BETA, BETA, ALPHA, ALPHA]


async def test_two_processes_take_turns_with_each_other(tmp_path: Path) -> None:
    settings, clock, ids = under("round-robin", "sticky = 1", THREE_TARGETS), FakeClock(), CountedIds()
    async with (
        a_house(tmp_path, all_well(), settings=settings, clock=clock, ids=ids) as here,
        a_house(tmp_path, all_well(), settings=settings, clock=clock, ids=ids) as there,
    ):
        assert [await served(house) for house in (here, there, here, there)] == [ALPHA, BETA, GAMMA, ALPHA]


async def test_requests_that_come_at_once_do_not_take_the_same_turn(tmp_path: Path) -> None:
    settings, clock, ids = under("round-robin", "sticky = 1", THREE_TARGETS), FakeClock(), CountedIds()
    async with (
        a_house(tmp_path, all_well(), settings=settings, clock=clock, ids=ids) as here,
        a_house(tmp_path, all_well(), settings=settings, clock=clock, ids=ids) as there,
    ):
        led = [request_led(house) for house in (here, there) for _ in range(15)]
        assert Counter(await asyncio.gather(*led)) == {ALPHA: 10, BETA: 10, GAMMA: 10}


async def request_led(house: House) -> str:
    """The first choice of a request that is sent."""
    request = ask(house)
    await house.parts.turn.take(request)
    with sqlite3.connect(house.parts.database.path) as connection:
        (document,) = connection.execute(
            "SELECT json_extract(document, '$.plan.choices[0].target') FROM decision WHERE request_id = ?",
            (request.id,),
        ).fetchone()
    connection.close()
    return str(document)


async def test_a_bag_is_emptied_before_anyone_leads_again(tmp_path: Path) -> None:
    async with a_house(tmp_path, all_well(), settings=under("strict-random", settings=THREE_TARGETS)) as house:
        led = [await served(house) for _ in range(30)]
    bags = [led[at : at + 3] for at in range(0, 30, 3)]
    assert all(set(bag) == {ALPHA, BETA, GAMMA} for bag in bags)
    assert all(before != after for before, after in pairwise(led))
    assert len({tuple(bag) for bag in bags}) > 1


async def test_the_last_that_answered_leads_until_it_fails(tmp_path: Path) -> None:
    upstream = answering("two.example")
    async with a_house(tmp_path, upstream, settings=under("lkgp", settings=THREE_TARGETS)) as house:
        assert await served(house) == BETA
        assert order(await planned(house)) == [BETA, ALPHA, GAMMA]
        upstream.replies = answering("three.example").replies
        assert await served(house) == GAMMA
        plan = await planned(house)
    assert order(plan)[0] == GAMMA
    assert plan.choices[0].because == "it answered the combo's latest request"


def conversation(house: House, *texts: str, system: str = "Be brief.", caller: Caller = OWNER) -> Request:
    """One that began with the first text; the caller's words and the answers take turns."""
    roles = ("user", "assistant")
    messages = [Message("system", (Text(system),))] if system else []
    messages += [Message(roles[at % 2], (Text(text),)) for at, text in enumerate(texts)]  # type: ignore[arg-type]
    request = ask(house, caller=caller)
    return Request(
        id=request.id,
        caller=caller,
        door="test",
        chat=Chat(model="", messages=tuple(messages)),
        combo="both",
        deadline=request.deadline,
        commit="result",
    )


async def test_a_conversation_goes_back_to_the_target_that_holds_its_beginning(tmp_path: Path) -> None:
    upstream, clock = answering("two.example"), FakeClock()
    async with a_house(tmp_path, upstream, settings=under("cache-affinity"), clock=clock) as house:
        assert await served(house, conversation(house, "What is a monad?")) == BETA
        upstream.replies = all_well().replies
        clock.advance(60)
        grown = conversation(house, "What is a monad?", "A burrito.", "And a functor?")
        plan = await planned(house, grown)
        assert order(plan) == [BETA, ALPHA]
        assert plan.choices[0].because == ("it served this prompt's beginning 60 s ago and may still have it cached")
        assert await served(house, grown) == BETA
        # Another conversation shares the system prompt, which is in the cache as well; another prompt shares nothing.
        assert order(await planned(house, conversation(house, "Hello")))[0] == BETA
        assert order(await planned(house, conversation(house, "Hello", system="Be verbose.")))[0] == ALPHA
        other = Caller(id="other", scopes=frozenset(("*",)), session="s1")
        assert order(await planned(house, conversation(house, "What is a monad?", caller=other)))[0] == ALPHA
        clock.advance(301)
        assert order(await planned(house, grown)) == [ALPHA, BETA]


async def test_autos_factors_change_with_the_traffic(tmp_path: Path) -> None:
    clock, slow = FakeClock(), {"one.example": 9.0, "two.example": 0.2}

    def reply(request: httpx2.Request) -> httpx2.Response:
        clock.advance(slow[request.url.host])
        return openai_stream("Hi!")

    settings = under("auto", 'pack = "ship-fast", exploration = 0')
    async with a_house(tmp_path, Upstream([reply]), settings=settings, clock=clock) as house:
        before = await planned(house)
        assert order(before) == [ALPHA, BETA]
        assert "latency" in before.choices[0].because.partition("unknown")[2]
        for model in (ALPHA, BETA) * 6:
            await served(house, ask(house, model=model))
        clock.advance(1.5)
        after = await planned(house)
    assert order(after) == [BETA, ALPHA]
    assert factor(after, BETA, "latency") == 1.0
    assert factor(after, ALPHA, "latency") == pytest.approx(0.022, abs=0.001)
    assert "latency" not in after.choices[0].because.partition("unknown")[2]


def factor(plan: Plan, target: str, name: str) -> float:
    factors = next(choice.factors for choice in plan.choices if choice.target == target)
    return next(factor.value for factor in factors if factor.name == name)


async def test_failures_bench_a_target_and_a_probe_brings_it_back(tmp_path: Path) -> None:
    clock, upstream = FakeClock(), Upstream([openai_error(400, "Not today.")])
    settings = under("auto", 'pack = "cost-saver", exploration = 0')
    async with a_house(tmp_path, upstream, settings=settings, clock=clock) as house:
        for _ in range(60):
            with pytest.raises(UpstreamFailed):
                await served(house, ask(house, model=BETA))
            clock.advance(31)
        upstream.replies = all_well().replies
        assert await served(house) == ALPHA
        plan = await planned(house)
        assert "sits out until" in plan.choices[1].because
        assert benches(house) == [("both", BETA, 1)]
        clock.advance(BENCH_SECONDS)
        plan = await planned(house)
        assert order(plan)[0] == BETA
        assert "a probe" in plan.choices[0].because
        assert await served(house) == BETA
        # Its call told that it is no better yet as the hour's record has it: twice as long, then it may try again.
        assert order(await planned(house)) == [ALPHA, BETA]
        clock.advance(3_700)
        for _ in range(6):
            await served(house, ask(house, model=BETA))
        clock.advance(2)
        plan = await planned(house)
        assert "sits out" not in plan.choices[1].because
        await served(house)
        assert benches(house) == []


def benches(house: House) -> list[tuple[str, str, int]]:
    connection = sqlite3.connect(house.parts.database.path)
    try:
        return connection.execute("SELECT combo, target, times FROM bench").fetchall()
    finally:
        connection.close()


async def test_most_of_the_pool_down_is_an_incident_and_nothing_is_tried_out(tmp_path: Path) -> None:
    upstream = answering("three.example")
    settings = under("auto", 'pack = "balanced", exploration = 0.5', THREE_TARGETS)
    async with a_house(tmp_path, upstream, settings=settings) as house:
        for model in (ALPHA, BETA) * 6:
            with pytest.raises(Exception):  # noqa: B017, PT011 (any: at the end the breaker refuses)
                await served(house, ask(house, model=model))
        for _ in range(5):
            plan = await planned(house)
            assert order(plan) == [GAMMA]
            assert "an incident" in plan.choices[0].because
            assert await served(house) == GAMMA


async def test_a_small_request_leaves_auto_for_the_cheapest_and_the_plan_says_so(tmp_path: Path) -> None:
    async with a_house(tmp_path, all_well(), settings=under("auto")) as house:
        plan = await planned(house, ask(house, "Hello"))
        assert plan.strategy == "cost-optimized"
        assert plan.strategy_because.endswith("the combo `both` says auto, which leaves it to the request")
        long = await planned(house, ask(house, "word " * 400))
    assert (long.strategy, long.strategy_because) == ("auto", "the combo `both` says so")


async def test_a_task_nobody_named_is_detected_and_billed_under_its_name(tmp_path: Path) -> None:
    async with a_house(tmp_path, all_well()) as house:
        request = ask(house, "Please fix this bug: the parser crashes.")
        plan = await planned(house, request)
        assert plan.task == "debugging"
        assert any(note.startswith("The task is taken to be debugging: ") for note in plan.notes)
        await served(house, request)
        connection = sqlite3.connect(house.parts.database.path)
        assert connection.execute("SELECT task FROM intent").fetchall() == [("debugging",)]
        connection.close()


async def test_least_used_goes_where_the_fewest_calls_went(tmp_path: Path) -> None:
    async with a_house(tmp_path, all_well(), settings=under("least-used")) as house:
        for _ in range(3):
            await served(house, ask(house, model=ALPHA))
        assert [await served(house) for _ in range(4)] == [BETA, BETA, BETA, ALPHA]


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_what_is_simulated_is_what_the_next_request_does(strategy: str, tmp_path: Path) -> None:
    options = f'weights = {{ "{ALPHA}" = 1, "{BETA}" = 2 }}' if strategy == "weighted" else ""
    options = 'pack = "balanced", exploration = 0.5' if strategy == "auto" else options
    async with a_house(tmp_path, all_well(), settings=under(strategy, options, THREE_TARGETS)) as house:
        for _ in range(12):
            shown = await planned(house)
            assert await planned(house) == shown
            request = ask(house)
            done = await house.parts.turn.take(request)
            stored = await house.parts.decisions.get(request.id, OWNER.id)
            assert stored is not None
            assert f'"plan":{shown.model_dump_json()}' in stored
            assert done.receipt.served_by == shown.choices[0].target


@pytest.mark.parametrize("strategy", ["round-robin", "strict-random", "random", "least-used", "p2c"])
async def test_no_target_starves(strategy: str, tmp_path: Path) -> None:
    settings = under(strategy, "sticky = 1" if strategy == "round-robin" else "", THREE_TARGETS)
    async with a_house(tmp_path, all_well(), settings=settings) as house:
        counts = Counter([await served(house) for _ in range(60)])
    assert min(counts[target] for target in (ALPHA, BETA, GAMMA)) >= 8, counts


async def test_what_is_remembered_goes_when_it_is_old(tmp_path: Path) -> None:
    clock, day = FakeClock(), 86_400.0
    affine = '[[combos]]\nname = "affine"\nstrategy = "cache-affinity"\ntargets = ["one/alpha"]\n'
    settings = under("round-robin") + affine

    def rows(house: House) -> list[int]:
        return [count(house, table) for table in ("combo_state", "prompt_affinity")]

    async with a_house(tmp_path, all_well(), settings=settings, clock=clock) as house:
        await served(house)
        await served(house, ask(house, combo="affine"))
        assert rows(house) == [1, 1]
        keep = Retention(decisions_days=30, ledger_days=400)
        await sweep(house.parts.database, now=clock.now().timestamp() + day, keep=keep)
        assert rows(house) == [1, 0]
        await sweep(house.parts.database, now=clock.now().timestamp() + 63 * day, keep=keep)
        assert rows(house) == [0, 0]


def count(house: House, table: str) -> int:
    connection = sqlite3.connect(house.parts.database.path)
    try:
        (rows,) = connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()  # noqa: S608 (our own names)
        return int(rows)
    finally:
        connection.close()
