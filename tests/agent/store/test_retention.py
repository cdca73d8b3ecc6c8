"""Nothing grows for ever; sums and whatever is still open stay."""

from functools import partial
from pathlib import Path

from agent.store.bills import AT, a_ledger, as_it_is, intent, settlement
from omniroute_agent.kernel.health import ConnectionHealth, ModelLock, TargetHealth
from omniroute_agent.store.retention import BATCH, DAY_SECONDS, Retention, sweep

KEEP = Retention(decisions_days=30, ledger_days=400)
NOW = AT + 500 * DAY_SECONDS


def after(learnt: TargetHealth, _: TargetHealth) -> TargetHealth:
    return learnt


async def test_a_lock_that_ended_long_ago_goes(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        for model, until in (("old", NOW - 2 * DAY_SECONDS), ("recent", NOW - 60), ("on", NOW + 60)):
            lock = ModelLock(connection="one", model=model, reason="not_found", until=until)
            await ledger.reserve(intent(model, model=model), as_it_is)
            learnt = TargetHealth(connection=ConnectionHealth(connection="one"), lock=lock)
            await ledger.settle(settlement(model), partial(after, learnt))
        await sweep(ledger.database, now=NOW, keep=KEEP)
        left = await ledger.database.read(lambda c: c.execute("SELECT model FROM model_lock ORDER BY 1").fetchall())
        assert left == [("on",), ("recent",)]


async def test_a_sweep_goes_in_steps_so_that_requests_do_not_wait_behind_it(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        database = ledger.database
        many = 2 * BATCH + 1
        await database.write(
            lambda c: c.executemany(
                "INSERT INTO decision (request_id, instance, caller, session, door, at, state, document) "
                "VALUES (?, 'here', 'owner', 's', 'test', 0, 'answered', '{}')",
                [(f"{n}",) for n in range(many)],
            )
        )
        first = (await database.check()).jobs
        assert await sweep(database, now=NOW, keep=KEEP) == many
        second = (await database.check()).jobs
        assert await sweep(database, now=NOW, keep=KEEP) == 0
        assert (second - first) - ((await database.check()).jobs - second) == 3
