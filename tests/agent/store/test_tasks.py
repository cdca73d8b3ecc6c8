"""What becomes of a task, and that nobody else can tell."""

import asyncio
import gc
import sqlite3
import tracemalloc
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.store.bills import AT, a_ledger, opened
from agent.store.errands import an_errand
from omniroute_agent.kernel.errors import StoreUnavailable
from omniroute_agent.store.database import Database
from omniroute_agent.store.retention import BATCH, DAY_SECONDS, Retention, sweep
from omniroute_agent.store.tasks import STOPPED, Found, Moved, TaskRows


@pytest.fixture
async def database(tmp_path: Path) -> AsyncGenerator[Database, None]:
    async with opened(tmp_path) as database:
        yield database


@pytest.fixture
def rows(database: Database) -> TaskRows:
    return TaskRows(database)


async def test_a_task_reads_as_it_was_written_to_the_last_column(rows: TaskRows) -> None:
    row = an_errand("t", note="Which one?", body=bytes(range(256)), expires_at=AT + 5)
    await rows.put(row, expected=None)
    assert await rows.find("owner", "t") == Found(row, ())
    later = replace(
        row,
        context_id="other",
        skill="cost-analysis",
        state="completed",
        status_at=AT + 1,
        note="",
        version=2,
        body=b"",
        updated_at=AT + 2,
        expires_at=AT + 9,
    )
    await rows.put(later, expected=1)
    assert await rows.find("owner", "t") == Found(replace(later, instance=None), ()), "nobody works on it any more"


async def test_an_id_is_given_once(rows: TaskRows) -> None:
    first = an_errand("t", body=b"first")
    await rows.put(first, expected=None)
    with pytest.raises(Moved) as moved:
        await rows.put(replace(first, body=b"second"), expected=None)
    assert moved.value.row == first
    assert await rows.find("owner", "t") == Found(first, ())


async def test_who_writes_over_a_change_he_has_not_seen_is_told_what_is_there(rows: TaskRows) -> None:
    row = an_errand("t")
    await rows.put(row, expected=None)
    await rows.put(replace(row, body=b"more"), expected=1)
    canceled = replace(row, state="canceled", version=2)
    await rows.put(canceled, expected=1)
    with pytest.raises(Moved) as moved:
        await rows.put(replace(row, state="completed", version=2), expected=1)
    assert moved.value.row == replace(canceled, instance=None)


@pytest.mark.parametrize("over", ["completed", "canceled", "failed", "rejected"])
async def test_what_is_over_stays_as_it_is(rows: TaskRows, over: str) -> None:
    row = an_errand("t", state=over)
    await rows.put(row, expected=None)
    with pytest.raises(Moved):
        await rows.put(replace(row, state="working", version=2), expected=1)
    assert not await rows.append("owner", "t", (b"late",))
    assert await rows.take("owner", "t", version=1, instance="here") is None
    assert not await rows.ask_to_cancel("owner", "t", AT)
    assert await rows.find("owner", "t") == Found(replace(row, instance=None), ())


async def test_pieces_come_back_in_order_and_only_those_the_asker_lacks(rows: TaskRows) -> None:
    await rows.put(an_errand("t"), expected=None)
    assert await rows.append("owner", "t", (b"a", b"b"))
    assert await rows.append("owner", "t", ())
    assert await rows.append("owner", "t", (b"c",))
    found = [await rows.find("owner", "t", skip=skip) for skip in (0, 2, 3, 9)]
    assert [one.chunks for one in found if one] == [(b"a", b"b", b"c"), (b"c",), (), ()]


@pytest.mark.parametrize("state", ["completed", "canceled", "failed", "rejected", "input-required", "auth-required"])
async def test_the_body_of_a_task_nobody_works_on_takes_the_place_of_its_pieces(rows: TaskRows, state: str) -> None:
    row = an_errand("t")
    await rows.put(row, expected=None)
    await rows.append("owner", "t", (b"a", b"b"))
    working = replace(row, body=b"so far")
    await rows.put(working, expected=1)
    assert await rows.find("owner", "t") == Found(working, (b"a", b"b")), "still being given"
    done = replace(row, state=state, version=2, body=b"ab")
    await rows.put(done, expected=1)
    assert await rows.find("owner", "t") == Found(replace(done, instance=None), ())


async def test_six_thousand_pieces_cost_the_last_ones_no_more_than_the_first(
    database: Database, rows: TaskRows
) -> None:
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    async def thousand() -> int:
        before = steps
        for _ in range(100):
            await rows.append("owner", "t", [b"x" * 200] * 10)
        return steps - before

    await rows.put(an_errand("t", body=b"y" * 10_000), expected=None)
    await database.write(lambda c: c.set_progress_handler(count, 10))
    costs = [await thousand() for _ in range(6)]
    await database.write(lambda c: c.set_progress_handler(None, 10))
    assert max(costs) < 1.2 * costs[0], costs
    found = await rows.find("owner", "t")
    assert found
    assert len(found.chunks) == 6000
    last = await rows.find("owner", "t", skip=5999)
    assert last
    assert len(last.chunks) == 1


async def test_a_parked_task_is_picked_up_once_and_then_worked_on(rows: TaskRows) -> None:
    row = an_errand("t", state="input-required")
    await rows.put(row, expected=None)
    assert await rows.take("owner", "t", version=2, instance="here") is None, "of a version that is not there"
    taken = await rows.take("owner", "t", version=1, instance="here")
    assert taken
    assert taken == replace(row, version=2, instance="here")
    assert await rows.take("owner", "t", version=2, instance="there") is None
    with pytest.raises(Moved):
        await rows.put(replace(row, state="canceled", version=2), expected=1)
    await rows.put(replace(taken, state="working", version=3), expected=2)
    found = await rows.find("owner", "t")
    assert found
    assert (found.row.state, found.row.version, found.row.instance) == ("working", 3, "here")


async def test_a_task_that_runs_is_not_taken_from_who_runs_it(rows: TaskRows) -> None:
    await rows.put(an_errand("t", state="submitted"), expected=None)
    assert await rows.take("owner", "t", version=1, instance="there") is None


async def test_a_cancellation_reaches_who_works_on_the_task_and_nobody_else(rows: TaskRows) -> None:
    for name, instance in (("first", "here"), ("second", "here"), ("third", "there")):
        await rows.put(an_errand(name, instance=instance), expected=None)
    await rows.put(an_errand("waits", state="input-required"), expected=None)
    assert await rows.to_cancel("here") == ()
    assert await rows.ask_to_cancel("owner", "second", AT + 1)
    assert await rows.ask_to_cancel("owner", "first", AT + 2)
    assert await rows.ask_to_cancel("owner", "second", AT + 3), "asked twice is asked once"
    assert not await rows.ask_to_cancel("owner", "waits", AT), "whoever asks ends it himself"
    assert not await rows.ask_to_cancel("owner", "unknown", AT)
    assert await rows.to_cancel("here") == (("owner", "second"), ("owner", "first"))
    assert await rows.to_cancel("there") == ()
    await rows.put(an_errand("second", state="canceled", version=2), expected=1)
    await rows.put(an_errand("first", state="input-required", version=2), expected=1)
    assert await rows.to_cancel("here") == ()
    taken = await rows.take("owner", "first", version=2, instance="here")
    assert taken
    assert await rows.to_cancel("here") == (), "the request was for what it did then"
    assert await rows.ask_to_cancel("owner", "first", AT + 5), "it is in somebody's hands"


async def test_a_foreign_task_is_like_none_in_every_way(database: Database, rows: TaskRows) -> None:
    row = an_errand("t", owner="ann")
    parked = an_errand("p", owner="ann", state="input-required")
    await rows.put(row, expected=None)
    await rows.append("ann", "t", (b"hers",))
    await rows.put(parked, expected=None)

    async def everything(task: str, waiting: str) -> list[object]:
        with pytest.raises(Moved) as moved:
            await rows.put(an_errand(task, owner="bob", state="canceled", version=2), expected=1)
        return [
            moved.value.row,
            await rows.find("bob", task),
            await rows.append("bob", task, (b"mine",)),
            await rows.take("bob", waiting, version=1, instance="there"),
            await rows.ask_to_cancel("bob", task, AT),
            (await rows.list("bob")).total,
        ]

    def said(log: list[str]) -> list[str]:
        return [statement.replace("'t'", "?").replace("'p'", "?").replace("'no'", "?") for statement in log]

    asked: list[list[str]] = []
    told: list[list[object]] = []
    for names in (("t", "p"), ("no", "no")):
        log: list[str] = []
        await database.read(lambda c, log=log: c.set_trace_callback(log.append))  # type: ignore[misc]
        await database.write(lambda c, log=log: c.set_trace_callback(log.append))  # type: ignore[misc]
        told.append(await everything(*names))
        await database.read(lambda c: c.set_trace_callback(None))
        await database.write(lambda c: c.set_trace_callback(None))
        asked.append(said(log))
    assert told[0] == told[1] == [None, None, False, None, False, 0]
    assert asked[0] == asked[1]
    assert len(asked[0]) > 15
    assert await rows.find("ann", "t") == Found(row, (b"hers",))


async def test_two_owners_may_have_the_same_id_and_never_meet(rows: TaskRows) -> None:
    for owner in ("ann", "bob"):
        await rows.put(an_errand("t", owner=owner, body=owner.encode()), expected=None)
    await rows.append("ann", "t", (b"hers",))
    await rows.put(an_errand("t", owner="bob", state="completed", version=2, body=b"his"), expected=1)
    assert await rows.find("ann", "t") == Found(an_errand("t", owner="ann", body=b"ann"), (b"hers",))


async def test_a_full_disk_is_said_and_the_task_is_as_before(database: Database, rows: TaskRows) -> None:
    row = an_errand("t")
    await rows.put(row, expected=None)
    await rows.append("owner", "t", (b"a",))
    (pages,) = await database.write(lambda c: c.execute("PRAGMA page_count").fetchone())
    await database.write(lambda c: c.execute(f"PRAGMA max_page_count = {pages + 1:d}"))
    large = b"x" * 100_000
    for attempt in (
        rows.put(an_errand("new", body=large), expected=None),
        rows.put(replace(row, state="completed", version=2, body=large), expected=1),
        rows.append("owner", "t", (large,)),
    ):
        with pytest.raises(StoreUnavailable, match="full") as refused:
            await attempt
        assert "disk space" in refused.value.hint
    assert await rows.find("owner", "t") == Found(row, (b"a",))
    await database.write(lambda c: c.execute("PRAGMA max_page_count = 1000000"))
    await rows.put(replace(row, state="completed", version=2, body=large), expected=1)


async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        rows = TaskRows(database)
    with pytest.raises(StoreUnavailable):
        await rows.put(an_errand("t"), expected=None)
    with pytest.raises(StoreUnavailable):
        await rows.find("owner", "t")


async def test_a_thousand_parked_tasks_are_rows_and_nothing_in_memory(rows: TaskRows) -> None:
    async def park(first: int) -> None:
        for some in range(first, first + 1000, 100):
            errands = (an_errand(f"t{n}", state="input-required", body=b"z" * 2000) for n in range(some, some + 100))
            await asyncio.gather(*(rows.put(errand, expected=None) for errand in errands))

    await park(0)
    running = len(asyncio.all_tasks())
    tracemalloc.start()
    try:
        await park(1000)
        await rows.put(an_errand("last", state="rejected"), expected=None)  # the writer lets go of the group before
        gc.collect()
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert left < 16 * 1024, "not even 16 bytes of each"
    assert len(asyncio.all_tasks()) == running
    assert (await rows.list("owner", state="input-required", limit=1)).total == 2000


async def test_tasks_past_their_time_go_with_all_that_hangs_on_them(tmp_path: Path) -> None:
    now = AT + 100 * DAY_SECONDS
    async with a_ledger(tmp_path) as ledger:
        database, rows = ledger.database, TaskRows(ledger.database)
        for errand in (
            an_errand("over", state="completed", expires_at=now - 1),
            an_errand("kept", state="completed", expires_at=now + 1),
            an_errand("forgotten", state="input-required", at=now - 31 * DAY_SECONDS),
            an_errand("recent", state="input-required", at=now - 29 * DAY_SECONDS),
            an_errand("long", at=now - 31 * DAY_SECONDS),
        ):
            await rows.put(errand, expected=None)
        for name in ("over", "kept"):
            await database.write(lambda c, name=name: hang_on(c, name))  # type: ignore[misc]
        assert await sweep(database, now=now, keep=Retention(decisions_days=1, ledger_days=1)) == 2
        page = await rows.list("owner")
        assert {row.id for row in page.rows} == {"kept", "recent", "long"}
        for table in ("task_chunk", "a2a_push"):
            left = await database.read(lambda c, t=table: c.execute(f"SELECT task_id FROM {t}").fetchall())  # type: ignore[misc] # noqa: S608 (ours)
            assert left == [("kept",)]


def hang_on(connection: sqlite3.Connection, task_id: str) -> None:
    """A piece that a dead process left and a push configuration."""
    connection.execute("INSERT INTO task_chunk (owner, task_id, number, body) VALUES ('owner', ?, 0, 'x')", (task_id,))
    filled = dict.fromkeys(
        (
            name
            for _, name, _, required, default, _ in connection.execute("PRAGMA table_info(a2a_push)")
            if required and default is None
        ),
        0,
    ) | {"owner": "owner", "task_id": task_id}
    connection.execute(
        f"INSERT INTO a2a_push ({', '.join(filled)}) VALUES ({', '.join('?' * len(filled))})",  # noqa: S608 (its own names)
        tuple(filled.values()),
    )


async def test_an_owners_tasks_are_erased_and_nobody_elses(rows: TaskRows) -> None:
    for owner in ("ann", "bob"):
        await rows.put(an_errand("over", owner=owner, state="completed"), expected=None)
        await rows.put(an_errand("waits", owner=owner, state="input-required"), expected=None)
        await rows.put(an_errand("runs", owner=owner), expected=None)
        await rows.append(owner, "runs", (b"a",))
    assert await rows.erase("ann") == 2
    assert await rows.find("ann", "runs") == Found(an_errand("runs", owner="ann"), (b"a",)), "it is being worked on"
    assert (await rows.list("ann")).total == 1
    assert (await rows.list("bob")).total == 3


async def test_many_expired_tasks_go_in_steps(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        rows = TaskRows(ledger.database)
        many = 2 * BATCH + 1
        errands = [an_errand(f"t{n}", state="failed", expires_at=AT) for n in range(many)]
        await asyncio.gather(*(rows.put(errand, expected=None) for errand in errands))
        assert await sweep(ledger.database, now=AT + 1, keep=Retention(decisions_days=1, ledger_days=1)) == many
        assert (await rows.list("owner")).total == 0


async def test_the_note_of_a_stopped_task_is_a_sentence_for_people() -> None:
    assert STOPPED == "The server stopped in the middle of this task."
