"""JSON-RPC of version 0.3, by way of the SDK's conversions."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from a2a.compat.v0_3 import conversions
from a2a.compat.v0_3 import types as old
from a2a.types import a2a_pb2 as pb
from a2a.utils.errors import InvalidParamsError
from pydantic import BaseModel, ValidationError

from omniroute_agent.doors.a2a.desk import Desk, Heard
from omniroute_agent.doors.a2a.hooks import as_0_3
from omniroute_agent.doors.a2a.modern import expect_base64
from omniroute_agent.doors.a2a.render import Wire, whole_numbers
from omniroute_agent.doors.a2a.states import PARKED, TERMINAL
from omniroute_agent.doors.a2a.visit import Visit

M = TypeVar("M", bound=BaseModel)

Params = Mapping[str, Any]
Answer = Callable[[Desk, Visit, Params], Awaitable[Any]]
Stream = Callable[[Desk, Visit, Params], Awaitable[Heard]]

_LAST: Final = TERMINAL | PARKED


def read(params: Params, model: type[M]) -> M:
    """
    Raises:
        InvalidParamsError: they are not what the method takes.
    """
    try:
        return model.model_validate(dict(params))
    except ValidationError as error:
        faults = [
            {"field": ".".join(str(step) for step in fault["loc"]) or "params", "message": fault["msg"]}
            for fault in error.errors(include_url=False, include_context=False, include_input=False)[:20]
        ]
        raise InvalidParamsError("Invalid params", data={"errors": faults}) from None


def shown(model: BaseModel) -> Wire:
    found: Wire = whole_numbers(model.model_dump(mode="json", by_alias=True, exclude_none=True))
    return found


def task(found: pb.Task) -> Wire:
    return shown(conversions.to_compat_task(found))


def _sent(params: Params) -> pb.SendMessageRequest:
    asked = read(params, old.MessageSendParams)
    for part in asked.message.parts:
        if isinstance(part.root, old.FilePart) and isinstance(part.root.file, old.FileWithBytes):
            expect_base64(part.root.file.bytes)
    return conversions.to_core_send_message_request(old.SendMessageRequest(id=0, params=asked))


async def _send(desk: Desk, visit: Visit, params: Params) -> Wire:
    return task(await desk.send(visit, _sent(params)))


async def _get(desk: Desk, visit: Visit, params: Params) -> Wire:
    asked = read(params, old.TaskQueryParams)
    core = conversions.to_core_get_task_request(old.GetTaskRequest(id=0, params=asked))
    return task(await desk.get(visit, core))


async def _cancel(desk: Desk, visit: Visit, params: Params) -> Wire:
    asked = read(params, old.TaskIdParams)
    core = conversions.to_core_cancel_task_request(old.CancelTaskRequest(id=0, params=asked))
    return task(await desk.cancel(visit, core))


async def _card(desk: Desk, visit: Visit, _: Params) -> Wire:
    return desk.cards.merged(await desk.extended_card(visit))


async def _set_hook(desk: Desk, visit: Visit, params: Params) -> Wire:
    asked = read(params, old.TaskPushNotificationConfig)
    core = conversions.to_core_task_push_notification_config(asked)
    return shown(as_0_3(await desk.set_hook(visit, asked.task_id, core)))


async def _get_hook(desk: Desk, visit: Visit, params: Params) -> Wire:
    asked = read(params, old.GetTaskPushNotificationConfigParams)
    core = pb.GetTaskPushNotificationConfigRequest(task_id=asked.id, id=asked.push_notification_config_id or "")
    return shown(as_0_3(await desk.hooks.get(visit, core)))


async def _list_hooks(desk: Desk, visit: Visit, params: Params) -> Any:
    asked = read(params, old.ListTaskPushNotificationConfigParams)
    found = await desk.hooks.list(visit, pb.ListTaskPushNotificationConfigsRequest(task_id=asked.id))
    return [shown(as_0_3(each)) for each in found.configs]


async def _delete_hook(desk: Desk, visit: Visit, params: Params) -> None:
    asked = read(params, old.DeleteTaskPushNotificationConfigParams)
    core = pb.DeleteTaskPushNotificationConfigRequest(task_id=asked.id, id=asked.push_notification_config_id)
    await desk.hooks.delete(visit, core)


async def _stream(desk: Desk, visit: Visit, params: Params) -> Heard:
    return await desk.stream(visit, _sent(params))


async def _resubscribe(desk: Desk, visit: Visit, params: Params) -> Heard:
    return await desk.subscribe(visit, pb.SubscribeToTaskRequest(id=read(params, old.TaskIdParams).id))


ANSWERS: Final[Mapping[str, Answer]] = {
    "message/send": _send,
    "tasks/get": _get,
    "tasks/cancel": _cancel,
    "agent/getAuthenticatedExtendedCard": _card,
    "tasks/pushNotificationConfig/set": _set_hook,
    "tasks/pushNotificationConfig/get": _get_hook,
    "tasks/pushNotificationConfig/list": _list_hooks,
    "tasks/pushNotificationConfig/delete": _delete_hook,
}
STREAMS: Final[Mapping[str, Stream]] = {"message/stream": _stream, "tasks/resubscribe": _resubscribe}


def event(told: pb.StreamResponse) -> Wire:
    """One item of a stream."""
    result = conversions.to_compat_stream_response(told, 0).result
    if isinstance(result, old.TaskStatusUpdateEvent):
        # Clients of this version wait for `final`, also where the agent waits for them.
        result.final = result.status.state.value in _LAST
    return shown(result)
