"""What planning costs: CPU microseconds to make one plan, by strategy and number of targets.

A plan is made with everything in it: eligibility of each target, its price for this very call, the strategy's order,
and each choice with its reason and factors. Every request has another length, so nothing is priced twice; every target
has a record of its own, a quota and a price that its owner stated. Beside it stands what sorting as many tuples costs
on the same machine in the same run. As under `serve`, the garbage collector leaves alone what was loaded before the
first request; its work on what plans leave behind is counted.

Run it on a quiet machine: `python tests/benchmarks/planning.py [--plans 1000] [strategy …]`.
"""

import argparse
import gc
import random
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from pydantic import JsonValue

from omniroute_agent.engine.combos import Combo
from omniroute_agent.engine.plan import make_plan
from omniroute_agent.engine.situation import Candidate, ComboState, QuotaWindow, Situation
from omniroute_agent.engine.strategies import STRATEGIES
from omniroute_agent.kernel.record import Affinity, TargetStats
from omniroute_agent.providers.prices import OwnPrice, Stated
from targets import candidate, needs, request, situation

POOLS = (1, 10, 50, 500)
PROVIDERS = 10
MODELS = ("gpt-5", "claude-sonnet-4-5", "gemini-2.5-pro", "deepseek-chat", "kimi-k2")
SORTED = "sort tuples"


def world(size: int) -> tuple[list[Candidate], Situation]:
    """That many targets of ten providers, all of them measured, priced and with a quota."""
    dice = random.Random(size)  # noqa: S311 (the same world every time)
    candidates = [_target(number, dice) for number in range(size)]
    names = tuple(target.name for target in candidates)
    weights: dict[str, JsonValue] = {name: dice.randrange(1, 9) for name in names}
    moment = replace(
        situation(),
        dice=(0.5, 0.5, 0.5, 0.5),
        stats={name: _record(dice) for name in names},
        quotas={
            target.connection.id: (QuotaWindow(window="5h", left=dice.random(), resets_at=2e9, seconds=18_000.0),)
            for target in candidates
        },
        combo=ComboState(options={"pack": "balanced", "weights": weights}, pool=names, last_target=names[0]),
        affinity=Affinity(target=names[-1], served_at=situation().now - 9, expires_at=situation().now + 291),
        task="coding",
    )
    return candidates, moment


def _target(number: int, dice: random.Random) -> Candidate:
    price = Stated(prices=OwnPrice(input=dice.randrange(10**6), output=dice.randrange(10**7)), source="settings")
    made = candidate(f"c{number}", MODELS[number % len(MODELS)], price=price)
    provider = replace(made.connection.provider, id=f"p{number % PROVIDERS}")
    return replace(made, connection=replace(made.connection, provider=provider))


def _record(dice: random.Random) -> TargetStats:
    attempts = dice.randrange(10, 50)
    return TargetStats(
        attempts=attempts,
        successes=dice.randrange(attempts // 2, attempts),
        p50_ms=dice.uniform(200, 900),
        p95_ms=dice.uniform(900, 3_000),
        stddev_ms=dice.uniform(10, 400),
        last_used_at=situation().now - dice.uniform(0, 3_000),
        last_success_at=situation().now - dice.uniform(0, 3_000),
    )


def planning(strategy: str, size: int) -> Callable[[int], object]:
    candidates, moment = world(size)
    combo = Combo(name="c", targets=moment.combo.pool, strategy=strategy)
    asked = request()

    def plan(round_: int) -> object:
        return make_plan(
            asked,
            needs(input_tokens=500 + round_),
            asked="combo/c",
            combo=combo,
            candidates=candidates,
            unknown_targets=(),
            situation=moment,
        )

    return plan


def sorting(size: int) -> Callable[[int], object]:
    dice = random.Random(size)  # noqa: S311 (the same rows every time)
    rows = [(dice.random(), number) for number in range(size)]
    return lambda _: sorted(rows)


def measure(work: Callable[[int], object], rounds: int) -> tuple[float, float]:
    """p50 and p99 of CPU microseconds."""
    for warm in range(min(rounds, 50)):
        work(warm)
    spent: list[int] = []
    for number in range(rounds):
        began = time.thread_time_ns()
        work(number)
        spent.append(time.thread_time_ns() - began)
    spent.sort()
    return spent[len(spent) // 2] / 1000, spent[int(len(spent) * 0.99)] / 1000


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--plans", type=int, default=1_000, help="of each strategy and size")
    options.add_argument("strategy", nargs="*", help="all of them without a name")
    chosen = options.parse_args()
    names = chosen.strategy or [*STRATEGIES]
    print(f"{'CPU µs a plan':<20}" + "".join(f"{f'{size} p50':>11}{f'{size} p99':>11}" for size in POOLS))
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)
    for name in (SORTED, *names):
        figures = [measure(sorting(size) if name == SORTED else planning(name, size), chosen.plans) for size in POOLS]
        print(f"{name:<20}" + "".join(f"{half:>11.1f}{most:>11.1f}" for half, most in figures))


if __name__ == "__main__":
    main()
