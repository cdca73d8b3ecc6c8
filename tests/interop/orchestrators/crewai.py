"""A task delegated with CrewAI's own delegation to remote agents. No language model of its own is asked.

python crewai.py PLAN       PLAN: the JSON file that server.py wrote
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

# Run as a program, in an environment without the project; this folder would hide the library of its name.
sys.path.pop(0)
sys.path.append(str(Path(__file__).resolve().parents[2]))

from crewai.a2a.auth.client_schemes import BearerTokenAuth
from crewai.a2a.utils.delegation import aexecute_a2a_delegation
from crewai.events import crewai_event_bus
from crewai.events.types.a2a_events import A2AArtifactReceivedEvent

from interop.steps import check, expect, owner_agrees, plan_of, run

PLAN = plan_of(sys.argv)
CARD = PLAN["url"] + "/.well-known/agent-card.json"


async def delegate(key: str, task: str, **known: Any) -> dict[str, Any]:
    return await aexecute_a2a_delegation(CARD, BearerTokenAuth(token=key), 30, task, **known)


async def answer() -> str:
    asked, wanted = PLAN["hello"]
    result = await delegate(PLAN["key"], asked)
    expect((result["result"], result["status"].value), (wanted, "completed"), "text and state")
    return f"{result['result']!r}, {result['status'].value}"


async def stream() -> str:
    asked, wanted = PLAN["story"]
    pieces: list[Any] = []
    with crewai_event_bus.scoped_handlers():
        crewai_event_bus.on(A2AArtifactReceivedEvent)(lambda _, event: pieces.append(event))
        result = await delegate(PLAN["key"], asked)
        await asyncio.to_thread(crewai_event_bus.flush)
    check(len(pieces) > 1, f"{len(pieces)} pieces")
    # It joins pieces with a blank.
    expect(result["result"].split(), wanted.split(), "words")
    return f"{len(pieces)} pieces, {result['result']!r}"


async def follow_up() -> str:
    first = await delegate(PLAN["careful_key"], PLAN["hello"][0])
    expect(first["status"].value, "input-required", "state")
    asked = first["error"]
    owner_agrees(PLAN, asked)
    history = first["history"]
    last = history[-1]
    result = await delegate(
        PLAN["careful_key"], "Go on.", context_id=last.context_id, task_id=last.task_id, conversation_history=history
    )
    expect(result["result"], PLAN["hello"][1], "text after the follow-up")
    return f"asked {asked[:60]!r}…, then {result['result']!r}"


if __name__ == "__main__":
    asyncio.run(run(PLAN, {"answer": answer, "stream": stream, "follow-up": follow_up}))
