"""Two processes at the same tasks, in whatever order; and one of them killed."""

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.store.bills import AT, a_ledger, opened
from agent.store.errands import an_errand
from agent.store.test_processes import a_neighbour
from omniroute_agent.store.instances import Instance, register
from omniroute_agent.store.ledger import Ledger
from omniroute_agent.store.tasks import PARKED, RUNNING, STOPPED, Moved, TaskRow, TaskRows

SIDES = ("left", "right")
STATES = ("submitted", "working", "input-required", "auth-required", "completed", "canceled", "failed", "rejected")

Side = Literal["left", "right"]


@dataclass(frozen=True)
class Put:
    side: Side
    task: str
    drift: int
    """From the version that is there; 0 is right."""
    state: str


@dataclass(frozen=True)
class Take:
    side: Side
    task: str
    drift: int


@dataclass(frozen=True)
class Ask:
    side: Side
    task: str


@dataclass(frozen=True)
class Append:
    side: Side
    task: str


@dataclass(frozen=True)
class Die:
    """The right one dies, the left one settles what it left, and another one comes in its place."""


Step = Put | Take | Ask | Append | Die
sides, names, drifts = st.sampled_from(SIDES), st.sampled_from(("one", "two")), st.sampled_from((0, 0, 0, 0, -1, 1))
stories = st.lists(
    st.one_of(
        st.builds(Put, sides, names, drifts, st.sampled_from(STATES[:4]) | st.sampled_from(STATES)),
        st.builds(Take, sides, names, drifts),
        st.builds(Ask, sides, names),
        st.builds(Append, sides, names),
        st.builds(Die),
    ),
    max_size=40,
)


@dataclass
class Known:
    row: TaskRow
    chunks: tuple[bytes, ...] = ()
    cancelling: bool = False


@dataclass
class ByHand:
    """What must be true of the tasks, kept without a database."""

    tasks: dict[str, Known] = field(default_factory=dict)

    def put(self, row: TaskRow, expected: int | None) -> bool:
        known = self.tasks.get(row.id)
        if known is None or expected is None:
            if known is None and expected is None:
                self.tasks[row.id] = Known(_released(row))
            return known is None and expected is None
        if known.row.version != expected or known.row.state not in RUNNING | PARKED:
            return False
        known.row = _released(row)
        if row.state not in RUNNING:
            known.chunks, known.cancelling = (), False
        return True

    def take(self, task: str, version: int, instance: str) -> TaskRow | None:
        known = self.tasks.get(task)
        if (
            known is None
            or known.row.state not in PARKED
            or known.row.instance is not None
            or known.row.version != version
        ):
            return None
        known.row = replace(known.row, version=version + 1, instance=instance)
        return known.row

    def ask(self, task: str) -> bool:
        known = self.tasks.get(task)
        if known is None or known.row.instance is None:
            return False
        known.cancelling = True
        return True

    def append(self, task: str, chunk: bytes) -> bool:
        known = self.tasks.get(task)
        if known is None or known.row.state not in RUNNING:
            return False
        known.chunks = (*known.chunks, chunk)
        return True

    def bury(self, instance: str, at: float) -> None:
        for known in self.tasks.values():
            row = known.row
            if row.instance != instance:
                continue
            known.cancelling = False
            if row.state in RUNNING:
                row = replace(row, state="failed", note=STOPPED, status_at=at, updated_at=at, version=row.version + 1)
            known.row = replace(row, instance=None)

    def to_cancel(self, instance: str) -> set[str]:
        return {name for name, known in self.tasks.items() if known.cancelling and known.row.instance == instance}


def _released(row: TaskRow) -> TaskRow:
    return row if row.state in RUNNING else replace(row, instance=None)


@dataclass
class Stage:
    """Two processes on one file."""

    directory: Path
    ledgers: dict[str, Ledger]
    life: Instance
    """Of the right one."""

    def rows(self, side: str) -> TaskRows:
        return TaskRows(self.ledgers[side].database)

    def instance(self, side: str) -> str:
        return self.ledgers[side].instance

    async def replaced(self, at: float) -> None:
        right = self.ledgers["right"]
        self.life.leave()
        await self.ledgers["left"].settle_orphans(self.directory, at)
        self.ledgers["right"] = Ledger(right.database, f"after-{at}")
        self.life = await _born(self.ledgers["right"], self.directory)


async def _born(ledger: Ledger, directory: Path) -> Instance:
    life = Instance.enter(directory, ledger.instance)
    await register(ledger.database, ledger.instance, door="test", version="1", at=AT)
    return life


@settings(max_examples=60, deadline=None)
@given(stories)
def test_a_task_is_what_its_history_says_whoever_looks_and_whoever_dies(story: Sequence[Step]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(_play(Path(directory), story))


async def _play(directory: Path, story: Sequence[Step]) -> None:
    expected = ByHand()
    async with a_ledger(directory, "left") as left, a_ledger(directory, "right") as right:
        stage = Stage(directory, {"left": left, "right": right}, await _born(right, directory))
        for number, step in enumerate(story):
            await _step(stage, expected, step, AT + number)
            for side in SIDES:
                await _compare(stage, expected, side)
        stage.life.leave()


async def _step(stage: Stage, expected: ByHand, step: Step, at: float) -> None:
    if isinstance(step, Die):
        dead = stage.instance("right")
        await stage.replaced(at)
        expected.bury(dead, at)
        return
    rows, instance = stage.rows(step.side), stage.instance(step.side)
    known = expected.tasks.get(step.task)
    version = known.row.version if known else 0
    if isinstance(step, Put):
        before = version + step.drift if known or step.drift else None
        row = an_errand(
            step.task, state=step.state, version=(before or 0) + 1, instance=instance, at=at, body=f"{at}".encode()
        )
        assert await _written(rows, row, before) == expected.put(row, before)
    elif isinstance(step, Take):
        taken = await rows.take("owner", step.task, version=version + step.drift, instance=instance)
        assert taken == expected.take(step.task, version + step.drift, instance)
    elif isinstance(step, Ask):
        assert await rows.ask_to_cancel("owner", step.task, at) == expected.ask(step.task)
    else:
        assert await rows.append("owner", step.task, (b"%d" % at,)) == expected.append(step.task, b"%d" % at)


async def _compare(stage: Stage, expected: ByHand, side: str) -> None:
    rows = stage.rows(side)
    for name in ("one", "two"):
        found, known = await rows.find("owner", name), expected.tasks.get(name)
        assert (found and (found.row, found.chunks)) == (known and (known.row, known.chunks))
    for one in SIDES:
        instance = stage.instance(one)
        assert {name for _, name in await rows.to_cancel(instance)} == expected.to_cancel(instance)


async def _written(rows: TaskRows, row: TaskRow, expected: int | None) -> bool:
    try:
        await rows.put(row, expected=expected)
    except Moved:
        return False
    return True


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(SIDES), st.sampled_from(("take", "cancel", "resume"))), min_size=2, max_size=24)
)
def test_of_all_who_want_a_parked_task_at_once_one_gets_it(rush: Sequence[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(_rush(Path(directory), rush))


async def _rush(directory: Path, rush: Sequence[tuple[str, str]]) -> None:
    async with opened(directory) as left, opened(directory) as right:
        sides = {"left": TaskRows(left), "right": TaskRows(right)}
        parked = an_errand("t", state="input-required")
        await sides["left"].put(parked, expected=None)

        async def want(number: int, side: str, what: str) -> bool:
            if what == "take":
                return await sides[side].take("owner", "t", version=1, instance=f"p{number}") is not None
            state = "canceled" if what == "cancel" else "working"
            return await _written(sides[side], replace(parked, state=state, version=2, instance=f"p{number}"), 1)

        got = await asyncio.gather(*(want(number, *one) for number, one in enumerate(rush)))
        assert sum(got) == 1
        number, what = got.index(True), rush[got.index(True)][1]
        found = await sides["right"].find("owner", "t")
        assert found
        assert found.row.version == 2
        assert found.row.state == {"take": "input-required", "cancel": "canceled", "resume": "working"}[what]
        assert found.row.instance == (None if what == "cancel" else f"p{number}")


async def test_of_two_processes_exactly_one_resumes_each_parked_task(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        rows = TaskRows(database)
        for number in range(200):
            await rows.put(an_errand(f"t{number}", state="input-required"), expected=None)
        async with AsyncExitStack() as stack:
            neighbours = [
                await stack.enter_async_context(a_neighbour("race_for_tasks", tmp_path, name)) for name in ("a", "b")
            ]
            for neighbour in neighbours:
                neighbour.go()
            got = [await neighbour.says() for neighbour in neighbours]
            for neighbour in neighbours:
                assert await neighbour.leaves() == 0
        ids = [name for names in got if isinstance(names, list) for name in names]
        assert sorted(ids) == sorted(f"t{number}" for number in range(200)), "each once"


async def test_tasks_of_a_killed_process_fail_with_a_reason_and_parked_ones_wait_on(tmp_path: Path) -> None:
    async with a_neighbour("work_on_tasks", tmp_path) as neighbour, a_ledger(tmp_path) as ledger:
        neighbour.go()
        assert await neighbour.says() == "at work"
        rows = TaskRows(ledger.database)
        assert await rows.ask_to_cancel("owner", "working", AT + 1)
        await ledger.settle_orphans(tmp_path, AT + 5)
        living = await rows.find("owner", "working")
        assert living
        assert (living.row.state, living.row.instance) == ("working", "there"), "it lives"

        neighbour.process.kill()
        await neighbour.process.wait()
        await ledger.settle_orphans(tmp_path, AT + 5)
        for name in ("working", "submitted"):
            found = await rows.find("owner", name)
            assert found
            failed = an_errand(name, state="failed", version=2, instance=None, at=AT + 5, note=STOPPED)
            assert found.row == failed
            assert found.chunks == ((b"half of ", b"an answer") if name == "working" else ())
        for name, version in (("input-required", 2), ("auth-required", 1), ("completed", 1)):
            found = await rows.find("owner", name)
            assert found
            assert found.row == an_errand(name, state=name, version=version, instance=None)
        assert await rows.to_cancel("there") == ()
        assert await rows.take("owner", "input-required", version=2, instance="here"), "its owner may go on with it"
        await ledger.settle_orphans(tmp_path, AT + 6)
        again = await rows.find("owner", "working")
        assert again
        assert again.row.status_at == AT + 5, "settled once"
