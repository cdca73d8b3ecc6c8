"""A hundred thousand requests over providers that come and go, in virtual time.

Real engine, real SQLite (`synchronous=FULL`), scripted providers behind the HTTP port that keep their own books. Prints
the tables of docs/benchmarks.md and ends with 1 if something that must hold does not:

python tests/benchmarks/simulation.py [--requests 100000] [--directory PLACE]

The first story gets all of the requests, the others a twentieth of them, each order a fortieth.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).parent.parent))

from omniroute_agent.engine.retry import RETRY_SHARE
from omniroute_agent.kernel.money import usd
from stories import WAVE, Told, compared, flapping, guarded, outage, turns

T = TypeVar("T")


@dataclass
class Report:
    """Rows of two tables, and what did not hold."""

    directory: Path
    rows: list[str] = field(default_factory=list)
    claims: list[str] = field(default_factory=list)
    broken: int = 0

    def story(self, name: str, run: Callable[[Path], T]) -> tuple[T, float]:
        """Run one story in a place of its own; its result and the seconds it took."""
        place = self.directory / name.replace(" ", "-")
        place.mkdir()
        began = time.perf_counter()
        return run(place), time.perf_counter() - began

    def row(self, name: str, told: Told, seconds: float) -> None:
        day = told.day
        cells = (
            name,
            f"{len(day.served):,}",
            f"{day.success:.2%}",
            f"{day.latency(50):.1f} s",
            f"{day.latency(99):.1f} s",
            f"{told.calls_per_request:.3f}",
            usd(told.cost),
            f"{told.seconds / 3600:.1f} h",
            f"{seconds:.0f} s",
        )
        self._print(self.rows, f"| {' | '.join(cells)} |")
        self.claim(f"{name}: one bill per request, the ledger and the providers' books alike", not told.differences)
        for difference in told.differences:
            self._print(self.claims, f"  {difference}")

    def claim(self, what: str, holds: bool, figure: str = "") -> None:
        self.broken += not holds
        self._print(self.claims, f"| {what} | {figure or ('yes' if holds else 'no')} | {'' if holds else 'BROKEN'} |")

    def _print(self, into: list[str], line: str) -> None:
        into.append(line)
        print(line, flush=True)


def tell_all(report: Report, requests: int) -> None:
    some = max(requests // 20, 320)
    for strategy, count in (("auto", requests), ("priority", some)):
        report.row(
            f"flapping, {strategy}", *report.story(strategy, partial(flapping, requests=count, strategy=strategy))
        )
    _outages(report, some)
    _guard(report, some)
    _turns(report, some)
    _compare(report, max(requests // 40, 320))


def _outages(report: Report, requests: int) -> None:
    stories: tuple[tuple[str, tuple[str, ...]], ...] = (("total outage", ()), ("outage of all but one", ("dear",)))
    for name, survivors in stories:
        found, seconds = report.story(name, partial(outage, requests=requests, survivors=survivors))
        report.row(name, found.told, seconds)
        share, calls = found.retry_share, found.calls_once_open
        report.claim(
            f"{name}: same-target retries over first calls, at most 10 %", share <= RETRY_SHARE, f"{share:.2%}"
        )
        report.claim(f"{name}: calls per request once breakers are open, at most 1.1", calls <= 1.1, f"{calls:.3f}")


def _guard(report: Report, requests: int) -> None:
    told, seconds = report.story("guard", partial(guarded, requests=requests, dollars="0.05", limit=50_000_000))
    report.row("a guard of 0.05 USD a day, 64 at once", told, seconds)
    over = max(told.books.worst_window, 0)
    report.claim("guard: overspend", over == 0, f"{usd(over)} USD of {usd(told.books.spent)} spent")


def _turns(report: Report, requests: int) -> None:
    calm, seconds = report.story("calm", partial(turns, requests=requests, calm=True))
    report.row("round-robin, calm", calm, seconds)
    calls = sorted(book.calls for book in calm.sky.books.values())
    even = calls[-1] - calls[0] <= 1
    report.claim("round-robin, calm: calls of the least and the most used", even, f"{calls[0]:,} and {calls[-1]:,}")
    told, seconds = report.story("weather", partial(turns, requests=requests, calm=False))
    report.row("round-robin, flapping", told, seconds)
    rest = max(told.sky.longest_rest(name, told.seconds) for name in told.sky.books)
    # A breaker stays open for 300 s at most, then the second wave at the latest finds the target.
    most = 300 + 2 * WAVE * told.seconds / requests
    report.claim(
        f"round-robin, flapping: longest fine weather without a call, at most {most:.0f} s",
        rest <= most,
        f"{rest:.0f} s",
    )


def _compare(report: Report, requests: int) -> None:
    found, seconds = report.story("orders", partial(compared, requests=requests))
    order, best = found.best
    runs = len(found.fixed) + 1
    report.row("three providers, auto with cost-saver", found.auto, seconds / runs)
    for name, told in found.fixed.items():
        report.row(f"three providers, always {name}", told, seconds / runs)
    ratio = found.auto.cost / best.cost
    answered = f"{found.auto.day.success:.2%} and {best.day.success:.2%}"
    alike = found.auto.day.success >= best.day.success
    report.claim("auto answers as much as the best fixed order", alike, answered)
    report.claim(f"auto's cost over that of the best fixed order ({order})", ratio < 1, f"{ratio:.2f}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--requests", type=int, default=100_000)
    options.add_argument("--directory", type=Path, help="on the disk to use; default the system's temporary one")
    chosen = options.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=chosen.directory) as directory:
        report = Report(Path(directory))
        tell_all(report, chosen.requests)
    print("\n| story | requests | answered | p50 | p99 | calls per request | USD | virtual time | real time |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|", *report.rows, sep="\n")
    print("\n| what must hold | found | |\n|---|--:|---|", *report.claims, sep="\n")
    print(f"\n{time.perf_counter() - began:.0f} s in all; {report.broken} broken")
    sys.exit(1 if report.broken else 0)


if __name__ == "__main__":
    main()
