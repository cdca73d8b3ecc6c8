"""Checkpoints and commits keep apart, the WAL stays short, and nobody waits for a process that does nothing."""

import sqlite3
from pathlib import Path

import pytest

from agent.store.bills import opened
from local_models import eventually
from omniroute_agent.kernel.errors import StoreUnavailable
from omniroute_agent.store import writer
from omniroute_agent.store.database import FILE, Database
from omniroute_agent.store.locks import FileLock
from omniroute_agent.store.writer import CHECKPOINT_BYTES

MIB = 1024 * 1024


async def grow(database: Database, size: int = CHECKPOINT_BYTES + MIB) -> None:
    """One commit of that many bytes. A new row each time: SQLite does not write pages that stay the same."""

    def job(connection: sqlite3.Connection) -> None:
        (rows,) = connection.execute("SELECT COUNT(*) FROM connection_health").fetchone()
        connection.execute("INSERT INTO connection_health (connection, document) VALUES (?, ?)", (rows, "x" * size))

    await database.write(job)


def wal_bytes(directory: Path) -> int:
    return (directory / f"{FILE}-wal").stat().st_size


async def test_every_commit_holds_the_lock_shared_and_every_checkpoint_alone(tmp_path: Path) -> None:
    seen: set[tuple[str, bool, bool]] = set()

    def look(statement: str) -> None:
        probe = FileLock(tmp_path / f"{FILE}.lk")
        alone = probe.try_exclusive()
        probe.unlock()
        shared = probe.try_shared()
        probe.release()
        word = statement.partition("(")[0]
        if word in ("BEGIN IMMEDIATE", "COMMIT", "PRAGMA wal_checkpoint"):
            seen.add((word, alone, shared))

    async with opened(tmp_path) as database:
        await database.write(lambda c: c.set_trace_callback(look))
        await grow(database)
        await database.check()
    assert seen == {
        ("BEGIN IMMEDIATE", False, True),
        ("COMMIT", False, True),
        ("PRAGMA wal_checkpoint", False, False),
    }


async def test_a_checkpoint_waits_for_a_pause_of_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "QUIET_SECONDS", 0.001)
    neighbour = FileLock(tmp_path / f"{FILE}.lk")
    async with opened(tmp_path) as database:
        neighbour.shared()
        await grow(database)
        await grow(database)
        assert wal_bytes(tmp_path) > 2 * CHECKPOINT_BYTES
        neighbour.release()
        await database.check()
        await eventually(lambda: wal_bytes(tmp_path) < MIB)


async def test_the_wal_starts_anew_and_is_not_checkpointed_at_every_commit(tmp_path: Path) -> None:
    checkpoints = 0

    def look(statement: str) -> None:
        nonlocal checkpoints
        checkpoints += "wal_checkpoint" in statement

    async with opened(tmp_path) as database:
        await database.write(lambda c: c.set_trace_callback(look))
        await grow(database)
        for _ in range(20):
            await database.check()
        assert checkpoints == 1
        assert wal_bytes(tmp_path) < MIB


async def test_a_long_read_does_not_make_every_commit_try_a_checkpoint(tmp_path: Path) -> None:
    checkpoints = 0

    def look(statement: str) -> None:
        nonlocal checkpoints
        checkpoints += "wal_checkpoint" in statement

    async with opened(tmp_path) as database:
        await database.check()
        reader = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT beat FROM pulse").fetchone()
        await database.write(lambda c: c.set_trace_callback(look))
        await grow(database)
        for _ in range(20):
            await database.check()
        assert checkpoints == 1
        assert wal_bytes(tmp_path) > CHECKPOINT_BYTES
        reader.close()


async def test_an_idle_process_that_came_first_does_not_keep_the_wal_growing(tmp_path: Path) -> None:
    async with opened(tmp_path) as idle, opened(tmp_path) as busy:
        await idle.check()
        for _ in range(4):
            await grow(busy)
        assert (await busy.check()).wal_bytes < 2 * CHECKPOINT_BYTES


async def test_a_process_stopped_in_a_checkpoint_is_not_waited_for_without_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "BUSY_SECONDS", 0.05)
    stopped = FileLock(tmp_path / f"{FILE}.lk")
    async with opened(tmp_path) as database:
        stopped.exclusive()
        with pytest.raises(StoreUnavailable) as refused:
            await database.check()
        assert "Another process" in refused.value.hint
        stopped.release()
        await database.check()


async def test_a_long_read_of_a_neighbour_does_not_hold_up_the_close(tmp_path: Path) -> None:
    database = await Database.open(tmp_path)
    await database.check()
    reader = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT beat FROM pulse").fetchone() == (1,)
    await database.check()
    await database.close()
    assert reader.execute("SELECT beat FROM pulse").fetchone() == (1,)
    reader.execute("ROLLBACK")
    assert reader.execute("SELECT beat FROM pulse").fetchone() == (2,)
    reader.close()
