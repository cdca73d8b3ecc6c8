"""A task delegated with Google ADK's own class for remote agents. No language model of its own is asked.

python adk.py PLAN       PLAN: the JSON file that server.py wrote
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

import httpx

# Run as a program, in an environment without the project.
sys.path.pop(0)
sys.path.append(str(Path(__file__).resolve().parents[2]))

from google.adk.agents.remote_a2a_agent import RemoteA2aAgent
from google.adk.runners import InMemoryRunner
from google.genai.types import Content, FunctionResponse, Part

from interop.steps import check, expect, owner_agrees, plan_of, run

PLAN = plan_of(sys.argv)
CARD = PLAN["url"] + "/.well-known/agent-card.json"
USER = "somebody"


class Conversation:
    def __init__(self, key: str) -> None:
        http = httpx.AsyncClient(headers={"authorization": f"Bearer {key}"}, timeout=30)
        self._runner = InMemoryRunner(RemoteA2aAgent("gateway", CARD, httpx_client=http), app_name="interop")
        self._session: Any = None

    async def say(self, part: Part) -> list[Any]:
        sessions = self._runner.session_service
        self._session = self._session or await sessions.create_session(app_name="interop", user_id=USER)
        message = Content(role="user", parts=[part])
        told = self._runner.run_async(user_id=USER, session_id=self._session.id, new_message=message)
        return [event async for event in told]

    async def kept(self) -> list[Any]:
        """What its session remembers of it all: no partial events."""
        session = await self._runner.session_service.get_session(
            app_name="interop", user_id=USER, session_id=self._session.id
        )
        return session.events


def texts(events: list[Any]) -> list[tuple[str, bool]]:
    """What was said, and whether it was a piece of something."""
    return [
        (part.text, bool(event.partial))
        for event in events
        for part in (event.content.parts if event.content else [])
        if part.text and not part.thought
    ]


async def answer() -> str:
    asked, wanted = PLAN["hello"]
    talk = Conversation(PLAN["key"])
    said = texts(await talk.say(Part(text=asked)))
    expect([text for text, _ in said], [wanted], "text")
    check((wanted, False) in texts(await talk.kept()), "its session forgets the answer")
    return f"{wanted!r}, and its session keeps it"


async def stream() -> str:
    asked, wanted = PLAN["story"]
    said = texts(await Conversation(PLAN["key"]).say(Part(text=asked)))
    check(len(said) > 1, f"{len(said)} pieces")
    pieces = "".join(text for text, _ in said)
    check(wanted in pieces, f"the pieces are {said}")
    return f"{len(said)} events, {sum(partial for _, partial in said)} of them partial"


async def follow_up() -> str:
    talk = Conversation(PLAN["careful_key"])
    events = await talk.say(Part(text=PLAN["hello"][0]))
    (call,) = [call for event in events for call in event.get_function_calls()]
    asked = str(call.args["input_required"])
    owner_agrees(PLAN, asked)
    reply = FunctionResponse(id=call.id, name=call.name, response={"result": "Go on."})
    said = texts(await talk.say(Part(function_response=reply)))
    expect(said[-1][0], PLAN["hello"][1], "text after the follow-up")
    return f"asked {asked[:60]!r}…, then {said[-1][0]!r}"


if __name__ == "__main__":
    asyncio.run(run(PLAN, {"answer": answer, "stream": stream, "follow-up": follow_up}))
