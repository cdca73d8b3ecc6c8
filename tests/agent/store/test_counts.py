"""Own counts: a declared quota is never overdrawn, whoever calls, and what was not used is given back."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.store.bills import AT, a_ledger, as_it_is, intent, opened, settlement
from omniroute_agent.kernel.chat import Usage
from omniroute_agent.kernel.quota import QuotaLimit, QuotaReading, quota_limit
from omniroute_agent.store.counts import forget_counts, read_counts
from omniroute_agent.store.ledger import Ledger, NotAdmitted

HOUR = 3600.0
TEN_A_DAY = quota_limit("10 requests/day")
TOKENS = quota_limit("1000 tokens/day")


async def call(
    ledger: Ledger, attempt_id: str, *limits: QuotaLimit, tokens: int = 0, at: float = AT, name: str = "one"
) -> None:
    attempt = intent(attempt_id, at=at, connection=name).model_copy(update={"limits": limits, "tokens": tokens})
    await ledger.reserve(attempt, as_it_is)


async def used(ledger: Ledger, limit: QuotaLimit, *, at: float = AT, name: str = "one") -> QuotaReading:
    (quota,) = await ledger.database.read(lambda connection: read_counts(connection, {name: [limit]}, at))
    return quota.reading


async def test_calls_at_the_same_time_from_two_processes_never_overdraw_a_quota(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as here, opened(tmp_path) as other:
        there = Ledger(other, "there")
        calls = [call(ledger, f"{n}-{ledger.instance}", TEN_A_DAY) for n in range(15) for ledger in (here, there)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        refused = [outcome for outcome in outcomes if isinstance(outcome, NotAdmitted)]
        assert len(refused) == 20
        reading = await used(here, TEN_A_DAY)
    assert (reading.used, reading.remaining, reading.source) == (10.0, 0.0, "own count")
    assert refused[0].refusal.reason == "quota_reached"
    # 2027-01-15 08:00 UTC: it starts anew at midnight.
    assert refused[0].refusal.until == AT + 16 * HOUR
    assert "Of 10 requests/day 10 are used" in refused[0].refusal.detail


async def test_a_refused_call_leaves_no_trace(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        with pytest.raises(NotAdmitted):
            await call(ledger, "large", TOKENS, tokens=1001)
        assert (await used(ledger, TOKENS)).used == 0
        assert await ledger.database.read(lambda c: c.execute("SELECT COUNT(*) FROM intent").fetchone()) == (0,)


async def test_tokens_are_reserved_at_their_worst_case_and_corrected_by_the_bill(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        await call(ledger, "a", TOKENS, tokens=900)
        with pytest.raises(NotAdmitted):
            await call(ledger, "b", TOKENS, tokens=200)
        await ledger.settle(settlement("a", usage=Usage(input_tokens=30, output_tokens=20)), as_it_is)
        assert (await used(ledger, TOKENS)).used == 50
        await call(ledger, "b", TOKENS, tokens=200)
        await ledger.settle(settlement("b", outcome="failed"), as_it_is)
        assert (await used(ledger, TOKENS)).used == 50
        assert (await used(ledger, TEN_A_DAY)).used == 2


async def test_a_call_that_was_cancelled_before_it_was_sent_is_not_counted(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        task = asyncio.create_task(call(ledger, "a", TOKENS, tokens=900))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await call(ledger, "b", TOKENS, tokens=1000)
        assert (await used(ledger, TOKENS)).used == 1000
        assert (await used(ledger, TEN_A_DAY)).used == 1


async def test_each_connection_has_its_own_count(tmp_path: Path) -> None:
    one = quota_limit("1 requests/day")
    async with a_ledger(tmp_path) as ledger:
        await call(ledger, "a", one)
        await call(ledger, "b", one, name="two")
        with pytest.raises(NotAdmitted):
            await call(ledger, "c", one)


async def test_a_quota_starts_anew_with_its_day_and_a_rolling_one_as_its_hours_pass(tmp_path: Path) -> None:
    rolling = quota_limit("2 requests/5h")
    async with a_ledger(tmp_path) as ledger:
        await call(ledger, "a", rolling)
        await call(ledger, "b", rolling, at=AT + HOUR)
        with pytest.raises(NotAdmitted) as refused:
            await call(ledger, "c", rolling, at=AT + 2 * HOUR)
        until = refused.value.refusal.until
        assert until is not None
        assert until == AT + 6 * HOUR
        await call(ledger, "c", rolling, at=until)
        assert (await used(ledger, TEN_A_DAY, at=AT + 15 * HOUR)).used == 3
        assert (await used(ledger, TEN_A_DAY, at=AT + 16 * HOUR)).used == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 20.0), st.integers(0, 400)), max_size=25), st.integers(1, 6))
def test_in_no_stretch_of_a_rolling_window_more_is_let_through_than_was_declared(
    tmp_path_factory: pytest.TempPathFactory, story: Sequence[tuple[float, int]], hours: int
) -> None:
    limit = quota_limit(f"3 requests/{hours}h")

    async def play() -> tuple[list[float], list[float]]:
        now, let_through, waits = AT, list[float](), list[float]()
        async with a_ledger(tmp_path_factory.mktemp("counts")) as ledger:
            for number, (later, tokens) in enumerate(story):
                now += later * HOUR / 4
                try:
                    await call(ledger, str(number), limit, tokens=tokens, at=now)
                except NotAdmitted as refused:
                    waits.append((refused.refusal.until or 0.0) - now)
                else:
                    let_through.append(now)
        return let_through, waits

    times, waits = asyncio.run(play())
    assert all(wait > 0 for wait in waits)
    for start in times:
        assert sum(start <= at < start + hours * HOUR for at in times) <= 3


async def test_counts_of_long_ago_go(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        await call(ledger, "a")
        await call(ledger, "b", at=AT + 2 * HOUR)
        gone = await ledger.database.write(lambda c: forget_counts(c, before=AT + HOUR, limit=10))
        assert gone == 1
        assert (await used(ledger, TEN_A_DAY, at=AT + 2 * HOUR)).used == 1
