"""Real processes on one data directory: killed in the middle, spending together, seeing what the others learnt."""

import asyncio
import json
import os
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from agent.store.bills import AT, a_ledger, as_it_is, hold, intent
from agent.store.neighbour import LIMIT
from omniroute_agent.kernel.errors import LimitReached
from omniroute_agent.store.answers import Answers, Begun, Running
from omniroute_agent.store.database import FILE
from omniroute_agent.store.decisions import Decisions
from omniroute_agent.store.health import HealthBook
from omniroute_agent.store.writer import CHECKPOINT_BYTES, PATIENCE_BYTES

SCRIPT = str(Path(__file__).parent / "neighbour.py")


class Neighbour:
    def __init__(self, process: Process) -> None:
        self.process = process

    async def says(self) -> object:
        assert self.process.stdout
        line = await asyncio.wait_for(self.process.stdout.readline(), 60)
        assert line, "it ended without a word"
        return json.loads(line)

    def go(self) -> None:
        assert self.process.stdin
        self.process.stdin.write(b"go\n")

    async def leaves(self) -> int:
        assert self.process.stdin
        self.process.stdin.close()
        return await asyncio.wait_for(self.process.wait(), 60)


@asynccontextmanager
async def a_neighbour(work: str, directory: Path, name: str = "there") -> AsyncGenerator[Neighbour, None]:
    """Started and loaded, waiting for `go`."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", SCRIPT, work, str(directory), name, stdin=PIPE, stdout=PIPE, env=environment
    )
    neighbour = Neighbour(process)
    try:
        assert await neighbour.says() == "ready"
        yield neighbour
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_process_killed_in_a_request_is_settled_by_the_next_one(tmp_path: Path) -> None:
    async with a_neighbour("begin_a_request", tmp_path) as neighbour, a_ledger(tmp_path) as ledger:
        neighbour.go()
        assert await neighbour.says() == "reserved"
        answers = Answers(ledger.database, ledger.instance)

        async def begin() -> object:
            return await answers.begin(
                caller="owner", key="k", fingerprint="f", request_id="again", at=AT, keep_until=AT + 3600
            )

        assert await ledger.settle_orphans(tmp_path, AT + 5) == (), "it lives"
        assert await begin() == Running("cut")

        neighbour.process.kill()
        await neighbour.process.wait()
        (orphan,) = await ledger.settle_orphans(tmp_path, AT + 5)
        assert (orphan.attempt_id, orphan.request_id, orphan.target, orphan.reserved) == (
            "cut-1",
            "cut",
            "one/alpha",
            7,
        )
        guard = await ledger.guard_state("environment", "day:2027-01-15")
        assert (guard.spent, guard.reserved) == (7, 0)
        (row,) = await Decisions(ledger.database, ledger.instance).recent("owner", limit=5)
        assert (row.request_id, row.state) == ("cut", "unknown")
        settled = await ledger.database.read(
            lambda c: c.execute("SELECT outcome, cost_nano, cost_state FROM settlement").fetchall()
        )
        assert settled == [("unknown", 7, "reserved")]
        assert await begin() == Begun()
        assert list((tmp_path / "instances").glob("*.lock")) == []
        assert await ledger.settle_orphans(tmp_path, AT + 6) == ()


async def test_processes_that_start_and_spend_together_never_overspend_and_leak_nothing(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        neighbours = [await stack.enter_async_context(a_neighbour("spend", tmp_path, f"p{n}")) for n in range(8)]
        for neighbour in neighbours:
            neighbour.go()
        told = [await neighbour.says() for neighbour in neighbours]
        for neighbour in neighbours:
            assert await neighbour.leaves() == 0
    admitted = sum(each["admitted"] for each in told if isinstance(each, dict))
    refused = sum(each["refused"] for each in told if isinstance(each, dict))
    assert admitted + refused == 8 * 60
    assert refused > 0, "the cap was reached"
    async with a_ledger(tmp_path) as ledger:
        guard = await ledger.guard_state("environment", "day:2027-01-15")
        rows, billed = await ledger.database.read(
            lambda c: c.execute("SELECT COUNT(*), SUM(cost_nano) FROM settlement").fetchone()
        )
    assert guard.spent <= LIMIT
    assert guard.spent > LIMIT - 10, "what was not used came back"
    assert guard.reserved == 0
    assert (rows, billed) == (admitted, guard.spent)


async def test_what_one_process_learns_and_reserves_the_other_sees_at_once(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger, a_neighbour("learn", tmp_path) as neighbour:
        book = HealthBook(ledger.database)
        assert (await book.snapshot()).connections == {}
        neighbour.go()
        assert await neighbour.says() == "learned"
        seen = await book.snapshot()
        assert seen.connections["one"].breaker == "open"
        assert seen.locks["one", "alpha"].reason == "rate_limited"
        guard = await ledger.guard_state("environment", "day:2027-01-15")
        assert (guard.spent, guard.reserved) == (0, 60)
        with pytest.raises(LimitReached):
            await ledger.reserve(intent("too-much", hold(41)), as_it_is)
        await ledger.reserve(intent("fits", hold(40)), as_it_is)
        assert await neighbour.leaves() == 0


async def test_a_process_that_never_closes_still_ends_and_loses_nothing_acknowledged(tmp_path: Path) -> None:
    async with a_neighbour("forget", tmp_path) as neighbour:
        neighbour.go()
        assert await neighbour.says() == "left"
        assert await asyncio.wait_for(neighbour.process.wait(), 20) == 0
    async with a_ledger(tmp_path) as ledger:
        assert await ledger.database.read(lambda c: c.execute("SELECT beat FROM pulse").fetchone()) == (1,)


async def test_the_wal_stays_bounded_while_several_processes_write_without_a_pause(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        neighbours = [await stack.enter_async_context(a_neighbour("write_much", tmp_path, f"p{n}")) for n in range(3)]
        for neighbour in neighbours:
            neighbour.go()
        longest = [await neighbour.says() for neighbour in neighbours]
        for neighbour in neighbours:
            assert await neighbour.leaves() == 0
    # From PATIENCE_BYTES on it waits for its turn; until then it tries, and a busy machine may give it none.
    assert all(isinstance(size, int) and size < PATIENCE_BYTES + 2 * CHECKPOINT_BYTES for size in longest), longest
    connection = sqlite3.connect(tmp_path / FILE)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("SELECT COUNT(*) FROM connection_health").fetchone() == (900,)
    connection.close()
