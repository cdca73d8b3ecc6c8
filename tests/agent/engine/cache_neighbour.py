"""Another process on the data directory of its first argument: it asks, with the settings of its second, for one
answer that may be kept, and says what it got.
"""

import asyncio
import sys
from pathlib import Path

from omniroute_agent.app import open_house
from omniroute_agent.engine.request import Request
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.chat import Chat, Message, Text
from omniroute_agent.settings.sources import load


async def main() -> None:
    directory, settings = Path(sys.argv[1]), Path(sys.argv[2])
    loaded = load(config=settings, data_dir=directory, environment={})
    async with open_house(loaded, door="test", environment={}, caretakers=False) as house:
        ports = house.parts.ports
        done = await house.parts.turn.take(
            Request(
                id=ports.new_id(),
                caller=Caller(id="owner", scopes=frozenset(("*",)), session="s"),
                door="test",
                chat=Chat(model="fake/fake-model", messages=(Message("user", (Text("Hi"),)),), temperature=0.0),
                deadline=ports.monotonic() + 30,
            )
        )
        sys.stdout.write(f"{done.answer.text} {done.receipt.reused}\n")


if __name__ == "__main__":
    asyncio.run(main())
