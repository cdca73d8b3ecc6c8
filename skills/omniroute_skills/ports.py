"""What skills take from outside, said in its own words: they may not import the agent that carries them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
SqlValue = str | bytes | int | float | None


class Found(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int:
        """Rows that were changed; -1 for a statement that changes none."""
        ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...


class Statements(Protocol):
    """An open transaction. A `sqlite3.Connection` is one."""

    def execute(self, sql: str, parameters: Sequence[SqlValue] = ..., /) -> Found: ...


class Database(Protocol):
    """Runs a job as one transaction on its own thread: the job never awaits, and it is not interrupted half way."""

    async def read(self, job: Callable[[Statements], T], /) -> T:
        """Run a job that only reads, on one consistent state."""
        ...

    async def write(self, job: Callable[[Statements], T], /) -> T:
        """Run a job that may write. When this returns the change is on the disk; when it raises, nothing changed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A program to start. Nothing is inherited: what is not named here is not there."""

    command: Sequence[str]
    """The program by its absolute path, and its arguments. No shell reads them."""
    directory: Path
    """Where it runs: an empty directory of this run."""
    environment: Mapping[str, str]
    stdin: bytes
    seconds: float
    """Wall time; then it is killed together with everything it started."""
    output_bytes: int
    """Most bytes kept of each output; the program is killed when it writes more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    exit_code: int | None
    """None: it was killed."""
    stdout: bytes
    stderr: bytes
    seconds: float
    limit: str | None
    """Name of the limit that ended it: `seconds` or `output_bytes`."""


class Launcher(Protocol):
    """Starts child processes. The package starts none by itself."""

    async def __call__(self, launch: Launch, /) -> Ended:
        """Run to the end. Cancelling it kills the program.

        Raises:
            OSError: the program could not be started.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillPorts:
    database: Database
    launch: Launcher
    now: Callable[[], datetime]
    """Wall time, timezone-aware UTC."""
    new_id: Callable[[], str]
    """A fresh id, sortable by time of birth."""
