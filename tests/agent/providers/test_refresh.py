"""A token that expires is fetched by one caller while the others wait, and a failure is not tried by all of them."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from fakes import FakeClock
from omniroute_agent.kernel.errors import CallError, NoRoute
from omniroute_agent.providers.refresh import Fresh, Refresher


class Shop:
    """Sells numbered things that are good for an hour; each answer takes a turn of the loop."""

    def __init__(self, *failures: int, gate: asyncio.Event | None = None) -> None:
        self._failures = failures
        self._gate = gate
        self.sold = 0

    async def sell(self) -> Fresh[str]:
        self.sold += 1
        number = self.sold
        await (self._gate.wait() if self._gate else asyncio.sleep(0))
        if number in self._failures:
            raise NoRoute(f"no {number}")
        return Fresh(f"thing {number}", 3600.0)


def refresher(fetch: Callable[[], Awaitable[Fresh[str]]], clock: FakeClock) -> Refresher[str]:
    return Refresher(fetch, clock.monotonic, early_seconds=120, rest_seconds=10)


async def hundred(thing: Refresher[str]) -> list[str | BaseException]:
    return await asyncio.gather(*(thing.get() for _ in range(100)), return_exceptions=True)


async def test_a_hundred_calls_at_once_fetch_once() -> None:
    shop, clock = Shop(), FakeClock()
    thing = refresher(shop.sell, clock)

    assert set(await hundred(thing)) == {"thing 1"}
    assert set(await hundred(thing)) == {"thing 1"}
    clock.advance(3600)
    assert set(await hundred(thing)) == {"thing 2"}
    assert shop.sold == 2


async def test_a_failed_fetch_is_everybodys_and_tried_again_after_a_rest() -> None:
    shop, clock = Shop(1), FakeClock()
    thing = refresher(shop.sell, clock)

    failed = await hundred(thing)
    assert {str(each) for each in failed} == {"no 1"}
    assert all(isinstance(each, CallError) for each in failed)
    clock.advance(9)
    assert {str(each) for each in await hundred(thing)} == {"no 1"}
    assert shop.sold == 1
    clock.advance(1)
    assert set(await hundred(thing)) == {"thing 2"}
    assert shop.sold == 2


async def test_towards_its_end_one_call_renews_it_and_the_others_go_on_with_the_old_one() -> None:
    gate, clock = asyncio.Event(), FakeClock()
    gate.set()
    shop = Shop(gate=gate)
    thing = refresher(shop.sell, clock)
    await thing.get()
    clock.advance(3600 - 120)
    gate.clear()

    first = asyncio.create_task(thing.get())
    await asyncio.sleep(0)
    assert set(await hundred(thing)) == {"thing 1"}
    gate.set()
    assert await first == "thing 2"
    assert set(await hundred(thing)) == {"thing 2"}
    assert shop.sold == 2


async def test_what_cannot_be_renewed_is_used_to_its_end_and_not_beyond() -> None:
    shop, clock = Shop(2, 3), FakeClock()
    thing = refresher(shop.sell, clock)
    await thing.get()

    clock.advance(3600 - 60)
    assert set(await hundred(thing)) == {"thing 1"}
    assert shop.sold == 2
    clock.advance(60)
    with pytest.raises(NoRoute, match="no 3"):
        await thing.get()


async def test_when_the_one_who_fetches_leaves_the_next_one_fetches() -> None:
    gate, clock = asyncio.Event(), FakeClock()
    shop = Shop(gate=gate)
    thing = refresher(shop.sell, clock)
    first, second = asyncio.create_task(thing.get()), asyncio.create_task(thing.get())
    await asyncio.sleep(0)

    first.cancel()
    await asyncio.sleep(0)
    gate.set()

    assert await second == "thing 2"
    assert first.cancelled()


async def test_a_thing_that_is_good_for_a_short_time_is_not_fetched_for_every_call() -> None:
    clock = FakeClock()
    sold: list[int] = []

    async def sell() -> Fresh[str]:
        sold.append(1)
        return Fresh("brief", 60.0)

    thing = refresher(sell, clock)
    await thing.get()
    clock.advance(29)
    await thing.get()
    assert len(sold) == 1
    clock.advance(1)
    await thing.get()
    assert len(sold) == 2
