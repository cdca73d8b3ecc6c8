"""Notifications outlive the process that owes them, and two processes share the work."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from doors.a2a.push_process import STATES, TASKS
from doors.a2a.push_rig import Answer, a_config, a_door, receiver
from omniroute_agent.store.push import LEASE_SECONDS
from patience import until


@asynccontextmanager
async def another(
    what: str, directory: Path, origin: str, name: str = "x"
) -> AsyncGenerator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("push_process.py")),
        what,
        str(directory),
        origin,
        name,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def done(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert await process.stdout.readline() == b"done\n"


async def test_what_a_killed_process_owed_is_told_by_the_next_one(tmp_path: Path) -> None:
    async with receiver() as hook:
        async with another("ends_a_task", tmp_path, hook.origin) as process:
            await done(process)
            process.kill()
            await process.wait()
        assert hook.seen == []
        async with a_door(tmp_path, hook.origin) as door:
            row = await door.settled(9)
        assert row.finished
    assert hook.states == ["TASK_STATE_COMPLETED"]


async def test_a_process_that_is_killed_while_it_tells_is_followed_by_one_that_tells_again(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with receiver(Answer(waits=gate), Answer()) as hook:
        async with another("tells", tmp_path, hook.origin) as process:
            await until(lambda: len(hook.seen) == 1, within=30)
            process.kill()
            await process.wait()
        async with a_door(tmp_path, hook.origin) as door:
            await asyncio.sleep(0.2)
            assert len(hook.seen) == 1, "nobody else tells while the lease may still be held"
            await door.later(LEASE_SECONDS + 1)
            row = await door.settled(9)
        assert row.finished
        assert hook.states == ["TASK_STATE_COMPLETED"] * 2
        gate.set()


async def test_a_process_that_leaves_in_good_order_gives_back_what_it_was_at(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with receiver(Answer(waits=gate), Answer()) as hook:
        async with a_door(tmp_path, hook.origin) as door:
            task = await door.task(state="completed")
            await door.pushes.create(task.owner, task.id, a_config(hook.url))
            await until(lambda: hook.at_once == 1)
        async with a_door(tmp_path, hook.origin) as door:
            await door.later(1)
            await until(lambda: len(hook.seen) == 2)
        gate.set()


async def test_two_processes_on_one_store_tell_everything_once(tmp_path: Path) -> None:
    async with (
        receiver() as hook,
        another("works", tmp_path, hook.origin, "one") as first,
        another("works", tmp_path, hook.origin, "two") as second,
    ):
        await asyncio.gather(done(first), done(second))
    told = Counter((request.path, request.body["task"]["status"]["state"]) for request in hook.seen)
    assert len({path for path, _ in told}) == 2 * TASKS
    assert sum(state == "TASK_STATE_COMPLETED" for _, state in told.elements()) == 2 * TASKS
    assert all(number <= (2 if state == "TASK_STATE_WORKING" else 1) for (_, state), number in told.items())
    assert sum(told.values()) <= 2 * TASKS * (len(STATES) + 1)
