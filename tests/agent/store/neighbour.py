"""Another process on the same data directory, as tests need it: it says `ready`, waits for a line, does what its first
argument says, tells the result as JSON, and waits for the end of its input before it leaves.
"""

import asyncio
import json
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from agent.store.bills import AT, as_it_is, hold, intent, settlement
from agent.store.errands import an_errand
from omniroute_agent.kernel.errors import LimitReached
from omniroute_agent.kernel.health import ConnectionHealth, ModelLock, TargetHealth
from omniroute_agent.store.answers import Answers
from omniroute_agent.store.database import Database
from omniroute_agent.store.decisions import Decisions
from omniroute_agent.store.instances import Instance, register
from omniroute_agent.store.ledger import Ledger
from omniroute_agent.store.tasks import TaskRows

LIMIT = 1000
# Tests import this module too; only as a program does it have words of its own.
DIRECTORY, NAME = (Path(sys.argv[-2]), sys.argv[-1]) if __name__ == "__main__" else (Path(), "")


async def begin_a_request(database: Database) -> object:
    """Everything a request leaves behind when its process is killed in the middle."""
    Instance.enter(DIRECTORY, NAME)
    await register(database, NAME, door="test", version="1", at=AT)
    await Decisions(database, NAME).put(
        request_id="cut", caller="owner", session="s1", door="test", at=AT, state="running", document="{}"
    )
    await Answers(database, NAME).begin(
        caller="owner", key="k", fingerprint="f", request_id="cut", at=AT, keep_until=AT + 3600
    )
    await Ledger(database, NAME).reserve(intent("cut-1", hold(7), request_id="cut"), as_it_is)
    return "reserved"


async def spend(database: Database) -> object:
    """Reserve more than fits, settle most of it by less than was reserved."""
    ledger = Ledger(database, NAME)
    admitted = refused = 0

    async def one(number: int) -> None:
        nonlocal admitted, refused
        attempt = f"{NAME}-{number}"
        try:
            await ledger.reserve(intent(attempt, hold(10, limit=LIMIT)), as_it_is)
        except LimitReached:
            refused += 1
            return
        admitted += 1
        await ledger.settle(settlement(attempt, number % 11), as_it_is)

    for first in range(0, 60, 6):
        await asyncio.gather(*(one(number) for number in range(first, first + 6)))
    return {"admitted": admitted, "refused": refused}


async def learn(database: Database) -> object:
    """One outage that opens the breaker and one model lock."""
    ledger = Ledger(database, NAME)

    def broken(_: TargetHealth) -> TargetHealth:
        return TargetHealth(
            connection=ConnectionHealth(connection="one", breaker="open", open_until=AT + 30),
            lock=ModelLock(connection="one", model="alpha", reason="rate_limited", until=AT + 3),
        )

    await ledger.reserve(intent("learned", hold(60)), as_it_is)
    await ledger.reserve(intent("taught"), as_it_is)
    await ledger.settle(settlement("taught"), broken)
    return "learned"


def add_row(name: str, connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO connection_health (connection, document) VALUES (?, ?)", (name, "x" * 200_000))


async def write_much(database: Database) -> object:
    """60 MB in commits of 200 KB; gives the longest WAL it saw."""
    longest = 0
    for number in range(300):
        await database.write(partial(add_row, f"{NAME}-{number}"))
        longest = max(longest, (DIRECTORY / "storage.sqlite-wal").stat().st_size)
    return longest


async def work_on_tasks(database: Database) -> object:
    """One task in the middle of its answer, one not begun, one just picked up, one that waits, one that is over."""
    Instance.enter(DIRECTORY, NAME)
    await register(database, NAME, door="test", version="1", at=AT)
    rows = TaskRows(database)
    for state in ("working", "submitted", "input-required", "auth-required", "completed"):
        await rows.put(an_errand(state, state=state, instance=NAME), expected=None)
    await rows.append("owner", "working", (b"half of ", b"an answer"))
    taken = await rows.take("owner", "input-required", version=1, instance=NAME)
    return "at work" if taken else "too late"


async def race_for_tasks(database: Database) -> object:
    """Pick up whatever waits, from the first to the last; gives the ids it got."""
    rows = TaskRows(database)
    taken = [await rows.take("owner", f"t{number}", version=1, instance=NAME) for number in range(200)]
    return [row.id for row in taken if row is not None]


WORK: dict[str, Callable[[Database], Awaitable[object]]] = {
    work.__name__: work for work in (begin_a_request, spend, learn, write_much, work_on_tasks, race_for_tasks)
}


def say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


async def main() -> None:
    say("ready")
    sys.stdin.readline()
    database = await Database.open(DIRECTORY)
    if sys.argv[1] == "forget":
        await database.check()
        say("left")
        return
    say(await WORK[sys.argv[1]](database))
    sys.stdin.read()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main())
