"""The life of a task in both versions: sent, followed, read again, listed, canceled."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from doors.a2a.rig import at_the_door, envelope, old_says, says, state, text
from fakes import Upstream, openai_stream, openai_stream_bytes
from omniroute_agent.store.audit import Question, read_calls
from omniroute_agent.store.database import Database

FREE = "list-capabilities"


class Held(httpx2.AsyncByteStream):
    """An answer that begins, and goes on when the test says so."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.begun = asyncio.Event()
        self.closed = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield openai_stream_bytes("Once upon a time.\n\n", usage=None, finish=None, done=False)
        self.begun.set()
        await self.go_on.wait()
        yield openai_stream_bytes("The end.")

    async def aclose(self) -> None:
        self.closed.set()

    def answer(self, _: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=self)


async def test_a_message_becomes_a_task_with_one_text_artifact_and_a_receipt(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, Upstream([openai_stream("Hello ", "there.")])) as door:
        task = (await door.ask("SendMessage", says("Greet me.")))["task"]
        assert (state(task), text(task)) == ("TASK_STATE_COMPLETED", "Hello there.")
        assert "message" not in task["status"], "some clients show only that, and lose the answer"
        assert envelope(task)["cost_envelope"]["actual"] == "0.00002"
        assert envelope(task["artifacts"][0])["request_id"] == envelope(task)["request_id"]
        assert [each["artifactId"] for each in task["artifacts"]] == ["answer"]
        again = await door.ask("GetTask", {"id": task["id"]})
    assert again == task


async def test_clients_of_the_older_version_get_the_same_in_their_words(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, Upstream([openai_stream("Hello.")])) as door:
        task = await door.ask("message/send", old_says("Greet me."))
        assert (task["kind"], state(task), text(task)) == ("task", "completed", "Hello.")
        assert envelope(task)["cost_envelope"]["currency"] == "USD"
        assert await door.ask("tasks/get", {"id": task["id"]}) == task
        short = await door.ask("tasks/get", {"id": task["id"], "historyLength": 1})
        assert len(short["history"]) == 1


@pytest.mark.parametrize("version", ["1.0", "0.3"])
async def test_a_stream_begins_with_the_task_and_ends_with_its_state(version: str, tmp_path: Path) -> None:
    async with at_the_door(tmp_path, Upstream([openai_stream("First.\n\n", "Second.")])) as door:
        if version == "1.0":
            task, *pieces, last = await door.told("SendStreamingMessage", says("Tell."))
            assert state(task["task"]) == "TASK_STATE_WORKING"
            told = [piece["artifactUpdate"] for piece in pieces]
            assert state(last["statusUpdate"]) == "TASK_STATE_COMPLETED"
            end = last["statusUpdate"]
        else:
            task, *told, end = await door.told("message/stream", old_says("Tell."))
            assert (task["kind"], state(task)) == ("task", "working")
            assert {piece["kind"] for piece in told} == {"artifact-update"}
            assert (end["kind"], state(end), end["final"]) == ("status-update", "completed", True)
    assert "".join(part["text"] for piece in told for part in piece["artifact"]["parts"]) == "First.\n\nSecond."
    assert [piece.get("append", False) for piece in told] == [False] + [True] * (len(told) - 1)
    assert envelope(end)["cost_envelope"]["actual"] == "0.00002"


async def test_words_come_as_they_are_said_and_a_client_that_leaves_does_not_end_the_task(tmp_path: Path) -> None:
    held = Held()
    async with at_the_door(tmp_path, Upstream([held.answer])) as door:
        async with door.stream("SendStreamingMessage", says("Tell.")) as events:
            task = (await anext(events))["task"]
            piece = (await anext(events))["artifactUpdate"]
            assert piece["artifact"]["parts"] == [{"text": "Once upon a time."}]
        now = await door.ask("GetTask", {"id": task["id"]})
        assert (state(now), text(now)) == ("TASK_STATE_WORKING", "Once upon a time.")
        async with door.stream("SubscribeToTask", {"id": task["id"]}) as events:
            first = (await anext(events))["task"]
            assert text(first) == "Once upon a time."
            held.go_on.set()
            *pieces, last = [event async for event in events]
        assert "".join(p["text"] for e in pieces for p in e["artifactUpdate"]["artifact"]["parts"]) == "\n\nThe end."
        assert state(last["statusUpdate"]) == "TASK_STATE_COMPLETED"
        done = await door.ask("GetTask", {"id": task["id"]})
    assert text(done) == "Once upon a time.\n\nThe end."


@pytest.mark.parametrize("version", ["1.0", "0.3"])
async def test_a_canceled_task_closes_the_upstream_and_ends_its_streams(version: str, tmp_path: Path) -> None:
    held = Held()
    async with at_the_door(tmp_path, Upstream([held.answer])) as door:
        async with door.stream("SendStreamingMessage", says("Tell.")) as events:
            task = (await anext(events))["task"]
            await anext(events)
            canceled = await door.ask("CancelTask" if version == "1.0" else "tasks/cancel", {"id": task["id"]})
            assert state(canceled) in ("TASK_STATE_CANCELED", "canceled")
            assert held.closed.is_set()
            (last,) = [event async for event in events]
        assert state(last["statusUpdate"]) == "TASK_STATE_CANCELED"
        kept = await door.ask("GetTask", {"id": task["id"]})
        assert (state(kept), text(kept)) == ("TASK_STATE_CANCELED", "Once upon a time.")
        assert (await door.fault("CancelTask", {"id": task["id"]}))["code"] == -32002
        assert (await door.fault("SubscribeToTask", {"id": task["id"]}))["code"] == -32004
        assert (await door.fault("SendMessage", says("More.", task=task["id"])))["code"] == -32004


async def test_who_does_not_want_to_wait_reads_the_task_later(tmp_path: Path) -> None:
    held = Held()
    async with at_the_door(tmp_path, Upstream([held.answer])) as door:
        sent = await door.ask("SendMessage", says("Tell.", configuration={"returnImmediately": True}))
        assert state(sent["task"]) == "TASK_STATE_WORKING"
        old = await door.ask("message/send", old_says("Who are you?", configuration={"blocking": False}))
        assert old["id"] != sent["task"]["id"]
        held.go_on.set()
        async with door.stream("SubscribeToTask", {"id": sent["task"]["id"]}) as events:
            last = [event async for event in events][-1]
    assert state(last["statusUpdate"]) == "TASK_STATE_COMPLETED"


async def test_tasks_are_listed_newest_first_page_by_page(tmp_path: Path) -> None:
    async with at_the_door(tmp_path) as door:
        made: list[str] = []
        for number in range(5):
            options = {"skill": FREE}
            sent = await door.ask("SendMessage", says("?", context=f"c{number % 2}", options=options))
            made.append(sent["task"]["id"])
            door.clock.advance(1)
        page = await door.ask("ListTasks", {"pageSize": 2})
        rest = await door.ask("ListTasks", {"pageSize": 100, "pageToken": page["nextPageToken"]})
        assert [task["id"] for task in page["tasks"] + rest["tasks"]] == made[::-1]
        assert (page["totalSize"], page["pageSize"], rest["nextPageToken"]) == (5, 2, "")
        assert all("artifacts" not in task for task in page["tasks"])
        whole = await door.ask("ListTasks", {"contextId": "c1", "includeArtifacts": True})
        assert [task["id"] for task in whole["tasks"]] == [made[3], made[1]]
        assert all(text(task) for task in whole["tasks"])
        assert (await door.ask("ListTasks", {"status": "TASK_STATE_FAILED"}))["tasks"] == []
        after = await door.ask("ListTasks", {"statusTimestampAfter": whole["tasks"][0]["status"]["timestamp"]})
        assert [task["id"] for task in after["tasks"]] == [made[4], made[3]]
        assert (await door.fault("ListTasks", {"pageSize": 101}))["code"] == -32602
        assert (await door.fault("ListTasks", {"pageToken": "nonsense"}))["code"] == -32602


async def test_a_context_is_kept_and_counts_as_one_session(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, Upstream([openai_stream("Hi.")])) as door:
        first = (await door.ask("SendMessage", says("One.", context="talk-1")))["task"]
        second = (await door.ask("SendMessage", says("Two.", context="talk-1")))["task"]
        assert first["contextId"] == second["contextId"] == "talk-1"
        assert first["id"] != second["id"]
        spent = await door.ask(
            "SendMessage", says("?", context="talk-1", options={"skill": "cost-analysis", "period": "session"})
        )
    assert "0.00004" in text(spent["task"])


async def test_a_message_that_is_sent_again_is_answered_again_and_billed_once(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("Hello.")])
    async with at_the_door(tmp_path, upstream) as door:
        first = (await door.ask("SendMessage", says("Greet me.")))["task"]
        again = (await door.ask("SendMessage", says("Greet me.")))["task"]
        assert (first["id"] != again["id"], text(again)) == (True, "Hello.")
        assert envelope(again)["request_id"] == envelope(first)["request_id"]
        assert len(upstream.seen) == 1
        other = says("Greet me.")
        other["message"]["messageId"] = "m2"
        await door.ask("SendMessage", other)
        # Clients that give every message the same id still get what they ask for.
        await door.ask("SendMessage", says("Greet me twice."))
    assert len(upstream.seen) == 3


async def test_every_task_is_counted_and_in_the_audit(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, Upstream([openai_stream("Hello.")])) as door:
        task = (await door.ask("SendMessage", says("Greet me.")))["task"]
        metrics = (await door.http.get("/metrics")).text
        assert 'omniroute_a2a_tasks_total{skill="smart-routing",state="completed"} 1' in metrics
        assert door.house.parts.audit.waiting == 1
        request_id = envelope(task)["request_id"]
    database = await Database.open(tmp_path / "data")
    try:
        (row,) = await read_calls(database, Question(tool="a2a/smart-routing"))
    finally:
        await database.close()
    assert (row.door, row.outcome, row.request_id, row.session) == ("a2a", "ok", request_id, task["contextId"])
