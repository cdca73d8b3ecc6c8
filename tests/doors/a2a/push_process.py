"""Another process that tells hooks, as tests need it: it does what its first argument says, says `done`, and stays
until its input ends or it is killed. Arguments: what, data directory, the receiver's origin, its own name.
"""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from doors.a2a.push_rig import OWNER, TASK, Door, a_config, a_door

TASKS = 12
STATES = ("input-required", "working", "completed")


async def ends_a_task(door: Door, origin: str, _: str) -> None:
    """And tells nobody."""
    task = await door.task()
    await door.pushes.create(OWNER, TASK, a_config(f"{origin}/hook"))
    await door.moves(task, "completed")


async def tells(door: Door, origin: str, _: str) -> None:
    task = await door.task(state="completed")
    await door.pushes.create(task.owner, task.id, a_config(f"{origin}/hook"))


async def works(door: Door, origin: str, name: str) -> None:
    """Many tasks, each with a hook of its own, until every hook knows the end."""

    async def one(number: int) -> None:
        task = await door.task(owner=name, id=f"{name}-{number}")
        await door.pushes.create(name, task.id, a_config(f"{origin}/{task.id}"))
        for state in STATES:
            await asyncio.sleep(0.02)
            task = await door.moves(task, state)

    await asyncio.gather(*map(one, range(TASKS)))
    for number in range(TASKS):
        await door.settled(99, f"{name}-{number}", name)


WORK = {work.__name__: work for work in (ends_a_task, tells, works)}


async def main(what: str, directory: str, origin: str, name: str) -> None:
    async with a_door(Path(directory), origin, tells=what != "ends_a_task", real_time=what == "works") as door:
        await WORK[what](door, origin, name)
        sys.stdout.write("done\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
