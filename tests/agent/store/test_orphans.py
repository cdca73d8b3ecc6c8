"""What a process leaves behind, in whatever order it reserves, settles and dies beside another."""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.store.bills import AT, a_ledger, as_it_is, intent, settlement
from omniroute_agent.kernel.bill import Hold
from omniroute_agent.kernel.errors import LimitReached
from omniroute_agent.store.guards import GuardState
from omniroute_agent.store.instances import Instance, register
from omniroute_agent.store.ledger import Ledger

LIMIT = 100
GUARDS = (("environment", "day:1"), ("environment", "day:2"), ("request", "r"))


async def test_an_instance_that_left_in_good_order_leaves_no_file(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        gone = Instance.enter(tmp_path, "gone")
        await register(ledger.database, "gone", door="test", version="1", at=AT)
        lock = tmp_path / "instances" / "gone.lock"
        assert lock.exists()
        gone.leave()
        assert not lock.exists()
        assert await ledger.settle_orphans(tmp_path, AT) == ()
        assert await ledger.database.read(lambda c: c.execute("SELECT id FROM instance").fetchall()) == []
        assert not lock.exists()


@dataclass(frozen=True)
class Reserve:
    amounts: dict[tuple[str, str], int]
    mine: bool


@dataclass(frozen=True)
class Settle:
    which: int
    """Of the attempts so far, in a circle; it may be settled already."""
    cost: int | None


@dataclass(frozen=True)
class Die:
    """The other process dies, is settled, and another one comes."""


Step = Reserve | Settle | Die


@dataclass
class ByHand:
    """What the guards must hold, kept without a database."""

    open: dict[str, Reserve] = field(default_factory=dict)
    spent: dict[tuple[str, str], int] = field(default_factory=lambda: dict.fromkeys(GUARDS, 0))

    def state(self, guard: tuple[str, str]) -> GuardState:
        reserved = sum(each.amounts.get(guard, 0) for each in self.open.values())
        return GuardState(spent=self.spent[guard], reserved=reserved)

    def fits(self, amounts: dict[tuple[str, str], int]) -> bool:
        states = {guard: self.state(guard) for guard in amounts}
        return all(amounts[g] + state.spent + state.reserved <= LIMIT for g, state in states.items())

    def settle(self, attempt: str, cost: int | None) -> bool:
        reserved = self.open.pop(attempt, None)
        for guard, amount in reserved.amounts.items() if reserved else ():
            self.spent[guard] += amount if cost is None else cost
        return reserved is not None


steps = st.lists(
    st.one_of(
        st.builds(Reserve, st.dictionaries(st.sampled_from(GUARDS), st.integers(0, 60), min_size=1), st.booleans()),
        st.builds(Settle, st.integers(0, 12), st.none() | st.integers(0, 60)),
        st.builds(Die),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None)
@given(steps)
def test_guards_hold_the_sum_of_their_rows_whoever_dies_when(played: Sequence[Step]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(_play(Path(directory), played))


async def _play(directory: Path, played: Sequence[Step]) -> None:
    expected = ByHand()
    asked: list[str] = []
    async with a_ledger(directory) as mine:
        theirs, life = await _born(mine, directory, "first")
        for number, step in enumerate(played):
            if isinstance(step, Reserve):
                ledger = mine if step.mine else theirs
                asked.append(f"a{number}")
                assert await _reserved(ledger, f"a{number}", step) == expected.fits(step.amounts)
                if expected.fits(step.amounts):
                    expected.open[f"a{number}"] = step
            elif isinstance(step, Settle):
                attempt = asked[step.which % len(asked)] if asked else "never reserved"
                first = await mine.settle(settlement(attempt, step.cost), as_it_is)
                assert first == expected.settle(attempt, step.cost)
            else:
                life.leave()
                orphans = await mine.settle_orphans(directory, AT + number)
                assert {o.attempt_id for o in orphans} == {a for a, each in expected.open.items() if not each.mine}
                for orphan in orphans:
                    expected.settle(orphan.attempt_id, orphan.reserved)
                theirs, life = await _born(mine, directory, f"after-{number}")
            assert [await mine.guard_state(*g) for g in GUARDS] == [expected.state(g) for g in GUARDS]
        life.leave()
        held = await mine.database.read(lambda c: c.execute("SELECT guard, win, amount_nano FROM hold").fetchall())
    assert sorted(held) == sorted((*g, a) for each in expected.open.values() for g, a in each.amounts.items())


async def _reserved(ledger: Ledger, attempt: str, step: Reserve) -> bool:
    holds = [Hold(guard=g, window=w, limit=LIMIT, amount=amount) for (g, w), amount in step.amounts.items()]
    try:
        await ledger.reserve(intent(attempt, *holds), as_it_is)
    except LimitReached:
        return False
    return True


async def _born(beside: Ledger, directory: Path, name: str) -> tuple[Ledger, Instance]:
    instance = Instance.enter(directory, name)
    await register(beside.database, name, door="test", version="1", at=AT)
    return Ledger(beside.database, name), instance
