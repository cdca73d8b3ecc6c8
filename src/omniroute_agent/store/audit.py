"""The audit: one row per tool call, written in batches behind the calls and never before they are answered.

A process that is killed loses what came in its last moment (`LINGER_SECONDS`); one that ends in any other way loses
nothing. Where the database cannot be written the calls wait in memory up to `MOST_WAITING`; those beyond are counted,
and the count is written as a row of its own as soon as that is possible.
"""

import asyncio
import json
import logging
import sqlite3
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache, partial
from hashlib import sha256
from operator import attrgetter
from typing import Final, Literal

import anyio

from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.errors import StoreUnavailable
from omniroute_agent.kernel.masking import masked_beginning
from omniroute_agent.store.database import Database

LINGER_SECONDS: Final = 1.0
"""How long the first of a batch waits for others: one commit for them all."""
BATCH: Final = 2000
"""Calls in one commit; so many do not linger."""
MOST_WAITING: Final = 10_000
"""Calls kept in memory while the database cannot take them."""
RETRY_SECONDS: Final = 5.0
LONGEST_ARGUMENTS: Final = 4096
"""Characters of a call's arguments that the level `full` keeps."""
LOST: Final = "(lost)"
"""In the place of a tool: a row for calls that found no room in memory; its hash is their number."""

Level = Literal["none", "basic", "full"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    at: float
    """UTC epoch seconds at which it came."""
    caller: str
    session: str
    door: str
    tool: str
    input_hash: str
    outcome: str
    """`ok`, `cancelled`, or the code of the error."""
    duration_ms: float
    request_id: str | None = None
    arguments: str | None = None
    """JSON without secrets; at the level `full` only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded(ToolCall):
    id: int
    instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which calls to show; None does not narrow."""

    tool: str | None = None
    caller: str | None = None
    outcome: str | None = None
    since: float | None = None
    limit: int = 50


_canonical: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str).encode


def input_hash(arguments: Mapping[str, object] | None) -> str:
    """SHA-256 over the arguments as compact JSON with sorted keys: equal calls have equal hashes."""
    return sha256(_canonical(arguments or {}).encode()).hexdigest()


def kept_arguments(arguments: Mapping[str, object] | None) -> str:
    """The arguments as JSON without secrets, cut off at `LONGEST_ARGUMENTS` characters."""
    text = _storable(json.dumps(arguments or {}, ensure_ascii=False, default=str))
    return masked_beginning(text, LONGEST_ARGUMENTS)


@dataclass(slots=True, kw_only=True)
class Audit:
    database: Database
    instance: str
    level: Level = "basic"
    lost: int = 0
    """Calls of this process that could not be recorded."""
    _waiting: list[ToolCall] = field(default_factory=list)
    _gap: ToolCall | None = None
    """The calls that found no room, as one row."""
    _some: asyncio.Event = field(default_factory=asyncio.Event)
    _now: asyncio.Event = field(default_factory=asyncio.Event)
    """Enough wait, or this is the end."""
    _closing: bool = False
    _troubled: bool = False

    @property
    def waiting(self) -> int:
        """Calls that are not on the disk yet."""
        return len(self._waiting)

    def record_call(
        self,
        *,
        at: float,
        caller: Caller,
        door: str,
        tool: str,
        arguments: Mapping[str, object] | None,
        outcome: str,
        duration_ms: float,
        request_id: str | None,
    ) -> None:
        """Keep a call for the next batch, as the level wants it; returns at once."""
        if self.level == "none":
            return
        self._take(
            ToolCall(
                at=at,
                caller=caller.id,
                session=caller.session,
                door=door,
                tool=_storable(tool),
                input_hash=input_hash(arguments),
                outcome=outcome,
                duration_ms=duration_ms,
                request_id=request_id,
                arguments=kept_arguments(arguments) if self.level == "full" else None,
            )
        )

    def _take(self, call: ToolCall) -> None:
        if len(self._waiting) >= MOST_WAITING:
            if self._gap is None:
                _log.error("The audit is full because the database takes nothing; calls are served and only counted.")
            self.lost += 1
            self._gap = _gap_of(self._gap, call)
            return
        self._waiting.append(call)
        self._some.set()
        if len(self._waiting) >= BATCH and not self._troubled:
            self._now.set()

    @asynccontextmanager
    async def kept(self) -> AsyncGenerator[None, None]:
        """Writes what is recorded for as long as the context lasts, and all that is left at its end."""
        keeping = asyncio.create_task(self._keep())  # noqa: TID251 (owned and ended right here)
        try:
            yield
        finally:
            # Not cancelled: a batch is written as a whole, and forgotten only then.
            self._closing = True
            self._some.set()
            self._now.set()
            with anyio.CancelScope(shield=True):
                await keeping

    async def _keep(self) -> None:
        while True:
            await self._some.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS if self._troubled else LINGER_SECONDS):
                    await self._now.wait()
            try:
                await self._write()
            except StoreUnavailable as error:
                if not self._troubled:
                    _log.warning("The audit cannot be written; its calls wait in memory: %s", error.sentence())
                self._troubled = True
                self._now.clear()
            else:
                self._troubled = False
            if self._closing:
                break
        if self._waiting:
            self.lost += len(self._waiting)
            _log.error("%d calls are missing from the audit, because it could not be written.", self.lost)

    async def _write(self) -> None:
        """What is recorded so far, on the disk. What comes in meanwhile lingers, too: written at once, it would be a
        commit for a call or two over and over.

        Raises:
            StoreUnavailable: what is not there yet stays for the next time.
        """
        while self._waiting or self._gap is not None:
            batch, gap = self._waiting[:BATCH], self._gap
            rows = [_row(self.instance, call) for call in (*batch, *([gap] if gap else []))]
            await self.database.write(partial(_insert, rows=rows))
            del self._waiting[: len(batch)]
            if self._gap is gap:
                self._gap = None
            if len(self._waiting) < BATCH and not self._closing:
                break
        if not self._closing:
            self._now.clear()
            if not self._waiting and self._gap is None:
                self._some.clear()

    async def calls(self, question: Question) -> tuple[Recorded, ...]:
        return await read_calls(self.database, question)


async def read_calls(database: Database, question: Question) -> tuple[Recorded, ...]:
    """What is on the disk of all processes, the latest first."""
    asked = asdict(question)

    def job(connection: sqlite3.Connection) -> list[sqlite3.Row]:
        return connection.execute(_SELECT, asked).fetchall()

    return tuple(
        Recorded(**dict(zip(("id", "instance", *_COLUMNS), row, strict=True))) for row in await database.read(job)
    )


async def erase_calls(database: Database, caller: str) -> int:
    """Everything recorded of one caller; how many calls that were."""
    return await database.write(
        lambda connection: connection.execute("DELETE FROM tool_call WHERE caller = ?", (caller,)).rowcount
    )


def forget_calls(connection: sqlite3.Connection, *, before: float, limit: int) -> int:
    """Inside a job: drop calls that came before that time."""
    return connection.execute(
        "DELETE FROM tool_call WHERE id IN (SELECT id FROM tool_call WHERE at < ? ORDER BY at LIMIT ?)", (before, limit)
    ).rowcount


_COLUMNS: Final = tuple(entry.name for entry in fields(ToolCall))
_INSERT: Final = (
    "INSERT INTO tool_call (instance, at, caller, session, door, tool, input_hash, outcome, duration_ms, request_id, "
    "arguments) VALUES "
)
_VALUES: Final = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SELECT: Final = (
    "SELECT id, instance, at, caller, session, door, tool, input_hash, outcome, duration_ms, request_id, arguments "
    "FROM tool_call WHERE (:tool IS NULL OR tool = :tool) AND (:caller IS NULL OR caller = :caller) "
    "AND (:outcome IS NULL OR outcome = :outcome) AND (:since IS NULL OR at >= :since) ORDER BY at DESC, id DESC "
    "LIMIT :limit"
)


def _storable(text: str) -> str:
    """A lone surrogate is no text that the database could keep."""
    return text.encode("utf-8", "backslashreplace").decode()


_values_of: Final = attrgetter(*_COLUMNS)


def _row(instance: str, call: ToolCall) -> tuple[object, ...]:
    return (instance, *_values_of(call))


def _insert(connection: sqlite3.Connection, *, rows: Sequence[tuple[object, ...]]) -> None:
    """In one statement, which runs without Python: one statement per row would fight with the calls of the next moment
    over the interpreter.
    """
    if rows:
        connection.execute(_insert_of(len(rows)), [value for row in rows for value in row])


@lru_cache(maxsize=8)
def _insert_of(rows: int) -> str:
    return _INSERT + ", ".join([_VALUES] * rows)


def _gap_of(before: ToolCall | None, call: ToolCall) -> ToolCall:
    count = 1 if before is None else int(before.input_hash) + 1
    first = before or call
    return ToolCall(
        at=first.at,
        caller="-",
        session="-",
        door=first.door,
        tool=LOST,
        input_hash=str(count),
        outcome="lost",
        duration_ms=0.0,
    )
