"""Lists of tasks: newest status first, page by page, counted, and with cursors that fit nothing else."""

import sqlite3
import string
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.store.bills import AT, opened
from agent.store.errands import an_errand
from omniroute_agent.kernel.errors import InvalidRequest
from omniroute_agent.store.database import Database
from omniroute_agent.store.task_cursor import Place, Sought, cursor_of, place_in
from omniroute_agent.store.tasks import HEAVIEST_PAGE, TaskRows, fail_left_tasks, forget_tasks


@pytest.fixture
async def database(tmp_path: Path) -> AsyncGenerator[Database, None]:
    async with opened(tmp_path) as database:
        yield database


@pytest.fixture
async def rows(database: Database) -> TaskRows:
    """Eleven tasks of one owner in two conversations, several at the same moment, and one of somebody else."""
    rows = TaskRows(database)
    for n in range(11):
        state, context = ("failed", "work") if n % 3 == 0 else ("completed", "talk")
        await rows.put(an_errand(f"t{n:02}", state=state, context_id=context, at=AT + n // 2), expected=None)
    await rows.put(an_errand("x", owner="other", at=AT + 99), expected=None)
    return rows


async def all_pages(rows: TaskRows, limit: int, **narrowed: str | float) -> list[str]:
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await rows.list("owner", limit=limit, cursor=cursor, **narrowed)  # type: ignore[arg-type]
        seen += [row.id for row in page.rows]
        assert len(page.rows) == limit or page.next_cursor is None
        cursor = page.next_cursor
        if cursor is None:
            assert page.total == len(seen)
            return seen


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 11, 12])
async def test_pages_of_any_size_give_every_task_once_newest_first(rows: TaskRows, limit: int) -> None:
    expected = sorted((f"t{n:02}" for n in range(11)), key=lambda name: (int(name[1:]) // 2, name), reverse=True)
    assert await all_pages(rows, limit) == expected


async def test_a_page_of_heavy_tasks_is_short_and_the_next_goes_on(database: Database) -> None:
    """Sixty tasks with an image each took gigabytes of memory, and the server twenty seconds."""
    rows = TaskRows(database)
    heavy = bytes(HEAVIEST_PAGE // 2)
    for n, body in enumerate((heavy, heavy, b"light", bytes(HEAVIEST_PAGE + 1), heavy)):
        await rows.put(an_errand(f"t{n}", at=AT + n, body=body), expected=None)
    pages: list[list[str]] = []
    cursor = None
    while not pages or cursor is not None:
        page = await rows.list("owner", limit=50, cursor=cursor)
        assert page.total == 5
        pages.append([row.id for row in page.rows])
        cursor = page.next_cursor
    assert pages == [["t4"], ["t3"], ["t2", "t1"], ["t0"]]


async def test_filters_narrow_the_list_and_its_count(rows: TaskRows) -> None:
    assert await all_pages(rows, 2, context_id="work") == ["t09", "t06", "t03", "t00"]
    assert await all_pages(rows, 2, state="failed") == ["t09", "t06", "t03", "t00"]
    assert await all_pages(rows, 2, context_id="work", state="completed") == []
    assert await all_pages(rows, 2, after=AT + 4) == ["t10", "t09", "t08"], "of that moment, too"
    assert await all_pages(rows, 2, context_id="talk", after=AT + 3.5) == ["t10", "t08"]
    assert (await rows.list("nobody")).total == 0


async def test_a_task_that_moves_between_two_pages_costs_nobody_else_a_place(rows: TaskRows) -> None:
    first = await rows.list("owner", limit=5)
    await rows.put(an_errand("new", at=AT + 50), expected=None)
    second = await rows.list("owner", limit=20, cursor=first.next_cursor)
    assert [row.id for row in second.rows] == ["t05", "t04", "t03", "t02", "t01", "t00"]
    assert second.total == 12


async def test_a_cursor_is_good_for_its_own_list_only(rows: TaskRows) -> None:
    cursor = (await rows.list("owner", limit=2)).next_cursor
    assert cursor
    assert cursor.isascii()
    for wrong in (
        rows.list("other", limit=2, cursor=cursor),
        rows.list("owner", limit=2, cursor=cursor, context_id="talk"),
        rows.list("owner", limit=2, cursor=cursor, state="failed"),
        rows.list("owner", limit=2, cursor=cursor, after=AT),
    ):
        with pytest.raises(InvalidRequest) as refused:
            await wrong
        assert "leave it out" in refused.value.hint
    assert (await rows.list("owner", limit=7, cursor=cursor)).rows[0].id == "t08", "the size may change"


async def test_a_changed_cursor_is_refused_at_every_letter(rows: TaskRows) -> None:
    cursor = (await rows.list("owner", limit=2)).next_cursor
    assert cursor
    for place, letter in enumerate(cursor):
        for other in {"A", "z", "-", "=", " ", "é"} - {letter}:
            with pytest.raises(InvalidRequest):
                await rows.list("owner", cursor=f"{cursor[:place]}{other}{cursor[place + 1 :]}")
    for other in (
        "",
        "0",
        "20",
        "null",
        cursor[:-1],
        f"{cursor}A",
        f"{cursor}=",
        f" {cursor}",
        "A" * 100_000,
        "\ud800",
    ):
        with pytest.raises(InvalidRequest):
            await rows.list("owner", cursor=other)


@given(
    at=st.floats(0, 4e9),
    name=st.text(string.ascii_letters + "-é漢", max_size=64),
    owner=st.text(string.ascii_letters, max_size=9),
    context=st.none() | st.text(string.ascii_letters, max_size=9),
    state=st.none() | st.text(string.ascii_letters, max_size=9),
    after=st.none() | st.floats(0, 4e9),
)
def test_a_place_survives_its_cursor(
    at: float, name: str, owner: str, context: str | None, state: str | None, after: float | None
) -> None:
    sought = Sought(owner=owner, context_id=context, state=state, after=after)
    assert place_in(cursor_of(Place(at, name), sought), sought) == Place(at, name)


@given(cursor=st.text(max_size=80))
def test_no_other_text_is_a_cursor(cursor: str) -> None:
    with pytest.raises(InvalidRequest):
        place_in(cursor, Sought(owner="owner"))


def plans(connection: sqlite3.Connection, statements: set[str]) -> list[str]:
    return [
        detail
        for statement in sorted(statements)
        for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {statement}")
    ]


async def test_no_list_walks_through_the_tasks_of_others_or_sorts_them(database: Database, rows: TaskRows) -> None:
    seen: set[str] = set()
    await database.read(lambda c: c.set_trace_callback(seen.add))
    await rows.list("owner")
    await rows.list("owner", state="failed", after=AT)
    await rows.list("owner", context_id="talk", state="failed")
    await rows.find("owner", "t01")
    await rows.to_cancel("here")
    await database.read(lambda c: c.set_trace_callback(None))
    found = await database.read(lambda c: plans(c, {s for s in seen if s.startswith("SELECT")}))
    assert len(found) >= 9
    assert all(plan.startswith("SEARCH") or plan == "USE TEMP B-TREE FOR ORDER BY" for plan in found), found
    sorting = [plan for plan in found if "TEMP B-TREE" in plan]
    assert len(sorting) == 1, "only the few that are to be cancelled are sorted"
    counted = [plan for plan in found if "COVERING INDEX" in plan]
    assert len(counted) == 3, "counting looks at no row"


async def test_no_change_of_a_task_and_no_sweep_walks_through_the_others(database: Database, rows: TaskRows) -> None:
    seen: set[str] = set()
    await database.write(lambda c: c.set_trace_callback(seen.add))
    await rows.put(an_errand("new", state="input-required"), expected=None)
    taken = await rows.take("owner", "new", version=1, instance="here")
    assert taken
    await rows.put(an_errand("new", version=3), expected=2)
    await rows.append("owner", "new", (b"a",))
    await rows.ask_to_cancel("owner", "new", AT)
    await rows.put(an_errand("new", version=4, state="completed"), expected=3)
    await database.write(lambda c: fail_left_tasks(c, "dead", AT))
    await database.write(lambda c: forget_tasks(c, before=AT + 1e9, idle_before=AT + 1e9, limit=5))
    await database.write(lambda c: c.set_trace_callback(None))
    found = await database.read(lambda c: plans(c, {s for s in seen if s.startswith(("SELECT", "UPDATE", "DELETE"))}))
    assert len(found) >= 12
    assert all(plan.startswith("SEARCH") for plan in found), found
