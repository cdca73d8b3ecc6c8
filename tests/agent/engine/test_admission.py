"""A busy connection: who gets a place, who waits, who is told at once, and how the number of places adapts."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import FakeClock, fake_ports
from omniroute_agent.engine.admission import LEAST, LONGEST_QUEUE, LONGEST_WAIT, MOST, Admission, Busy, Place
from virtual_time import run_virtual


def admission(start: int = 2, clock: FakeClock | None = None) -> Admission:
    return Admission(fake_ports(clock=clock), lambda: start)


def one_call_of(seconds: float, gates: Admission, clock: FakeClock) -> None:
    place = gates.take("a")
    clock.advance(seconds)
    place.leave(answered=True)


def test_a_connection_gives_as_many_places_as_its_limit_and_another_has_its_own() -> None:
    gates = admission()
    places = [gates.take("a"), gates.take("a")]
    with pytest.raises(Busy):
        gates.take("a")
    gates.take("b")
    places[0].leave()
    gates.take("a")


def test_leaving_a_place_twice_frees_it_once() -> None:
    gates = admission()
    with gates.take("a") as place:
        place.leave()
    gates.take("a")
    gates.take("a")
    with pytest.raises(Busy):
        gates.take("a")


def test_places_are_given_first_come_first_served() -> None:
    async def story() -> list[int]:
        gates, served = admission(1), list[int]()
        held = gates.take("a")

        async def caller(number: int) -> None:
            with await gates.wait("a", 10):
                served.append(number)

        async with asyncio.TaskGroup() as group:
            for number in range(5):
                group.create_task(caller(number))
            await asyncio.sleep(0)
            with pytest.raises(Busy):
                gates.take("a")
            held.leave()
        return served

    assert run_virtual(story())[0] == [0, 1, 2, 3, 4]


def test_nobody_waits_longer_than_the_deadline_allows_or_the_queue_at_all() -> None:
    async def story(patience: float) -> None:
        gates = admission(1)
        gates.take("a")
        with pytest.raises(Busy):
            await gates.wait("a", patience)

    assert run_virtual(story(3.0))[1] == 3.0
    assert run_virtual(story(600.0))[1] == LONGEST_WAIT


def test_a_queue_that_would_take_too_long_refuses_at_once_and_says_when() -> None:
    async def story() -> float:
        clock = FakeClock()
        gates = admission(1, clock)
        one_call_of(20.0, gates, clock)
        places = [gates.take("a") for _ in range(gates.limit("a"))]
        with pytest.raises(Busy) as busy:
            await gates.wait("a", 9.0)
        assert len(places) == 2
        return busy.value.retry_after

    hint, took = run_virtual(story())
    assert (hint, took) == (10.0, 0.0)


def test_the_queue_is_bounded() -> None:
    async def story() -> None:
        gates = admission(1)
        held = gates.take("a")
        waiting = [asyncio.create_task(gates.wait("a", 10)) for _ in range(LONGEST_QUEUE)]
        await asyncio.sleep(0)
        with pytest.raises(Busy) as busy:
            await gates.wait("a", 10)
        assert (busy.value.running, busy.value.waiting) == (1, LONGEST_QUEUE)
        held.leave()
        for task in waiting:
            (await task).leave()

    assert run_virtual(story())[1] == 0.0


@pytest.mark.parametrize("granted", [True, False])
def test_a_caller_who_leaves_the_queue_frees_its_turn_even_if_it_was_just_given_a_place(granted: bool) -> None:
    async def story() -> None:
        gates = admission(1)
        held = gates.take("a")
        leaver = asyncio.create_task(gates.wait("a", 10))
        second = asyncio.create_task(gates.wait("a", 10))
        await asyncio.sleep(0)
        if granted:
            held.leave()
        leaver.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaver
        held.leave()
        (await second).leave()
        gates.take("a")

    assert run_virtual(story())[1] == 0.0


def round_of(gates: Admission, fault: Any = None) -> int:
    """Every place taken, then every call ended the same way."""
    places = [gates.take("a") for _ in range(gates.limit("a"))]
    for place in places:
        place.leave(fault, answered=fault is None)
    return gates.limit("a")


def test_the_limit_grows_fast_until_the_provider_says_stop_and_then_slowly() -> None:
    gates = admission(4)
    assert [round_of(gates), round_of(gates), round_of(gates)] == [7, 11, 17]
    assert round_of(gates, "rate_limited") == 11
    assert [round_of(gates) for _ in range(4)] == [12, 12, 13, 13]


def test_a_burst_of_refusals_shrinks_the_limit_once() -> None:
    gates = admission(10)
    assert round_of(gates, "overloaded") == 7
    assert round_of(gates, "first_token_timeout") == 4


def test_faults_that_say_nothing_of_the_load_change_nothing() -> None:
    gates = admission(10)
    for fault in ("unauthorized", "not_found", "cut_off", "rejected"):
        assert round_of(gates, fault) == 10


def test_a_connection_that_is_hardly_used_does_not_grow() -> None:
    gates = admission(10)
    for _ in range(50):
        gates.take("a").leave(answered=True)
    assert gates.limit("a") == 10


def test_the_limit_never_falls_below_one_place_or_rises_without_end() -> None:
    gates = admission(10)
    for _ in range(30):
        round_of(gates, "overloaded")
    assert gates.limit("a") == LEAST
    gates = admission(500)
    for _ in range(10):
        round_of(gates)
    assert gates.limit("a") == MOST


class Crowd:
    """Callers of one connection and the books about them."""

    def __init__(self, start: int) -> None:
        self.clock = FakeClock()
        self.gates = admission(start, self.clock)
        self.held: list[Place] = []
        self.waiting: dict[asyncio.Task[Place], float] = {}
        """Until when each waits at most, on the loop's clock."""

    async def take(self, _: float) -> None:
        try:
            self.held.append(self.gates.take("a"))
        except Busy:
            assert self.held or self.waiting

    async def wait(self, patience: float) -> None:
        end = asyncio.get_running_loop().time() + min(patience, LONGEST_WAIT)
        self.waiting[asyncio.create_task(self.gates.wait("a", patience))] = end

    async def answer(self, which: float) -> None:
        if self.held:
            self.held.pop(int(which) % len(self.held)).leave(answered=True)

    async def fault(self, which: float) -> None:
        if self.held:
            self.held.pop(int(which) % len(self.held)).leave("overloaded")

    async def cancel(self, which: float) -> None:
        if self.waiting:
            list(self.waiting)[int(which) % len(self.waiting)].cancel()

    async def time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await asyncio.sleep(seconds)

    async def settle(self) -> None:
        for _ in range(6):
            await asyncio.sleep(0)
        now = asyncio.get_running_loop().time()
        for task in [task for task in self.waiting if task.done()]:
            del self.waiting[task]
            if not task.cancelled() and not isinstance(task.exception(), Busy):
                self.held.append(task.result())
        assert all(end >= now for end in self.waiting.values())

    def check(self) -> None:
        gate = self.gates._gate("a")
        assert gate.running == len(self.held)
        assert len(gate.queue) == len(self.waiting)
        assert not (self.waiting and gate.running < gate.places), "somebody waits although a place is free"


STEP = st.tuples(st.sampled_from(["take", "wait", "wait", "answer", "fault", "cancel", "time"]), st.floats(0.01, 30.0))


@given(st.integers(1, 6), st.lists(STEP, max_size=60))
def test_whatever_callers_do_no_place_is_lost_or_given_twice(start: int, story: list[tuple[str, float]]) -> None:
    async def play() -> None:
        crowd = Crowd(start)
        for what, number in story:
            await getattr(crowd, what)(number)
            await crowd.settle()
            crowd.check()
        await crowd.time(LONGEST_WAIT)
        while crowd.held or crowd.waiting:
            await crowd.settle()
            await crowd.answer(0)
            crowd.check()

    run_virtual(play())
