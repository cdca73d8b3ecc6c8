"""A task delegated with Strands Agents' own class for remote agents. No language model of its own is asked.

python strands.py PLAN       PLAN: the JSON file that server.py wrote
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

import httpx

# Run as a program, in an environment without the project; this folder would hide the library of its name.
sys.path.pop(0)
sys.path.append(str(Path(__file__).resolve().parents[2]))

from a2a.client import ClientConfig
from a2a.types import TaskArtifactUpdateEvent
from strands.agent.a2a_agent import A2AAgent

from interop.steps import check, expect, plan_of, run

PLAN = plan_of(sys.argv)


def agent(key: str) -> A2AAgent:
    http = httpx.AsyncClient(headers={"authorization": f"Bearer {key}"}, timeout=30)
    return A2AAgent(PLAN["url"], client_config=ClientConfig(httpx_client=http))


def text(result: Any) -> str:
    return "".join(block["text"] for block in result.message["content"])


async def answer() -> str:
    asked, wanted = PLAN["hello"]
    result = await agent(PLAN["key"]).invoke_async(asked)
    expect((text(result), result.stop_reason), (wanted, "end_turn"), "text and stop reason")
    return f"{text(result)!r}, {result.stop_reason}"


async def stream() -> str:
    asked, wanted = PLAN["story"]
    updates = 0
    result: Any = None
    async for event in agent(PLAN["key"]).stream_async(asked):
        if "result" in event:
            result = event["result"]
        elif isinstance(event["event"], tuple):
            updates += isinstance(event["event"][1], TaskArtifactUpdateEvent)
    check(updates > 1, f"{updates} pieces")
    expect(text(result), wanted, "text")
    return f"{updates} pieces, {len(result.message['content'])} blocks, the whole text"


async def question() -> str:
    """It has no way to send a follow-up to a task: what it shows of the question is all."""
    result = await agent(PLAN["careful_key"]).invoke_async(PLAN["hello"][0])
    expect(result.stop_reason, "interrupt", "stop reason")
    check("USD" in text(result), f"the question is {text(result)!r}")
    return f"interrupt: {text(result)[:60]!r}… (it cannot answer)"


if __name__ == "__main__":
    asyncio.run(run(PLAN, {"answer": answer, "stream": stream, "question": question}))
