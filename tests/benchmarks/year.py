"""Whether a year of traffic leaves a file that stays as large as it is: pages by month, in virtual time.

Every request goes through the same code as a real one and leaves an intent, a settlement with its sums, a guard's hold,
a decision and sometimes a kept answer; the sweep runs once a day. Retention is 15 days for decisions and 30 for single
ledger rows. `python tests/benchmarks/year.py [--requests 2000] [--days 365] [--directory PLACE]`
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from agent.store.bills import opened
from agent.store.years import live, pages, rows

MONTH = 30
SETTLED_AFTER = 90
"""Days after which single rows and sums by hour have reached their retention; sums by day and month go on slowly."""
MOST = 1.05
"""Times its size then that the file may have at the end."""


async def measure(directory: Path, requests: int, days: int) -> bool:
    print(f"{requests} requests a day")
    print(f"{'day':>6}{'MiB':>10}{'free pages':>12}{'attempts':>10}{'sums':>8}{'seconds':>9}")
    settled = used = 0
    async with opened(directory) as database:
        for start in range(0, days, MONTH):
            began = time.perf_counter()
            end = min(start + MONTH, days)
            await live(database, days=range(start, end), requests=requests, sweep_every=1)
            (used, free), counted = await pages(database), await rows(database)
            if end <= SETTLED_AFTER:
                settled = used
            print(
                f"{end:>6}{used * 4096 / 2**20:>10.1f}{free:>12}{counted['intent']:>10}{counted['usage_sum']:>8}"
                f"{time.perf_counter() - began:>9.1f}"
            )
    print(f"at the end {used / settled:.3f} times the size of day {SETTLED_AFTER}")
    return used <= settled * MOST


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--requests", type=int, default=2000)
    options.add_argument("--days", type=int, default=365)
    options.add_argument("--directory", type=Path, help="on the disk to measure; default the system's temporary one")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.directory) as directory:
        return 0 if asyncio.run(measure(Path(directory), chosen.requests, chosen.days)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
