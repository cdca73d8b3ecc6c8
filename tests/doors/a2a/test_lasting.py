"""Tasks outlive what happens to their server: a kill, a stop, a full disk, another process beside it."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import anyio
import httpx2
import pytest
from a2a.types import a2a_pb2 as pb

from doors.a2a.rig import Events, at_the_door, says, state, text
from doors.a2a.test_tasks import Held
from fakes import CountedIds, FakeClock, Upstream, openai_stream
from houses import OWNER, a_house
from loopback import Reply, begins, loopback
from omniroute_agent.doors.a2a import outcome, runs
from omniroute_agent.doors.a2a.desk import Desk
from omniroute_agent.doors.a2a.intake import Intake
from omniroute_agent.doors.a2a.runs import SWEEP_SECONDS, Runs
from omniroute_agent.doors.a2a.skills.skill import SkillContext
from omniroute_agent.doors.a2a.skills.table import make_table
from omniroute_agent.doors.a2a.terms import Terms
from omniroute_agent.doors.a2a.visit import visit_of
from omniroute_agent.kernel.errors import StoreUnavailable
from omniroute_agent.store.tasks import STOPPED, TaskRow, TaskRows
from programs import started


async def test_a_stopped_server_fails_what_still_runs_and_says_so(tmp_path: Path) -> None:
    held = Held()
    async with at_the_door(tmp_path, Upstream([held.answer])) as door:
        sent = await door.ask("SendMessage", says("Tell.", configuration={"returnImmediately": True}))
        await asyncio.wait_for(held.begun.wait(), 10)
    assert held.closed.is_set()
    async with at_the_door(tmp_path, ids=CountedIds(1000)) as door:
        task = await door.ask("GetTask", {"id": sent["task"]["id"]})
        assert state(task) == "TASK_STATE_FAILED"
        assert task["status"]["message"]["parts"] == [{"text": STOPPED}]


async def test_two_processes_share_a_task(tmp_path: Path) -> None:
    held = Held()
    async with at_the_door(tmp_path, Upstream([held.answer])) as here, beside(tmp_path) as there:
        sent = (await here.ask("SendMessage", says("Tell.", configuration={"returnImmediately": True})))["task"]
        visit = visit_of(OWNER, "1.0", "http://there", {})
        heard = await there.subscribe(visit, pb.SubscribeToTaskRequest(id=sent["id"]))
        first = await heard.next()
        assert first is not None
        assert first.task.status.state == pb.TASK_STATE_WORKING
        held.go_on.set()
        told: list[pb.StreamResponse] = []
        while (event := await heard.next()) is not None:
            told.append(event)
    assert told[-1].status_update.status.state == pb.TASK_STATE_COMPLETED
    artifact = [each.artifact_update.artifact for each in told if each.HasField("artifact_update")][-1]
    assert [part.text for part in artifact.parts] == ["Once upon a time.\n\nThe end."]


@asynccontextmanager
async def beside(directory: Path, upstream: Upstream | None = None) -> AsyncGenerator[Desk, None]:
    """What another process at the same store answers with."""
    async with (
        a_house(directory, upstream, clock=FakeClock(), ids=CountedIds(1000)) as house,
        anyio.create_task_group() as group,
    ):
        table = make_table(house.tools)
        at_work = Runs(
            rows=TaskRows(house.parts.database),
            instance=house.parts.ledger.instance,
            ports=replace(house.parts.ports, sleep=_nap),
            context=SkillContext(parts=house.parts, table=table),
            terms=Terms(),
            changed=lambda: None,
            group=group,
        )
        unused = cast("Any", None)
        yield Desk(runs=at_work, intake=Intake(runs=at_work, table=table), hooks=unused, cards=unused)


async def _nap(_: float) -> None:
    await asyncio.sleep(0.01)


async def test_a_task_is_canceled_through_another_process(tmp_path: Path) -> None:
    held = Held()
    async with at_the_door(tmp_path, Upstream([held.answer])) as here, beside(tmp_path) as there:
        sent = (await here.ask("SendMessage", says("Tell.", configuration={"returnImmediately": True})))["task"]
        await asyncio.wait_for(held.begun.wait(), 10)
        visit = visit_of(OWNER, "1.0", "http://there", {})

        async def looking() -> None:
            while True:
                here.clock.advance(SWEEP_SECONDS)
                await asyncio.sleep(0.01)

        clock = asyncio.create_task(looking())
        canceled = await there.cancel(visit, pb.CancelTaskRequest(id=sent["id"]))
        clock.cancel()
        assert canceled.status.state == pb.TASK_STATE_CANCELED
        assert held.closed.is_set()


async def test_nothing_is_told_to_be_done_before_it_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_the_door(tmp_path, Upstream([openai_stream("Hello.")])) as door:

        async def full(*_: object, **__: object) -> None:
            raise StoreUnavailable("The disk is full.")

        monkeypatch.setattr(TaskRows, "put", full)
        answer = await door.post("SendMessage", says("Greet me."))
        assert answer.json()["error"]["code"] == -32019
        assert "The disk is full" in answer.json()["error"]["message"]
        free = (await door.ask("SendMessage", says("?", options={"skill": "list-capabilities"})))["task"]
        assert state(free) == "TASK_STATE_FAILED", "an end that is not kept is none"


async def test_a_killed_server_leaves_no_task_at_work(tmp_path: Path) -> None:
    async with loopback(Reply([begins("Once upon a time.\n\n"), asyncio.Event()])) as upstream:
        settings = f"{upstream.settings()}[server]\nport = 0\n"
        async with started(tmp_path, "serve", "--json", settings=settings) as program:
            task = await _begun(program)
            program.kill()
            await program.wait()
        async with started(tmp_path, "serve", "--json", settings=settings) as program:
            async with await _at(program) as http:
                found = (await http.post("/a2a", json=_get(task))).json()["result"]
            program.terminate()
            await program.wait()
    assert state(found) == "failed"
    assert found["status"]["message"]["parts"][0]["text"] == STOPPED
    assert text(found) == "Once upon a time."


async def _begun(program: asyncio.subprocess.Process) -> str:
    """The id of a task whose first words are on the disk."""
    async with await _at(program) as http:
        body = {"jsonrpc": "2.0", "id": 1, "method": "SendStreamingMessage", "params": says("Tell.")}
        async with http.stream("POST", "/a2a", json=body, headers={"a2a-version": "1.0"}) as response:
            events = Events(response)
            task: str = (await anext(events))["task"]["id"]
            await anext(events)

            async def written() -> bool:
                found = (await http.post("/a2a", json=_get(task))).json()["result"]
                return bool(found.get("artifacts"))

            assert await written()
            await asyncio.sleep(0.2)
    return task


def _get(task: str) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, "method": "tasks/get", "params": {"id": task}}


async def _at(program: asyncio.subprocess.Process) -> httpx2.AsyncClient:
    assert program.stdout
    async with asyncio.timeout(30):
        said = json.loads(await program.stdout.readline())
    key = await asyncio.to_thread(Path(said["key_file"]).read_text, "utf-8")
    url = said["url"].removesuffix("/mcp")
    return httpx2.AsyncClient(
        base_url=url, headers={"authorization": f"Bearer {key.strip()}"}, trust_env=False, timeout=20
    )


async def test_an_end_that_takes_too_long_to_write_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = TaskRows.put

    async def stuck(rows: TaskRows, row: TaskRow, *, expected: int | None) -> None:
        if row.state == "completed":
            await asyncio.Event().wait()
        await put(rows, row, expected=expected)

    monkeypatch.setattr(TaskRows, "put", stuck)
    monkeypatch.setattr(runs, "LAST_WRITE_SECONDS", 0.05)
    async with at_the_door(tmp_path, Upstream([openai_stream("Hello.")])) as door, asyncio.timeout(10):
        *_, last = await door.told("SendStreamingMessage", says("Greet me."))
        assert state(last["statusUpdate"]) == "TASK_STATE_FAILED", "an end that is not kept is none"
        task = await door.ask("GetTask", {"id": last["statusUpdate"]["taskId"]})
    assert (state(task), text(task)) == ("TASK_STATE_FAILED", "Hello.")


async def test_a_task_that_breaks_takes_no_other_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise ValueError("Only for the log.")

    monkeypatch.setattr(outcome, "failed_envelope", broken)
    held = Held()
    refused = [httpx2.Response(400, json={"error": {"message": "no"}})] * 2
    async with at_the_door(tmp_path, Upstream([held.answer, *refused])) as door, asyncio.timeout(10):
        other = (await door.ask("SendMessage", says("Tell.", configuration={"returnImmediately": True})))["task"]
        await held.begun.wait()
        task = (await door.ask("SendMessage", says("Break.")))["task"]
        assert state(task) == "TASK_STATE_FAILED"
        assert "log" in task["status"]["message"]["parts"][0]["text"]
        async with door.stream("SubscribeToTask", {"id": other["id"]}) as events:
            held.go_on.set()
            *_, last = [event async for event in events]
    assert state(last["statusUpdate"]) == "TASK_STATE_COMPLETED"


@pytest.mark.parametrize("binding", ["JSON-RPC", "HTTP+JSON"])
async def test_who_follows_another_process_does_not_keep_this_one_from_its_end(binding: str, tmp_path: Path) -> None:
    held = Held()
    async with (
        beside(tmp_path, Upstream([held.answer])) as there,
        at_the_door(tmp_path, ids=CountedIds(5000), drain_seconds=30) as here,
    ):
        message = pb.Message(message_id="m1", role=pb.ROLE_USER, parts=[pb.Part(text="Tell.")])
        configuration = pb.SendMessageConfiguration(return_immediately=True)
        request = pb.SendMessageRequest(message=message, configuration=configuration)
        task = await there.send(visit_of(OWNER, "1.0", "http://there", {}), request)
        body = {"jsonrpc": "2.0", "id": 1, "method": "SubscribeToTask", "params": {"id": task.id}}
        path, told = ("/a2a", body) if binding == "JSON-RPC" else (f"/a2a/tasks/{task.id}:subscribe", {})
        async with here.http.stream("POST", path, json=told, headers={"a2a-version": "1.0"}) as response:
            lines = response.aiter_lines()
            assert "WORKING" in await anext(lines)
            os.kill(os.getpid(), signal.SIGTERM)
            async with asyncio.timeout(5):
                assert "error" not in "".join([line async for line in lines])
        held.go_on.set()


async def test_a_task_that_its_process_left_at_work_has_failed(tmp_path: Path) -> None:
    """Stopped in good order, but its last write did not get through."""
    async with at_the_door(tmp_path, Upstream([openai_stream("Hello.")])) as door:
        task = (await door.ask("SendMessage", says("Greet me.")))["task"]
        rows = TaskRows(door.house.parts.database)
        found = await rows.find("owner", task["id"])
        assert found is not None
        left = replace(found.row, id="left", state="working", note="", version=1, instance="one-that-left", body=b"")
        await rows.put(left, expected=None)
        await rows.append("owner", "left", [b"Once ", b"upon"])
        now = await door.ask("GetTask", {"id": "left"})
        assert (state(now), text(now)) == ("TASK_STATE_FAILED", "Once upon")
        assert now["status"]["message"]["parts"] == [{"text": STOPPED}]
        assert (await door.fault("SubscribeToTask", {"id": "left"}))["code"] == -32004
