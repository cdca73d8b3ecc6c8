"""The HTTP+JSON binding: plain requests, and the SDK's own client."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from a2a.client import ClientConfig, ClientFactory
from a2a.client.card_resolver import A2ACardResolver
from a2a.client.errors import A2AClientError
from a2a.types import a2a_pb2 as pb
from a2a.utils.constants import TransportProtocol
from a2a.utils.errors import A2AError, TaskNotFoundError

from doors.a2a.rig import Door, as_caller, at_the_door, envelope, says, state, text
from doors.house_rig import NARROW_KEY, OTHER_KEY, OWNER_KEY
from fakes import Upstream, openai_stream
from omniroute_agent.doors.a2a.words import EXTENSION

VERSION = {"a2a-version": "1.0"}
A2A_JSON = "application/a2a+json"
FREE = {EXTENSION: {"skill": "list-capabilities"}}


async def post(door: Door, path: str, body: object = None, **headers: str) -> httpx2.Response:
    told = {**VERSION, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await door.http.post(f"/a2a{path}", json=body, headers=told)


async def get(door: Door, path: str, **headers: str) -> httpx2.Response:
    told = {**VERSION, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await door.http.get(f"/a2a{path}", headers=told)


async def events(response: httpx2.Response) -> AsyncIterator[Any]:
    async for line in response.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def free(words: str = "What can you do?", **more: Any) -> Any:
    params = says(words, **more)
    params["message"]["metadata"] = FREE
    return params


async def test_a_message_becomes_a_task_that_can_be_read_and_listed(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, Upstream([openai_stream("Hello.")])) as door:
        sent = await post(door, "/message:send", says("Greet me.", context="c-1"))
        assert (sent.status_code, sent.headers["content-type"]) == (200, A2A_JSON)
        task = sent.json()["task"]
        assert (state(task), text(task)) == ("TASK_STATE_COMPLETED", "Hello.")
        assert envelope(task)["cost_envelope"]["actual"] == "0.00002"
        assert (await get(door, f"/tasks/{task['id']}")).json() == task
        short = (await get(door, f"/tasks/{task['id']}?historyLength=0")).json()
        assert "history" not in short
        await post(door, "/message:send", free(context="c-2"))
        listed = (await get(door, "/tasks?contextId=c-1&pageSize=5&includeArtifacts=true")).json()
        assert [each["id"] for each in listed["tasks"]] == [task["id"]]
        assert (listed["totalSize"], listed["nextPageToken"], text(listed["tasks"][0])) == (1, "", "Hello.")
        first = (await get(door, "/tasks?pageSize=1")).json()
        rest = (await get(door, f"/tasks?pageSize=1&pageToken={first['nextPageToken']}")).json()
        assert len({first["tasks"][0]["id"], rest["tasks"][0]["id"]}) == 2
        none = (await get(door, "/tasks?status=TASK_STATE_WORKING")).json()
        assert none["tasks"] == []


async def test_a_stream_tells_the_task_its_words_and_its_end(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, Upstream([openai_stream("First.\n\n", "Second.")])) as door:
        body = says("Tell.")
        async with door.http.stream("POST", "/a2a/message:stream", json=body, headers=VERSION) as response:
            assert response.headers["content-type"] == "text/event-stream"
            first, *pieces, last = [event async for event in events(response)]
    assert state(first["task"]) == "TASK_STATE_WORKING"
    said = "".join(part["text"] for each in pieces for part in each["artifactUpdate"]["artifact"]["parts"])
    assert said == "First.\n\nSecond."
    assert state(last["statusUpdate"]) == "TASK_STATE_COMPLETED"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_running_task_is_followed_and_canceled(method: str, tmp_path: Path) -> None:
    waiting = asyncio.Event()

    async def silent(_: httpx2.Request) -> httpx2.Response:
        waiting.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with at_the_door(tmp_path, Upstream([silent])) as door:
        body = says("Wait.", configuration={"returnImmediately": True})
        task = (await post(door, "/message:send", body)).json()["task"]
        await waiting.wait()
        path = f"/a2a/tasks/{task['id']}:subscribe"
        async with door.http.stream(method, path, headers=VERSION) as response:
            told = events(response)
            assert (await anext(told))["task"]["id"] == task["id"]
            canceled = await post(door, f"/tasks/{task['id']}:cancel")
            assert state(canceled.json()) == "TASK_STATE_CANCELED"
            assert state((await anext(told))["statusUpdate"]) == "TASK_STATE_CANCELED"
        again = await post(door, f"/tasks/{task['id']}:cancel", {})
        assert (again.status_code, again.json()["error"]["details"][0]["reason"]) == (400, "TASK_NOT_CANCELABLE")
        over = await get(door, f"/tasks/{task['id']}:subscribe")
        assert (over.status_code, over.json()["error"]["details"][0]["reason"]) == (400, "UNSUPPORTED_OPERATION")


async def test_hooks_are_made_read_listed_and_deleted(tmp_path: Path) -> None:
    async with at_the_door(tmp_path) as door:
        task = (await post(door, "/message:send", free())).json()["task"]
        hooks = f"/tasks/{task['id']}/pushNotificationConfigs"
        made = (await post(door, hooks, {"id": "h1", "url": "https://hooks.example/a2a", "taskId": "another"})).json()
        assert (made["id"], made["taskId"]) == ("h1", task["id"])
        assert (await get(door, f"{hooks}/h1")).json() == made
        assert (await get(door, hooks)).json()["configs"] == [made]
        gone = await door.http.delete(f"/a2a{hooks}/h1", headers=VERSION)
        assert (gone.status_code, gone.json()) == (200, {})
        assert (await get(door, f"{hooks}/h1")).status_code == 404


async def test_the_extended_card_is_for_callers_with_a_key(tmp_path: Path) -> None:
    async with at_the_door(tmp_path) as door:
        card = (await get(door, "/extendedAgentCard")).json()
        params = card["capabilities"]["extensions"][0]["params"]
        assert params["you"]["caller"] == "owner"
        async with as_caller(door.rig, "wrong") as stranger:
            assert (await stranger.get("/a2a/extendedAgentCard", headers=VERSION)).status_code == 401


@pytest.mark.parametrize("who", [OTHER_KEY, NARROW_KEY])
async def test_the_task_of_somebody_else_is_as_good_as_none(who: str, tmp_path: Path) -> None:
    async with at_the_door(tmp_path) as door, as_caller(door.rig, who) as other:
        task = (await post(door, "/message:send", free())).json()["task"]
        for method, path in (
            ("GET", f"/tasks/{task['id']}"),
            ("POST", f"/tasks/{task['id']}:cancel"),
            ("GET", f"/tasks/{task['id']}:subscribe"),
            ("GET", f"/tasks/{task['id']}/pushNotificationConfigs"),
            ("GET", f"/tasks/{task['id']}/pushNotificationConfigs/h1"),
        ):
            foreign = await other.request(method, f"/a2a{path}", headers=VERSION)
            unknown = await other.request(method, f"/a2a{path.replace(task['id'], 'nope')}", headers=VERSION)
            assert foreign.status_code == 404
            assert foreign.json() == unknown.json()


async def test_who_lacks_a_scope_is_told_which(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, key=NARROW_KEY) as door:
        refused = await post(door, "/message:send", says("Greet me."))
    assert refused.status_code == 403
    assert "execute:completions" in refused.headers["www-authenticate"]
    error = refused.json()["error"]
    assert (error["code"], error["status"], error["details"][0]["reason"]) == (403, "PERMISSION_DENIED", "NOT_ALLOWED")


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "reason"),
    [
        ("GET", "/tasks/nope", None, {}, 404, "TASK_NOT_FOUND"),
        ("GET", "/nowhere", None, {}, 404, "METHOD_NOT_FOUND"),
        ("POST", "/tenant/message:send", b"{}", {}, 404, "METHOD_NOT_FOUND"),
        ("GET", "/tasks?pageSize=0", None, {}, 400, "INVALID_PARAMS"),
        ("GET", "/tasks?pageSize=many", None, {}, 400, "INVALID_PARAMS"),
        ("GET", "/tasks?historyLength=1.5", None, {}, 400, "INVALID_PARAMS"),
        ("POST", "/message:send", b"{}", {}, 400, "INVALID_PARAMS"),
        ("POST", "/message:send", b"", {}, 400, "INVALID_PARAMS"),
        ("POST", "/message:send", b"[]", {}, 400, "INVALID_PARAMS"),
        ("POST", "/message:send", b'{"message": 5}', {}, 400, "INVALID_PARAMS"),
        ("POST", "/message:send", b'{"a": 1, "a": 2}', {}, 400, "INVALID_PARAMS"),
        ("POST", "/message:send", b"<xml/>", {"content-type": "text/xml"}, 400, "CONTENT_TYPE_NOT_SUPPORTED"),
        ("GET", "/tasks", None, {"a2a-version": ""}, 400, "VERSION_NOT_SUPPORTED"),
        ("GET", "/tasks", None, {"a2a-version": "0.3"}, 400, "VERSION_NOT_SUPPORTED"),
        ("GET", "/tasks", None, {"a2a-version": "2.0"}, 400, "VERSION_NOT_SUPPORTED"),
    ],
)
async def test_what_cannot_be_served_is_a_status_with_details(
    method: str, path: str, body: bytes | None, headers: dict[str, str], status: int, reason: str, tmp_path: Path
) -> None:
    async with at_the_door(tmp_path) as door:
        told = {**VERSION, "content-type": "application/json", **headers}
        answer = await door.http.request(method, f"/a2a{path}", content=body, headers=told)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["details"][0]["reason"]) == (status, status, reason)
    assert error["message"]


async def test_the_version_may_stand_in_the_query_and_its_patch_number_does_not_matter(tmp_path: Path) -> None:
    async with at_the_door(tmp_path) as door:
        for query in ("A2A-Version=1.0", "a2a-version=1.0.1&pageSize=3"):
            assert (await door.http.get(f"/a2a/tasks?{query}")).status_code == 200


async def test_who_takes_plain_json_only_gets_it_under_that_name(tmp_path: Path) -> None:
    async with at_the_door(tmp_path) as door:
        for accept, kind in (
            ("application/json", "application/json"),
            ("*/*", A2A_JSON),
            ("application/a2a+json, application/json", A2A_JSON),
        ):
            answer = await get(door, "/tasks", Accept=accept)
            assert (answer.headers["content-type"], answer.headers["vary"]) == (kind, "Accept")


async def test_other_methods_are_told_what_is_allowed(tmp_path: Path) -> None:
    async with at_the_door(tmp_path) as door:
        refused = await door.http.put("/a2a/tasks/x/pushNotificationConfigs", headers=VERSION)
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, POST")
        assert (await get(door, "/message:send")).status_code == 405


async def test_the_sdks_own_client_does_all_of_it(tmp_path: Path) -> None:
    async with (
        at_the_door(tmp_path, Upstream([openai_stream("One.\n\n", "Two.")])) as door,
        httpx.AsyncClient(headers={"authorization": f"Bearer {OWNER_KEY}"}, trust_env=False, timeout=20) as http,
    ):
        card = await A2ACardResolver(http, door.rig.url).get_agent_card()
        config = ClientConfig(httpx_client=http, supported_protocol_bindings=[TransportProtocol.HTTP_JSON])
        client = ClientFactory(config).create(card)
        message = pb.Message(message_id="m", role=pb.ROLE_USER, parts=[pb.Part(text="Tell.")])
        told = [event async for event in client.send_message(pb.SendMessageRequest(message=message))]
        assert [event.WhichOneof("payload") for event in told[:2]] == ["task", "artifact_update"]
        task_id = told[0].task.id
        found = await client.get_task(pb.GetTaskRequest(id=task_id))
        assert "".join(part.text for part in found.artifacts[0].parts) == "One.\n\nTwo."
        listed = await client.list_tasks(pb.ListTasksRequest(page_size=5))
        assert [task.id for task in listed.tasks] == [task_id]
        extended = await client.get_extended_agent_card(pb.GetExtendedAgentCardRequest())
        assert extended.name == card.name
        with pytest.raises((TaskNotFoundError, A2AClientError)):
            await client.get_task(pb.GetTaskRequest(id="nope"))


async def test_a_stream_that_fails_in_its_middle_ends_with_an_event_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: object) -> None:
        raise RuntimeError("a secret of ours")

    async with (
        at_the_door(tmp_path) as door,
        httpx.AsyncClient(headers={"authorization": f"Bearer {OWNER_KEY}"}, trust_env=False, timeout=20) as http,
    ):
        config = ClientConfig(httpx_client=http, supported_protocol_bindings=[TransportProtocol.HTTP_JSON])
        client = ClientFactory(config).create(await A2ACardResolver(http, door.rig.url).get_agent_card())
        message = pb.Message(message_id="m", role=pb.ROLE_USER, parts=[pb.Part(text="Tell.")])
        monkeypatch.setattr("omniroute_agent.doors.a2a.live.Listening.next", fail)
        with pytest.raises(A2AError, match="Something went wrong inside"):
            async for _ in client.send_message(pb.SendMessageRequest(message=message)):
                pass
