"""The rows of hooks: who may be told now, by whom, and what is noted of it."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.store.bills import AT
from omniroute_agent.store.database import Database
from omniroute_agent.store.push import LEASE_SECONDS, Busy, HookRow, PushRows, Standing
from omniroute_agent.store.tasks import TaskRow, TaskRows

IDLE = Busy(hosts={}, owners={}, per_host=2, per_owner=3)


def a_task(name: str, owner: str = "one", version: int = 1) -> TaskRow:
    return TaskRow(
        owner=owner,
        id=name,
        context_id="c",
        skill="s",
        state="working",
        status_at=AT,
        note="",
        version=version,
        instance="i",
        body=b"",
        created_at=AT,
        updated_at=AT,
        expires_at=None,
    )


def a_hook(task: str, name: str = "h", *, owner: str = "one", host: str = "a.example", due_at: float = AT) -> HookRow:
    return HookRow(
        owner=owner,
        task_id=task,
        id=name,
        generation=f"{owner}-{task}-{name}",
        protocol="1.0",
        url=f"https://{host}/",
        host=host,
        scheme="",
        sealed=b"\x00sealed",
        created_at=AT,
        due_at=due_at,
    )


def as_it_is(hook: HookRow) -> Callable[[Standing], HookRow]:
    return lambda _: hook


@asynccontextmanager
async def stored(directory: Path, *hooks: HookRow) -> AsyncGenerator[PushRows, None]:
    """The hooks, each with its task."""
    database = await Database.open(directory)
    rows, tasks = PushRows(database), TaskRows(database)
    for owner, task in dict.fromkeys((hook.owner, hook.task_id) for hook in hooks):
        await tasks.put(a_task(task, owner), expected=None)
    for hook in hooks:
        assert await rows.put(hook.owner, hook.task_id, as_it_is(hook)) == hook
    try:
        yield rows
    finally:
        await database.close()


async def only(rows: PushRows) -> HookRow:
    found = await rows.of_task("one", "t")
    assert found is not None
    assert len(found) == 1
    return found[0]


async def names(rows: PushRows, at: float = AT, *, lease: str = "me", most: int = 99, busy: Busy = IDLE) -> list[str]:
    taken = await rows.take(lease, at, most=most, busy=busy)
    return [f"{hook.task_id}/{hook.id}" for hook in taken]


async def test_a_hook_reads_as_it_was_written(tmp_path: Path) -> None:
    hook = a_hook("t")
    async with stored(tmp_path, hook) as rows:
        assert await rows.of_task("one", "t") == (hook,)


async def test_a_task_of_somebody_else_is_no_task(tmp_path: Path) -> None:
    hook = a_hook("t")
    async with stored(tmp_path, hook) as rows:
        assert await rows.of_task("two", "t") is None
        assert await rows.of_task("one", "never was") is None
        assert await rows.put("two", "t", as_it_is(replace(hook, owner="two"))) is None
        assert not await rows.delete("two", "t", "h")
        assert await rows.of_task("one", "t") == (hook,)


async def test_what_is_to_be_written_may_depend_on_what_is_there(tmp_path: Path) -> None:
    seen: list[Standing] = []

    def look(standing: Standing) -> HookRow:
        seen.append(standing)
        return a_hook("t", "second")

    async with stored(tmp_path, a_hook("t", "first")) as rows:
        await rows.database.write(
            lambda c: c.execute(
                "INSERT INTO connection (id, version, provider, sealed_key, created_at, changed_at) "
                "VALUES ('c', 1, 'p', ?, 1, 1)",
                (b"sealed too",),
            )
        )
        await rows.put("one", "t", look)
        assert [hook.id for hook in await rows.of_task("one", "t") or ()] == ["first", "second"]
    assert [[hook.id for hook in standing.hooks] for standing in seen] == [["first"]]
    assert seen[0].sealed == (b"sealed too",)


async def test_deleting_twice_is_no_error(tmp_path: Path) -> None:
    async with stored(tmp_path, a_hook("t")) as rows:
        assert await rows.delete("one", "t", "h")
        assert await rows.delete("one", "t", "h")
        assert await rows.of_task("one", "t") == ()


async def test_a_hook_is_taken_by_one_only(tmp_path: Path) -> None:
    async with stored(tmp_path, a_hook("t")) as rows:
        assert await rows.due(AT)
        assert await names(rows) == ["t/h"]
        assert not await rows.due(AT + 1)
        assert await names(rows, AT + 1, lease="another") == []


async def test_a_lease_runs_out_when_its_holder_died(tmp_path: Path) -> None:
    async with stored(tmp_path, a_hook("t")) as rows:
        (dead,) = await rows.take("dead", AT, most=1, busy=IDLE)
        assert await names(rows, AT + LEASE_SECONDS, lease="heir") == ["t/h"]
        await rows.told(dead, 1, over=True)
        row = await only(rows)
        assert (row.told_version, row.finished, row.lease) == (0, False, "heir"), "the dead one's word came too late"


async def test_a_clock_that_was_put_back_does_not_lock_a_hook_for_long(tmp_path: Path) -> None:
    async with stored(tmp_path, a_hook("t", due_at=AT - 90_000)) as rows:
        await names(rows, AT, lease="before")
        assert await names(rows, AT - 86_400, lease="after") == ["t/h"]


async def test_a_lease_holds_against_one_whose_clock_is_a_little_behind(tmp_path: Path) -> None:
    async with stored(tmp_path, a_hook("t", due_at=AT - 10)) as rows:
        await names(rows, AT, lease="first")
        assert not await rows.due(AT - 0.01)
        assert await names(rows, AT - 0.01, lease="second") == []


async def test_a_lease_that_is_given_back_is_free_at_once(tmp_path: Path) -> None:
    async with stored(tmp_path, a_hook("t")) as rows:
        rows.let_go(await rows.take("leaving", AT, most=1, busy=IDLE))
        rows.let_go(())
        await rows.database.check()
        assert await names(rows, lease="next") == ["t/h"]


async def test_a_hook_that_knows_is_due_when_the_task_moves_on(tmp_path: Path) -> None:
    async with stored(tmp_path, a_hook("t")) as rows:
        (hook,) = await rows.take("me", AT, most=1, busy=IDLE)
        await rows.told(hook, 1, over=False)
        assert not await rows.due(AT)
        await TaskRows(rows.database).put(replace(a_task("t"), version=2), expected=1)
        assert await rows.due(AT)


async def test_a_hook_that_knows_the_end_is_never_due_again(tmp_path: Path) -> None:
    async with stored(tmp_path, a_hook("t")) as rows:
        (hook,) = await rows.take("me", AT, most=1, busy=IDLE)
        await rows.told(hook, 1, over=True)
        await TaskRows(rows.database).put(replace(a_task("t"), version=2), expected=1)
        assert not await rows.due(AT + 1e6)


async def test_a_failure_is_noted_and_waits(tmp_path: Path) -> None:
    async with stored(tmp_path, a_hook("t")) as rows:
        (hook,) = await rows.take("me", AT, most=1, busy=IDLE)
        await rows.failed(hook, "it answered with status 500", since=AT, due_at=AT + 5)
        assert not await rows.due(AT + 4.9)
        (again,) = await rows.take("me", AT + 5, most=1, busy=IDLE)
        assert (again.tries, again.failing_since, again.fault) == (1, AT, "it answered with status 500")
        await rows.told(again, 1, over=False)
        row = await only(rows)
        assert (row.tries, row.failing_since, row.fault, row.lease) == (0, None, None, None)


async def test_what_is_given_up_says_why_and_since_when(tmp_path: Path) -> None:
    async with stored(tmp_path, a_hook("t")) as rows:
        (hook,) = await rows.take("me", AT, most=1, busy=IDLE)
        await rows.give_up(hook, "it answered with status 410", AT + 1)
        row = await only(rows)
        assert (row.finished, row.given_up_at, row.fault) == (True, AT + 1, "it answered with status 410")
        assert not await rows.due(AT + 1e6)


async def test_a_hook_that_was_written_anew_does_not_take_over_what_became_of_the_old_one(tmp_path: Path) -> None:
    async with stored(tmp_path, a_hook("t")) as rows:
        (old,) = await rows.take("me", AT, most=1, busy=IDLE)
        new = replace(a_hook("t"), generation="new", url="https://b.example/", host="b.example")
        await rows.put("one", "t", as_it_is(new))
        await rows.give_up(old, "it answered with status 410", AT)
        await rows.told(old, 1, over=True)
        assert await rows.of_task("one", "t") == (new,)


async def test_nobody_waits_behind_a_host_with_many_hooks(tmp_path: Path) -> None:
    crowd = [a_hook(f"t{number}", due_at=AT - 100 + number) for number in range(10)]
    async with stored(tmp_path, *crowd, a_hook("t9", "other", host="b.example")) as rows:
        assert await names(rows) == ["t0/h", "t9/other", "t1/h"]


async def test_nobody_waits_behind_an_owner_with_many_hosts(tmp_path: Path) -> None:
    crowd = [a_hook(f"t{number}", host=f"{number}.example", due_at=AT - 100 + number) for number in range(10)]
    async with stored(tmp_path, *crowd, a_hook("x", owner="two", host="b.example")) as rows:
        assert await names(rows, most=2) == ["t0/h", "x/h"]
        assert await names(rows) == ["t1/h", "t2/h", "t3/h"]


async def test_what_is_under_way_counts(tmp_path: Path) -> None:
    hooks = [a_hook(f"t{number}", due_at=AT - 100 + number) for number in range(3)]
    others = [a_hook(f"u{number}", owner="two", host=f"{number}.example") for number in range(4)]
    async with stored(tmp_path, *hooks, *others) as rows:
        full = replace(IDLE, hosts={"a.example": 2, "3.example": 1}, owners={"two": 1})
        assert await names(rows, busy=full) == ["u0/h", "u1/h"]
        assert await names(rows, busy=replace(IDLE, owners={"two": 3, "one": 2})) == ["t0/h"]


async def test_a_hook_whose_task_is_gone_is_never_due(tmp_path: Path) -> None:
    async with stored(tmp_path, a_hook("t")) as rows:
        await rows.database.write(lambda c: c.execute("DELETE FROM task"))
        assert not await rows.due(AT + 1e6)
        assert await rows.of_task("one", "t") is None


@dataclass(frozen=True)
class Moves:
    """The task changes its state."""


@dataclass(frozen=True)
class Takes:
    who: str


@dataclass(frozen=True)
class Tells:
    """Whoever holds the hook tells it, and it works or does not."""

    works: bool


@dataclass(frozen=True)
class Waits:
    """Longer than a lease; so whoever holds one may as well be dead."""


Step = Moves | Takes | Tells | Waits
steps = st.lists(
    st.one_of(
        st.builds(Moves), st.builds(Takes, st.sampled_from("ab")), st.builds(Tells, st.booleans()), st.builds(Waits)
    ),
    max_size=30,
)


@settings(max_examples=20, deadline=None)
@given(steps)
def test_whatever_happens_one_at_a_time_tells_and_the_end_is_told(played: Sequence[Step]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(_play(Path(directory), played))


async def _play(directory: Path, played: Sequence[Step]) -> None:
    async with stored(directory, a_hook("t")) as rows:
        tasks, version, told, now = TaskRows(rows.database), 1, 0, AT
        held: HookRow | None = None
        waits_until = AT
        for step in played:
            match step:
                case Moves():
                    version += 1
                    await tasks.put(a_task("t", version=version), expected=version - 1)
                case Takes(who):
                    taken = await rows.take(who, now, most=1, busy=IDLE)
                    assert bool(taken) == (held is None and version > told and now >= waits_until)
                    held = taken[0] if taken else held
                case Tells(works) if held is not None:
                    if works:
                        await rows.told(held, version, over=False)
                        told = version
                    else:
                        waits_until = now + 5
                        await rows.failed(held, "x", since=now, due_at=waits_until)
                    held = None
                case Waits():
                    now, held = now + LEASE_SECONDS + 1, None
                case _:
                    pass
        for hook in await rows.take("heir", now + 2 * LEASE_SECONDS, most=1, busy=IDLE):
            await rows.told(hook, version, over=True)
        assert (await only(rows)).told_version == version
