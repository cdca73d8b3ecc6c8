"""Push notifications as a client meets them: through the door, in both versions, checked as `docs/a2a-push.md` says."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
import jwt
import pytest

from doors.a2a.rig import Door, SteadyClock, at_the_door, old_says, says
from houses import TWO_TARGETS

HOOK = "https://hook.example.com/a"
HOME = "https://hook.example.com"
GATEWAY = "https://gateway.example"
EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "check_a_push.py"
FREE = "What can you do?"
"""Answered without a model."""


@dataclass
class World(httpx2.AsyncBaseTransport):
    """Every hook there is; there is no model."""

    seen: list[httpx2.Request] = field(default_factory=list)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        self.seen.append(request)
        return httpx2.Response(202)


@asynccontextmanager
async def a_door(directory: Path) -> AsyncGenerator[tuple[Door, World], None]:
    """Its time begins a minute ago, so that what it signs holds now."""
    world = World()
    clock = SteadyClock(wall=datetime.now(UTC) - timedelta(minutes=1))
    settings = f'{TWO_TARGETS}\n[a2a]\npublic_url = "{GATEWAY}"\n'
    async with at_the_door(directory, world, settings=settings, clock=clock) as door:
        yield door, world


async def told(door: Door, world: World, count: int = 1) -> httpx2.Request:
    for _ in range(1000):
        if len(world.seen) >= count:
            return world.seen[count - 1]
        # The door's own time moves by hand only, and so does its look at what is due.
        door.clock.advance(0.1)
        await asyncio.sleep(0.01)
    raise AssertionError("the hook was not told")


def example() -> ModuleType:
    spec = spec_from_file_location("check_a_push", EXAMPLE)
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def published(door: Door) -> Any:
    """A signed token → its key, from what the agent publishes."""
    keys = jwt.PyJWKSet.from_dict((await door.http.get("/.well-known/jwks.json")).json())
    return lambda token: keys[jwt.get_unverified_header(token)["kid"]]


async def test_a_1_0_message_brings_its_hook_along(tmp_path: Path) -> None:
    async with a_door(tmp_path) as (door, world):
        config = {"url": HOOK, "token": "mine", "authentication": {"scheme": "Basic", "credentials": "b2JvZTpmYWtl"}}
        sent = await door.ask("SendMessage", says(FREE, configuration={"taskPushNotificationConfig": config}))
        task = sent["task"]["id"]
        request = await told(door, world)
        (listed,) = (await door.ask("ListTaskPushNotificationConfigs", {"taskId": task}))["configs"]
        got = await door.ask("GetTaskPushNotificationConfig", {"taskId": task, "id": listed["id"]})
    assert json.loads(request.content)["task"]["id"] == task
    assert request.headers["authorization"] == "Basic b2JvZTpmYWtl"
    assert got == listed
    assert {**listed, "id": ""} == {
        "taskId": task,
        "id": "",
        "url": HOOK,
        "token": "mine",
        "authentication": {"scheme": "Basic"},
    }


async def test_a_0_3_message_brings_its_hook_along(tmp_path: Path) -> None:
    async with a_door(tmp_path) as (door, world):
        task = (
            await door.ask("message/send", old_says(FREE, configuration={"pushNotificationConfig": {"url": HOOK}}))
        )["id"]
        request = await told(door, world)
        got = await door.ask("tasks/pushNotificationConfig/get", {"id": task})
        listed = await door.ask("tasks/pushNotificationConfig/list", {"id": task})
        gone = await door.ask(
            "tasks/pushNotificationConfig/delete",
            {"id": task, "pushNotificationConfigId": got["pushNotificationConfig"]["id"]},
        )
        left = await door.ask("tasks/pushNotificationConfig/list", {"id": task})
    body = json.loads(request.content)
    assert (body["kind"], body["id"]) == ("task", task)
    assert got == {"taskId": task, "pushNotificationConfig": {"id": task, "url": HOOK}}
    assert listed == [got]
    assert gone is None
    assert left == []


async def test_a_receiver_that_checks_as_documented_takes_it_and_nothing_else(tmp_path: Path) -> None:
    receiver = example()
    async with a_door(tmp_path) as (door, world):
        config = {"url": HOOK, "token": "mine", "authentication": {"scheme": "Bearer"}}
        await door.ask("SendMessage", says(FREE, configuration={"taskPushNotificationConfig": config}))
        request = await told(door, world)
        key = await published(door)
    right: dict[str, Any] = {
        "headers": {**request.headers},
        "body": request.content,
        "key": key,
        "issuer": GATEWAY,
        "audience": HOME,
        "token": "mine",
    }
    assert receiver.task_in(**right)["id"] == json.loads(request.content)["task"]["id"]
    for wrong in (
        {"body": request.content.replace(b"COMPLETED", b"FAILED")},
        {"token": "another"},
        {"audience": "https://elsewhere.example"},
        {"issuer": "https://impostor.example"},
        {"headers": {**right["headers"], "authorization": "Bearer a.b.c"}},
    ):
        with pytest.raises(receiver.NotGenuine):
            receiver.task_in(**{**right, **wrong})


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000/", "https://localhost/", "https://169.254.169.254/latest"])
async def test_a_hook_at_home_is_refused_before_anything_is_done(tmp_path: Path, url: str) -> None:
    async with a_door(tmp_path) as (door, world):
        fault = await door.fault("SendMessage", says(FREE, configuration={"taskPushNotificationConfig": {"url": url}}))
        old = await door.fault("message/send", old_says(FREE, configuration={"pushNotificationConfig": {"url": url}}))
        tasks = await door.ask("ListTasks", {})
    assert (fault["code"], old["code"]) == (-32602, -32602)
    assert "url" in fault["message"]
    assert tasks["tasks"] == []
    assert world.seen == []
