"""The scenario with the official Python client of protocol 0.3, in an environment of its own.

python python_0_3.py PLAN       PLAN: the JSON file that server.py wrote
"""

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
from a2a.client import A2ACardResolver, Client, ClientConfig, ClientFactory
from a2a.client.errors import A2AClientJSONRPCError
from a2a.types import (
    AgentCard,
    Artifact,
    DeleteTaskPushNotificationConfigParams,
    GetTaskPushNotificationConfigParams,
    ListTaskPushNotificationConfigParams,
    Message,
    Part,
    PushNotificationConfig,
    Role,
    Task,
    TaskArtifactUpdateEvent,
    TaskIdParams,
    TaskPushNotificationConfig,
    TaskQueryParams,
    TaskState,
    TaskStatusUpdateEvent,
    TextPart,
)
from a2a.utils import get_message_text, get_text_parts

# Run as a program, in an environment without the project.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from interop.steps import Plan, Step, check, control, expect, plan_of, run


def message(text: str, **known: str) -> Message:
    return Message(message_id=str(uuid.uuid4()), role=Role.user, parts=[Part(root=TextPart(text=text))], **known)


def joined(artifacts: list[Artifact] | None) -> str:
    (only,) = artifacts or []
    return "".join(get_text_parts(only.parts))


class Scenario:
    def __init__(self, plan: Plan, http: httpx.AsyncClient) -> None:
        self._plan = plan
        self._http = http
        self._card: AgentCard | None = None
        self._told: Task | None = None

    def _client(self, *, streaming: bool, hook: PushNotificationConfig | None = None) -> Client:
        assert self._card
        hooks = [hook] if hook else []
        config = ClientConfig(httpx_client=self._http, streaming=streaming, push_notification_configs=hooks)
        return ClientFactory(config).create(self._card)

    async def _send(
        self, asked: Message, *, metadata: dict[str, Any] | None = None, hook: PushNotificationConfig | None = None
    ) -> Task:
        client = self._client(streaming=False, hook=hook)
        (answer,) = [answer async for answer in client.send_message(asked, request_metadata=metadata)]
        assert not isinstance(answer, Message)
        return answer[0]

    def _stream(self, asked: Message) -> AsyncIterator[Any]:
        return self._client(streaming=True).send_message(asked)

    async def card(self) -> str:
        self._card = await A2ACardResolver(self._http, self._plan["url"]).get_agent_card()
        expect(self._card.preferred_transport, "JSONRPC", "transport")
        check(self._card.protocol_version.startswith("0.3"), f"0.3 is expected, not {self._card.protocol_version}")
        return f"{self._card.name}, {len(self._card.skills)} skills, protocol {self._card.protocol_version}"

    async def send(self) -> str:
        asked, answer = self._plan["hello"]
        task = await self._send(message(asked))
        expect(task.status.state, TaskState.completed, "state")
        expect(task.status.message, None, "message of a completed status")
        expect(joined(task.artifacts), answer, "answer")
        self._told = task
        return f"completed: {answer}"

    async def stream(self) -> str:
        asked, story = self._plan["story"]
        parts: list[str] = []
        artifacts: set[str] = set()
        updates: list[Any] = []
        async for _, update in self._stream(message(asked)):
            updates.append(update)
            if isinstance(update, TaskArtifactUpdateEvent):
                artifacts.add(update.artifact.artifact_id)
                expect(bool(update.append), bool(parts), "append, of all chunks but the first")
                parts.extend(get_text_parts(update.artifact.parts))
        expect(updates[0], None, "update beside the first event, which is the task")
        expect("".join(parts), story, "chunks in order")
        check(len(parts) > 1, "it came in one piece")
        expect(len(artifacts), 1, "artifacts")
        last = updates[-1]
        assert isinstance(last, TaskStatusUpdateEvent)
        expect((last.status.state, last.final), (TaskState.completed, True), "last state, and whether it is final")
        return f"{len(updates)} events, {len(parts)} chunks in order, 1 artifact"

    async def get(self) -> str:
        assert self._told
        task = await self._client(streaming=False).get_task(TaskQueryParams(id=self._told.id))
        expect(joined(task.artifacts), self._plan["hello"][1], "answer")
        return f"same answer, {len(task.history or [])} message"

    async def follow_up(self) -> str:
        question = self._plan["question"]
        task = await self._send(message(question["ask"]), metadata=question["metadata"])
        expect(task.status.state, TaskState.input_required, "state")
        assert task.status.message
        asked = get_message_text(task.status.message)
        check(question["contains"] in asked, f"the question is {asked!r}")
        more = await self._send(message(question["reply"], task_id=task.id))
        expect((more.id, more.context_id), (task.id, task.context_id), "task and context of the follow-up")
        expect(more.status.state, TaskState.completed, "state after the follow-up")
        expect(joined(more.artifacts), question["answer"], "answer")
        return f"asked {asked!r}, then completed"

    async def cancel(self) -> str:
        states: list[TaskState] = []
        events: Any = self._stream(message(self._plan["wait"]))
        async with aclosing(events):
            async for task, update in events:
                if isinstance(update, TaskArtifactUpdateEvent):
                    ended = await self._client(streaming=False).cancel_task(TaskIdParams(id=task.id))
                    expect(ended.status.state, TaskState.canceled, "state")
                if isinstance(update, TaskStatusUpdateEvent):
                    states.append(update.status.state)
        expect(states[-1], TaskState.canceled, "last state of the open stream")
        control(self._plan, "/left")
        return "canceled, the stream said so, the upstream was closed"

    async def resubscribe(self) -> str:
        asked, answer = self._plan["slow"]
        task_id = ""
        events: Any = self._stream(message(asked))
        async with aclosing(events):
            async for task, update in events:
                task_id = task.id
                if isinstance(update, TaskArtifactUpdateEvent):
                    break
        text = ""
        updates: list[Any] = []
        async for task, update in self._client(streaming=True).resubscribe(TaskIdParams(id=task_id)):
            updates.append(update)
            if update is None:
                text += joined(task.artifacts)
                control(self._plan, "/go")
            if isinstance(update, TaskArtifactUpdateEvent):
                text += "".join(get_text_parts(update.artifact.parts))
        expect(updates[0], None, "update beside the first event, which is the task")
        expect(text, answer, "what was there and what came after")
        return f"task with what was there, then {len(updates) - 1} events to the end"

    async def unknown(self) -> str:
        try:
            await self._client(streaming=False).get_task(TaskQueryParams(id=str(uuid.uuid4())))
        except A2AClientJSONRPCError as missing:
            expect(missing.error.code, -32001, "code")
            return f"{missing.error.code}: {missing.error.message}"
        raise AssertionError("an unknown task is found")

    async def push(self) -> str:
        """Configured on a task at rest: written, read, listed, deleted."""
        assert self._told
        client = self._client(streaming=False)
        wanted = PushNotificationConfig(id="mine", url=self._plan["control"] + "/hook/rest", token="obviously-fake")
        made = await client.set_task_callback(
            TaskPushNotificationConfig(task_id=self._told.id, push_notification_config=wanted)
        )
        expect(made.push_notification_config.id, "mine", "its id")
        which = GetTaskPushNotificationConfigParams(id=self._told.id, push_notification_config_id="mine")
        read = await client.get_task_callback(which)
        expect(read.push_notification_config.url, wanted.url, "its address")
        # This client has no call for the other two: they go over the wire as its own types write them.
        listed = await self._rpc("list", ListTaskPushNotificationConfigParams(id=self._told.id))
        expect([each["pushNotificationConfig"]["id"] for each in listed], ["mine"], "configurations")
        gone = DeleteTaskPushNotificationConfigParams(id=self._told.id, push_notification_config_id="mine")
        expect(await self._rpc("delete", gone), None, "result of the deletion")
        expect(await self._rpc("list", ListTaskPushNotificationConfigParams(id=self._told.id)), [], "what is left")
        return "set, read, listed, deleted"

    async def _rpc(self, verb: str, params: Any) -> Any:
        assert self._card
        body = {
            "jsonrpc": "2.0",
            "id": "1",
            "method": f"tasks/pushNotificationConfig/{verb}",
            "params": params.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        return (await self._http.post(self._card.url, json=body)).json()["result"]

    async def notification(self) -> str:
        name = f"python-0-3-{uuid.uuid4()}"
        hook = PushNotificationConfig(url=f"{self._plan['control']}/hook/{name}", token="obviously-fake")
        task = await self._send(message(self._plan["hello"][0]), hook=hook)
        states: list[TaskState] = []
        # Each tells how things stood when it was sent; the last one is what counts.
        while TaskState.completed not in states:
            note = control(self._plan, f"/hooked/{name}")
            expect(note["headers"].get("x-a2a-notification-token"), "obviously-fake", "token")
            told = Task.model_validate(note["body"])
            expect(told.id, task.id, "task")
            states.append(told.status.state)
        return f"{len(states)} told, the last one completed, as the task"

    async def extended(self) -> str:
        assert self._card
        known = len(self._card.skills)
        card = await self._client(streaming=False).get_card()
        check(self._card.supports_authenticated_extended_card, "the card offers no extended one")
        check(len(card.skills) >= known, "it has fewer skills than the card for everybody")
        return f"{len(card.skills)} skills"

    def steps(self) -> dict[str, Step]:
        return {
            "card": self.card,
            "send": self.send,
            "stream": self.stream,
            "get": self.get,
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
