"""A schema change is there whole or not at all, and a newer file is left alone."""

import sqlite3
from pathlib import Path

import pytest

from agent.store.bills import opened
from omniroute_agent.kernel.errors import StoreUnavailable
from omniroute_agent.store import migrate
from omniroute_agent.store.database import FILE, Database
from omniroute_agent.store.locks import FileLock
from omniroute_agent.store.migrate import migrations


def from_outside(directory: Path, statement: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(directory / FILE, isolation_level=None)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


async def test_a_newer_file_is_refused_and_both_versions_named(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    from_outside(tmp_path, "PRAGMA user_version = 99")
    with pytest.raises(StoreUnavailable) as refused:
        await Database.open(tmp_path)
    assert refused.value.facts == {"found": 99, "known": len(migrations())}
    assert "update this one" in refused.value.hint
    lock = FileLock(tmp_path / f"{FILE}.lk")
    assert lock.try_exclusive(), "who was refused holds nothing"
    lock.release()


async def test_a_running_process_stops_writing_when_a_newer_program_migrated(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        await database.check()
        from_outside(tmp_path, "PRAGMA user_version = 99")
        with pytest.raises(StoreUnavailable, match="schema version 99"):
            await database.write(lambda c: c.execute("DELETE FROM pulse"))
        assert await database.read(lambda c: c.execute("SELECT COUNT(*) FROM pulse").fetchone()) == (1,)


async def test_an_older_file_is_brought_up_to_date_with_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as database:
        await database.check()
    monkeypatch.setattr(migrate, "migrations", lambda: (*migrations(), "ALTER TABLE pulse ADD COLUMN note TEXT;\n"))
    async with opened(tmp_path) as database:
        assert (await database.check()).schema_version == len(migrations()) + 1
        assert await database.read(lambda c: c.execute("SELECT beat, note FROM pulse").fetchone()) == (2, None)


async def test_a_migration_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as database:
        await database.check()
    broken = "CREATE TABLE half (id INTEGER);\nCREATE TABLE pulse (id INTEGER);\n"
    monkeypatch.setattr(migrate, "migrations", lambda: (*migrations(), broken))
    with pytest.raises(StoreUnavailable):
        await Database.open(tmp_path)
    assert from_outside(tmp_path, "SELECT name FROM sqlite_master WHERE name = 'half'") == []
    monkeypatch.undo()
    async with opened(tmp_path) as database:
        assert (await database.check()).schema_version == len(migrations())


async def test_a_restored_backup_gets_its_wal_again(tmp_path: Path) -> None:
    async with opened(tmp_path / "old") as database:
        await database.check()
    (tmp_path / "new").mkdir()
    from_outside(tmp_path / "old", f"VACUUM INTO '{tmp_path / 'new' / FILE}'")
    assert from_outside(tmp_path / "new", "PRAGMA journal_mode") == [("delete",)]
    async with opened(tmp_path / "new") as database:
        assert await database.read(lambda c: c.execute("PRAGMA journal_mode").fetchone()) == ("wal",)
