"""What is no proper request is told what is wrong with it, in the way of its version, and never more than that."""

import json
from pathlib import Path
from typing import Any

import pytest

from doors.a2a.rig import Door, as_caller, at_the_door, old_says, says, state, text
from doors.house_rig import NARROW_KEY, OTHER_KEY
from fakes import Upstream, openai_error, openai_stream
from houses import TWO_TARGETS
from omniroute_agent.doors.a2a.words import EXTENSION

MODERN = {"a2a-version": "1.0"}
FREE = {"skill": "list-capabilities"}


@pytest.mark.parametrize(
    ("method", "headers", "query", "code"),
    [
        ("GetTask", {"a2a-version": "1.0"}, "", -32001),
        ("GetTask", {"a2a-version": "1.0.3"}, "", -32001),
        ("GetTask", {}, "?A2A-Version=1.0", -32001),
        ("GetTask", {}, "?a2a-version=1.0", -32001),
        ("GetTask", {}, "", -32009),
        ("GetTask", {"a2a-version": ""}, "", -32009),
        ("GetTask", {"a2a-version": "0.3"}, "", -32009),
        ("GetTask", {"a2a-version": "1.1"}, "", -32009),
        ("GetTask", {"a2a-version": "99.0"}, "", -32009),
        ("GetTask", {"a2a-version": "garbage"}, "", -32009),
        ("tasks/get", {}, "", -32001),
        ("tasks/get", {"a2a-version": "0.3"}, "", -32001),
        ("tasks/get", {"a2a-version": "0.3.0"}, "", -32001),
        ("tasks/get", {"a2a-version": "1.0"}, "", -32009),
    ],
)
async def test_a_method_belongs_to_one_version(
    method: str, headers: dict[str, str], query: str, code: int, tmp_path: Path
) -> None:
    async with at_the_door(tmp_path) as door:
        answer = await door.post(method, {"id": "x"}, headers=headers, path=f"/a2a{query}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (200, code)


async def test_an_owner_may_let_the_version_be_left_out(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, settings=f"{TWO_TARGETS}\n[a2a]\nlenient_version = true\n") as door:
        assert (await door.post("GetTask", {"id": "x"}, headers={})).json()["error"]["code"] == -32001
        assert (await door.post("GetTask", {"id": "x"}, headers={"a2a-version": "0.3"})).json()["error"][
            "code"
        ] == -32009


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff", -32700),
        (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"GetTask"}', -32700),
        (b'{"jsonrpc":"2.0","id":NaN,"method":"GetTask"}', -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"GetTask","params":' + b"[" * 100 + b"]" * 100 + b"}", -32700),
        (b"[]", -32600),
        (b'[{"jsonrpc":"2.0","id":1,"method":"GetTask"}]', -32600),
        (b"null", -32600),
        (b'"GetTask"', -32600),
        (b'{"id":1,"method":"GetTask"}', -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"GetTask"}', -32600),
        (b'{"jsonrpc":"2.0","id":1}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600),
        (b'{"jsonrpc":"2.0","id":true,"method":"GetTask"}', -32600),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"GetTask"}', -32600),
        (b'{"jsonrpc":"2.0","id":{},"method":"GetTask"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"GetTask","params":[]}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"GetTask","params":{"id":7}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{}}', -32009),
        (b'{"jsonrpc":"2.0","id":1,"method":"NoSuchMethod"}', -32601),
        (b'{"jsonrpc":"2.0","method":"GetTask","params":{"id":"x"}}', -32001),
    ],
)
async def test_odd_bodies_get_the_code_of_their_fault(body: bytes, code: int, tmp_path: Path) -> None:
    async with at_the_door(tmp_path) as door:
        answer = await door.http.post("/a2a", content=body, headers={**MODERN, "content-type": "application/json"})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (200, code), error
        assert (await door.post("GetTask", {"id": "x"})).status_code == 200, "and the next one is served"


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({}, "message"),
        ({"message": {"role": "ROLE_USER", "parts": [{"text": "x"}]}}, "message.message_id"),
        ({"message": {"messageId": "m", "parts": [{"text": "x"}]}}, "message.role"),
        ({"message": {"messageId": "m", "role": "ROLE_USER", "parts": []}}, "message.parts"),
    ],
)
async def test_a_missing_field_is_named_in_typed_details(message: Any, field: str, tmp_path: Path) -> None:
    async with at_the_door(tmp_path) as door:
        error = await door.fault("SendMessage", message)
        info, bad = error["data"]
        assert error["code"] == -32602
        assert (info["reason"], info["domain"]) == ("INVALID_PARAMS", "a2a-protocol.org")
        assert field in [each["field"] for each in bad["fieldViolations"]]


@pytest.mark.parametrize("params", [{}, {"message": {}}, {"message": "x"}, {"id": 7}, {"message": {"parts": 7}}])
async def test_the_older_version_names_the_fields_too(params: Any, tmp_path: Path) -> None:
    async with at_the_door(tmp_path) as door:
        error = await door.fault("message/send", params)
        assert error["code"] == -32602
        assert error["data"]["errors"]
        unknown = await door.fault("tasks/get", {"id": "x"})
        assert "data" not in unknown


@pytest.mark.parametrize(
    ("part", "code"),
    [
        ({"raw": "AAAA", "mediaType": "video/mp4"}, -32005),
        ({"url": "https://example.com/a.pdf", "mediaType": "application/pdf"}, -32005),
        ({"url": "file:///etc/passwd", "mediaType": "image/png"}, -32602),
        ({"raw": "/w==", "mediaType": "text/plain"}, -32602),
        ({"text": "   "}, -32602),
        ({"mediaType": "text/plain"}, -32602),
        ({"raw": "not base64!", "mediaType": "image/png"}, -32602),
    ],
)
async def test_parts_that_no_skill_takes_are_refused_before_there_is_a_task(
    part: Any, code: int, tmp_path: Path
) -> None:
    async with at_the_door(tmp_path) as door:
        params = {"message": {"messageId": "m", "role": "ROLE_USER", "parts": [part]}}
        assert (await door.fault("SendMessage", params))["code"] == code
        assert (await door.ask("ListTasks"))["totalSize"] == 0


async def test_images_and_data_reach_the_model(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("A cat.")])
    async with at_the_door(tmp_path, upstream) as door:
        parts = [
            {"text": "What is this?"},
            {"raw": "aGVsbG8=", "mediaType": "image/png"},
            {"data": {"count": 42, "price": "0.1"}},
        ]
        sent = await door.ask("SendMessage", {"message": {"messageId": "m", "role": "ROLE_USER", "parts": parts}})
        assert text(sent["task"]) == "A cat."
    (content,) = [message["content"] for message in upstream.bodies[0]["messages"]]
    assert content[1]["image_url"]["url"] == "data:image/png;base64,aGVsbG8="
    assert json.loads(content[2]["text"]) == {"count": 42, "price": "0.1"}


async def test_another_type_of_body_is_refused_in_its_own_code(tmp_path: Path) -> None:
    async with at_the_door(tmp_path) as door:
        answer = await door.http.post("/a2a", content=b"{}", headers={**MODERN, "content-type": "text/plain"})
        assert answer.json()["error"]["code"] == -32005
        assert (await door.http.get("/a2a")).status_code == 405


async def test_both_spellings_of_the_address_are_served(tmp_path: Path) -> None:
    async with at_the_door(tmp_path) as door:
        for path in ("/a2a", "/a2a/"):
            assert (await door.post("GetTask", {"id": "x"}, path=path)).json()["error"]["code"] == -32001


async def test_without_a_key_nothing_is_served_but_the_card(tmp_path: Path) -> None:
    async with at_the_door(tmp_path) as door, door.rig.http({}) as nobody:
        answer = await nobody.post("/a2a", json={"jsonrpc": "2.0", "id": 1, "method": "message/send"})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer ")
        assert (await nobody.get("/.well-known/agent-card.json")).status_code == 200


async def test_a_missing_scope_is_told_before_there_is_a_task(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, key=NARROW_KEY) as door:
        answer = await door.post("SendMessage", says("Say hello."))
        assert answer.status_code == 403
        assert "insufficient_scope" in answer.headers["www-authenticate"]
        assert "execute:completions" in answer.headers["www-authenticate"]
        assert answer.json()["error"]["code"] == -32014
        assert (await door.ask("ListTasks"))["totalSize"] == 0
        report = await door.ask("SendMessage", says("?", options={"skill": "health-report"}))
        assert state(report["task"]) == "TASK_STATE_COMPLETED"


async def test_somebody_elses_tasks_do_not_exist(tmp_path: Path) -> None:
    async with at_the_door(tmp_path) as door, as_caller(door.rig, OTHER_KEY) as http:
        mine = (await door.ask("SendMessage", says("?", options=FREE)))["task"]
        other = Door(door.rig, door.house, door.clock, http)
        for method in ("GetTask", "CancelTask", "SubscribeToTask", "tasks/get", "tasks/cancel", "tasks/resubscribe"):
            foreign = await other.fault(method, {"id": mine["id"]})
            unknown = await other.fault(method, {"id": "no-such-task"})
            assert foreign == unknown, method
            assert foreign["code"] == -32001
        assert (await other.ask("ListTasks"))["tasks"] == []


async def test_an_unknown_skill_is_refused_with_the_nearest_names(tmp_path: Path) -> None:
    async with at_the_door(tmp_path) as door:
        error = await door.fault("SendMessage", says("?", options={"skill": "smart-rooting"}))
        assert error["code"] == -32013
        assert "`smart-routing`" in error["message"]


async def test_a_failed_task_says_why_and_nothing_of_the_inside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with at_the_door(tmp_path, Upstream([openai_error(500, "secret stack trace")])) as door:
        task = (await door.ask("SendMessage", says("Try.")))["task"]
        assert state(task) == "TASK_STATE_FAILED"
        assert task["status"]["message"]["parts"][0]["text"]

        def broken(*_: object) -> object:
            raise RuntimeError("disk full at /secret/path")

        door.house.parts.turn.reuse.events = broken  # type: ignore[method-assign, assignment]
        error = (await door.ask("SendMessage", says("Again.")))["task"]
        old = await door.ask("message/send", old_says("Again."))
    for each in (error, old):
        assert state(each).lower().endswith("failed")
        assert "secret" not in json.dumps(each)
    assert "disk full at /secret/path" in caplog.text


async def test_ten_megabytes_are_a_message_like_any_other(tmp_path: Path) -> None:
    async with at_the_door(tmp_path) as door:
        sent = await door.ask("SendMessage", says("x" * 10_000_000, options=FREE))
        assert state(sent["task"]) == "TASK_STATE_COMPLETED"
        too_much = await door.post("SendMessage", says("x" * 17_000_000, options=FREE))
        assert too_much.status_code == 413


@pytest.mark.parametrize("method", ["SendMessage", "message/send"])
async def test_what_could_be_stored_and_never_read_again_is_refused(method: str, tmp_path: Path) -> None:
    """One such task broke every list of its owner's tasks."""
    deep: dict[str, Any] = {}
    for _ in range(31):
        deep = {"a": deep}
    params = says("Hello.") if method == "SendMessage" else old_says("Hello.")
    async with at_the_door(tmp_path) as door:
        params["message"]["parts"][0]["metadata"] = deep
        fault = await door.fault(method, params)
        assert (fault["code"], fault["message"]) == (-32602, "The parameters nest deeper than 28 levels.")
        assert (await door.ask("ListTasks"))["tasks"] == []


async def test_what_nests_as_deep_as_it_may_is_listed_and_told(tmp_path: Path) -> None:
    deep: dict[str, Any] = {}
    for _ in range(23):
        deep = {"a": deep}
    params = says("Hello.")
    params["message"]["parts"][0]["metadata"] = deep
    async with at_the_door(tmp_path, Upstream([openai_stream("Hello.")])) as door:
        first, *_ = await door.told("SendStreamingMessage", params)
        assert first["task"]["history"][0]["parts"][0]["metadata"] == deep
        (listed,) = (await door.ask("ListTasks"))["tasks"]
    assert listed["history"] == first["task"]["history"]


async def test_messages_that_differ_only_in_what_is_asked_beside_them_are_different(tmp_path: Path) -> None:
    """Some clients give every message the same id."""
    async with at_the_door(tmp_path, Upstream([openai_stream("One."), openai_stream("Two.")])) as door:
        for model, said in (("alpha", "One."), ("beta", "Two."), ("alpha", "One.")):
            task = (await door.ask("SendMessage", says("Hello.", metadata={EXTENSION: {"model": model}})))["task"]
            assert (state(task), text(task)) == ("TASK_STATE_COMPLETED", said)
