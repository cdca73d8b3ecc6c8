"""A process that spends from a shared guard, as tests need it: `python spender.py DIRECTORY NUMBER [HANDLE]` asks as
often as it can at once, tells as JSON what it paid, and leaves.
"""

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path

import httpx2

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from fakes import CountedIds, Upstream, fake_ports, openai_error, openai_stream
from houses import TWO_TARGETS, ask, settings_of
from omniroute_agent.app import open_house
from omniroute_agent.engine.events import Done
from omniroute_agent.kernel.errors import LimitReached

ROUNDS, AT_ONCE = 3, 16


def greedy(request: httpx2.Request) -> httpx2.Response:
    """Bills everything it was allowed to write."""
    return openai_stream("x", usage=(10, json.loads(request.content)["max_tokens"]))


def failing(_: httpx2.Request) -> httpx2.Response:
    return openai_error(500, "boom")


async def main(directory: Path, number: int, handle: str | None = None) -> None:
    paid = refused = 0
    upstream = Upstream([greedy, failing, greedy])
    settings = settings_of(directory / f"settings-{number}", TWO_TARGETS, {})
    settings = settings.model_copy(update={"directory": directory / "data"})
    ports = fake_ports(upstream, ids=CountedIds(number * 1_000_000))
    async with open_house(settings, door="test", environment={}, ports=ports, caretakers=False) as house:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        for turn in range(ROUNDS):
            requests = [
                ask(house, f"{turn} {place}", model="two/beta", max_tokens=20 + 10 * place) for place in range(AT_ONCE)
            ]
            requests = [replace(request, handle=handle) for request in requests]
            outcomes = await asyncio.gather(*(house.parts.turn.take(r) for r in requests), return_exceptions=True)
            paid += sum(outcome.receipt.cost or 0 for outcome in outcomes if isinstance(outcome, Done))
            refused += sum(isinstance(outcome, LimitReached) for outcome in outcomes)
    sys.stdout.write(json.dumps({"paid": paid, "refused": refused}) + "\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
