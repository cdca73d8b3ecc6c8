"""The books of budget handles: whatever is minted, split, spent and revoked in whatever order, money stays."""

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent.store.bills import AT, a_ledger, as_it_is, intent, opened, settlement
from omniroute_agent.kernel.bill import Hold
from omniroute_agent.kernel.errors import CallError, LimitReached, NotFound
from omniroute_agent.store.attempts import take_back
from omniroute_agent.store.database import Database
from omniroute_agent.store.handle_books import MOST_LIVING, HandleRow, close_ended, forget_handles
from omniroute_agent.store.handles import HandleRows
from omniroute_agent.store.instances import Instance, register
from omniroute_agent.store.ledger import Ledger
from omniroute_agent.store.retention import DAY_SECONDS, Retention, sweep

SOON = AT + 100
KEEP = Retention(decisions_days=30, ledger_days=400)


def row(
    handle_id: str, amount: int, *, parent: HandleRow | None = None, at: float = AT, until: float = SOON
) -> HandleRow:
    return HandleRow(
        id=handle_id,
        parent=parent.id if parent else None,
        depth=parent.depth + 1 if parent else 0,
        digest=handle_id.encode(),
        label=None,
        minted_by="owner",
        amount=amount,
        created_at=at,
        expires_at=until,
    )


def share(handle_id: str, amount: int) -> Hold:
    return Hold(guard=handle_id, window=f"handle:{handle_id}", limit=0, amount=amount, handle=True)


async def split(rows: HandleRows, parent: str, name: str, amount: int, *, until: float = SOON) -> HandleRow:
    return await rows.split(parent, lambda before: row(name, amount, parent=before, until=until))


async def books(database: Database, handle_id: str) -> tuple[int, int, int]:
    """Spent, reserved and left."""
    found = await HandleRows(database).find(handle_id, AT)
    assert found is not None
    return found.row.spent, found.row.reserved, found.row.left


@dataclass
class Attempt:
    id: str
    handle: str
    reserved: int
    theirs: bool


class MoneyStays(RuleBasedStateMachine):
    """Two processes on one file, at random: what was minted is spent, reserved or left somewhere in its tree."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.place = tempfile.TemporaryDirectory()
        self.minted: dict[str, int] = {}
        self.names: list[str] = []
        self.running: list[Attempt] = []
        self.paid: dict[str, int] = {}
        """What was billed, by the handle at the root."""
        self.count, self.now = 0, AT
        self.runner.run(self._open())

    async def _open(self) -> None:
        directory = Path(self.place.name)
        self.one, self.two = await Database.open(directory), await Database.open(directory)
        self.mine, self.theirs = Ledger(self.one, "mine"), Ledger(self.two, "theirs")

    def teardown(self) -> None:
        self.runner.run(self.one.close())
        self.runner.run(self.two.close())
        self.runner.close()
        self.place.cleanup()

    def _name(self) -> str:
        self.count += 1
        return f"h{self.count:04d}"

    def _rows(self, second: bool) -> HandleRows:
        return HandleRows(self.two if second else self.one)

    def _root(self, name: str) -> str:
        return self.runner.run(self._root_of(name))

    async def _root_of(self, name: str) -> str:
        found = await HandleRows(self.one).find(name, 0.0)
        while found is not None and found.row.parent is not None:
            found = await HandleRows(self.one).find(found.row.parent, 0.0)
        assert found is not None
        return found.row.id

    @rule(amount=st.integers(1, 1000), second=st.booleans(), seconds=st.integers(1, 60))
    def mint(self, amount: int, second: bool, seconds: int) -> None:
        name = self._name()
        made = row(name, amount, at=self.now, until=self.now + seconds)
        self.runner.run(self._rows(second).mint(made))
        self.minted[name], self.paid[name] = amount, 0
        self.names.append(name)

    @precondition(lambda self: self.names)
    @rule(which=st.integers(0, 99), amount=st.integers(1, 600), second=st.booleans(), seconds=st.integers(1, 60))
    def split(self, which: int, amount: int, second: bool, seconds: int) -> None:
        name, parent = self._name(), self.names[which % len(self.names)]

        def make(before: HandleRow) -> HandleRow:
            until = min(self.now + seconds, before.expires_at)
            return row(name, amount, parent=before, at=self.now, until=until)

        try:
            self.runner.run(self._rows(second).split(parent, make))
        except LimitReached:
            return
        self.names.append(name)

    @precondition(lambda self: self.names)
    @rule(which=st.integers(0, 99), amount=st.integers(0, 600), theirs=st.booleans())
    def reserve(self, which: int, amount: int, theirs: bool) -> None:
        handle = self.names[which % len(self.names)]
        before = self.runner.run(books(self.one, handle))
        asked = intent(self._name(), share(handle, amount), reserved=amount, at=self.now)
        try:
            self.runner.run((self.theirs if theirs else self.mine).reserve(asked, as_it_is))
        except LimitReached:
            return
        assert amount <= before[2]
        self.running.append(Attempt(asked.attempt_id, handle, amount, theirs))

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 99), share_of=st.none() | st.integers(0, 100), theirs=st.booleans())
    def settle(self, which: int, share_of: int | None, theirs: bool) -> None:
        attempt = self.running.pop(which % len(self.running))
        cost = None if share_of is None else attempt.reserved * share_of // 100
        bill = settlement(attempt.id, cost, at=self.now)
        if attempt.reserved:
            self.paid[self._root(attempt.handle)] += attempt.reserved if cost is None else cost
        assert self.runner.run((self.theirs if theirs else self.mine).settle(bill, as_it_is))
        assert not self.runner.run((self.mine if theirs else self.theirs).settle(bill, as_it_is))

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 99))
    def cancel(self, which: int) -> None:
        attempt = self.running.pop(which % len(self.running))
        assert self.runner.run(self.one.write(lambda connection: take_back(connection, attempt.id, self.now)))

    @precondition(lambda self: self.names)
    @rule(which=st.integers(0, 99), second=st.booleans())
    def revoke(self, which: int, second: bool) -> None:
        name = self.names[which % len(self.names)]
        self.runner.run(self._rows(second).revoke(name, self.now))
        family = self.runner.run(self._rows(not second).family(name, self.now))
        assert all(each.state(self.now) != "good" for each in family)
        assert all(each.left == 0 for each in family if each.parent is not None)

    @rule(seconds=st.integers(1, 20), collect=st.booleans())
    def time_passes(self, seconds: int, collect: bool) -> None:
        self.now += seconds
        if collect:
            self.runner.run(self.one.write(lambda c: close_ended(c, before=self.now, limit=3)))

    @precondition(lambda self: self.names)
    @rule(second=st.booleans())
    def tidy(self, second: bool) -> None:
        gone = lambda c: forget_handles(c, before=self.now - 30, limit=2)  # noqa: E731 (one line, used once)
        self.runner.run((self.two if second else self.one).write(gone))
        kept = {each.id for each in self.runner.run(self._rows(second).all(every=True, now=self.now))}
        self.names = [name for name in self.names if name in kept]
        self.minted = {name: amount for name, amount in self.minted.items() if name in kept}

    @invariant()
    def money_neither_appears_nor_vanishes(self) -> None:
        for root, amount in self.minted.items():
            family = self.runner.run(HandleRows(self.two).family(root, self.now))
            assert all(min(each.left, each.spent, each.reserved, each.given, each.returned) >= 0 for each in family)
            spent = sum(each.spent for each in family)
            reserved = sum(each.reserved for each in family)
            assert spent + reserved + sum(each.left for each in family) == amount
            assert spent == self.paid[root] <= amount
            ids = {each.id for each in family}
            assert reserved == sum(attempt.reserved for attempt in self.running if attempt.handle in ids)


MoneyStays.TestCase.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)
TestMoneyStays = MoneyStays.TestCase


async def test_an_attempt_reserves_and_settles_what_it_cost(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        await HandleRows(ledger.database).mint(row("h", 100))
        await ledger.reserve(intent("a", share("h", 60)), as_it_is)
        assert await books(ledger.database, "h") == (0, 60, 40)
        await ledger.settle(settlement("a", 25), as_it_is)
        assert await books(ledger.database, "h") == (25, 0, 75)


async def test_what_does_not_fit_leaves_no_trace_and_says_what_is_left(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        await HandleRows(ledger.database).mint(row("h", 100))
        await ledger.reserve(intent("a", share("h", 60)), as_it_is)
        with pytest.raises(LimitReached) as caught:
            await ledger.reserve(intent("b", share("h", 41)), as_it_is)
        assert caught.value.facts["left_usd"] == "0.00000004"
        assert await books(ledger.database, "h") == (0, 60, 40)
        assert not await ledger.settle(settlement("b", 1), as_it_is)


async def test_an_unknown_cost_keeps_what_was_reserved(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        await HandleRows(ledger.database).mint(row("h", 100))
        await ledger.reserve(intent("a", share("h", 60)), as_it_is)
        await ledger.settle(settlement("a", None), as_it_is)
        assert await books(ledger.database, "h") == (60, 0, 40)


async def test_a_share_is_the_childs_and_no_longer_the_parents(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        rows = HandleRows(ledger.database)
        await rows.mint(row("h", 100))
        await split(rows, "h", "c", 70)
        assert await books(ledger.database, "h") == (0, 0, 30)
        with pytest.raises(LimitReached, match="more do not fit"):
            await ledger.reserve(intent("a", share("h", 31)), as_it_is)
        with pytest.raises(LimitReached):
            await split(rows, "h", "d", 31)
        await ledger.reserve(intent("b", share("c", 70)), as_it_is)
        assert [each.id for each in await rows.family("h", AT)] == ["h", "c"]


async def test_a_revoked_handle_stops_with_all_below_it_and_gives_back_what_is_left(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        rows = HandleRows(ledger.database)
        await rows.mint(row("h", 100))
        await split(rows, "h", "c", 70)
        await split(rows, "c", "g", 50)
        await ledger.reserve(intent("a", share("g", 40)), as_it_is)
        await rows.revoke("c", AT + 1)
        for handle in ("c", "g"):
            with pytest.raises(LimitReached, match="was revoked on"):
                await ledger.reserve(intent("b", share(handle, 0), at=AT + 1), as_it_is)
        assert await books(ledger.database, "g") == (0, 40, 0)
        assert await books(ledger.database, "h") == (0, 0, 60)
        # What still runs is billed where it began; what it did not need goes all the way up.
        await ledger.settle(settlement("a", 15), as_it_is)
        assert await books(ledger.database, "g") == (15, 0, 0)
        assert await books(ledger.database, "h") == (0, 0, 85)


async def test_what_is_left_of_a_revoked_root_can_no_longer_be_spent(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        rows = HandleRows(ledger.database)
        await rows.mint(row("h", 100))
        await rows.revoke("h", AT)
        await rows.revoke("h", AT + 5)
        assert await books(ledger.database, "h") == (0, 0, 100)
        with pytest.raises(LimitReached):
            await split(rows, "h", "c", 1)
        found = await rows.find("h", AT)
        assert found is not None
        assert found.row.revoked_at == AT


async def test_what_an_expired_child_left_is_the_parents_again(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        rows = HandleRows(ledger.database)
        await rows.mint(row("h", 100))
        await split(rows, "h", "c", 100, until=AT + 10)
        found = await rows.find("h", AT + 9)
        assert found is not None
        assert (found.due, found.row.left) == (False, 0)
        with pytest.raises(LimitReached, match="expired on"):
            await ledger.reserve(intent("a", share("c", 1), at=AT + 10), as_it_is)
        assert (await rows.collect("h", AT + 10)).left == 100
        assert [each.state(AT + 10) for each in await rows.family("h", AT + 10)] == ["good", "expired"]


async def test_a_provider_that_bills_more_than_it_was_asked_for_is_borne_by_the_parent(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        rows = HandleRows(ledger.database)
        await rows.mint(row("h", 100))
        await split(rows, "h", "c", 40)
        await ledger.reserve(intent("a", share("c", 40)), as_it_is)
        await ledger.settle(settlement("a", 55), as_it_is)
        assert await books(ledger.database, "c") == (55, 0, 0)
        assert await books(ledger.database, "h") == (0, 0, 45)


async def test_what_a_dead_process_had_reserved_is_kept_as_spent(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        await HandleRows(database).mint(row("h", 100))
        life = Instance.enter(tmp_path, "theirs")
        await register(database, "theirs", door="test", version="1", at=AT)
        await Ledger(database, "theirs").reserve(intent("a", share("h", 60)), as_it_is)
        life.leave()
        await Ledger(database, "mine").settle_orphans(tmp_path, AT + 1)
        assert await books(database, "h") == (60, 0, 40)


async def test_two_processes_never_spend_a_handle_twice(tmp_path: Path) -> None:
    async with a_ledger(tmp_path, "one") as one, a_ledger(tmp_path, "two") as two:
        await HandleRows(one.database).mint(row("h", 100))

        async def spend(ledger: Ledger, name: str) -> int:
            try:
                await ledger.reserve(intent(name, share("h", 7)), as_it_is)
            except LimitReached:
                return 0
            await ledger.settle(settlement(name, 7), as_it_is)
            return 7

        paid = await asyncio.gather(
            *(spend(ledger, f"{ledger.instance}{n}") for n in range(20) for ledger in (one, two))
        )
        assert sum(paid) == 98
        assert await books(one.database, "h") == (98, 0, 2)


async def test_a_caller_has_a_thousand_good_handles_at_most(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        rows = HandleRows(database)
        await asyncio.gather(*(rows.mint(row(f"h{n}", 1)) for n in range(MOST_LIVING)))
        with pytest.raises(LimitReached, match="1000 good budget handles"):
            await rows.mint(row("more", 1))
        await rows.revoke("h0", AT)
        await rows.mint(row("more", 1))


async def test_ended_handles_go_and_what_a_child_spent_stays_with_its_parent(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        rows, year = HandleRows(ledger.database), AT + 365 * DAY_SECONDS
        await rows.mint(row("h", 100, until=year))
        await split(rows, "h", "c", 50, until=AT + 10)
        await split(rows, "c", "g", 20, until=AT + 10)
        for name, cost in (("g", 5), ("c", 3)):
            await ledger.reserve(intent(name, share(name, 10)), as_it_is)
            await ledger.settle(settlement(name, cost), as_it_is)
        await sweep(ledger.database, now=AT + DAY_SECONDS, keep=KEEP)
        assert len(await rows.family("h", AT + DAY_SECONDS)) == 3
        await sweep(ledger.database, now=AT + 40 * DAY_SECONDS, keep=KEEP)
        (left,) = await rows.family("h", AT + 40 * DAY_SECONDS)
        assert (left.spent, left.given, left.left) == (8, 0, 92)
        await sweep(ledger.database, now=year, keep=KEEP)
        await sweep(ledger.database, now=year + 40 * DAY_SECONDS, keep=KEEP)
        with pytest.raises(NotFound):
            await rows.family("h", year)


async def test_what_is_gone_refuses_as_what_never_was(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        for step in (
            ledger.reserve(intent("a", share("h", 1)), as_it_is),
            split(HandleRows(ledger.database), "h", "c", 1),
        ):
            with pytest.raises(CallError, match="There is no such budget handle"):
                await step
