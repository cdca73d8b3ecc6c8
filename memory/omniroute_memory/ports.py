"""What memory takes from outside, said in its own words: it may not import the agent that carries it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
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
class MemoryPorts:
    database: Database
    now: Callable[[], datetime]
    """Wall time, timezone-aware UTC."""
    new_id: Callable[[], str]
    """A fresh id, sortable by time of birth."""
    count_tokens: Callable[[str], int]
    """Tokens of a text, for capping what is recalled; an estimate is good enough."""
