"""The writer and the reader thread: what is acknowledged is there, what fails fails alone, nothing is left open."""

import asyncio
import random
import sqlite3
import stat
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from agent.store.bills import opened
from omniroute_agent.kernel.errors import StoreUnavailable
from omniroute_agent.store.database import FILE, Database
from omniroute_agent.store.writer import MAX_GROUP


@pytest.fixture
async def database(tmp_path: Path) -> AsyncGenerator[Database]:
    async with opened(tmp_path) as it:
        await it.write(lambda c: c.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL)"))
        yield it


def insert(connection: sqlite3.Connection, text: str) -> int | None:
    return connection.execute("INSERT INTO note (text) VALUES (?)", (text,)).lastrowid


def note(text: str) -> Callable[[sqlite3.Connection], int | None]:
    return lambda connection: insert(connection, text)


def texts(connection: sqlite3.Connection) -> list[str]:
    return [text for (text,) in connection.execute("SELECT text FROM note ORDER BY id")]


class Held:
    """The writer thread, kept busy until told otherwise, so that what is written meanwhile waits together."""

    def __init__(self, database: Database) -> None:
        self._begun, self._go = threading.Event(), threading.Event()
        self._task = asyncio.ensure_future(database.write(self._wait))

    def _wait(self, _: sqlite3.Connection) -> None:
        self._begun.set()
        assert self._go.wait(20)

    async def taken(self) -> None:
        """Until the writer is at it, so that whatever is queued now comes after it."""
        assert await asyncio.get_running_loop().run_in_executor(None, self._begun.wait, 20)

    async def release(self) -> None:
        self._go.set()
        await self._task


async def commits_of(database: Database) -> int:
    # The check itself is the last commit.
    return (await database.check()).commits - 1


async def test_jobs_that_wait_together_share_one_commit(database: Database) -> None:
    before = await commits_of(database)
    held = Held(database)
    await held.taken()
    jobs = [asyncio.ensure_future(database.write(note(str(n)))) for n in range(MAX_GROUP + 88)]
    await asyncio.sleep(0)
    await held.release()
    await asyncio.gather(*jobs)
    # The check before, the held job, a full group, the rest.
    assert await commits_of(database) - before == 4
    assert await database.read(lambda c: len(texts(c))) == MAX_GROUP + 88


async def test_a_job_that_fails_does_not_hurt_its_neighbours(database: Database) -> None:
    def bad(connection: sqlite3.Connection) -> None:
        insert(connection, "half")
        raise LookupError("mine")

    def refused(connection: sqlite3.Connection) -> None:
        insert(connection, "half")
        connection.execute("INSERT INTO note (id, text) VALUES (1, NULL)")

    held = Held(database)
    await held.taken()
    jobs = [
        asyncio.ensure_future(database.write(job))
        for job in (lambda c: insert(c, "before"), bad, refused, lambda c: insert(c, "after"))
    ]
    await asyncio.sleep(0)
    await held.release()
    outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    assert isinstance(outcomes[1], LookupError)
    assert isinstance(outcomes[2], StoreUnavailable)
    assert await database.read(texts) == ["before", "after"]


async def test_cancellations_leave_no_transaction_open_and_no_job_half_done(database: Database, tmp_path: Path) -> None:
    dice = random.Random(7)  # noqa: S311 (loaded on purpose)

    def pair(connection: sqlite3.Connection) -> None:
        insert(connection, "left")
        insert(connection, "right")

    async def asked() -> None:
        await database.write(pair)

    queued = 0
    for _ in range(300):
        task = asyncio.ensure_future(asked())
        steps = dice.randrange(6)
        queued += steps > 0  # the first step is what queues it
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await database.write(lambda _: None)
    assert await database.read(texts) == ["left", "right"] * queued
    other = sqlite3.connect(tmp_path / FILE, timeout=0, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("ROLLBACK")
    other.close()


async def test_once_queued_a_job_runs_whoever_stops_waiting(database: Database) -> None:
    held = Held(database)
    await held.taken()
    waiting = asyncio.ensure_future(database.write(lambda c: insert(c, "still written")))
    await asyncio.sleep(0)
    waiting.cancel()
    await held.release()
    await asyncio.gather(waiting, return_exceptions=True)
    await database.write(lambda _: None)
    assert waiting.cancelled()
    assert await database.read(texts) == ["still written"]


async def test_a_job_that_ends_the_transaction_itself_fails_and_the_writer_lives_on(database: Database) -> None:
    with pytest.raises(StoreUnavailable):
        await database.write(lambda c: c.execute("ROLLBACK"))
    await database.write(lambda c: insert(c, "next"))
    assert await database.read(texts) == ["next"]


async def test_a_full_disk_is_said_and_gets_well_again(database: Database) -> None:
    await database.write(lambda c: insert(c, "before"))
    pages = await database.read(lambda c: c.execute("PRAGMA page_count").fetchone()[0])
    await database.write(lambda c: c.execute(f"PRAGMA max_page_count = {pages + 2:d}"))
    for _ in range(3):
        with pytest.raises(StoreUnavailable) as refused:
            await database.write(lambda c: insert(c, "x" * 100_000))
        assert "Free some disk space" in refused.value.hint
    assert await database.read(texts) == ["before"]
    await database.write(lambda c: c.execute("PRAGMA max_page_count = 1000000"))
    await database.write(lambda c: insert(c, "after"))
    assert await database.read(texts) == ["before", "after"]


async def test_a_read_sees_one_moment_and_cannot_write(database: Database) -> None:
    with pytest.raises(StoreUnavailable):
        await database.read(lambda c: insert(c, "by the way"))
    seen, written = threading.Event(), threading.Event()

    def twice(connection: sqlite3.Connection) -> tuple[list[str], list[str]]:
        first = texts(connection)
        seen.set()
        written.wait(20)
        return first, texts(connection)

    reading = asyncio.ensure_future(database.read(twice))
    await asyncio.get_running_loop().run_in_executor(None, seen.wait, 20)
    await database.write(lambda c: insert(c, "meanwhile"))
    written.set()
    assert await reading == ([], [])
    assert await database.read(texts) == ["meanwhile"]


async def test_closing_finishes_what_is_queued_and_leaves_no_wal(tmp_path: Path) -> None:
    database = await Database.open(tmp_path)
    await database.write(lambda c: c.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL)"))
    held = Held(database)
    await held.taken()
    late = [asyncio.ensure_future(database.write(note(str(n)))) for n in range(20)]
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(database.close())
    await held.release()
    await closing
    await asyncio.gather(*late)
    wal = tmp_path / f"{FILE}-wal"
    assert not wal.exists() or wal.stat().st_size == 0
    plain = sqlite3.connect(f"file:{tmp_path / FILE}?immutable=1", uri=True)
    assert plain.execute("SELECT COUNT(*) FROM note").fetchone() == (20,)
    plain.close()


async def test_a_closed_database_says_so_and_may_be_closed_again(tmp_path: Path) -> None:
    database = await Database.open(tmp_path)
    cut = asyncio.ensure_future(database.close())
    await asyncio.sleep(0)
    cut.cancel()
    await asyncio.gather(cut, return_exceptions=True)
    await database.close()
    await database.close()
    for ask in (database.read, database.write):
        with pytest.raises(StoreUnavailable, match="is closed"):
            await ask(lambda _: None)


async def test_both_connections_keep_the_settings_that_durability_rests_on(database: Database) -> None:
    def settings(connection: sqlite3.Connection) -> dict[str, object]:
        names = ("synchronous", "journal_mode", "wal_autocheckpoint", "mmap_size", "foreign_keys")
        queries = {name: "PRAGMA " + name for name in names}
        return {name: connection.execute(query).fetchone()[0] for name, query in queries.items()}

    full = {"synchronous": 2, "journal_mode": "wal", "wal_autocheckpoint": 0, "mmap_size": 0, "foreign_keys": 1}
    assert await database.write(settings) == full
    assert await database.read(settings) == full


async def test_a_check_writes_and_reads_back(database: Database) -> None:
    first, second = await database.check(), await database.check()
    assert second.commits == first.commits + 1
    assert second.wal_bytes > 0


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
async def test_only_the_owner_may_read_any_of_its_files(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    async with opened(directory) as database:
        await database.check()
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert f"{FILE}-wal" in modes
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


async def test_a_damaged_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"this was a database once" * 500)
    with pytest.raises(StoreUnavailable) as refused:
        await Database.open(tmp_path)
    assert "restore a backup" in refused.value.hint


async def test_a_place_that_cannot_be_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable) as refused:
        await Database.open(tmp_path / "file" / "data")
    assert "you may write there" in refused.value.hint
