"""A real house under virtual time: real engine, real SQLite, days of requests in seconds; and an audit of the books."""

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from unittest.mock import patch

import httpx2

from fakes import START, CountedIds
from flapping import Sky
from houses import ask, settings_of
from omniroute_agent.app import House, open_house
from omniroute_agent.engine.decision import Receipt
from omniroute_agent.engine.request import Request, TimeLimits
from omniroute_agent.kernel.errors import CallError
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.store.database import FILE, Database
from virtual_time import VirtualLoop

T = TypeVar("T")


class HeldDatabase(Database):
    """The database as it is; the virtual clock stands still while its writer works."""

    async def write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        with loop.held():
            return await super().write(job)


def virtual_ports(upstream: httpx2.AsyncBaseTransport, *, seed: int = 7) -> Ports:
    """Everything on the running loop's clock."""
    loop = asyncio.get_running_loop()
    return Ports(
        now=lambda: START + timedelta(seconds=loop.time()),
        monotonic=loop.time,
        sleep=asyncio.sleep,
        dice=random.Random(seed),  # noqa: S311 (loaded on purpose)
        new_id=CountedIds(),
        http=httpx2.AsyncClient(transport=upstream, trust_env=False),
    )


@asynccontextmanager
async def a_virtual_house(
    directory: Path, upstream: httpx2.AsyncBaseTransport, settings: str, *, environment: dict[str, str] | None = None
) -> AsyncGenerator[House, None]:
    loaded = settings_of(directory, settings, environment or {})
    with patch("omniroute_agent.app.Database", HeldDatabase):
        ports = virtual_ports(upstream)
        async with open_house(
            loaded, door="simulation", environment=environment or {}, ports=ports, caretakers=False
        ) as house:
            yield house


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What became of one request."""

    at: float
    """Virtual seconds at which it came."""
    receipt: Receipt | None
    error: str | None = None


@dataclass(slots=True)
class Day:
    """All requests of one run."""

    served: dict[str, Served] = field(default_factory=dict)

    @property
    def answered(self) -> list[Receipt]:
        return [s.receipt for s in self.served.values() if s.receipt is not None]

    @property
    def success(self) -> float:
        return len(self.answered) / max(len(self.served), 1)

    @property
    def errors(self) -> Counter[str]:
        return Counter(s.error for s in self.served.values() if s.error)

    def latency(self, percent: int) -> float:
        """Virtual seconds to the answer that so many percent did not exceed."""
        latencies = sorted(receipt.latency_ms for receipt in self.answered)
        return latencies[-(-len(latencies) * percent // 100) - 1] / 1000 if latencies else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One kind of request: words in, tokens out at most."""

    words: int = 30
    max_tokens: int | None = 300
    combo: str = "all"
    share: float = 1.0


async def drive(
    house: House, day: Day, *, requests: int, wave: int, every: float, questions: Sequence[Question], seed: int = 3
) -> None:
    """`wave` requests at a time, a wave every so many virtual seconds, whether or not the one before has ended."""
    loop = asyncio.get_running_loop()
    dice = random.Random(seed)  # noqa: S311 (loaded on purpose)
    shares = [question.share for question in questions]
    running: set[asyncio.Task[None]] = set()
    for number in range(requests):
        if number and number % wave == 0:
            await asyncio.sleep(every)
        question = dice.choices(questions, shares)[0]
        text = " ".join(f"w{number}" for _ in range(question.words))
        # Nobody waits longer than a minute for a first token; here a hanging provider may cost a tenth of it.
        limits = TimeLimits(first_token=6.0)
        request = ask(house, text, combo=question.combo, max_tokens=question.max_tokens, limits=limits)
        task = loop.create_task(_serve(house, day, request))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)


async def _serve(house: House, day: Day, request: Request) -> None:
    at = asyncio.get_running_loop().time()
    try:
        done = await house.parts.turn.take(request)
    except CallError as error:
        day.served[request.id] = Served(at=at, receipt=None, error=error.code)
    else:
        day.served[request.id] = Served(at=at, receipt=done.receipt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The ledger after a run."""

    intents: int
    unsettled: int
    decisions: int
    running: int
    """Decisions without an end."""
    held: int
    """Reservations left behind."""
    exact: int
    """Nano-dollars of attempts whose provider reported usage."""
    estimated: int
    first_calls: int
    retries: int
    """Calls to a target that the same request had called before."""
    worst_window: int
    """Nano-dollars by which the fullest guard window exceeds `limit`; at most 0 is right."""
    spent: int
    """Nano-dollars in all guard windows."""
    costs: dict[str, int]
    """Ledger's nano-dollars by request."""


def audit(directory: Path, *, limit: int = 0) -> Audit:
    """Read the books of a house that is closed."""
    connection = sqlite3.connect(directory / "data" / FILE)
    try:

        def one(query: str) -> int:
            value: int | None = connection.execute(query).fetchone()[0]
            return value or 0

        intents = one("SELECT COUNT(*) FROM intent")
        first_calls = one("SELECT COUNT(*) FROM (SELECT DISTINCT request_id, connection, model FROM intent)")
        return Audit(
            intents=intents,
            unsettled=intents - one("SELECT COUNT(*) FROM intent JOIN settlement USING (attempt_id)"),
            decisions=one("SELECT COUNT(*) FROM decision"),
            running=one("SELECT COUNT(*) FROM decision WHERE state NOT IN ('answered', 'failed')"),
            held=one("SELECT COUNT(*) FROM hold") + one("SELECT SUM(reserved_nano) FROM guard_window"),
            exact=one("SELECT SUM(cost_nano) FROM settlement WHERE cost_state = 'exact'"),
            estimated=one("SELECT SUM(cost_nano) FROM settlement WHERE cost_state = 'estimated'"),
            first_calls=first_calls,
            retries=intents - first_calls,
            worst_window=one("SELECT MAX(spent_nano) FROM guard_window") - limit,
            spent=one("SELECT SUM(spent_nano) FROM guard_window"),
            costs=dict(
                connection.execute(
                    "SELECT request_id, SUM(cost_nano) FROM intent JOIN settlement USING (attempt_id) GROUP BY 1"
                )
            ),
        )
    finally:
        connection.close()


def differing_bills(day: Day, books: Audit) -> list[str]:
    """Requests whose receipt says another cost than the ledger; there must be none."""
    return [
        request_id
        for request_id, served in day.served.items()
        if served.receipt is not None and served.receipt.cost != books.costs.get(request_id, 0)
    ]


def unlike(day: Day, sky: Sky, books: Audit) -> list[str]:
    """In words, where ledger, receipts and the providers' own books differ; empty: one bill per request, and the right
    one.
    """
    checks = (
        ("requests without exactly one record", len(day.served), books.decisions),
        ("records without an end", 0, books.running),
        ("attempts without exactly one bill", 0, books.unsettled),
        ("calls beside the ledger", sky.calls, books.intents),
        ("reservations left behind", 0, books.held),
        ("nano-dollars the providers charged for whole answers", sky.charged, books.exact),
        ("receipts that differ from the ledger", 0, len(differing_bills(day, books))),
    )
    return [f"{what}: {wanted} wanted, {found} found" for what, wanted, found in checks if wanted != found]
