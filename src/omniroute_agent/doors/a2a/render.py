"""Tasks as the SDK's types, and those as JSON. Times on the wire are UTC with milliseconds."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from a2a.types import a2a_pb2 as pb
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message as ProtoMessage
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import JsonValue

from omniroute_agent.doors.a2a.states import CORE

ANSWER: Final = "answer"
"""Id of the artifact that holds a task's text."""

Wire = dict[str, Any]


def wire(message: ProtoMessage) -> Wire:
    """As ProtoJSON, but whole numbers inside `metadata` and `data` as whole numbers: the type behind them knows only
    doubles, and clients compare.
    """
    return cast("Wire", whole_numbers(MessageToDict(message)))


def whole_numbers(value: Any) -> Any:
    match value:
        case dict():
            return {name: whole_numbers(member) for name, member in cast("Wire", value).items()}
        case list():
            return [whole_numbers(item) for item in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


def timestamp(at: float) -> Timestamp:
    """Of UTC epoch seconds, to the millisecond."""
    found = Timestamp()
    found.FromMilliseconds(round(at * 1000))
    return found


def struct(members: Mapping[str, JsonValue]) -> Struct:
    found = Struct()
    found.update(members)
    return found


def status_of(state: str, at: float, note: str, *, task_id: str, context_id: str) -> pb.TaskStatus:
    """`note` is what the agent says of the state; empty: nothing."""
    status = pb.TaskStatus(state=cast("Any", CORE[state]), timestamp=timestamp(at))
    if note:
        status.message.CopyFrom(
            pb.Message(
                # One state is told once: the same message has the same id in every telling.
                message_id=f"{task_id}-{round(at * 1000)}",
                role=pb.ROLE_AGENT,
                task_id=task_id,
                context_id=context_id,
                parts=[pb.Part(text=note)],
            )
        )
    return status


def status_event(task: pb.Task, metadata: Struct | None) -> pb.StreamResponse:
    event = pb.TaskStatusUpdateEvent(task_id=task.id, context_id=task.context_id, status=task.status)
    if metadata is not None:
        event.metadata.CopyFrom(metadata)
    return pb.StreamResponse(status_update=event)


def words_event(task: pb.Task, text: str, *, append: bool, last: bool = False) -> pb.StreamResponse:
    """One piece of the answer; `last` where it is known that no other comes."""
    artifact = pb.Artifact(artifact_id=ANSWER, name=ANSWER, parts=[pb.Part(text=text)])
    return pb.StreamResponse(
        artifact_update=pb.TaskArtifactUpdateEvent(
            task_id=task.id, context_id=task.context_id, artifact=artifact, append=append, last_chunk=last
        )
    )


def artifact_event(task: pb.Task, artifact: pb.Artifact) -> pb.StreamResponse:
    """An artifact as a whole."""
    return pb.StreamResponse(
        artifact_update=pb.TaskArtifactUpdateEvent(
            task_id=task.id, context_id=task.context_id, artifact=artifact, last_chunk=True
        )
    )


def data_artifact(name: str, data: JsonValue) -> pb.Artifact:
    """For programs; sent on request only."""
    part = pb.Part(media_type="application/json")
    value = data if isinstance(data, dict) else {"value": data}
    part.data.struct_value.CopyFrom(struct(value))
    return pb.Artifact(artifact_id=name, name=name, parts=[part])


def shown(task: pb.Task, history: int | None, *, artifacts: bool = True) -> pb.Task:
    """A copy with at most so many messages of its history; None: all."""
    told = pb.Task()
    told.CopyFrom(task)
    if history is not None and len(told.history) > history:
        del told.history[: len(told.history) - history]
    if not artifacts:
        told.ClearField("artifacts")
    return told


def text_of(parts: Iterable[pb.Part]) -> str:
    return "\n".join(part.text for part in parts if part.WhichOneof("content") == "text")
