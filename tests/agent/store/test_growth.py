"""Nothing grows for ever: every table is bounded by something that is named here, and a file that has reached its
retention stays as large as it is, because free pages are used again.
"""

from pathlib import Path
from typing import Literal

from agent.store.bills import opened
from agent.store.years import live, pages, rows

Bound = Literal[
    "retention", "what the owner set up", "connections and their models", "one row", "months", "not written"
]

BOUNDS: dict[str, Bound] = {
    "a2a_push": "retention",  # gone with its task
    "answer": "retention",
    "bench": "what the owner set up",
    "budget_handle": "retention",
    "cached_answer": "retention",
    "caller_key": "retention",  # the living ones are what the owner set up
    "caller_key_change": "one row",
    "combo": "what the owner set up",
    "combo_change": "one row",
    "combo_state": "retention",
    "connection": "what the owner set up",
    "connection_change": "one row",
    "connection_health": "connections and their models",
    "consent": "retention",
    "decision": "retention",
    "guard": "what the owner set up",
    "guard_window": "retention",
    "handle_hold": "retention",  # gone with the settlement of its attempt
    "hold": "retention",  # gone with the settlement of its attempt
    "instance": "retention",  # gone when another process finds it dead
    "intent": "retention",
    "listed_model": "connections and their models",
    "model_alias": "what the owner set up",
    "model_change": "one row",
    "model_list": "connections and their models",
    "model_lock": "retention",
    "outcome": "retention",
    "outcome_arm": "retention",
    "own_model": "what the owner set up",
    "own_price": "what the owner set up",
    "price_source": "one row",
    "prompt_affinity": "retention",
    "pulse": "one row",
    "quota_count": "retention",
    "quota_window": "retention",
    "resilience": "one row",
    "settlement": "retention",
    "spend_month": "not written",
    "sum_horizon": "one row",  # one of each kind
    "synced_price": "what the owner set up",  # as many as its one source has
    "task": "retention",
    "task_chunk": "retention",  # gone with the end of its task, or with the task
    "tool_call": "retention",
    "usage_sum": "months",
}
"""What keeps each table small. A table that a migration adds has to be entered here, with its sweep where it needs
one (store/retention.py).
"""

REQUESTS = 5


async def test_somebody_has_said_of_every_table_what_keeps_it_small(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        assert set(await rows(database)) == set(BOUNDS)


async def test_after_its_retention_a_file_stays_as_large_as_it_is(tmp_path: Path) -> None:
    """Sums by day are kept longest, 400 days; after that only months are added."""
    async with opened(tmp_path) as database:
        await live(database, days=range(430), requests=REQUESTS, sweep_every=10)
        before, (full, _) = await rows(database), await pages(database)
        await live(database, days=range(430, 640), requests=REQUESTS, sweep_every=10)
        after, (then, free) = await rows(database), await pages(database)
    for table, count in before.items():
        # A month of 31 days instead of 30, and seven months more of two targets with two models each.
        most = count + 7 * 4 if BOUNDS[table] == "months" else count * 1.04 + 4
        assert after[table] <= most, table
    assert after["intent"] < 45 * REQUESTS * 2
    assert then <= full * 1.02 + 2
    assert free < full * 0.3
