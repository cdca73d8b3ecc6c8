"""One SQLite file, several processes: a writer thread that commits in groups and a reader thread."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, TypeVar

from omniroute_agent.kernel.errors import StoreUnavailable
from omniroute_agent.kernel.meter import Histogram
from omniroute_agent.store.failures import closed, held, unavailable
from omniroute_agent.store.file import BUSY_SECONDS, connect, has_wal, make_private, set_wal
from omniroute_agent.store.locks import FileLock
from omniroute_agent.store.migrate import is_current, migrate, version_of
from omniroute_agent.store.writer import Writer

T = TypeVar("T")

FILE: Final = "storage.sqlite"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseState:
    schema_version: int
    sqlite_version: str
    wal_bytes: int
    commits: int
    """Commits of this process; jobs that waited together share one."""
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    commits: int
    jobs: int
    waiting: int
    wal_bytes: int
    seconds: Histogram
    """Of each commit, from the moment its first job was queued."""


class Database:
    def __init__(self, path: Path, clock: Callable[[], float] | None = None) -> None:
        self.path = path
        self._lock = FileLock(path.with_name(f"{FILE}.lk"))
        self._writer = Writer(path, self._lock, clock)
        self._reader: sqlite3.Connection | None = None
        self._reads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-reader")
        self._ending: Future[None] | None = None

    @classmethod
    async def open(cls, directory: Path, clock: Callable[[], float] | None = None) -> Self:
        """Open or create `storage.sqlite` under `directory` and bring it up to date. By `clock`, in seconds, commits
        are timed.

        Raises:
            StoreUnavailable: it cannot be opened, is damaged, or a newer program has migrated it.
        """
        database = cls(directory / FILE, clock)
        try:
            await asyncio.get_running_loop().run_in_executor(database._reads, database._prepare)
        except BaseException:
            # Cancelled or not: whatever the preparation opens on its thread is closed behind it.
            database._end()
            raise
        return database

    def _prepare(self) -> None:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            connection = self._current()
            try:
                self._reader = connect(self.path)
                self._reader.execute("PRAGMA query_only=ON")
                self._writer.start(connection)
            except BaseException:
                connection.close()
                raise
        except (sqlite3.Error, OSError) as error:
            raise unavailable(error, self.path) from error

    def _current(self) -> sqlite3.Connection:
        """A connection to a file that exists, is in WAL mode and has this program's schema."""
        if not self.path.exists():
            self._alone(lambda: make_private(self.path))
        make_private(self.path)
        connection = connect(self.path)
        try:
            if not (is_current(connection) and has_wal(connection)):
                self._alone(lambda: _bring_up(connection))
        except BaseException:
            connection.close()
            raise
        return connection

    def _alone(self, step: Callable[[], None]) -> None:
        """Run a step while no process commits, checkpoints or migrates."""
        if not self._lock.wait(exclusive=True, seconds=BUSY_SECONDS):
            raise held(self.path)
        try:
            step()
        finally:
            self._lock.unlock()

    async def read(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run a job that only reads; it sees every commit so far, of any process, and none that comes meanwhile.

        Raises:
            StoreUnavailable: SQLite refused.
        """
        if self._ending is not None:
            raise closed(self.path)
        return await asyncio.get_running_loop().run_in_executor(self._reads, self._read, job)

    def _read(self, job: Callable[[sqlite3.Connection], T]) -> T:
        if self._reader is None:
            raise closed(self.path)
        try:
            self._reader.execute("BEGIN")
            try:
                return job(self._reader)
            finally:
                # A snapshot that stays open would keep the WAL from being emptied.
                self._reader.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise unavailable(error, self.path) from error

    async def write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run a job in a transaction; returns when it is on the disk. Once queued it runs, whoever stops waiting.

        Raises:
            StoreUnavailable: SQLite refused, or a newer program has migrated the file.
        """
        waiting: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._writer.put(job, waiting)
        return await waiting

    def correct(self, job: Callable[[sqlite3.Connection], object]) -> None:
        """Queue a job behind everything queued before and do not wait: for taking back what a cancelled caller left."""
        with suppress(StoreUnavailable):  # closed: the next start settles it
            self._writer.put(job)

    def pulse(self) -> Pulse:
        """What the writer is at; nothing is asked of the file."""
        writer = self._writer
        return Pulse(
            commits=writer.commits,
            jobs=writer.jobs,
            waiting=writer.waiting(),
            wal_bytes=writer.wal_bytes(),
            seconds=writer.seconds,
        )

    async def check(self) -> DatabaseState:
        """Write a row, read it back over the other connection, and say how the file is.

        Raises:
            StoreUnavailable: it cannot be written, or what was written is not there.
        """
        beat = await self.write(_beat)
        seen, version = await self.read(lambda connection: (_seen(connection), version_of(connection)))
        if seen < beat:
            raise StoreUnavailable("The database does not read back what it wrote.", hint="Check the disk.")
        return DatabaseState(
            schema_version=version,
            sqlite_version=sqlite3.sqlite_version,
            wal_bytes=self._writer.wal_bytes(),
            commits=self._writer.commits,
            jobs=self._writer.jobs,
        )

    async def close(self) -> None:
        """Finish what is queued, write the WAL back if no other process is in the way, and let go of the file.

        May be called again, also after a call that was cancelled: each waits for the end.
        """
        await asyncio.shield(asyncio.wrap_future(self._end()))

    def _end(self) -> "Future[None]":
        if self._ending is None:
            self._writer.refuse()
            self._ending = self._reads.submit(self._finish)
            self._reads.shutdown(wait=False)
        return self._ending

    def _finish(self) -> None:
        """On the reader's thread, behind every read. The writer's connection is the last to close: it has the lock."""
        if self._reader is not None:
            with suppress(sqlite3.Error):
                self._reader.close()
            self._reader = None
        self._writer.stop()
        self._lock.release()


def _bring_up(connection: sqlite3.Connection) -> None:
    set_wal(connection)
    migrate(connection)


def _beat(connection: sqlite3.Connection) -> int:
    connection.execute(
        "INSERT INTO pulse (id, beat) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET beat = pulse.beat + 1"
    )
    return _seen(connection)


def _seen(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT beat FROM pulse WHERE id = 1").fetchone()
    return row[0] if row else 0
