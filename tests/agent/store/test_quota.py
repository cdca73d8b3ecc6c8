"""What was told of quota windows is kept with the bill, shared by every process, and not for ever."""

from dataclasses import replace
from pathlib import Path

from agent.store.bills import AT, a_ledger, as_it_is, intent, opened, settlement
from omniroute_agent.kernel.quota import ConnectionQuota, QuotaReading
from omniroute_agent.store.ledger import Ledger
from omniroute_agent.store.quota import read_quotas
from omniroute_agent.store.retention import DAY_SECONDS, Retention, sweep

DAY = QuotaReading(
    window="requests/day",
    unit="requests",
    limit=50.0,
    used=10.0,
    remaining=40.0,
    resets_at=AT + 3600,
    seconds=DAY_SECONDS,
    source="header x",
    at=AT,
)
WEEK = QuotaReading(window="week", unit="share", account_wide=True, limit=1.0, remaining=0.5, source="header y", at=AT)


async def told(ledger: Ledger, attempt_id: str, *readings: QuotaReading, model: str = "alpha") -> None:
    await ledger.reserve(intent(attempt_id, model=model), as_it_is)
    bill = settlement(attempt_id).model_copy(update={"readings": readings})
    await ledger.settle(bill, as_it_is)


async def test_a_reading_is_kept_whole_for_the_model_or_the_connection_it_counts_for(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        await told(ledger, "a1", DAY, WEEK)
        await told(ledger, "a2", DAY, model="beta")
        assert await ledger.database.read(read_quotas) == (
            ConnectionQuota(connection="one", model=None, reading=WEEK),
            ConnectionQuota(connection="one", model="alpha", reading=DAY),
            ConnectionQuota(connection="one", model="beta", reading=DAY),
        )


async def test_the_later_answer_stands_whichever_is_settled_first(tmp_path: Path) -> None:
    later = replace(DAY, remaining=39.0, used=11.0, at=AT + 5)
    async with a_ledger(tmp_path) as ledger:
        await told(ledger, "a1", later)
        await told(ledger, "a2", DAY)
        (quota,) = await ledger.database.read(read_quotas)
    assert quota.reading == later


async def test_a_bill_that_was_settled_before_changes_no_quota(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        await told(ledger, "a1", DAY)
        again = settlement("a1").model_copy(update={"readings": (replace(DAY, remaining=0.0, at=AT + 9),)})
        assert not await ledger.settle(again, as_it_is)
        (quota,) = await ledger.database.read(read_quotas)
    assert quota.reading == DAY


async def test_another_process_sees_what_was_told(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger, opened(tmp_path) as neighbour:
        await told(ledger, "a1", WEEK)
        assert [quota.reading for quota in await neighbour.read(read_quotas)] == [WEEK]


async def test_what_was_told_two_months_ago_goes(tmp_path: Path) -> None:
    keep = Retention(decisions_days=400, ledger_days=400)
    async with a_ledger(tmp_path) as ledger:
        await told(ledger, "a1", DAY)
        await sweep(ledger.database, now=AT + 61 * DAY_SECONDS, keep=keep)
        assert len(await ledger.database.read(read_quotas)) == 1
        await sweep(ledger.database, now=AT + 63 * DAY_SECONDS, keep=keep)
        assert await ledger.database.read(read_quotas) == ()
