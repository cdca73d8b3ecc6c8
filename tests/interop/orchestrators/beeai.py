"""A task delegated with the BeeAI Framework's own class for remote agents. No language model of its own is asked.

python beeai.py PLAN       PLAN: the JSON file that server.py wrote
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

# Run as a program, in an environment without the project.
sys.path.pop(0)
sys.path.append(str(Path(__file__).resolve().parents[2]))

from a2a.types import TaskArtifactUpdateEvent
from beeai_framework.adapters.a2a.agents import A2AAgent
from beeai_framework.adapters.a2a.agents.agent import A2AAgentParameters, HttpxAsyncClientParameters
from beeai_framework.memory import UnconstrainedMemory

from interop.steps import check, expect, owner_agrees, plan_of, run

PLAN = plan_of(sys.argv)


def agent(key: str) -> A2AAgent:
    http = HttpxAsyncClientParameters(headers={"authorization": f"Bearer {key}"})
    return A2AAgent(
        url=PLAN["url"], memory=UnconstrainedMemory(), parameters=A2AAgentParameters(httpx_async_client=http)
    )


async def answer() -> str:
    asked, wanted = PLAN["hello"]
    output = await agent(PLAN["key"]).run(asked)
    expect(output.last_message.text, wanted, "text")
    return repr(output.last_message.text)


async def stream() -> str:
    asked, wanted = PLAN["story"]
    updates: list[Any] = []
    output = await agent(PLAN["key"]).run(asked).on("update", lambda data, _: updates.append(data.value))
    pieces = [each for each in updates if isinstance(each, tuple) and isinstance(each[1], TaskArtifactUpdateEvent)]
    check(len(pieces) > 1, f"{len(pieces)} pieces")
    expect(output.last_message.text, wanted, "text")
    return f"{len(pieces)} pieces, the whole text"


async def follow_up() -> str:
    remote = agent(PLAN["careful_key"])
    asked = (await remote.run(PLAN["hello"][0])).last_message.text
    owner_agrees(PLAN, asked)
    output = await remote.run("Go on.")
    expect(output.last_message.text, PLAN["hello"][1], "text after the follow-up")
    return f"asked {asked[:60]!r}…, then {output.last_message.text!r}"


if __name__ == "__main__":
    asyncio.run(run(PLAN, {"answer": answer, "stream": stream, "follow-up": follow_up}))
