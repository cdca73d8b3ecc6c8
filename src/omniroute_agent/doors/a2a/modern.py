"""JSON-RPC of version 1.0: parameters into the SDK's types, answers out of them."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from a2a.types import a2a_pb2 as pb
from a2a.utils.errors import InvalidParamsError
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message as ProtoMessage

from omniroute_agent.doors.a2a.desk import Desk, Heard
from omniroute_agent.doors.a2a.render import Wire, wire
from omniroute_agent.doors.a2a.states import WORDS
from omniroute_agent.doors.a2a.visit import Visit

UNSPECIFIED: Final = "TASK_STATE_UNSPECIFIED"
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")

M = TypeVar("M", bound=ProtoMessage)

Params = Mapping[str, Any]
Answer = Callable[[Desk, Visit, Params], Awaitable[Wire]]
Stream = Callable[[Desk, Visit, Params], Awaitable[Heard]]


def read(params: Params, message: M) -> M:
    """Unknown members are ignored, as the specification wants it.

    Raises:
        InvalidParamsError: a member is of another type.
    """
    try:
        return ParseDict(dict(params), message, ignore_unknown_fields=True)
    except (ParseError, ValueError, TypeError) as error:
        raise InvalidParamsError(f"Invalid params: {_plain(error)}") from None


def _plain(error: Exception) -> str:
    """What the parser says is of the parameters alone; it may be as long as they are."""
    said = " ".join(str(error).split())
    return said if len(said) <= 200 else f"{said[:200]}…"  # noqa: PLR2004 (a line's worth)


def sent(params: Params) -> pb.SendMessageRequest:
    """
    Raises:
        InvalidParamsError: it is no message.
    """
    message = params.get("message")
    parts = message.get("parts") if isinstance(message, dict) else None
    for part in parts if isinstance(parts, list) else ():
        expect_base64(part.get("raw") if isinstance(part, dict) else None)
    return read(params, pb.SendMessageRequest())


def expect_base64(raw: object) -> None:
    """The parser takes anything for it, and what is none would reach a model as an empty file.

    Raises:
        InvalidParamsError: it is none.
    """
    if isinstance(raw, str) and not _BASE64.fullmatch(raw):
        raise InvalidParamsError("A file's bytes must be base64.")


async def _send(desk: Desk, visit: Visit, params: Params) -> Wire:
    return {"task": wire(await desk.send(visit, sent(params)))}


async def _get(desk: Desk, visit: Visit, params: Params) -> Wire:
    return wire(await desk.get(visit, read(params, pb.GetTaskRequest())))


async def _list(desk: Desk, visit: Visit, params: Params) -> Wire:
    # A name that the parser does not know would narrow nothing.
    if params.get("status", UNSPECIFIED) not in (UNSPECIFIED, 0, *WORDS, *range(1, len(WORDS) + 1)):
        raise InvalidParamsError(f"`status` must be one of {', '.join(WORDS)}.")
    page = await desk.list(visit, read(params, pb.ListTasksRequest()))
    # Members that are always there, also where they are empty.
    return {"tasks": [], "nextPageToken": "", "totalSize": 0, **wire(page)}


async def _cancel(desk: Desk, visit: Visit, params: Params) -> Wire:
    return wire(await desk.cancel(visit, read(params, pb.CancelTaskRequest())))


async def _card(desk: Desk, visit: Visit, _: Params) -> Wire:
    return await desk.extended_card(visit)


async def _set_hook(desk: Desk, visit: Visit, params: Params) -> Wire:
    config = read(params, pb.TaskPushNotificationConfig())
    return wire(await desk.set_hook(visit, config.task_id, config))


async def _get_hook(desk: Desk, visit: Visit, params: Params) -> Wire:
    return wire(await desk.hooks.get(visit, read(params, pb.GetTaskPushNotificationConfigRequest())))


async def _list_hooks(desk: Desk, visit: Visit, params: Params) -> Wire:
    return wire(await desk.hooks.list(visit, read(params, pb.ListTaskPushNotificationConfigsRequest())))


async def _delete_hook(desk: Desk, visit: Visit, params: Params) -> Wire:
    await desk.hooks.delete(visit, read(params, pb.DeleteTaskPushNotificationConfigRequest()))
    return {}


async def _stream(desk: Desk, visit: Visit, params: Params) -> Heard:
    return await desk.stream(visit, sent(params))


async def _subscribe(desk: Desk, visit: Visit, params: Params) -> Heard:
    return await desk.subscribe(visit, read(params, pb.SubscribeToTaskRequest()))


ANSWERS: Final[Mapping[str, Answer]] = {
    "SendMessage": _send,
    "GetTask": _get,
    "ListTasks": _list,
    "CancelTask": _cancel,
    "GetExtendedAgentCard": _card,
    "CreateTaskPushNotificationConfig": _set_hook,
    "GetTaskPushNotificationConfig": _get_hook,
    "ListTaskPushNotificationConfigs": _list_hooks,
    "DeleteTaskPushNotificationConfig": _delete_hook,
}
STREAMS: Final[Mapping[str, Stream]] = {"SendStreamingMessage": _stream, "SubscribeToTask": _subscribe}


def event(told: pb.StreamResponse) -> Wire:
    """One item of a stream."""
    return wire(told)
