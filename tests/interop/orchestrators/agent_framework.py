"""A task delegated with Microsoft Agent Framework's own class for remote agents. No language model of its own is asked.

python agent_framework.py PLAN       PLAN: the JSON file that server.py wrote
"""

import asyncio
import sys
from pathlib import Path

import httpx

# Run as a program, in an environment without the project; this folder would hide the library of its name.
sys.path.pop(0)
sys.path.append(str(Path(__file__).resolve().parents[2]))

from a2a.client import A2ACardResolver
from agent_framework import AgentSession
from agent_framework_a2a import A2AAgent

from interop.steps import check, expect, owner_agrees, plan_of, run

PLAN = plan_of(sys.argv)


async def agent(key: str) -> A2AAgent:
    http = httpx.AsyncClient(headers={"authorization": f"Bearer {key}"}, timeout=30)
    return A2AAgent(agent_card=await A2ACardResolver(http, PLAN["url"]).get_agent_card(), http_client=http)


async def answer() -> str:
    asked, wanted = PLAN["hello"]
    response = await (await agent(PLAN["key"])).run(asked)
    expect(response.text, wanted, "text")
    return repr(response.text)


async def stream() -> str:
    asked, wanted = PLAN["story"]
    pieces = [update.text async for update in (await agent(PLAN["key"])).run(asked, stream=True) if update.text]
    check(len(pieces) > 1, f"{len(pieces)} pieces")
    expect("".join(pieces), wanted, "text")
    return f"{len(pieces)} pieces, the whole text"


async def follow_up() -> str:
    remote = await agent(PLAN["careful_key"])
    session = AgentSession()
    asked = await remote.run(PLAN["hello"][0], session=session)
    (request,) = asked.user_input_requests
    owner_agrees(PLAN, request.text)
    response = await remote.run("Go on.", session=session)
    expect(response.text, PLAN["hello"][1], "text after the follow-up")
    return f"asked {request.text[:60]!r}…, then {response.text!r}"


if __name__ == "__main__":
    asyncio.run(run(PLAN, {"answer": answer, "stream": stream, "follow-up": follow_up}))
