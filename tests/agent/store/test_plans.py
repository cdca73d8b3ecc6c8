"""What a request waits for never walks through a whole table, however long the history is."""

import sqlite3
from functools import partial
from pathlib import Path

from agent.store.bills import AT, a_ledger, as_it_is, hold, intent, settlement
from omniroute_agent.store.decisions import Decisions
from omniroute_agent.store.health import HealthBook
from omniroute_agent.store.instances import register
from omniroute_agent.store.ledger import Ledger, read_typical_output
from omniroute_agent.store.metrics import SAMPLE, MetricsBook
from omniroute_agent.store.sums import Asked, read_sums
from omniroute_agent.store.usage import UsageBook

LONG = ("intent", "settlement", "guard_window", "hold", "decision", "answer", "usage_sum")
OPEN_ONLY = "SCAN intent USING INDEX intent_open"
"""An index of what runs now: short by nature."""


def scans(connection: sqlite3.Connection, statements: set[str]) -> list[tuple[str, str]]:
    plans = [
        (detail, statement)
        for statement in sorted(statements)
        if statement.startswith(("SELECT", "INSERT", "UPDATE", "DELETE"))
        for _, _, _, detail in connection.execute(f"EXPLAIN QUERY PLAN {statement}")
    ]
    return [
        (detail, statement)
        for detail, statement in plans
        if detail != OPEN_ONLY and detail.startswith("SCAN") and detail.split()[1] in (*LONG, "i", "s", "e")
    ]


async def test_nothing_on_a_requests_way_walks_through_the_history(tmp_path: Path) -> None:
    seen: set[str] = set()
    async with a_ledger(tmp_path) as ledger:
        database = ledger.database
        await database.read(lambda c: c.set_trace_callback(seen.add))
        await database.write(lambda c: c.set_trace_callback(seen.add))
        await HealthBook(database).snapshot()
        await ledger.guard_state("environment", "day")
        await ledger.database.read(read_typical_output)
        for attempt in ("a", "b"):
            await ledger.reserve(intent(attempt, hold(5)), as_it_is)
        await ledger.settle(settlement("a", 3), as_it_is)
        await register(database, "here", door="test", version="1", at=AT)
        await Ledger(database, "heir").settle_orphans(tmp_path, AT)
        decisions, usage = Decisions(database, "here"), UsageBook(database)
        await decisions.put(request_id="r", caller="a", session="s", door="d", at=AT, state="running", document="{}")
        await decisions.get("r", "a")
        await decisions.recent("a", limit=3)
        await usage.session_summary(session="s", caller="a")
        await usage.totals(since=0, until=AT, caller="a", session="s", group_by="model")
        await usage.totals(since=0, until=AT, caller=None, session=None, group_by="model")
        await database.read(lambda c: c.set_trace_callback(None))
        await database.write(lambda c: c.set_trace_callback(None))
        assert len(seen) > 30
        assert await database.read(lambda c: scans(c, seen)) == []
        (typical,) = (statement for statement in seen if "AVG(" in statement)
        plan = await database.read(lambda c: c.execute(f"EXPLAIN QUERY PLAN {typical}").fetchall())
    assert any("COVERING INDEX" in detail for *_, detail in plan), "the rows themselves are not even looked at"


async def test_figures_are_read_by_index_and_times_from_so_many_rows_at_most(tmp_path: Path) -> None:
    seen: set[str] = set()
    async with a_ledger(tmp_path) as ledger:
        database = ledger.database
        await database.read(lambda c: c.set_trace_callback(seen.add))
        metrics, day = MetricsBook(database), 86_400.0
        await metrics.connections(["one"], since=AT - 7 * day - 5, until=AT, connection="one")
        await metrics.combo("best", since=AT - 40 * day - 5, until=AT + 5)
        for by in ("provider", "task", "target", "fault", None):
            asked = Asked(since=AT - 400 * day - 5, until=AT + 5, caller="owner")
            await database.read(partial(read_sums, asked=asked, by=by))
        await database.read(lambda c: c.set_trace_callback(None))
        assert await database.read(lambda c: scans(c, seen)) == []
        samples = [statement for statement in seen if "ORDER BY at DESC" in statement]
        plans = [
            {detail for *_, detail in await database.read(partial(explained, statement=statement))}
            for statement in samples
        ]
    assert len(samples) == 2
    assert all(f"LIMIT {SAMPLE}" in statement for statement in samples)
    assert all(any("intent_by_c" in detail for detail in plan) for plan in plans), plans
    assert not any("TEMP B-TREE" in detail for plan in plans for detail in plan), "the index gives the order"


def explained(connection: sqlite3.Connection, *, statement: str) -> list[tuple[int, int, int, str]]:
    return connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
