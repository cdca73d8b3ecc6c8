"""Whoever leaves while his reservation or key is on its way to the disk has taken neither."""

import asyncio
import random
import threading
from pathlib import Path

import pytest

from agent.store.bills import AT, a_ledger, as_it_is, hold, intent, opened
from local_models import eventually
from omniroute_agent.kernel.health import ConnectionHealth, TargetHealth
from omniroute_agent.store.answers import Answers, Begun, Lost, Running, Stored
from omniroute_agent.store.database import FILE, Database
from omniroute_agent.store.health import HealthBook
from omniroute_agent.store.locks import FileLock


async def one_row(database: Database, statement: str) -> tuple[object, ...]:
    return await database.read(lambda c: tuple(c.execute(statement).fetchone()))


def probing(_: TargetHealth) -> TargetHealth:
    return TargetHealth(connection=ConnectionHealth(connection="one", breaker="half_open", probe_until=AT + 30))


async def test_a_caller_cancelled_while_reserving_leaves_no_trace(tmp_path: Path) -> None:
    dice = random.Random(7)  # noqa: S311 (loaded on purpose)
    kept: list[int] = []
    async with a_ledger(tmp_path) as ledger:
        for number in range(300):
            amount = dice.randrange(1, 9)
            reserving = asyncio.ensure_future(
                ledger.reserve(intent(f"{number}", hold(amount, limit=10_000)), as_it_is if number % 2 else probing)
            )
            for _ in range(dice.randrange(400)):
                await asyncio.sleep(0)
            if number % 3:
                reserving.cancel()
            try:
                await reserving
            except asyncio.CancelledError:
                continue
            kept.append(amount)
        await ledger.database.write(lambda _: None)
        count, amount = len(kept), sum(kept)
        assert await one_row(ledger.database, "SELECT COUNT(*) FROM intent") == (count,)
        assert await one_row(ledger.database, "SELECT COUNT(*), SUM(amount_nano) FROM hold") == (count, amount)
        guard = await ledger.guard_state("environment", "day:2027-01-15")
        assert (guard.spent, guard.reserved) == (0, amount)


@pytest.mark.parametrize(("learnt", "breaker"), [(False, "closed"), (True, "open")])
async def test_a_cancelled_probe_gives_its_turn_back_unless_somebody_learnt_since(
    tmp_path: Path, learnt: bool, breaker: str
) -> None:
    broken = TargetHealth(connection=ConnectionHealth(connection="one", breaker="open"))
    go = threading.Event()
    async with a_ledger(tmp_path) as ledger:
        held = asyncio.ensure_future(ledger.database.write(lambda _: go.wait(20)))
        await asyncio.sleep(0)
        reserving = asyncio.ensure_future(ledger.reserve(intent("probe"), probing))
        await asyncio.sleep(0)
        learning = asyncio.ensure_future(ledger.reserve(intent("other"), lambda health: broken if learnt else health))
        await asyncio.sleep(0)
        reserving.cancel()
        await asyncio.gather(reserving, return_exceptions=True)
        go.set()
        await asyncio.gather(held, learning)
        await ledger.database.write(lambda _: None)
        assert reserving.cancelled()
        assert (await HealthBook(ledger.database).snapshot()).connections["one"].breaker == breaker


async def begin(answers: Answers, request: str) -> Begun | Stored | Running | Lost:
    return await answers.begin(
        caller="owner", key="k", fingerprint="body", request_id=request, at=AT, keep_until=AT + 3600
    )


async def test_a_caller_cancelled_while_taking_a_key_has_not_taken_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        answers = Answers(database, "here")
        for number in range(40):
            taking = asyncio.ensure_future(begin(answers, f"{number}"))
            for _ in range(number):
                await asyncio.sleep(0)
            taking.cancel()
            try:
                assert await taking == Begun()
            except asyncio.CancelledError:
                continue
            await answers.drop("owner", "k")
        assert await begin(answers, "last") == Begun()


async def test_a_cancelled_twin_does_not_free_the_key_of_the_first(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        answers = Answers(database, "here")
        await begin(answers, "first")
        twin = asyncio.ensure_future(begin(answers, "twin"))
        await asyncio.sleep(0)
        twin.cancel()
        await asyncio.gather(twin, return_exceptions=True)
        assert await begin(answers, "third") == Running("first")


async def test_a_start_that_is_cancelled_leaves_nothing_open(tmp_path: Path) -> None:
    for yields in range(12):
        opening = asyncio.ensure_future(Database.open(tmp_path))
        for _ in range(yields * 20):
            await asyncio.sleep(0)
        opening.cancel()
        try:
            database = await opening
        except asyncio.CancelledError:
            continue
        await database.close()
    await eventually(lambda: not [thread for thread in threading.enumerate() if thread.name == "ledger-writer"])
    lock = FileLock(tmp_path / f"{FILE}.lk")
    await eventually(lock.try_exclusive)
    lock.release()
    wal = tmp_path / f"{FILE}-wal"
    await eventually(lambda: not wal.exists())
