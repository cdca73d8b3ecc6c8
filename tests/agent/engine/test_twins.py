"""Equal requests at the same time: one is sent, all are answered, nobody depends on anybody else's patience."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.test_cache import OTHER, cold
from agent.engine.test_engine import decision
from fakes import Upstream, openai_error, openai_stream
from houses import OWNER, a_house
from omniroute_agent.app import House
from omniroute_agent.engine.decision import Receipt
from omniroute_agent.engine.events import Done
from omniroute_agent.engine.request import Request
from omniroute_agent.engine.twins import Failed, Given, Twins
from omniroute_agent.kernel.chat import ChatAnswer, Text, TextDelta
from omniroute_agent.kernel.errors import CallError, DeadlineExceeded, InvalidRequest, LimitReached, UpstreamFailed
from virtual_time import run_virtual


class Held:
    """An upstream that answers when it is let go."""

    def __init__(self, reply: Callable[[], httpx2.Response] = lambda: openai_stream("Shared", usage=(100, 10))) -> None:
        self.reached, self.release = asyncio.Event(), asyncio.Event()
        self.closed = False
        self._reply = reply

    async def __call__(self, _: httpx2.Request) -> httpx2.Response:
        self.reached.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.closed = True
            raise
        return self._reply()


def begin(house: House, request: Request) -> "asyncio.Task[Done]":
    return asyncio.create_task(house.parts.turn.take(request))


async def settled(house: House) -> None:
    """Until every request that was begun waits for something that only the test can give."""
    for _ in range(5):
        await house.parts.database.read(lambda connection: connection.execute("SELECT 1"))
        await asyncio.sleep(0)


async def test_fifty_at_once_are_one_call_and_fifty_receipts(tmp_path: Path) -> None:
    held = Held()
    upstream = Upstream([held])
    async with a_house(tmp_path, upstream) as house:
        requests = [cold(house) for _ in range(50)]
        tasks = [begin(house, request) for request in requests]
        await held.reached.wait()
        await settled(house)
        held.release.set()
        answers = await asyncio.gather(*tasks)
        counts = house.parts.reuse.counts
        totals = await house.parts.usage.totals(since=0, until=4e9, caller=OWNER.id, session=None, group_by=None)
        stored = [await decision(house, request.id) for request in requests]
    assert len(upstream.seen) == 1
    assert {done.answer.text for done in answers} == {"Shared"}
    assert [done.receipt.request_id for done in answers] == [request.id for request in requests]
    reused = [done.receipt.reused for done in answers]
    assert (reused.count(None), reused.count("joined")) == (1, 49)
    assert sum(done.receipt.cost or 0 for done in answers) == totals.cost_nano == 120_000
    assert (counts.joined, counts.misses) == (49, 1)
    assert {found.state for found in stored} == {"answered"}


async def test_other_callers_and_other_requests_are_not_joined(tmp_path: Path) -> None:
    held = Held()
    upstream = Upstream([held])
    async with a_house(tmp_path, upstream) as house:
        requests = (cold(house), cold(house, caller=OTHER), cold(house, "Bye"), cold(house, cache=False))
        tasks = [begin(house, request) for request in requests]
        while len(upstream.seen) < 4:
            await settled(house)
        held.release.set()
        answers = await asyncio.gather(*tasks)
    assert [done.receipt.reused for done in answers] == [None] * 4


async def test_who_stops_waiting_stops_nobody_else(tmp_path: Path) -> None:
    held = Held()
    upstream = Upstream([held])
    async with a_house(tmp_path, upstream) as house:
        leader = begin(house, cold(house))
        await held.reached.wait()
        leaving = cold(house)
        gone, other = begin(house, leaving), begin(house, cold(house))
        await settled(house)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert not held.closed
        held.release.set()
        answers = await asyncio.gather(leader, other)
        told = await decision(house, leaving.id)
    assert [done.receipt.reused for done in answers] == [None, "joined"]
    assert (told.state, told.receipt) == ("cancelled", None)
    assert len(upstream.seen) == 1


async def test_when_the_one_that_asked_leaves_one_other_asks(tmp_path: Path) -> None:
    first, second = Held(), Held()
    upstream = Upstream([first, second])
    async with a_house(tmp_path, upstream) as house:
        leader = begin(house, cold(house))
        await first.reached.wait()
        followers = [begin(house, cold(house)) for _ in range(10)]
        await settled(house)
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        assert first.closed
        await second.reached.wait()
        await settled(house)
        assert len(upstream.seen) == 2
        second.release.set()
        answers = await asyncio.gather(*followers)
    reused = [done.receipt.reused for done in answers]
    assert (reused.count(None), reused.count("joined")) == (1, 9)
    assert len(upstream.seen) == 2


async def test_a_caller_who_closes_its_stream_hands_over_too(tmp_path: Path) -> None:
    upstream = Upstream([lambda _: openai_stream("Once", " more")])
    async with a_house(tmp_path, upstream) as house:
        async with aclosing(house.parts.turn.events(cold(house, commit="first"))) as leading:
            async for event in leading:
                if isinstance(event, TextDelta):
                    break
            follower = begin(house, cold(house, commit="first"))
            await settled(house)
            assert len(upstream.seen) == 1
        done = await follower
    assert (done.answer.text, done.receipt.reused) == ("Once more", None)


async def test_after_a_failure_one_other_asks_and_its_failure_is_everybodys(tmp_path: Path) -> None:
    first, second = Held(lambda: openai_error(400, "unsupported")), Held(lambda: openai_error(400, "unsupported"))
    upstream = Upstream([first, second])
    settings = "one/alpha"
    async with a_house(tmp_path, upstream) as house:

        def one() -> Request:
            request = cold(house)
            return replace(request, combo=None, chat=replace(request.chat, model=settings))

        requests = [one() for _ in range(20)]
        tasks = [begin(house, request) for request in requests]
        await first.reached.wait()
        await settled(house)
        first.release.set()
        await second.reached.wait()
        await settled(house)
        second.release.set()
        errors = await asyncio.gather(*tasks, return_exceptions=True)
        stored = [await decision(house, request.id) for request in requests]
    assert len(upstream.seen) == 2
    assert {type(error) for error in errors} == {UpstreamFailed}
    told = [error.facts["request_id"] for error in errors if isinstance(error, CallError)]
    assert told == [request.id for request in requests]
    assert {(found.state, found.error) for found in stored} == {("failed", "upstream_failed")}


async def test_a_request_that_is_wrong_in_itself_is_sent_once(tmp_path: Path) -> None:
    held = Held(lambda: openai_error(400, "messages: tool_call_id without its call"))
    upstream = Upstream([held])
    async with a_house(tmp_path, upstream) as house:
        tasks = [begin(house, cold(house)) for _ in range(5)]
        await held.reached.wait()
        await settled(house)
        held.release.set()
        errors = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(error) for error in errors} == {InvalidRequest}
    assert len(upstream.seen) == 1


async def test_a_failure_that_was_over_in_time_costs_the_others_nothing(tmp_path: Path) -> None:
    first = Held(lambda: openai_error(400, "unsupported"))
    upstream = Upstream([first, openai_error(400, "unsupported"), openai_stream("Now")])
    async with a_house(tmp_path, upstream) as house:
        tasks = [begin(house, cold(house)) for _ in range(3)]
        await first.reached.wait()
        await settled(house)
        first.release.set()
        told = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(told[0], UpstreamFailed)
    assert [done.answer.text for done in told[1:] if isinstance(done, Done)] == ["Now", "Now"]
    assert len(upstream.seen) == 3


async def test_whoever_waits_keeps_its_own_deadline(tmp_path: Path) -> None:
    held = Held()
    async with a_house(tmp_path, Upstream([held])) as house:
        leader = begin(house, cold(house))
        await held.reached.wait()
        hurried = replace(cold(house), deadline=house.parts.ports.monotonic() + 0.01)
        with pytest.raises(DeadlineExceeded) as caught:
            await house.parts.turn.take(hurried)
        held.release.set()
        assert (await leader).answer.text == "Shared"
        told = await decision(house, hurried.id)
    assert caught.value.facts["request_id"] == hurried.id
    assert told.state == "failed"


async def test_an_answer_that_one_budget_cut_short_is_not_passed_to_others(tmp_path: Path) -> None:
    first = Held(lambda: openai_stream("Ha", finish="length"))
    upstream = Upstream([first, openai_stream("Half and the rest")])
    async with a_house(tmp_path, upstream) as house:
        poor = begin(house, cold(house, budget=1_000_000))
        await first.reached.wait()
        rich = begin(house, cold(house))
        await settled(house)
        first.release.set()
        answers = await asyncio.gather(poor, rich)
    assert [done.answer.text for done in answers] == ["Ha", "Half and the rest"]


async def test_a_budget_that_is_too_small_for_one_stops_only_that_one(tmp_path: Path) -> None:
    held = Held()
    async with a_house(tmp_path, Upstream([held])) as house:
        poor, rich = begin(house, cold(house, budget=0)), begin(house, cold(house))
        await held.reached.wait()
        held.release.set()
        told = await asyncio.gather(poor, rich, return_exceptions=True)
    assert isinstance(told[0], CallError)
    assert isinstance(told[1], Done)


# ---- the rules themselves, on a clock that jumps

RECEIPT = Receipt(request_id="r", served_by="a/b", cost=1, cost_state="exact", latency_ms=1, because="x")
GIVEN = Given(ChatAnswer(parts=(Text("Hi"),), finish="stop"), RECEIPT, cached=False)


@dataclass
class Scene:
    """Requests of one kind: when each comes, how long it would take, how it would end, when its caller gives up."""

    twins: Twins = field(default_factory=Twins)
    sent: int = 0
    under_way: int = 0
    ended: list[str] = field(default_factory=list)

    async def one(self, comes: int, takes: int, end: str, patience: int) -> None:
        await asyncio.sleep(comes)
        try:
            async with asyncio.timeout(patience):
                self.ended.append(await self._answered(takes, end))
        except TimeoutError:
            self.ended.append("left")

    async def _answered(self, takes: int, end: str) -> str:
        failures = 0
        while (flight := self.twins.under_way("k")) is not None:
            match await flight.outcome(1000):
                case Given():
                    return "joined"
                case Failed(final=True):
                    return "shared failure"
                case Failed():
                    failures += 1
                case _:
                    pass
        flight = self.twins.lead("k", "r", failures=failures)
        self.sent, self.under_way = self.sent + 1, self.under_way + 1
        assert self.under_way == 1, "two lead together"
        try:
            await asyncio.sleep(takes)
            if end == "answers":
                flight.end(GIVEN)
            else:
                flight.failed(UpstreamFailed("down") if end == "fails" else LimitReached("no money"))
        finally:
            self.under_way -= 1
            self.twins.land("k", flight)
        return end


TIMES = st.integers(1, 20)
REQUESTS = st.lists(
    st.tuples(st.integers(0, 20), TIMES, st.sampled_from(("answers", "fails", "stops")), TIMES), min_size=1, max_size=12
)


@given(REQUESTS)
def test_however_they_come_fail_and_leave_one_leads_and_all_end(requests: list[tuple[int, int, str, int]]) -> None:
    scene = Scene()

    async def story() -> None:
        await asyncio.gather(*(scene.one(*request) for request in requests))

    run_virtual(story())
    assert len(scene.ended) == len(requests)
    assert scene.twins.under_way("k") is None
    assert scene.under_way == 0
    # Who is told an answer or a failure of another's was told by one that was sent.
    assert ("joined" in scene.ended) <= ("answers" in scene.ended)
    assert ("shared failure" in scene.ended) <= ("fails" in scene.ended)


@given(st.integers(2, 30))
def test_however_many_wait_a_failure_is_asked_about_twice(many: int) -> None:
    scene = Scene()

    async def story() -> None:
        await asyncio.gather(*(scene.one(0, 5, "fails", 100) for _ in range(many)))

    run_virtual(story())
    assert scene.sent == 2
    assert sorted(set(scene.ended)) == (["fails", "shared failure"] if many > 2 else ["fails"])
