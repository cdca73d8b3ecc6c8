"""Whatever is reserved, settled, taken back, left behind, set and removed in whatever order: guards hold what the
ledger says, and none that refuses is ever exceeded by what it let through.
"""

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent.store.bills import AT, as_it_is, intent, settlement
from fakes import FakeClock, fake_ports
from omniroute_agent.engine.guards import Guards, Room
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.errors import LimitReached
from omniroute_agent.kernel.guard import Action, Guard, Period
from omniroute_agent.store.attempts import take_back
from omniroute_agent.store.database import Database
from omniroute_agent.store.guards import GuardRows
from omniroute_agent.store.instances import Instance, register
from omniroute_agent.store.ledger import Ledger

CALLERS = [
    Caller(id=name, scopes=frozenset(("*",)), session=session)
    for name, session in (("owner", "s1"), ("owner", "s2"), ("key", "s1"))
]
DEFINED = Guard(name="defined", limit=200)
NAMES = ("defined", "mine", "other")
callers, amounts = st.sampled_from(CALLERS), st.integers(0, 80)


@dataclass
class Attempt:
    id: str
    caller: Caller
    reserved: int
    theirs: bool
    cost: int | None = None
    settled: bool = False

    @property
    def counts(self) -> int:
        return self.reserved if self.cost is None else self.cost


class GuardsHold(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.place = tempfile.TemporaryDirectory()
        self.directory = Path(self.place.name)
        self.clock = FakeClock()
        self.attempts: list[Attempt] = []
        self.born = 0
        self.runner.run(self._open())

    async def _open(self) -> None:
        self.database = await Database.open(self.directory)
        self.mine = Ledger(self.database, "mine")
        self.guards = Guards((DEFINED,), GuardRows(self.database), fake_ports(clock=self.clock))
        await self._bear()

    async def _bear(self) -> None:
        self.born += 1
        name = f"theirs-{self.born}"
        self.life = Instance.enter(self.directory, name)
        await register(self.database, name, door="test", version="1", at=AT)
        self.theirs = Ledger(self.database, name)

    def teardown(self) -> None:
        self.life.leave()
        self.runner.run(self.database.close())
        self.runner.close()
        self.place.cleanup()

    async def rooms(self, caller: Caller) -> dict[str, Room]:
        now = self.clock.now()
        seen = await GuardRows(self.database).seen(self.guards.windows(caller, now))
        return self.guards.rooms(seen, caller, now)

    @rule(caller=callers, amount=amounts, theirs=st.booleans())
    def reserve(self, caller: Caller, amount: int, theirs: bool) -> None:
        async def step() -> None:
            rooms = (await self.rooms(caller)).values()
            fits = all(not room.enforced or not amount or amount <= room.limit - room.used for room in rooms)
            asked = intent(
                f"a{len(self.attempts)}",
                *(room.hold(amount) for room in rooms),
                caller=caller.id,
                session=caller.session,
                at=self.clock.now().timestamp(),
                reserved=amount,
            )
            try:
                await (self.theirs if theirs else self.mine).reserve(asked, as_it_is)
            except LimitReached:
                assert not fits
                return
            assert fits
            self.attempts.append(Attempt(asked.attempt_id, caller, amount, theirs))
            for room in (await self.rooms(caller)).values():
                assert not room.enforced or not amount or room.used <= room.limit

        self.runner.run(step())

    def _open_one(self, which: int) -> Attempt | None:
        running = [attempt for attempt in self.attempts if not attempt.settled]
        return running[which % len(running)] if running else None

    @rule(which=st.integers(0, 9), share=st.none() | st.integers(0, 100))
    def settle(self, which: int, share: int | None) -> None:
        if (attempt := self._open_one(which)) is None:
            return
        attempt.cost = None if share is None else attempt.reserved * share // 100
        attempt.settled = True
        bill = settlement(attempt.id, attempt.cost, at=self.clock.now().timestamp())
        assert self.runner.run(self.mine.settle(bill, as_it_is))

    @rule(which=st.integers(0, 9))
    def take_back(self, which: int) -> None:
        if (attempt := self._open_one(which)) is None:
            return
        self.attempts.remove(attempt)
        # Names are never used twice.
        self.attempts.append(Attempt(f"gone-{attempt.id}", attempt.caller, 0, theirs=False, cost=0, settled=True))
        at = self.clock.now().timestamp()
        assert self.runner.run(self.database.write(lambda c: take_back(c, attempt.id, at)))

    @rule()
    def die(self) -> None:
        async def step() -> None:
            self.life.leave()
            orphans = await self.mine.settle_orphans(self.directory, self.clock.now().timestamp())
            left = [attempt for attempt in self.attempts if attempt.theirs and not attempt.settled]
            assert {orphan.attempt_id for orphan in orphans} == {attempt.id for attempt in left}
            for attempt in left:
                attempt.settled = True
            await self._bear()

        self.runner.run(step())

    @rule(
        name=st.sampled_from(NAMES),
        limit=st.integers(0, 300),
        action=st.sampled_from(("block", "degrade", "alert", "ask")),
        period=st.sampled_from(("day", "week", "session")),
        caller=st.none() | callers,
    )
    def set_guard(self, name: str, limit: int, action: Action, period: Period, caller: Caller | None) -> None:
        async def step() -> None:
            before = next((guard for guard in await self.guards.all() if guard.name == name), None)
            whose = (None, None) if caller is None else (caller.id, caller.session if period == "session" else None)
            kept: Period = "day" if period == "session" and caller is None else period
            after = Guard(name=name, limit=limit, action=action, period=kept, caller=whose[0], session=whose[1])
            await self.guards.put(after, before)

        self.runner.run(step())

    @rule(name=st.sampled_from(NAMES))
    def remove_guard(self, name: str) -> None:
        async def step() -> None:
            before = next((guard for guard in await self.guards.all() if guard.name == name), None)
            if before is not None and before.enabled:
                await self.guards.remove(before, "owner")

        self.runner.run(step())

    @precondition(lambda self: self.attempts)
    @invariant()
    def every_guard_holds_what_the_ledger_says(self) -> None:
        async def look() -> None:
            found = {guard.name: (guard, room) for guard, room in await self.guards.report() if room is not None}
            for guard, room in found.values():
                mine = [
                    attempt for attempt in self.attempts if guard.concerns(attempt.caller.id, attempt.caller.session)
                ]
                assert room.spent == sum(attempt.counts for attempt in mine if attempt.settled), guard
                assert room.reserved == sum(attempt.reserved for attempt in mine if not attempt.settled), guard

        self.runner.run(look())


GuardsHold.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestGuardsHold = GuardsHold.TestCase
