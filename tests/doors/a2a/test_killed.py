"""The program is killed with tasks in every phase of their life, and started again on what it left."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from doors.a2a.rig import Events, envelope, says, state, text
from interop.world import CAREFUL, CAREFUL_COMBO
from loopback import Loopback, Piece, Reply, Seen, begins
from loopback import says as replies
from omniroute_agent.store.database import Database
from omniroute_agent.store.tasks import STOPPED, TaskRows
from programs import started

SILENT, BEGUN, WHOLE = "Think first.", "Tell a story.", "Say hello."


class Provider(Loopback):
    """Silent, in the middle of its answer, or done with it, by what it is asked."""

    def reply_to(self, request: Seen) -> Reply:
        asked = str(request.body["messages"][-1]["content"])
        pause: list[Piece] = [asyncio.Event()]
        if asked == SILENT:
            return Reply(pause)
        return Reply([begins("Once upon a time.\n\n"), *pause]) if asked == BEGUN else replies("Hello.")


@asynccontextmanager
async def provider() -> AsyncGenerator[Provider, None]:
    made = Provider([])
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as server:
        made.port = server.sockets[0].getsockname()[1]
        yield made


class Server:
    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.http = http

    async def ask(self, method: str, params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        version = {"a2a-version": "1.0"} if method[0].isupper() else {}
        return (await self.http.post("/a2a", json=body, headers=version)).json()

    async def task(self, task_id: str) -> Any:
        return (await self.ask("GetTask", {"id": task_id}))["result"]

    async def begun(self, words: str) -> str:
        """The id of a task that nobody waits for."""
        sent = await self.ask("SendMessage", says(words, configuration={"returnImmediately": True}))
        task_id: str = sent["result"]["task"]["id"]
        return task_id

    async def followed(self, words: str) -> str:
        """The id of a task whose first words were heard."""
        body = {"jsonrpc": "2.0", "id": 1, "method": "SendStreamingMessage", "params": says(words)}
        async with self.http.stream("POST", "/a2a", json=body, headers={"a2a-version": "1.0"}) as answer:
            events = Events(answer)
            task_id: str = (await anext(events))["task"]["id"]
            assert "artifactUpdate" in await anext(events)
        return task_id


@asynccontextmanager
async def serving(home: Path, settings: str) -> AsyncGenerator[tuple[Server, asyncio.subprocess.Process], None]:
    async with started(home, "serve", "--json", settings=f"{settings}[server]\nport = 0\n") as program:
        assert program.stdout
        address = json.loads(await asyncio.wait_for(program.stdout.readline(), 60))
        key = (home / "data" / "owner.key").read_text("utf-8").strip()
        headers = {"authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(
            base_url=address["url"].removesuffix("/mcp"), headers=headers, trust_env=False, timeout=30
        ) as http:
            yield Server(http), program


async def on_the_disk(home: Path, task_id: str) -> None:
    """Wait until a piece of its answer is."""
    database = await Database.open(home / "data")
    try:
        for _ in range(1000):
            found = await TaskRows(database).find("owner", task_id)
            if found is not None and found.chunks:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("no piece came")
    finally:
        await database.close()


async def test_whatever_a_killed_server_was_at_the_next_one_tells_the_truth_of_it(tmp_path: Path) -> None:
    async with provider() as upstream:
        settings = f"{upstream.settings()}{CAREFUL}"
        async with serving(tmp_path, settings) as (server, program):
            done = (await server.ask("SendMessage", says(WHOLE)))["result"]["task"]
            silent, canceled = [await server.begun(SILENT) for _ in range(2)]
            begun = await server.followed(BEGUN)
            await server.ask("CancelTask", {"id": canceled})
            asked = await server.ask("SendMessage", says(WHOLE, options={"combo": CAREFUL_COMBO}))
            parked = asked["result"]["task"]
            assert state(parked) == "TASK_STATE_INPUT_REQUIRED"
            await on_the_disk(tmp_path, begun)
            program.kill()
            await program.wait()

        async with serving(tmp_path, settings) as (server, program):
            assert await server.task(done["id"]) == done
            assert state(await server.task(canceled)) == "TASK_STATE_CANCELED"
            for task_id in (silent, begun):
                task = await server.task(task_id)
                assert state(task) == "TASK_STATE_FAILED"
                assert task["status"]["message"]["parts"] == [{"text": STOPPED}]
            assert "artifacts" not in await server.task(silent)
            assert text(await server.task(begun)) == "Once upon a time.", "what was said of it is not lost"
            listed = (await server.ask("ListTasks", {"status": "TASK_STATE_FAILED"}))["result"]
            assert {each["id"] for each in listed["tasks"]} == {silent, begun}
            follow = await server.ask("SubscribeToTask", {"id": begun})
            assert follow["error"]["code"] == -32004, "nobody waits for what will not come"

            dialect = (await server.ask("tasks/get", {"taskId": begun}))["result"]["task"]
            assert (dialect["state"], dialect["metadata"]["error"]) == ("failed", STOPPED)
            assert dialect["artifacts"] == [{"type": "text", "content": "Once upon a time."}]

            waiting = await server.task(parked["id"])
            assert waiting["status"] == parked["status"]
            resumed = (await server.ask("SendMessage", says("yes", task=parked["id"])))["result"]["task"]
            assert (state(resumed), text(resumed)) == ("TASK_STATE_COMPLETED", "Hello.")
            assert envelope(resumed)["cost_envelope"]["currency"] == "USD"
            program.terminate()
            assert await program.wait() == 0
