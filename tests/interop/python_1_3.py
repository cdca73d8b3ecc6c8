"""The scenario with the official Python client of protocol 1.0.

python python_1_3.py PLAN       PLAN: the JSON file that server.py wrote
"""

import asyncio
import sys
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import httpx
from a2a.client import A2ACardResolver, Client, ClientConfig, ClientFactory
from a2a.helpers import get_message_text, get_text_parts
from a2a.types import a2a_pb2 as pb
from a2a.utils.errors import TaskNotFoundError
from a2a.utils.signing import create_signature_verifier
from google.protobuf.json_format import MessageToDict, ParseDict
from jwt import PyJWK

# Run as a program, in an environment without the project.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from interop.steps import Plan, Step, check, control, expect, key_of, plan_of, run

DONE = pb.TASK_STATE_COMPLETED


def request(text: str, *, metadata: dict[str, Any] | None = None, task_id: str = "") -> pb.SendMessageRequest:
    parts = [pb.Part(text=text)]
    message = pb.Message(message_id=str(uuid.uuid4()), role=pb.ROLE_USER, parts=parts, task_id=task_id)
    return ParseDict({"metadata": metadata or {}}, pb.SendMessageRequest(message=message))


def joined(artifacts: Sequence[pb.Artifact]) -> str:
    (only,) = artifacts
    return "".join(get_text_parts(only.parts))


class Scenario:
    def __init__(self, plan: Plan, http: httpx.AsyncClient) -> None:
        self._plan = plan
        self._http = http
        self._card = pb.AgentCard()
        self._told: pb.Task | None = None

    def _client(self, *, streaming: bool) -> Client:
        return ClientFactory(ClientConfig(httpx_client=self._http, streaming=streaming)).create(self._card)

    async def _send(self, asked: pb.SendMessageRequest) -> pb.Task:
        (answer,) = [answer async for answer in self._client(streaming=False).send_message(asked)]
        check(answer.HasField("task"), f"a task is expected, not {answer.WhichOneof('payload')}")
        return answer.task

    def _stream(self, asked: pb.SendMessageRequest) -> AsyncGenerator[pb.StreamResponse, None]:
        return cast("AsyncGenerator[pb.StreamResponse, None]", self._client(streaming=True).send_message(asked))

    async def card(self) -> str:
        self._card = await A2ACardResolver(self._http, self._plan["url"]).get_agent_card()
        offered = [f"{each.protocol_binding} {each.protocol_version}" for each in self._card.supported_interfaces]
        check("JSONRPC 1.0" in offered, f"JSONRPC 1.0 is expected among {offered}")
        return f"{self._card.name}, {len(self._card.skills)} skills, {', '.join(offered)}"

    async def signature(self) -> str:
        kids: list[str | None] = []
        keys = (await self._http.get(self._plan["jwks"])).json()

        def public_key(kid: str | None, jku: str | None) -> PyJWK:
            expect(jku, self._plan["jwks"], "where the card says its key is")
            kids.append(kid)
            return PyJWK(key_of(keys, kid))

        create_signature_verifier(public_key, ["ES256"])(self._card)
        return f"ES256 by key {kids[0]}"

    async def send(self) -> str:
        asked, answer = self._plan["hello"]
        task = await self._send(request(asked))
        expect(task.status.state, DONE, "state")
        check(not task.status.HasField("message"), "a completed status has no message")
        expect(joined(task.artifacts), answer, "answer")
        self._told = task
        return f"completed: {answer}"

    async def stream(self) -> str:
        asked, story = self._plan["story"]
        parts: list[str] = []
        artifacts: set[str] = set()
        kinds: list[str | None] = []
        states: list[int] = []
        async for event in self._stream(request(asked)):
            kind = event.WhichOneof("payload")
            kinds.append(kind)
            if kind == "artifact_update":
                artifacts.add(event.artifact_update.artifact.artifact_id)
                expect(event.artifact_update.append, bool(parts), "append, of all chunks but the first")
                parts.extend(get_text_parts(event.artifact_update.artifact.parts))
            if kind == "status_update":
                states.append(event.status_update.status.state)
        expect(kinds[0], "task", "first event")
        expect("".join(parts), story, "chunks in order")
        check(len(parts) > 1, "it came in one piece")
        expect(len(artifacts), 1, "artifacts")
        expect(states[-1], DONE, "last state")
        return f"{len(kinds)} events, {len(parts)} chunks in order, 1 artifact"

    async def get(self) -> str:
        check(self._told, "no task to get")
        assert self._told
        task = await self._client(streaming=False).get_task(pb.GetTaskRequest(id=self._told.id, history_length=0))
        expect(joined(task.artifacts), self._plan["hello"][1], "answer")
        expect(len(task.history), 0, "history")
        return "same answer, no history"

    async def list(self) -> str:
        assert self._told
        asked = pb.ListTasksRequest(context_id=self._told.context_id, page_size=5)
        page = await self._client(streaming=False).list_tasks(asked)
        expect([task.id for task in page.tasks], [self._told.id], "tasks of this context")
        expect(len(page.tasks[0].artifacts), 0, "artifacts that were not asked for")
        return f"{page.total_size} of this context"

    async def follow_up(self) -> str:
        question = self._plan["question"]
        task = await self._send(request(question["ask"], metadata=question["metadata"]))
        expect(task.status.state, pb.TASK_STATE_INPUT_REQUIRED, "state")
        asked = get_message_text(task.status.message)
        check(question["contains"] in asked, f"the question is {asked!r}")
        more = await self._send(request(question["reply"], task_id=task.id))
        expect((more.id, more.context_id), (task.id, task.context_id), "task and context of the follow-up")
        expect(more.status.state, DONE, "state after the follow-up")
        expect(joined(more.artifacts), question["answer"], "answer")
        return f"asked {asked!r}, then completed"

    async def cancel(self) -> str:
        events = self._stream(request(self._plan["wait"]))
        states: list[int] = []
        task_id = ""
        async with aclosing(events):
            async for event in events:
                if event.HasField("task"):
                    task_id = event.task.id
                if event.HasField("artifact_update"):
                    ended = await self._client(streaming=False).cancel_task(pb.CancelTaskRequest(id=task_id))
                    expect(ended.status.state, pb.TASK_STATE_CANCELED, "state")
                if event.HasField("status_update"):
                    states.append(event.status_update.status.state)
        expect(states[-1], pb.TASK_STATE_CANCELED, "last state of the open stream")
        control(self._plan, "/left")
        return "canceled, the stream said so, the upstream was closed"

    async def resubscribe(self) -> str:
        asked, answer = self._plan["slow"]
        task_id = ""
        events = self._stream(request(asked))
        async with aclosing(events):
            async for event in events:
                if event.HasField("task"):
                    task_id = event.task.id
                if event.HasField("artifact_update"):
                    break
        again = self._client(streaming=True).subscribe(pb.SubscribeToTaskRequest(id=task_id))
        text = ""
        kinds: list[str | None] = []
        async for event in again:
            kind = event.WhichOneof("payload")
            kinds.append(kind)
            if kind == "task":
                text += joined(event.task.artifacts)
                control(self._plan, "/go")
            if kind == "artifact_update":
                text += "".join(get_text_parts(event.artifact_update.artifact.parts))
        expect(kinds[0], "task", "first event")
        expect(text, answer, "what was there and what came after")
        return f"task with what was there, then {len(kinds) - 1} events to the end"

    async def unknown(self) -> str:
        try:
            await self._client(streaming=False).get_task(pb.GetTaskRequest(id=str(uuid.uuid4())))
        except TaskNotFoundError as missing:
            return f"{type(missing).__name__}: {missing}"
        raise AssertionError("an unknown task is found")

    async def push(self) -> str:
        """Configured on a task at rest: written, read, listed, deleted."""
        assert self._told
        client = self._client(streaming=False)
        wanted = pb.TaskPushNotificationConfig(
            task_id=self._told.id, id="mine", url=self._plan["control"] + "/hook/rest", token="obviously-fake"
        )
        made = await client.create_task_push_notification_config(wanted)
        which = pb.GetTaskPushNotificationConfigRequest(task_id=self._told.id, id=made.id)
        read = await client.get_task_push_notification_config(which)
        expect((read.id, read.url), (made.id, wanted.url), "configuration")
        every = pb.ListTaskPushNotificationConfigsRequest(task_id=self._told.id)
        listed = await client.list_task_push_notification_configs(every)
        expect([each.id for each in listed.configs], [made.id], "configurations")
        gone = pb.DeleteTaskPushNotificationConfigRequest(task_id=self._told.id, id=made.id)
        await client.delete_task_push_notification_config(gone)
        left = await client.list_task_push_notification_configs(every)
        expect(len(left.configs), 0, "configurations after the deletion")
        return "created, read, listed, deleted"

    async def notification(self) -> str:
        name = f"python-1-3-{uuid.uuid4()}"
        asked = request(self._plan["hello"][0])
        asked.configuration.task_push_notification_config.url = f"{self._plan['control']}/hook/{name}"
        asked.configuration.task_push_notification_config.token = "obviously-fake"
        task = await self._send(asked)
        states: list[int] = []
        kind = None
        # Each tells how things stood when it was sent; the last one is what counts.
        while DONE not in states:
            note = control(self._plan, f"/hooked/{name}")
            expect(note["headers"].get("x-a2a-notification-token"), "obviously-fake", "token")
            event = ParseDict(note["body"], pb.StreamResponse())
            kind = event.WhichOneof("payload")
            if kind == "task":
                expect(event.task.id, task.id, "task")
                states.append(event.task.status.state)
            if kind == "status_update":
                expect(event.status_update.task_id, task.id, "task")
                states.append(event.status_update.status.state)
        return f"{len(states)} told, the last one completed, as {kind}"

    async def extended(self) -> str:
        card = await self._client(streaming=False).get_extended_agent_card(pb.GetExtendedAgentCardRequest())
        check(len(card.skills) >= len(self._card.skills), "it has fewer skills than the card for everybody")
        return f"{len(card.skills)} skills, {len(MessageToDict(card))} fields"

    def steps(self) -> dict[str, Step]:
        signed: dict[str, Step] = {"signature": self.signature} if self._plan["jwks"] else {}
        return {
            "card": self.card,
            **signed,
            "send": self.send,
            "stream": self.stream,
            "get": self.get,
            "list": self.list,
            "follow-up": self.follow_up,
            "cancel": self.cancel,
            "resubscribe": self.resubscribe,
            "unknown": self.unknown,
            "push": self.push,
            "notification": self.notification,
            "extended": self.extended,
        }


async def main() -> None:
    plan = plan_of(sys.argv)
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {plan['key']}"}, timeout=30) as http:
        await run(plan, Scenario(plan, http).steps())


if __name__ == "__main__":
    asyncio.run(main())
