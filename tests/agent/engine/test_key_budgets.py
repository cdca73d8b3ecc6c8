"""A key's budget: all that its calls may cost in a period, made and gone with the key."""

import sqlite3
from pathlib import Path

import pytest

from fakes import FakeClock, Upstream, openai_stream
from houses import OWNER, a_house, ask
from omniroute_agent.app import House
from omniroute_agent.engine.guards import Room
from omniroute_agent.engine.key_budgets import clearing, setting
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.errors import LimitReached
from omniroute_agent.kernel.view import View
from omniroute_agent.store.keys import KeyRow, KeyRows
from omniroute_agent.store.retention import DAY_SECONDS, Retention, sweep

KEY = Caller(id="key-0000000001", scopes=frozenset(("execute:completions",)), session="s")
COST = 200_000
"""Nano-dollars of one answer of 50 tokens to a prompt of 100."""


def row(**more: float) -> KeyRow:
    return KeyRow(id=KEY.id, name="swarm", digest=b"d", scopes=KEY.scopes, view=View(), created_at=1.0, **more)


async def budgeted(house: House, limit: int) -> None:
    put = setting(limit, "week", house.parts.ports.now())
    await KeyRows(house.parts.database).put(lambda _: row(), put)


async def spend(house: House, caller: Caller = KEY) -> None:
    await house.parts.turn.take(ask(house, model="one/alpha", max_tokens=50, caller=caller))


async def room(house: House) -> Room | None:
    found = (await house.parts.gatherer.situation(caller=KEY)).rooms
    return found.get(KEY.id)


async def test_it_holds_the_keys_calls_and_nobody_elses(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([openai_stream("Hi", usage=(100, 50))])) as house:
        await budgeted(house, 1_000_000)
        await spend(house)
        await spend(house)
        await budgeted(house, 2 * COST)
        with pytest.raises(LimitReached, match=f"`{KEY.id}` has 0 left"):
            await spend(house)
        await spend(house, OWNER)
        held = await room(house)
    assert held is not None
    assert held.spent == 2 * COST


async def test_what_the_key_spent_in_the_period_counts_when_the_budget_comes_or_changes(tmp_path: Path) -> None:
    clock = FakeClock()
    async with a_house(tmp_path, Upstream([openai_stream("Hi", usage=(100, 50))]), clock=clock) as house:
        await spend(house)
        await spend(house, OWNER)
        for limit in (10**9, 2 * 10**9):
            await budgeted(house, limit)
            held = await room(house)
            assert held is not None
            assert (held.limit, held.spent) == (limit, COST)
        # Saturday noon: the week starts anew on Monday.
        clock.advance(2 * DAY_SECONDS)
        held = await room(house)
        assert held is not None
        assert held.spent == 0


async def test_it_goes_with_the_key(tmp_path: Path) -> None:
    def fails(_: sqlite3.Connection, __: KeyRow) -> None:
        raise LookupError

    async with a_house(tmp_path) as house:
        rows = KeyRows(house.parts.database)
        await budgeted(house, 10**9)
        with pytest.raises(LookupError):
            await rows.put(lambda _: row(revoked_at=5.0), fails)
        assert (await rows.all())[1] == (row(),)
        await rows.put(lambda _: row(revoked_at=5.0), clearing)
        assert await room(house) is None
        # One that expired may be made good again, so its budget stays as long as its row.
        await rows.put(lambda _: row(expires_at=5.0), setting(10**9, "day", house.parts.ports.now()))
        keep = Retention(decisions_days=30, ledger_days=400)
        await sweep(house.parts.database, now=5.0 + 399 * DAY_SECONDS, keep=keep)
        assert await room(house) is not None
        await sweep(house.parts.database, now=5.0 + 401 * DAY_SECONDS, keep=keep)
        assert await room(house) is None
