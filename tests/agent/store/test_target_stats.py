"""How targets did lately: read from the newest rows, kept up with what this process settles, never a scan."""

import sqlite3
from pathlib import Path

import pytest

from agent.store.bills import AT, a_ledger, as_it_is, intent, opened, settlement
from fakes import START, FakeClock, fake_ports
from omniroute_agent.kernel.bill import Outcome
from omniroute_agent.kernel.chat import Usage
from omniroute_agent.kernel.record import TargetStats
from omniroute_agent.store.ledger import Ledger
from omniroute_agent.store.target_stats import STATS_SECONDS, TargetBook, read_stats

NOW = START.timestamp()


async def attempted(
    ledger: Ledger, number: int, outcome: Outcome = "answered", *, at: float = NOW, model: str = "alpha", ms: int = 10
) -> None:
    await ledger.reserve(intent(f"a{number}", at=at, model=model), as_it_is)
    usage = Usage(input_tokens=1, output_tokens=50) if outcome == "answered" else None
    billed = settlement(f"a{number}", outcome=outcome, usage=usage, latency_ms=ms, at=at + 1)
    await ledger.settle(billed.model_copy(update={"first_token_ms": ms // 2}), as_it_is)


async def stats_of(ledger: Ledger, *, since: float = NOW - 60, sample: int = 100) -> dict[str, TargetStats]:
    return await ledger.database.read(lambda connection: read_stats(connection, since=since, sample=sample))


async def test_figures_are_those_of_the_attempts(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        for number, ms in enumerate((100, 200, 300, 400, 1_000)):
            await attempted(ledger, number, at=NOW + number, ms=ms)
        await attempted(ledger, 5, "failed", at=NOW + 5)
        await attempted(ledger, 6, "cancelled", at=NOW + 6)
        found = (await stats_of(ledger))["one/alpha"]
    assert (found.attempts, found.successes) == (6, 5)
    assert found.p50_ms == 300
    assert found.p95_ms == pytest.approx(880)
    assert found.stddev_ms == pytest.approx(316.2, abs=0.1)
    # 50 tokens in the half of 300 ms that is left after the first one.
    assert found.tokens_per_second == pytest.approx(333.3, abs=0.1)
    assert (found.last_used_at, found.last_success_at) == (NOW + 6, NOW + 4)
    assert found.success == pytest.approx(6 / 7)


async def test_only_the_newest_attempts_within_the_time_count(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        await attempted(ledger, 0, at=NOW - 61)
        await attempted(ledger, 1, "failed", at=NOW - 50)
        await attempted(ledger, 2, at=NOW - 40)
        await attempted(ledger, 3, at=NOW - 30, model="beta")
        assert {name: found.attempts for name, found in (await stats_of(ledger)).items()} == {
            "one/alpha": 2,
            "one/beta": 1,
        }
        assert {name: found.attempts for name, found in (await stats_of(ledger, sample=2)).items()} == {
            "one/alpha": 1,
            "one/beta": 1,
        }


async def test_the_figures_are_read_once_a_second_and_own_attempts_count_at_once(tmp_path: Path) -> None:
    clock = FakeClock()
    async with a_ledger(tmp_path) as ledger:
        book = TargetBook(ledger.database, fake_ports(clock=clock))
        assert await book.stats() == {}
        await attempted(ledger, 0, at=NOW, ms=70)
        assert await book.stats() == {}
        book.note("one/alpha", "answered", NOW)
        noted = (await book.stats())["one/alpha"]
        assert (noted.attempts, noted.successes, noted.last_used_at, noted.p50_ms) == (1, 1, NOW, None)
        clock.advance(1.5)
        read = (await book.stats())["one/alpha"]
        assert (read.attempts, read.p50_ms) == (1, 70)
        clock.advance(STATS_SECONDS)
        assert await book.stats() == {}


async def test_reading_them_looks_at_no_more_rows_than_it_needs(tmp_path: Path) -> None:
    plans: list[str] = []

    def look(connection: sqlite3.Connection) -> None:
        seen: list[str] = []
        connection.set_trace_callback(seen.append)
        read_stats(connection, since=AT)
        connection.set_trace_callback(None)
        plans.extend(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {seen[-1]}"))

    async with opened(tmp_path) as database:
        await database.read(look)
    assert plans == [
        "SEARCH i USING INDEX intent_by_time (at>?)",
        "SEARCH s USING PRIMARY KEY (attempt_id=?)",
    ]
