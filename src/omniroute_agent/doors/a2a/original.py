"""The dialect of the original OmniRoute: `skill`, `messages` and `metadata` in, `task`, `artifacts` and `metadata` out.

Four methods of 0.3 by name, told apart by their parameters. States, errors and amounts are the dialect's own; its
documents (read 2026-11-21) decide: docs/a2a-original.md.
"""

import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, cast

from a2a.types import a2a_pb2 as pb
from google.protobuf.json_format import MessageToDict
from pydantic import JsonValue

from omniroute_agent.doors.a2a.desk import Desk, Heard
from omniroute_agent.doors.a2a.failures import Failure, failure_of
from omniroute_agent.doors.a2a.original_params import question_in, task_id_in
from omniroute_agent.doors.a2a.render import ANSWER, text_of, whole_numbers
from omniroute_agent.doors.a2a.states import WORDS
from omniroute_agent.doors.a2a.stored import envelope_of
from omniroute_agent.doors.a2a.visit import Visit

Wire = dict[str, Any]
Params = Mapping[str, Any]

LONGEST_CHUNK: Final = 2048
"""Characters. The documented reader takes each piece of the network for whole lines, so that no event may be long."""

_SPELLED: Final[Mapping[str, str]] = {
    "submitted": "submitted",
    "working": "working",
    "completed": "completed",
    "canceled": "cancelled",
}
"""Its words for states; every other one is a way to fail, as nobody can answer a question in this dialect."""
FAILED: Final = "failed"

TASK_NOT_FOUND: Final = -32001
TASK_ALREADY_COMPLETED: Final = -32002
UNAUTHORIZED: Final = -32003
BUDGET_EXCEEDED: Final = -32004
PROVIDER_UNAVAILABLE: Final = -32005
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603

_OF_TASKS: Final[Mapping[str, int]] = {
    "limit_reached": BUDGET_EXCEEDED,
    "consent_required": BUDGET_EXCEEDED,
    "no_route": PROVIDER_UNAVAILABLE,
    "upstream_failed": PROVIDER_UNAVAILABLE,
    "not_allowed": UNAUTHORIZED,
    "invalid_request": INVALID_PARAMS,
    "not_found": INVALID_PARAMS,  # a model or a combo
    "conflict": INVALID_PARAMS,
}
"""By the code in a failed task's envelope; whatever is not here is the skill's failure."""
_OF_CALLS: Final[Mapping[str, int]] = {
    "TASK_NOT_FOUND": TASK_NOT_FOUND,
    "TASK_NOT_CANCELABLE": TASK_ALREADY_COMPLETED,
    "NOT_ALLOWED": UNAUTHORIZED,
    "LIMIT_REACHED": BUDGET_EXCEEDED,
    "NO_ROUTE": PROVIDER_UNAVAILABLE,
    "UPSTREAM_FAILED": PROVIDER_UNAVAILABLE,
    "NOT_FOUND": METHOD_NOT_FOUND,  # a skill
    "CONTENT_TYPE_NOT_SUPPORTED": INVALID_PARAMS,
}
"""By the reason of what failed before there was a task. JSON-RPC's own codes are the dialect's, too."""
_AMOUNTS: Final = ("estimated", "actual")


async def send(desk: Desk, visit: Visit, params: Params) -> Wire:
    """What stands beside `jsonrpc` and `id`. A task that a limit refused is a result, because its readers look for the
    verdict there; one that failed in another way is an error.
    """
    question = question_in(params, desk.runs.ports.new_id)
    live = await desk.intake.take(visit, question.request, streams=False, durable=False, earlier=question.earlier)
    await live.ended()
    return outcome(live.as_it_is())


async def get(desk: Desk, visit: Visit, params: Params) -> Wire:
    task = await desk.get(visit, pb.GetTaskRequest(id=task_id_in(params)))
    return {"result": {"task": {**brief(task), "artifacts": artifacts(task), "metadata": metadata(task)}}}


async def cancel(desk: Desk, visit: Visit, params: Params) -> Wire:
    return {"result": {"task": brief(await desk.cancel(visit, pb.CancelTaskRequest(id=task_id_in(params))))}}


async def stream(desk: Desk, visit: Visit, params: Params) -> "Telling":
    question = question_in(params, desk.runs.ports.new_id)
    live = await desk.intake.take(visit, question.request, streams=True, durable=True, earlier=question.earlier)
    return Telling(live.listen(first=pb.StreamResponse(task=live.as_it_is())))


ANSWERS: Final[Mapping[str, Callable[[Desk, Visit, Params], Awaitable[Wire]]]] = {
    "message/send": send,
    "tasks/get": get,
    "tasks/cancel": cancel,
}


class Telling:
    """A stream as notifications: the first names the task, the last has its end."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self._task: Wire = {}
        self._waiting: deque[Wire] = deque()
        self._asked_for: list[Wire] = []
        """Artifacts beside the answer; they come with the end."""
        self._over = False

    async def next(self) -> Wire | None:
        """What to send; None: nothing more. May be given up without anything being lost."""
        while not self._waiting and not self._over:
            try:
                told = await self._heard.next()
            except Exception as broken:  # noqa: BLE001 (failure_of logs what nobody expected)
                self._over = True
                self._waiting.append(self._failed(failure_of(broken)))
            else:
                self._over = told is None
                self._waiting.extend(self._notifications(told) if told is not None else ())
        return self._waiting.popleft() if self._waiting else None

    def _failed(self, failure: Failure) -> Wire:
        """The end of a stream that cannot be told on. What becomes of the task nobody knows here."""
        told = error(failure)
        return _notification(
            {**self._task, "state": FAILED}, metadata={"error": told["message"], "error_code": told["code"]}
        )

    def _notifications(self, told: pb.StreamResponse) -> Iterator[Wire]:
        match told.WhichOneof("payload"):
            case "task":
                self._task = brief(told.task)
                yield _notification(self._task)
            case "artifact_update" if told.artifact_update.artifact.artifact_id == ANSWER:
                text = text_of(told.artifact_update.artifact.parts)
                for start in range(0, len(text), LONGEST_CHUNK):
                    piece = {"type": "text", "content": text[start : start + LONGEST_CHUNK]}
                    yield _notification(self._task, chunk=piece)
            case "artifact_update":
                self._asked_for.append(_artifact(told.artifact_update.artifact))
            case "status_update":
                yield self._status(told.status_update)
            case _:
                pass

    def _status(self, told: pb.TaskStatusUpdateEvent) -> Wire:
        task = pb.Task(id=told.task_id, status=told.status)
        if told.HasField("metadata"):
            task.metadata.CopyFrom(told.metadata)
        self._task = brief(task)
        extra = {"artifacts": self._asked_for} if self._asked_for else {}
        return _notification(self._task, **extra, metadata=metadata(task))


def outcome(task: pb.Task) -> Wire:
    """`result` of a task that is over, or the `error` it came to."""
    code = code_of(task)
    if code is None or code == BUDGET_EXCEEDED:
        return {"result": {"task": brief(task), "artifacts": artifacts(task), "metadata": metadata(task)}}
    data = {"task": brief(task), "metadata": metadata(task)}
    return {"error": {"code": code, "message": _note(task), "data": data}}


def error(failure: Failure) -> Wire:
    """The `error` of what failed before there was a task."""
    return {"code": _OF_CALLS.get(failure.reason, failure.code), "message": failure.message}


def heartbeat(now: datetime) -> str:
    """The comment for a silence."""
    return f"heartbeat {now.isoformat(timespec='milliseconds').replace('+00:00', 'Z')}"


def brief(task: pb.Task) -> Wire:
    return {"id": task.id, "state": _SPELLED.get(_state(task), FAILED)}


def artifacts(task: pb.Task) -> list[Wire]:
    return [_artifact(each) for each in task.artifacts]


def metadata(task: pb.Task) -> Wire:
    """The envelope in its shapes; of a failure also what it was."""
    envelope: Wire = dict(envelope_of(task))
    if isinstance(cost := envelope.get("cost_envelope"), dict):
        envelope["cost_envelope"] = _cost(cast("dict[str, JsonValue]", cost))
    code = code_of(task)
    if code is None:
        return envelope
    return {**envelope, "error": _note(task), "error_code": code}


def code_of(task: pb.Task) -> int | None:
    """What a task failed of; None: it did not."""
    if _SPELLED.get(_state(task)) is not None:
        return None
    return _OF_TASKS.get(str(envelope_of(task).get("error")), INTERNAL_ERROR)


def _state(task: pb.Task) -> str:
    return WORDS[pb.TaskState.Name(task.status.state)]


def _note(task: pb.Task) -> str:
    return text_of(task.status.message.parts)


def _artifact(artifact: pb.Artifact) -> Wire:
    """Text as it is, everything else as JSON in text: content is always text."""
    data = [part.data for part in artifact.parts if part.WhichOneof("content") == "data"]
    if not data:
        return {"type": "text", "content": text_of(artifact.parts)}
    values = [whole_numbers(MessageToDict(each)) for each in data]
    return {"type": artifact.name, "content": json.dumps(values[0] if len(values) == 1 else values, ensure_ascii=False)}


def _cost(cost: Mapping[str, JsonValue]) -> Wire:
    """Amounts as numbers, as the dialect's readers calculate and print them; exactly, as text, under `*_usd`."""
    numbers = {name: _number(cost.get(name)) for name in _AMOUNTS}
    exact = {f"{name}_usd": cost[name] for name in (*_AMOUNTS, "worst") if name in cost}
    rest = {name: value for name, value in cost.items() if name not in (*_AMOUNTS, "worst")}
    return {**numbers, **rest, **exact}


def _number(amount: JsonValue) -> float | int | None:
    """None: nobody knows it, and that is not 0. Up to nine million USD a double has every nano-dollar."""
    if not isinstance(amount, str):
        return None
    value = Decimal(amount)
    return int(value) if value == value.to_integral_value() else float(value)


def _notification(task: Wire, **members: Any) -> Wire:
    return {"jsonrpc": "2.0", "method": "message/stream", "params": {"task": task, **members}}
