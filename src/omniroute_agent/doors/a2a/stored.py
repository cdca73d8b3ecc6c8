"""A stored task as the SDK's type."""

from typing import cast

from a2a.types import a2a_pb2 as pb
from google.protobuf.json_format import MessageToDict
from pydantic import JsonValue

from omniroute_agent.doors.a2a.render import ANSWER, status_of, whole_numbers
from omniroute_agent.doors.a2a.words import EXTENSION
from omniroute_agent.store.tasks import Found, TaskRow


def task_of(found: Found) -> pb.Task:
    """With what was said of its answer so far."""
    task = task_in(found.row)
    if found.chunks:
        text = b"".join(found.chunks).decode()
        task.artifacts.add(artifact_id=ANSWER, name=ANSWER, parts=[pb.Part(text=text)])
    return task


def task_in(row: TaskRow) -> pb.Task:
    task = pb.Task()
    task.ParseFromString(row.body)
    # The columns are the truth: a process that settles what a dead one left behind writes nothing else.
    task.status.CopyFrom(status_of(row.state, row.status_at, row.note, task_id=row.id, context_id=row.context_id))
    return task


def envelope_of(task: pb.Task) -> dict[str, JsonValue]:
    """What the task says of how it was done; empty where it does not."""
    metadata = whole_numbers(MessageToDict(task.metadata)) if task.HasField("metadata") else {}
    found = metadata.get(EXTENSION)
    return cast("dict[str, JsonValue]", found) if isinstance(found, dict) else {}
