"""Reports, decisions, kept answers, combos and retention."""

import asyncio
from pathlib import Path

import pytest

from agent.store.bills import AT, a_ledger, as_it_is, hold, intent, opened, settlement
from omniroute_agent.kernel.bill import Outcome
from omniroute_agent.kernel.chat import Usage
from omniroute_agent.kernel.errors import Conflict
from omniroute_agent.store.answers import Answers, Begun, Running, Stored
from omniroute_agent.store.combos import ComboRow, ComboRows
from omniroute_agent.store.decisions import Decisions
from omniroute_agent.store.ledger import Ledger
from omniroute_agent.store.retention import BATCH, DAY_SECONDS, Retention, sweep
from omniroute_agent.store.usage import UsageBook

EVER = {"since": 0.0, "until": AT * 2}


async def serve(ledger: Ledger, request_id: str, *attempts: tuple[str, str, int | None], **who: str) -> None:
    """A request with its attempts: connection, fault (empty: answered) and cost. The decision is stored too."""
    caller, session = who.get("caller", "owner"), who.get("session", "s1")
    for number, (connection, fault, cost) in enumerate(attempts):
        attempt = f"{request_id}-{number}"
        await ledger.reserve(
            intent(attempt, request_id=request_id, caller=caller, session=session, connection=connection), as_it_is
        )
        usage = None if fault else Usage(input_tokens=100, output_tokens=10, cache_read_tokens=40)
        outcome: Outcome = "failed" if fault else "answered"
        await ledger.settle(settlement(attempt, cost, usage=usage, outcome=outcome, fault=fault or None), as_it_is)
    await Decisions(ledger.database, ledger.instance).put(
        request_id=request_id,
        caller=caller,
        session=session,
        door="test",
        at=AT,
        state="failed" if all(fault for _, fault, _ in attempts) else "answered",
        document="{}",
    )


async def test_totals_are_the_sums_of_their_groups_and_unknown_is_not_zero(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        await serve(ledger, "r1", ("one", "rate_limited", 0), ("two", "", 30))
        await serve(ledger, "r2", ("one", "", None))
        await serve(ledger, "r3", ("two", "", 12), caller="other")
        await ledger.reserve(intent("open", hold(9), request_id="r4"), as_it_is)
        book = UsageBook(ledger.database)
        all_of_it = await book.totals(**EVER, caller=None, session=None, group_by="connection")
        mine = await book.totals(**EVER, caller="owner", session="s1", group_by=None)
        nothing = await book.totals(since=AT + 1, until=AT * 2, caller=None, session=None, group_by=None)
    assert (all_of_it.requests, all_of_it.attempts, all_of_it.cost_nano) == (4, 5, 42)
    assert (all_of_it.input_tokens, all_of_it.output_tokens, all_of_it.cache_read_tokens) == (300, 30, 120)
    assert (all_of_it.unknown_cost_attempts, all_of_it.open_reserved_nano) == (1, 9)
    assert [(group.name, group.attempts, group.cost_nano) for group in all_of_it.groups] == [
        ("two", 2, 42),
        ("one", 3, 0),
    ]
    assert (mine.requests, mine.cost_nano, mine.groups) == (3, 30, ())
    assert (nothing.requests, nothing.cost_nano) == (0, 0)


async def test_a_session_at_a_glance_counts_only_what_is_its_own(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        await serve(ledger, "r1", ("one", "rate_limited", 0), ("two", "", 30))
        await serve(ledger, "r2", ("one", "timeout", 0), ("two", "rate_limited", 0))
        await serve(ledger, "r3", ("one", "", 5), session="s2")
        await serve(ledger, "r4", ("one", "", 5), caller="other")
        summary = await UsageBook(ledger.database).session_summary(session="s1", caller="owner")
        empty = await UsageBook(ledger.database).session_summary(session="none", caller="owner")
    assert (summary.first_at, summary.requests, summary.answered, summary.failed) == (AT, 2, 1, 1)
    assert (summary.fallbacks, summary.cost_nano, summary.input_tokens) == (2, 30, 100)
    assert summary.top_models == (("alpha", 1),)
    assert summary.faults == (("rate_limited", 2), ("timeout", 1))
    assert (empty.first_at, empty.requests, empty.faults) == (None, 0, ())


async def test_a_decision_is_shown_to_its_caller_and_to_no_other(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        decisions = Decisions(database, "here")

        async def put(request_id: str, at: float, state: str) -> None:
            await decisions.put(
                request_id=request_id, caller="a", session="s", door="d", at=at, state=state, document=f'"{state}"'
            )

        await put("r1", AT, "running")
        await put("r2", AT + 1, "running")
        await put("r1", AT, "answered")
        assert await decisions.get("r1", "a") == '"answered"'
        assert await decisions.get("r1", "b") is None
        assert await decisions.get("r1", None) == '"answered"'
        assert await decisions.get("unknown", "a") is None
        assert [(row.request_id, row.state) for row in await decisions.recent("a", limit=5)] == [
            ("r2", "running"),
            ("r1", "answered"),
        ]
        assert [row.request_id for row in await decisions.recent("a", limit=1)] == ["r2"]
        assert await decisions.recent("b", limit=5) == ()


async def begin(
    answers: Answers, request_id: str, *, fingerprint: str = "f", at: float = AT, caller: str = "a"
) -> object:
    return await answers.begin(
        caller=caller, key="k", fingerprint=fingerprint, request_id=request_id, at=at, keep_until=at + 60
    )


async def test_a_key_is_taken_once_and_gives_its_answer_until_its_time_is_over(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        answers = Answers(database, "here")
        assert await begin(answers, "r1") == Begun()
        assert await begin(answers, "r2") == Running("r1")
        assert await begin(answers, "r2", caller="b") == Begun()
        with pytest.raises(Conflict) as refused:
            await begin(answers, "r3", fingerprint="other")
        assert refused.value.facts == {"request_id": "r1"}
        await answers.finish("a", "k", "r1", "the answer")
        await answers.drop("a", "k")
        assert await begin(answers, "r4") == Stored("r1", "the answer")
        assert await begin(answers, "r5", at=AT + 60) == Begun()


async def test_a_request_without_an_answer_frees_its_key_and_only_its_own(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        answers, elsewhere = Answers(database, "here"), Answers(database, "there")
        await begin(answers, "r1")
        await elsewhere.drop("a", "k")
        await elsewhere.finish("a", "k", "r1", "not mine to give")
        assert await begin(answers, "r2") == Running("r1")
        await answers.drop("a", "k")
        assert await begin(answers, "r3") == Begun()


async def test_a_key_has_one_owner_however_many_ask_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as one, opened(tmp_path) as two:
        found = await asyncio.gather(
            *(begin(Answers(database, "x"), f"r{n}") for n in range(20) for database in (one, two))
        )
    assert found.count(Begun()) == 1
    assert len({owner.request_id for owner in found if isinstance(owner, Running)}) == 1


async def test_there_is_one_default_combo_at_most(tmp_path: Path) -> None:
    async with opened(tmp_path) as one, opened(tmp_path) as two:
        await asyncio.gather(
            *(
                ComboRows(database).set_active(name, default=True, enabled=True)
                for database in (one, two)
                for name in ("fast", "cheap", "best")
            )
        )
        assert sum(row.is_default for row in await ComboRows(one).all()) == 1
        await ComboRows(two).set_active("cheap", default=True, enabled=True)
        await ComboRows(two).set_active("best", default=False, enabled=False)
        assert await ComboRows(one).all() == (
            ComboRow("best", enabled=False, is_default=False),
            ComboRow("cheap", enabled=True, is_default=True),
            ComboRow("fast", enabled=True, is_default=False),
        )


async def test_old_detail_goes_in_steps_while_sums_and_open_attempts_stay(tmp_path: Path) -> None:
    old, now = AT - 100 * DAY_SECONDS, AT
    async with a_ledger(tmp_path) as ledger:
        database = ledger.database
        many = BATCH + 20
        reserved = [ledger.reserve(intent(f"old{n}", at=old), as_it_is) for n in range(many)]
        await asyncio.gather(*reserved)
        await asyncio.gather(*(ledger.settle(settlement(f"old{n}", 2, at=old + 1), as_it_is) for n in range(many)))
        await ledger.reserve(intent("old-open", hold(5), at=old), as_it_is)
        await serve(ledger, "new", ("one", "", 3))
        decisions, answers = Decisions(database, "here"), Answers(database, "here")
        await decisions.put(
            request_id="old", caller="owner", session="s1", door="d", at=old, state="answered", document="{}"
        )
        await begin(answers, "r1", at=old)
        keep = Retention(decisions_days=30, ledger_days=60)
        assert await sweep(database, now=now, keep=keep) >= many + 2
        assert await sweep(database, now=now, keep=keep) == 0
        assert await decisions.get("old", None) is None
        assert await decisions.get("new", None) == "{}"
        left = await database.read(lambda c: c.execute("SELECT attempt_id FROM intent ORDER BY 1").fetchall())
        months = await database.read(
            lambda c: c.execute(
                "SELECT strftime('%Y-%m', start, 'unixepoch'), attempts, cost_nano FROM usage_sum "
                "WHERE span = 'month' ORDER BY 1"
            ).fetchall()
        )
        assert (await ledger.guard_state("environment", "day:2027-01-15")).reserved == 5
    assert left == [("new-0",), ("old-open",)]
    assert months == [("2026-10", many, 2 * many), ("2027-01", 1, 3)]
