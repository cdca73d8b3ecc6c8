"""The audit writes in batches behind the calls, and loses nothing without saying so."""

import asyncio
import logging
import time
from pathlib import Path

import pytest

from agent.store.bills import AT, opened
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.store import audit as module
from omniroute_agent.store.audit import (
    LONGEST_ARGUMENTS,
    LOST,
    Audit,
    Level,
    Question,
    Recorded,
    erase_calls,
    input_hash,
    kept_arguments,
    read_calls,
)
from omniroute_agent.store.database import Database
from omniroute_agent.store.retention import DAY_SECONDS, Retention, sweep
from patience import until

OWNER = Caller(id="owner", scopes=frozenset(), session="s1")


def audit_of(database: Database, level: Level = "basic") -> Audit:
    return Audit(database=database, instance="here", level=level)


def record(
    audit: Audit,
    number: int = 0,
    *,
    caller: Caller = OWNER,
    at: float = AT,
    arguments: dict[str, object] | None = None,
    tool: str = "omniroute_get_health",
) -> None:
    audit.record_call(
        at=at + number,
        caller=caller,
        door="test",
        tool=tool,
        arguments=arguments,
        outcome="ok",
        duration_ms=1.5,
        request_id=f"r{number}",
    )


async def every(database: Database) -> tuple[Recorded, ...]:
    return await read_calls(database, Question(limit=100_000))


async def test_calls_that_come_together_share_a_commit(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        audit = audit_of(database)
        before = database.pulse().commits
        async with audit.kept():
            for number in range(300):
                record(audit, number)
        assert database.pulse().commits - before == 1
        assert [call.request_id for call in await every(database)] == [f"r{number}" for number in reversed(range(300))]


async def test_a_batch_is_written_without_waiting_for_the_end(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        audit = audit_of(database)
        async with audit.kept():
            record(audit)
            await until(lambda: not audit.waiting)
            assert len(await every(database)) == 1


async def test_whatever_ends_the_house_the_last_call_is_written(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        audit = audit_of(database)
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(_serve_for_ever(audit))
            await until(lambda: audit.waiting == 1)
            serving.cancel()
        assert len(await every(database)) == 1


async def _serve_for_ever(audit: Audit) -> None:
    async with audit.kept():
        record(audit)
        await asyncio.Event().wait()


@pytest.mark.parametrize(("level", "rows", "arguments"), [("none", 0, False), ("basic", 1, False), ("full", 1, True)])
async def test_each_level_keeps_what_it_says(tmp_path: Path, level: Level, rows: int, arguments: bool) -> None:
    async with opened(tmp_path) as database:
        audit = audit_of(database, level)
        async with audit.kept():
            record(audit, arguments={"query": "weather"})
        calls = await every(database)
    assert len(calls) == rows
    assert [call.arguments for call in calls] == (['{"query": "weather"}'] if arguments else [None] * rows)


async def test_full_keeps_no_secret_and_is_bounded(tmp_path: Path) -> None:
    held = Secret("planted-audit-secret-0123456789")
    given: dict[str, object] = {"a": held.reveal(), "b": "sk-planted-987654321", "c": "x" * 10_000, "d": "\ud800"}
    async with opened(tmp_path) as database:
        audit = audit_of(database, "full")
        async with audit.kept():
            record(audit, arguments=given, tool="odd \udfff name")
        (call,) = await every(database)
    assert call.arguments is not None
    assert "planted" not in call.arguments
    assert len(call.arguments) == LONGEST_ARGUMENTS + 1
    assert call.tool == "odd \\udfff name"


@pytest.mark.parametrize("unit", ["sk-", "eyJaaaaaaaa-", "lorem ipsum "])
def test_what_a_caller_writes_takes_no_time_to_mask(unit: str) -> None:
    begun = time.process_time()
    kept = kept_arguments({"request_id": unit * (2_000_000 // len(unit))})
    # Milliseconds; what looks at each place from all others takes hours.
    assert time.process_time() - begun < 30
    assert len(kept) == LONGEST_ARGUMENTS + 1


def test_equal_arguments_have_equal_hashes_whatever_their_order() -> None:
    assert input_hash({"a": 1, "b": [1, 2]}) == input_hash({"b": [1, 2], "a": 1})
    assert input_hash({"a": 1}) != input_hash({"a": "1"})
    assert input_hash(None) == input_hash({})


async def test_while_the_disk_takes_nothing_calls_wait_and_are_written_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "LINGER_SECONDS", 0.01)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    async with opened(tmp_path) as database:
        await _forbid(database)
        audit = audit_of(database)
        async with audit.kept():
            record(audit, 1)
            await until(lambda: "cannot be written" in caplog.text)
            record(audit, 2)
            assert audit.waiting == 2
            await database.write(lambda connection: connection.execute("DROP TRIGGER full").rowcount)
            await until(lambda: not audit.waiting)
        assert [call.request_id for call in await every(database)] == ["r2", "r1"]
        assert audit.lost == 0
    assert caplog.text.count("cannot be written") == 1


async def test_calls_that_find_no_room_are_counted_in_a_row_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    async with opened(tmp_path) as database:
        audit = audit_of(database)
        async with audit.kept():
            for number in range(8):
                record(audit, number)
            assert audit.waiting == 3
        (lost,) = await read_calls(database, Question(tool=LOST))
        assert len(await every(database)) == 4
    assert lost.input_hash == "5"
    assert lost.outcome == "lost"
    assert audit.lost == 5
    assert caplog.text.count("audit is full") == 1


async def test_what_cannot_be_written_at_the_end_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(tmp_path) as database:
        await _forbid(database)
        audit = audit_of(database)
        async with audit.kept():
            record(audit)
            record(audit)
    assert audit.lost == 2
    assert "2 calls are missing from the audit" in caplog.text
    assert all(entry.levelno >= logging.WARNING for entry in caplog.records)


async def _forbid(database: Database) -> None:
    """Every insert into the audit fails, as on a full disk."""
    trigger = "CREATE TRIGGER full BEFORE INSERT ON tool_call BEGIN SELECT RAISE(ABORT, 'no room'); END"
    await database.write(lambda connection: connection.execute(trigger).rowcount)


async def test_calls_are_found_by_tool_caller_outcome_and_time(tmp_path: Path) -> None:
    guest = Caller(id="guest", scopes=frozenset(), session="s2")
    async with opened(tmp_path) as database:
        audit = audit_of(database)
        async with audit.kept():
            for number in range(4):
                record(audit, number, caller=guest if number % 2 else OWNER, tool=f"omniroute_{number // 2}")
        for question, found in (
            (Question(caller="guest"), ["r3", "r1"]),
            (Question(tool="omniroute_0"), ["r1", "r0"]),
            (Question(since=AT + 2), ["r3", "r2"]),
            (Question(outcome="cancelled"), []),
            (Question(limit=1), ["r3"]),
        ):
            assert [call.request_id for call in await read_calls(database, question)] == found
        assert await erase_calls(database, "guest") == 2
        assert {call.caller for call in await every(database)} == {"owner"}


async def test_old_calls_go(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        audit = audit_of(database)
        async with audit.kept():
            record(audit, 1, at=AT - 91 * DAY_SECONDS)
            record(audit, 2, at=AT - 89 * DAY_SECONDS)
        await sweep(database, now=AT, keep=Retention(decisions_days=30, ledger_days=400, audit_days=90))
        assert [call.request_id for call in await every(database)] == ["r2"]
