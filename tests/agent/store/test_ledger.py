"""One bill per attempt, and guards that say what they hold."""

import asyncio
import sqlite3
from functools import partial
from pathlib import Path

import pytest

from agent.store.bills import AT, a_ledger, as_it_is, hold, intent, settlement
from omniroute_agent.kernel.chat import Usage
from omniroute_agent.kernel.errors import LimitReached, StoreUnavailable
from omniroute_agent.kernel.health import ModelLock, Refusal, TargetHealth
from omniroute_agent.store.health import HealthBook
from omniroute_agent.store.instances import Instance, register
from omniroute_agent.store.ledger import Ledger, NotAdmitted, read_typical_output
from omniroute_agent.store.sums import LARGEST

WINDOW = "day:2027-01-15"


async def guard(ledger: Ledger, name: str = "environment") -> tuple[int, int]:
    state = await ledger.guard_state(name, WINDOW)
    return state.spent, state.reserved


async def rows(ledger: Ledger, statement: str) -> list[tuple[object, ...]]:
    return await ledger.database.read(lambda c: c.execute(statement).fetchall())


async def test_what_is_reserved_becomes_what_it_cost(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        await ledger.reserve(intent("a", hold(60)), as_it_is)
        assert await guard(ledger) == (0, 60)
        assert await ledger.settle(settlement("a", 25), as_it_is)
        assert await guard(ledger) == (25, 0)
        assert await rows(ledger, "SELECT * FROM hold") == []


async def test_a_second_settlement_changes_nothing(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        await ledger.reserve(intent("a", hold(60)), as_it_is)
        await ledger.settle(settlement("a", 25), as_it_is)
        before = await rows(ledger, "SELECT * FROM settlement, usage_sum, guard_window")

        def never(_: TargetHealth) -> TargetHealth:
            raise AssertionError("a second settlement teaches nothing")

        assert not await ledger.settle(settlement("a", 60, outcome="failed", at=AT + 9), never)
        assert not await ledger.settle(settlement("never reserved", 60), never)
        assert await rows(ledger, "SELECT * FROM settlement, usage_sum, guard_window") == before


async def test_an_unknown_cost_keeps_its_reservation_as_spent_and_is_not_zero(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        await ledger.reserve(intent("a", hold(60)), as_it_is)
        await ledger.settle(settlement("a", None), as_it_is)
        assert await guard(ledger) == (60, 0)
        assert await rows(ledger, "SELECT cost_nano, cost_state FROM settlement") == [(None, "unknown")]
        assert await rows(ledger, "SELECT cost_nano, unknown_cost_attempts FROM usage_sum WHERE span = 'month'") == [
            (0, 1)
        ]


async def test_a_guard_that_is_full_says_everything_about_itself_and_nothing_is_left_behind(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        await ledger.reserve(intent("a", hold(60)), as_it_is)
        await ledger.settle(settlement("a", 25), as_it_is)
        await ledger.reserve(intent("b", hold(70)), as_it_is)
        with pytest.raises(LimitReached) as refused:
            await ledger.reserve(intent("c", hold(3, guard="other"), hold(6)), as_it_is)
        assert await guard(ledger) == (25, 70)
        assert await guard(ledger, "other") == (0, 0)
        assert await rows(ledger, "SELECT attempt_id FROM intent ORDER BY 1") == [("a",), ("b",)]
        assert await rows(ledger, "SELECT guard FROM guard_window") == [("environment",)]
    assert refused.value.facts == {
        "guard": "environment",
        "limit_usd": "0.0000001",
        "spent_usd": "0.000000025",
        "reserved_usd": "0.00000007",
        "needed_usd": "0.000000006",
        "resets_at": "2027-01-15T09:00:00+00:00",
    }
    assert refused.value.hint == "It starts anew at 2027-01-15T09:00:00+00:00."


async def test_amounts_beyond_every_column_neither_break_the_ledger_nor_open_a_guard(tmp_path: Path) -> None:
    huge = 10**30
    async with a_ledger(tmp_path) as ledger:
        with pytest.raises(LimitReached):
            await ledger.reserve(intent("a", hold(huge, limit=100)), as_it_is)
        await ledger.reserve(intent("b", hold(5, limit=huge), reserved=huge), as_it_is)
        used = Usage(input_tokens=huge, output_tokens=huge)
        await ledger.settle(settlement("b", huge, usage=used), as_it_is)
        assert await guard(ledger) == (LARGEST, 0)
        assert await rows(ledger, "SELECT cost_nano, output_tokens FROM settlement") == [(LARGEST, LARGEST)]
        with pytest.raises(LimitReached):
            await ledger.reserve(intent("c", hold(1)), as_it_is)


async def test_a_refused_attempt_leaves_no_trace(tmp_path: Path) -> None:
    refusal = Refusal(reason="cooling_down", detail="Wait.", until=AT + 5)
    async with a_ledger(tmp_path) as ledger:
        with pytest.raises(NotAdmitted) as refused:
            await ledger.reserve(intent("a", hold(60)), lambda _: refusal)
        assert refused.value.refusal == refusal
        assert await guard(ledger) == (0, 0)
        assert await rows(ledger, "SELECT * FROM intent") == []


async def test_health_is_learnt_in_the_commit_of_the_bill(tmp_path: Path) -> None:
    lock = ModelLock(connection="one", model="alpha", reason="rate_limited", until=AT + 5)
    async with a_ledger(tmp_path) as ledger:
        book = HealthBook(ledger.database)
        await ledger.reserve(intent("a"), as_it_is)
        await ledger.settle(settlement("a"), lambda health: health.model_copy(update={"lock": lock}))
        assert (await book.snapshot()).locks == {("one", "alpha"): lock}
        await ledger.reserve(intent("b"), as_it_is)
        await ledger.settle(settlement("b"), lambda health: health.model_copy(update={"lock": None}))
        assert (await book.snapshot()).locks == {}

        def broken(_: TargetHealth) -> TargetHealth:
            raise LookupError("a lesson that cannot be learnt")

        await ledger.reserve(intent("c", hold(5)), as_it_is)
        with pytest.raises(LookupError):
            await ledger.settle(settlement("c"), broken)
        assert await guard(ledger) == (0, 5), "neither bill nor lesson"


async def test_answers_are_typically_as_long_as_the_last_ones(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        assert await ledger.database.read(read_typical_output) is None
        for number, (tokens, outcome) in enumerate(
            [(1000, "answered"), (10, "answered"), (7, "failed"), (21, "answered")]
        ):
            await ledger.reserve(intent(f"{number}"), as_it_is)
            bill = settlement(f"{number}", usage=Usage(input_tokens=1, output_tokens=tokens), at=AT + number)
            await ledger.settle(bill.model_copy(update={"outcome": outcome}), as_it_is)
        assert await ledger.database.read(partial(read_typical_output, last=2)) == 16
        assert await ledger.database.read(read_typical_output) == 344


async def test_an_orphan_without_a_price_has_an_unknown_cost_and_keeps_its_reservation(tmp_path: Path) -> None:
    async with a_ledger(tmp_path, "dead") as ledger:
        await register(ledger.database, "dead", door="test", version="1", at=AT)
        unpriced = intent("a", hold(40)).model_copy(update={"price_source": None})
        await ledger.reserve(unpriced, as_it_is)
    async with a_ledger(tmp_path) as ledger:
        assert len(await ledger.settle_orphans(tmp_path, AT + 60)) == 1
        assert await rows(ledger, "SELECT cost_nano, cost_state FROM settlement") == [(None, "unknown")]
        assert await guard(ledger) == (40, 0)


async def test_a_lock_file_of_a_start_that_never_came_about_is_cleared_away(tmp_path: Path) -> None:
    alive = Instance.enter(tmp_path, "alive")
    Instance.enter(tmp_path, "crashed")._lock.release()
    async with a_ledger(tmp_path) as ledger:
        assert await ledger.settle_orphans(tmp_path, AT) == ()
    assert [path.name for path in (tmp_path / "instances").iterdir()] == ["alive.lock"]
    alive.leave()
    assert list((tmp_path / "instances").iterdir()) == []


async def test_a_ledger_on_a_full_disk_reserves_nothing(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        await ledger.reserve(intent("before", hold(1)), as_it_is)

        def fill(connection: sqlite3.Connection) -> None:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count = {pages + 1:d}")

        await ledger.database.write(fill)
        many = [ledger.reserve(intent(f"{n}-{'x' * 900}", hold(1, limit=1000)), as_it_is) for n in range(40)]
        refused = [error for error in await asyncio.gather(*many, return_exceptions=True) if error is not None]
        assert len(refused) > 20
        assert all(isinstance(error, StoreUnavailable) and "Free some" in error.hint for error in refused)
        assert len({id(error) for error in refused}) == len(refused), "callers add facts of their own"
        assert await guard(ledger) == (0, 41 - len(refused))
        await ledger.database.write(lambda c: c.execute("PRAGMA max_page_count = 1000000"))
        assert await ledger.settle(settlement("before", 1), as_it_is)
