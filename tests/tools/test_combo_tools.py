"""Tools that change, try and recommend combos: what they say comes from calls, plans and the ledger."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from fakes import FakeClock, Upstream, openai_error, openai_stream
from houses import TWO_TARGETS, a_house, ask
from omniroute_agent.app import House
from omniroute_agent.kernel.errors import CallError, InvalidRequest, NoRoute, NotFound
from tools.test_tools import HELLO, Call, caller_of

MANY = (
    "".join(
        f"""
[[connections]]
id = "c{n}"
provider = "custom-openai"
base_url = "https://c{n}.example/v1"
key = "obviously-fake"
models = ["m"]
default_model = "m"

[prices."c{n}/m"]
input = "1"
output = "1"
"""
        for n in range(10)
    )
    + """
[[combos]]
name = "ten"
targets = ["c0/m", "c1/m", "c2/m", "c3/m", "c4/m", "c5/m", "c6/m", "c7/m", "c8/m", "c9/m"]
"""
)

CHOICE = """
[[connections]]
id = "dear"
provider = "custom-openai"
base_url = "https://dear.example/v1"
key = "obviously-fake"
models = ["gpt-5"]
default_model = "gpt-5"

[[connections]]
id = "cheap"
provider = "custom-openai"
base_url = "https://cheap.example/v1"
key = "obviously-fake"
models = ["gpt-5-nano"]
default_model = "gpt-5-nano"

[[connections]]
id = "free"
provider = "custom-openai"
base_url = "https://free.example/v1"
key = "obviously-fake"
models = ["gpt-4o-mini"]
default_model = "gpt-4o-mini"

[[combos]]
name = "best"
targets = ["dear/gpt-5", "cheap/gpt-5-nano"]

[[combos]]
name = "small"
targets = ["cheap/gpt-5-nano"]

[[combos]]
name = "gratis"
targets = ["free/gpt-4o-mini"]

[prices."dear/gpt-5"]
input = "1.25"
output = "10"

[prices."cheap/gpt-5-nano"]
input = "0.05"
output = "0.40"

[prices."free/gpt-4o-mini"]
input = "0"
output = "0"
"""


def host_of(request: httpx2.Request) -> str:
    return str(request.url.host).partition(".")[0]


async def test_a_strategy_that_is_set_orders_the_next_request(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([openai_stream("Hi")])) as house:
        call = caller_of(house)
        before = await call("simulate_route", combo="both", messages=HELLO)
        set_ = await call(
            "set_routing_strategy", combo="both", strategy="weighted", options={"weights": {"two/beta": 1}}
        )
        after = await call("simulate_route", combo="both", messages=HELLO)
        listed = next(c for c in (await call("list_combos"))["combos"] if c["name"] == "both")
    assert [c["target"] for c in before["choices"]] == ["one/alpha", "two/beta"]
    assert [c["target"] for c in after["choices"]] == ["two/beta", "one/alpha"]
    assert after["strategy"] == "weighted"
    assert set_["combo"] == listed
    assert (listed["options"], listed["overridden"]) == ({"weights": {"two/beta": 1}}, True)


async def test_a_strategy_that_cannot_work_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        call = caller_of(house)
        with pytest.raises(InvalidRequest, match="needs the option `weights`"):
            await call("set_routing_strategy", combo="both", strategy="weighted")
        with pytest.raises(InvalidRequest, match="names `two/betta`, which is no target") as caught:
            await call("set_routing_strategy", combo="both", strategy="weighted", options={"weights": {"two/betta": 1}})
        assert "`two/beta`" in caught.value.message
        with pytest.raises(NotFound, match="No strategy is called `fastest`"):
            await call("set_routing_strategy", combo="both", strategy="fastest")
        with pytest.raises(NotFound):
            await call("set_routing_strategy", combo="bothh", strategy="random")
        assert [c["overridden"] for c in (await call("list_combos"))["combos"]] == [False, False]


async def test_every_target_of_a_tested_combo_gets_one_call_that_is_billed(tmp_path: Path) -> None:
    told: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        return openai_stream("OK", usage=(10, 2)) if host_of(request) == "one" else openai_error(500, "boom")

    upstream = Upstream([answer])
    async with a_house(tmp_path, upstream) as house:
        call = caller_of(house, told=told)
        tested = await call("test_combo", combo="both", prompt="Say OK.")
        report = await call("cost_report", period="day", group_by="combo")
        one, two = tested["trials"]
        explained = await call("explain_route", request_id=two["request_id"])
    assert sorted(map(host_of, upstream.seen)) == ["one", "two"]
    assert [body["messages"][-1]["content"] for body in upstream.bodies] == ["Say OK.", "Say OK."]
    # 10 tokens at 1 USD and 2 at 2 USD per million.
    assert (one["ok"], one["text"], one["cost"]) == (True, "OK", "0.000014")
    assert (two["ok"], two["fault"]) == (False, "server_error: 500: boom")
    assert (tested["answered"], tested["cost"]) == (1, "0.000014")
    assert len(told) == 2
    assert told[-1] == "2 of 2 tried, 1 answered"
    assert [(group["name"], group["requests"]) for group in report["groups"]] == [("both", 2)]
    assert explained["plan"]["combo"] == "both"


async def test_a_trial_goes_the_combos_way_and_leaves_no_mark_on_its_memory(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("OK")])
    async with a_house(tmp_path, upstream) as house:
        call = caller_of(house)
        await call("set_routing_strategy", combo="both", strategy="round-robin", options={"sticky": 1})
        first = (await call("route_request", combo="both", messages=HELLO))["receipt"]["served_by"]
        await call("test_combo", combo="both")
        await call("test_combo", combo="both")
        await call("test_combo", combo="both")
        second = (await call("route_request", combo="both", messages=HELLO))["receipt"]["served_by"]
    assert {first, second} == {"one/alpha", "two/beta"}


async def test_a_locked_target_is_not_called_and_says_why(tmp_path: Path) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return openai_stream("OK") if host_of(request) == "one" else openai_error(401, "bad key")

    upstream = Upstream([answer])
    async with a_house(tmp_path, upstream) as house:
        call = caller_of(house)
        await call("test_combo", combo="both")
        again = await call("test_combo", combo="both")
    assert sorted(map(host_of, upstream.seen)) == ["one", "one", "two"]
    locked = again["trials"][1]
    assert (locked["ok"], locked["latency_ms"], locked["cost"]) == (False, None, None)
    assert "two/beta" in locked["fault"]


async def test_a_disabled_combo_can_be_tested_before_it_is_switched_on(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([openai_stream("OK")])) as house:
        call = caller_of(house)
        await call("switch_combo", combo="both", active=False)
        assert (await call("test_combo", combo="both"))["answered"] == 2


async def test_a_combo_that_leads_nowhere_is_not_tested(tmp_path: Path) -> None:
    settings = '[[combos]]\nname = "lost"\ntargets = ["gone/m"]\n'
    async with a_house(tmp_path, settings=settings) as house:
        with pytest.raises(NoRoute, match="nothing was sent"):
            await caller_of(house)("test_combo", combo="lost")


class Slow(httpx2.AsyncBaseTransport):
    """Holds every call until it is let go, and counts how many are held at once."""

    def __init__(self) -> None:
        self.held = 0
        self.most = 0
        self.calls = 0
        self.go = asyncio.Event()
        self.full = asyncio.Event()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        self.calls += 1
        self.held += 1
        self.most = max(self.most, self.held)
        if self.held == 4:
            self.full.set()
        try:
            await self.go.wait()
        finally:
            self.held -= 1
        return openai_stream("OK")


@asynccontextmanager
async def a_house_of_ten(tmp_path: Path, slow: Slow) -> AsyncGenerator[tuple[House, Call], None]:
    async with a_house(tmp_path, slow, settings=MANY) as house:
        yield house, caller_of(house)


async def test_at_most_four_calls_are_under_way_at_a_time(tmp_path: Path) -> None:
    slow = Slow()
    async with a_house_of_ten(tmp_path, slow) as (_, call):
        running = asyncio.ensure_future(call("test_combo", combo="ten"))
        async with asyncio.timeout(20):
            await slow.full.wait()
            slow.go.set()
            tested = await running
    assert (slow.most, slow.calls, tested["answered"]) == (4, 10, 10)
    assert [trial["target"] for trial in tested["trials"]] == [f"c{n}/m" for n in range(10)]


async def test_a_cancelled_test_closes_its_calls_and_settles_them(tmp_path: Path) -> None:
    slow = Slow()
    async with a_house_of_ten(tmp_path, slow) as (house, call):
        running = asyncio.ensure_future(call("test_combo", combo="ten"))
        async with asyncio.timeout(20):
            await slow.full.wait()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
        open_ = await house.parts.database.read(
            lambda c: c.execute("SELECT COUNT(*), SUM(settled) FROM intent").fetchone()
        )
    assert slow.held == 0
    assert open_ == (4, 4)


async def test_a_test_ends_with_its_callers_time(tmp_path: Path) -> None:
    clock = FakeClock()

    def slow(_: httpx2.Request) -> httpx2.Response:
        clock.advance(40)
        return openai_stream("OK")

    async with a_house(tmp_path, Upstream([slow]), settings=MANY, clock=clock) as house:
        began = clock.seconds
        tested = await caller_of(house)("test_combo", combo="ten")
    # Without progress a caller waits 55 s; who had no time left was not called.
    unsent = [trial for trial in tested["trials"] if trial["latency_ms"] is None]
    assert tested["answered"] >= 1
    assert len(unsent) >= 6
    assert clock.seconds - began <= 55 + 4 * 40


async def serve(house: House, combo: str, times: int) -> None:
    for _ in range(times):
        await house.parts.turn.take(ask(house, combo=combo))


async def test_a_recommendation_says_what_is_assumed_while_nothing_was_measured(tmp_path: Path) -> None:
    async with a_house(tmp_path, settings=CHOICE) as house:
        found = await caller_of(house)("best_combo_for_task", task="coding")
    best = found["recommendation"]
    assert best["combo"] in {"best", "default"}
    assert (best["first_target"], best["fit"]) == ("dear/gpt-5", 0.9)
    assert (best["p95_ms"], best["success"]) == (None, None)
    assert "unknown: quota, latency" in best["reason"]
    assert found["notes"][0] == "Nothing was answered in the last 7 days: a request of 1000 tokens is assumed."
    assert "nothing is known of speed" in found["notes"][1]
    assert found["free"]["combo"] == "gratis"
    assert found["free"]["expected_cost"] == "0"
    assert len(found["alternatives"]) == 3
    assert any("instead of" in each["reason"] for each in found["alternatives"])


async def test_its_figures_are_those_of_the_plan_and_of_the_ledger(tmp_path: Path) -> None:
    clock = FakeClock()

    def answer(request: httpx2.Request) -> httpx2.Response:
        clock.advance(4.0 if host_of(request) == "dear" else 0.5)
        return openai_stream("OK", usage=(2_000, 100))

    async with a_house(tmp_path, Upstream([answer]), settings=CHOICE, clock=clock) as house:
        call = caller_of(house)
        await serve(house, "best", 6)
        await serve(house, "small", 6)
        fast = await call("best_combo_for_task", task="coding", latency_ms=1_000)
        any_ = await call("best_combo_for_task", task="coding")
        poor = await call("best_combo_for_task", task="coding", budget_usd="0.000001")
        plan = await call(
            "simulate_route", combo="small", messages=[{"role": "user", "content": " word" * 2_000}], task="coding"
        )
    assert "2000 input tokens, the mean of 12 requests of any task (none said coding)" in any_["notes"][0]
    assert any_["recommendation"]["first_target"] == "dear/gpt-5"
    assert (any_["recommendation"]["p95_ms"], any_["recommendation"]["success"]) == (4000, 1.0)
    assert (fast["recommendation"]["combo"], fast["recommendation"]["p95_ms"]) == ("small", 500)
    assert fast["recommendation"]["within_limits"] == "yes"
    assert fast["recommendation"]["expected_cost"] == plan["best_cost"]
    assert poor["recommendation"]["combo"] == "gratis"


async def test_a_target_that_fails_lowers_the_chance_that_is_told(tmp_path: Path) -> None:
    upstream = Upstream([openai_error(500, "boom")])
    async with a_house(tmp_path, upstream, settings=CHOICE) as house:
        call = caller_of(house)
        before = await call("best_combo_for_task", task="review")
        for _ in range(3):
            with pytest.raises(CallError):
                await house.parts.turn.take(ask(house, combo="small"))
        found = await call("best_combo_for_task", task="review")
    chances = {each["combo"]: each["success"] for each in (found["recommendation"], *found["alternatives"])}
    assert before["recommendation"]["success"] is None
    # One answer is taken as given: a share of 1 in 4. Of the others' first targets nothing was measured.
    assert chances == {"best": None, "default": None, "gratis": None, "small": 0.25}


async def test_no_combo_for_the_task_says_why_for_each(tmp_path: Path) -> None:
    async with a_house(tmp_path, settings="") as house:
        with pytest.raises(NoRoute, match="No combo can serve a coding request now") as caught:
            await caller_of(house)("best_combo_for_task", task="coding")
    assert "default" in caught.value.hint


async def test_advice_leaves_everything_as_it_is(tmp_path: Path) -> None:
    async with a_house(tmp_path, settings=TWO_TARGETS) as house:
        before = await house.parts.database.read(lambda c: c.execute("SELECT COUNT(*) FROM decision").fetchone())
        await caller_of(house)("best_combo_for_task", task="planning")
        assert before == await house.parts.database.read(
            lambda c: c.execute("SELECT COUNT(*) FROM decision").fetchone()
        )
