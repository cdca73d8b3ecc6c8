"""What durable accounting costs: attempts reserved and settled a second, against a bare commit per row.

Both write the same number of rows (an intent and its settlement) to a WAL database with `synchronous=FULL` on the same
disk, in interleaved rounds; ours also moves a guard, updates the month's sums and reads the target's health. Run it on
a quiet machine: `python tests/benchmarks/ledger.py [--rounds 5] [--directory PLACE]`. Figures are medians.
"""

import argparse
import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from agent.store.bills import as_it_is, hold, intent, settlement
from omniroute_agent.store.database import Database
from omniroute_agent.store.file import connect, set_wal
from omniroute_agent.store.ledger import Ledger

ROWS_AN_ATTEMPT = 2
ATTEMPTS = {1: 500, 256: 8_000}
"""By how many are in flight."""
BARE_ROWS = 1_000
NO_LIMIT = 2**53


@dataclass(frozen=True)
class Figures:
    rows: float
    """Durable rows a second."""
    cpu_us: float
    """CPU microseconds a row, of all threads."""
    rows_a_commit: float
    p50_ms: float
    """From asking for a reservation until it is on the disk."""
    p99_ms: float


async def ours(directory: Path, in_flight: int) -> Figures:
    database = await Database.open(directory)
    ledger = Ledger(database, "benchmark")
    numbers = iter(range(ATTEMPTS[in_flight]))
    waits: list[float] = []

    async def worker() -> None:
        for number in numbers:
            asked = time.perf_counter()
            await ledger.reserve(intent(f"a{number}", hold(10, limit=NO_LIMIT), request_id=f"r{number}"), as_it_is)
            waits.append((time.perf_counter() - asked) * 1000)
            await ledger.settle(settlement(f"a{number}", 7), as_it_is)

    before = await database.check()
    began, worked = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(in_flight)))
    seconds, worked = time.perf_counter() - began, time.process_time() - worked
    after = await database.check()
    await database.close()
    rows = ATTEMPTS[in_flight] * ROWS_AN_ATTEMPT
    cuts = statistics.quantiles(waits, n=100)
    # The second check has a commit and a job of its own.
    grouped = (after.jobs - before.jobs - 1) / (after.commits - before.commits - 1)
    return Figures(rows / seconds, worked / rows * 1e6, grouped, cuts[49], cuts[98])


def bare(directory: Path) -> Figures:
    """One connection, one thread, one commit a row: nothing between the caller and the disk."""
    connection = connect(directory / "bare.sqlite")
    set_wal(connection)
    connection.execute("CREATE TABLE row (id TEXT PRIMARY KEY, request_id TEXT, model TEXT, at REAL, cost INTEGER)")
    waits: list[float] = []
    began, worked = time.perf_counter(), time.process_time()
    for number in range(BARE_ROWS):
        asked = time.perf_counter()
        connection.execute("INSERT INTO row VALUES (?, ?, ?, ?, ?)", (f"a{number}", f"r{number}", "alpha", 1.0, 7))
        waits.append((time.perf_counter() - asked) * 1000)
    seconds, worked = time.perf_counter() - began, time.process_time() - worked
    connection.close()
    cuts = statistics.quantiles(waits, n=100)
    return Figures(BARE_ROWS / seconds, worked / BARE_ROWS * 1e6, 1.0, cuts[49], cuts[98])


def measure(place: Path | None) -> dict[str, Figures]:
    with tempfile.TemporaryDirectory(dir=place) as directory:
        root = Path(directory)
        found = {"bare": bare(root)}
        for in_flight in ATTEMPTS:
            found[f"{in_flight} in flight"] = asyncio.run(ours(root / str(in_flight), in_flight))
        return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--directory", type=Path, help="on the disk to measure; default the system's temporary one")
    chosen = options.parse_args()
    rounds = [measure(chosen.directory) for _ in range(chosen.rounds)]
    names = list(Figures.__dataclass_fields__)
    print(f"SQLite {sqlite3.sqlite_version}, {chosen.rounds} rounds")
    print(f"{'':<14}" + "".join(f"{name:>15}" for name in (*names, "rows × bare")))
    for way in rounds[0]:
        medians = [statistics.median(getattr(one[way], name) for one in rounds) for name in names]
        ratio = statistics.median(one[way].rows / one["bare"].rows for one in rounds)
        print(f"{way:<14}" + "".join(f"{value:>15.2f}" for value in (*medians, ratio)))


if __name__ == "__main__":
    main()
