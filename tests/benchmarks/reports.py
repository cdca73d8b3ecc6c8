"""What a report costs on a large ledger: a month's `cost_report` over a million attempts, against ten thousand.

The attempts go through the same code as real ones (intent, then settlement with its sums), many in one commit, spread
evenly over a month, over 12 targets, 3 tasks and 2 combos; every tenth request needs a second attempt. Both files are
read in turns. It also prints what the sums add to a settlement, in CPU of the thread that writes, and what the same
report would cost from the single rows.

`python tests/benchmarks/reports.py [--rows 1000000] [--rounds 21] [--directory PLACE]`. Figures are medians.
"""

import argparse
import asyncio
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from math import inf
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from agent.store.bills import intent, settlement
from omniroute_agent.kernel.chat import Usage
from omniroute_agent.store.attempts import insert_intent, insert_settlement, open_attempt
from omniroute_agent.store.database import Database
from omniroute_agent.store.metrics import MetricsBook
from omniroute_agent.store.sums import OpenAttempt, add_to_sums
from omniroute_agent.store.usage import UsageBook

SMALL = 10_000
MONTH = datetime(2026, 10, 1, tzinfo=UTC)
DAYS = 31
BATCH = 5_000
CONNECTIONS, MODELS = ("one", "two", "three", "four"), ("alpha", "beta", "gamma")
MOST = 3.0
"""Times the small ledger's report that the large one's may take."""

Report = Callable[[Database], Awaitable[object]]


def write(connection: sqlite3.Connection, *, numbers: range, rows: int) -> None:
    """One commit's worth of attempts."""
    dice = random.Random(numbers.start)  # noqa: S311 (loaded on purpose)
    for number in numbers:
        at = MONTH.timestamp() + number * (DAYS * 86_400 / rows)
        second = number % 11 == 10
        begun = intent(
            f"a{number:026d}",
            request_id=f"r{number - second:026d}",
            at=at,
            connection=dice.choice(CONNECTIONS),
            model=dice.choice(MODELS),
        ).model_copy(
            update={"combo": dice.choice(("best", "cheap")), "task": dice.choice((None, "coding", "review"))},
        )
        insert_intent(connection, begun, "benchmark")
        opened = open_attempt(connection, begun.attempt_id)
        assert opened is not None
        usage = Usage(input_tokens=dice.randrange(4000), output_tokens=dice.randrange(900))
        bill = settlement(
            begun.attempt_id, dice.randrange(10**7), usage=usage, latency_ms=dice.randrange(9000), at=at + 2
        )
        insert_settlement(connection, opened, bill)


async def filled(directory: Path, rows: int) -> Database:
    database = await Database.open(directory)
    for start in range(0, rows, BATCH):
        await database.write(partial(write, numbers=range(start, min(start + BATCH, rows)), rows=rows))
    return database


async def month(database: Database, *, since: float = MONTH.timestamp(), until: float = inf) -> object:
    return await UsageBook(database).totals(since=since, until=until, caller="owner", session=None, group_by="model")


async def ragged(database: Database) -> object:
    """From and to the middle of an hour: single rows at both ends."""
    start = MONTH + timedelta(days=2, minutes=30)
    return await month(database, since=start.timestamp(), until=(start + timedelta(days=25)).timestamp())


async def a_week(database: Database) -> object:
    until = (MONTH + timedelta(days=DAYS)).timestamp()
    return await MetricsBook(database).connections(CONNECTIONS, since=until - 7 * 86_400, until=inf)


async def from_rows(database: Database) -> object:
    """The same month from the single rows, for comparison."""
    return await database.read(
        lambda c: c.execute(
            "SELECT i.model, COUNT(DISTINCT i.request_id), SUM(s.input_tokens), SUM(s.cost_nano) FROM intent i "
            "JOIN settlement s ON s.attempt_id = i.attempt_id WHERE i.at >= ? GROUP BY i.model",
            (MONTH.timestamp(),),
        ).fetchall()
    )


async def timed(report: Report, database: Database) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    await report(database)
    return (time.perf_counter() - began) * 1000


@dataclass(frozen=True)
class Compared:
    small: float
    large: float

    @property
    def ratio(self) -> float:
        return self.large / self.small


async def compared(report: Report, small: Database, large: Database, rounds: int) -> Compared:
    pairs = [(await timed(report, small), await timed(report, large)) for _ in range(rounds + 1)][1:]
    return Compared(*(statistics.median(side) for side in zip(*pairs, strict=True)))


async def sums_cost(database: Database, times: int = 20_000) -> float:
    """Microseconds of CPU that one settlement's sums take, inside a transaction."""
    usage = Usage(input_tokens=1000, output_tokens=100)
    bill = settlement("a", 7, usage=usage)

    def job(connection: sqlite3.Connection) -> float:
        attempts = [
            OpenAttempt(
                caller="owner",
                provider="provider",
                connection=name,
                model=model,
                combo="best",
                task=None,
                at=MONTH.timestamp() + 60.0 * number,
                nth=1,
                new_provider=1,
                new_connection=1,
                new_model=1,
            )
            for number in range(times // 12)
            for name in CONNECTIONS
            for model in MODELS
        ]
        began = time.thread_time()
        for attempt in attempts:
            add_to_sums(connection, attempt, bill)
        return (time.thread_time() - began) / len(attempts) * 1e6

    return await database.write(job)


async def measure(root: Path, rows: int, rounds: int) -> bool:
    small = await filled(root / "small", SMALL)
    began = time.perf_counter()
    large = await filled(root / "large", rows)
    seconds = time.perf_counter() - began
    print(f"SQLite {sqlite3.sqlite_version}, {rows} attempts written in {seconds:.0f} s, {rounds} rounds")
    print(f"{'report':<34}{f'{SMALL} rows, ms':>18}{f'{rows} rows, ms':>20}{'ratio':>9}")
    fits = True
    for name, report in (
        ("a month by model", month),
        ("the same with ragged ends", ragged),
        ("metrics of four connections, 7 d", a_week),
    ):
        found = await compared(report, small, large, rounds)
        print(f"{name:<34}{found.small:>18.2f}{found.large:>20.2f}{found.ratio:>9.2f}")
        fits = fits and (report is not month or found.ratio <= MOST)
    found = await compared(from_rows, small, large, 3)
    print(f"{'a month from single rows':<34}{found.small:>18.2f}{found.large:>20.2f}{found.ratio:>9.2f}")
    print(f"sums add {await sums_cost(small):.1f} µs of CPU to a settlement (on the writer's thread)")
    await small.close()
    await large.close()
    return fits


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=21)
    options.add_argument("--directory", type=Path, help="on the disk to measure; default the system's temporary one")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.directory) as directory:
        fits = asyncio.run(measure(Path(directory), chosen.rows, chosen.rounds))
    if not fits:
        print(f"the month takes more than {MOST:g} times as long")
    return 0 if fits else 1


if __name__ == "__main__":
    raise SystemExit(main())
