"""The A2A door of a real house on a real port, and requests to it as plain JSON."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from doors.house_rig import KEYS, OWNER_KEY, server_of
from doors.http_rig import Rig, running
from fakes import CountedIds, FakeClock
from houses import TWO_TARGETS, a_house
from omniroute_agent.app import House
from omniroute_agent.cli.agent_door import agent_door
from omniroute_agent.doors.a2a.words import EXTENSION
from omniroute_agent.doors.holders import Holder, key_digest
from omniroute_agent.doors.mcp.http import caller_of, http_app
from omniroute_agent.doors.observing import observing_routes
from omniroute_agent.kernel.secret import Secret

JsonObject = dict[str, Any]


@dataclass
class SteadyClock(FakeClock):
    """Stands still until the test moves it; whoever sleeps wakes when his time has come."""

    sleepers: list[tuple[float, asyncio.Event]] = field(default_factory=list)

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        for until, waking in self.sleepers:
            if until <= self.seconds:
                waking.set()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        sleeper = (self.seconds + seconds, asyncio.Event())
        self.sleepers.append(sleeper)
        try:
            await sleeper[1].wait()
        finally:
            self.sleepers.remove(sleeper)


@dataclass(frozen=True)
class Door:
    """One caller at the door. Methods of 1.0 go with their version, those of 0.3 without one."""

    rig: Rig
    house: House
    clock: SteadyClock
    http: httpx2.AsyncClient

    async def post(
        self, method: str, params: object = None, *, headers: Mapping[str, str] | None = None, path: str = "/a2a"
    ) -> httpx2.Response:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {} if params is None else params}
        version = {"a2a-version": "1.0"} if method[0].isupper() else {}
        return await self.http.post(path, json=body, headers=version if headers is None else headers)

    async def ask(self, method: str, params: object = None) -> Any:
        """The result."""
        answer = (await self.post(method, params)).json()
        assert "result" in answer, answer
        return answer["result"]

    async def fault(self, method: str, params: object = None) -> JsonObject:
        answer = (await self.post(method, params)).json()
        found: JsonObject = answer["error"]
        return found

    @asynccontextmanager
    async def stream(self, method: str, params: object) -> AsyncIterator["Events"]:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        headers = {"a2a-version": "1.0"} if method[0].isupper() else {}
        async with self.http.stream("POST", "/a2a", json=body, headers=headers) as response:
            yield Events(response)

    async def told(self, method: str, params: object) -> list[Any]:
        """All that a stream tells."""
        async with self.stream(method, params) as events:
            return [event async for event in events]


class Events:
    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.comments: list[str] = []
        self._lines = response.aiter_lines()

    def __aiter__(self) -> "Events":
        return self

    async def __anext__(self) -> Any:
        async for line in self._lines:
            if line.startswith(":"):
                self.comments.append(line)
            elif line.startswith("data: "):
                answer = json.loads(line.removeprefix("data: "))
                return answer.get("result", answer)
        raise StopAsyncIteration


def says(text: str, *, task: str = "", context: str = "", options: Mapping[str, Any] | None = None, **more: Any) -> Any:
    """Parameters of a 1.0 message."""
    message: JsonObject = {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": text}]}
    if task:
        message["taskId"] = task
    if context:
        message["contextId"] = context
    if options:
        message["metadata"] = {EXTENSION: dict(options)}
    return {"message": message, **more}


def old_says(text: str, *, task: str = "", context: str = "", **more: Any) -> Any:
    """The same of 0.3."""
    message: JsonObject = {
        "kind": "message",
        "messageId": "m1",
        "role": "user",
        "parts": [{"kind": "text", "text": text}],
    }
    if task:
        message["taskId"] = task
    if context:
        message["contextId"] = context
    return {"message": message, **more}


def state(task: JsonObject) -> str:
    found: str = task["status"]["state"]
    return found


def text(task: JsonObject) -> str:
    (answer,) = [artifact for artifact in task["artifacts"] if artifact["artifactId"] == "answer"]
    return "".join(part["text"] for part in answer["parts"])


def envelope(holder: JsonObject) -> JsonObject:
    found: JsonObject = holder["metadata"][EXTENSION]
    return found


@asynccontextmanager
async def at_the_door(
    directory: Path,
    upstream: httpx2.AsyncBaseTransport | None = None,
    *,
    settings: str = TWO_TARGETS,
    key: str = OWNER_KEY,
    keys: Mapping[str, Holder] = KEYS,
    clock: SteadyClock | None = None,
    ids: CountedIds | None = None,
    drain_seconds: int = 2,
) -> AsyncGenerator[Door, None]:
    clock = clock or SteadyClock()
    async with a_house(directory, upstream, settings=settings, clock=clock, ids=ids) as house:
        agent = agent_door(house, keys=True)
        app = http_app(
            lambda door: server_of(house, caller_of, door),
            {key_digest(Secret(each)): holder for each, holder in keys.items()},
            house.parts.ports,
            routes=[*observing_routes(house.parts), *agent.routes],
            open_paths=agent.open_paths,
            lifespans=agent.lifespans,
            closing=agent.closing,
        )
        async with running(app, drain_seconds=drain_seconds) as rig, as_caller(rig, key) as http:
            yield Door(rig, house, clock, http)


def as_caller(rig: Rig, key: str) -> httpx2.AsyncClient:
    return rig.http({"authorization": f"Bearer {key}"})
