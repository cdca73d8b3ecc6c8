"""What can be asked of the agent, in the types of 1.0; both versions and both bindings end here."""

from dataclasses import dataclass
from typing import Final, Protocol

import anyio
from a2a.types import a2a_pb2 as pb
from a2a.utils.errors import (
    InvalidParamsError,
    TaskNotCancelableError,
    TaskNotFoundError,
    UnsupportedOperationError,
)
from a2a.utils.proto_utils import validate_proto_required_fields

from omniroute_agent.doors.a2a.card import CardBook, JsonObject
from omniroute_agent.doors.a2a.elsewhere import Elsewhere
from omniroute_agent.doors.a2a.hooks import Hooks
from omniroute_agent.doors.a2a.intake import Intake
from omniroute_agent.doors.a2a.live import LiveTask
from omniroute_agent.doors.a2a.render import shown
from omniroute_agent.doors.a2a.runs import Runs
from omniroute_agent.doors.a2a.states import PARKED, TERMINAL, WORDS
from omniroute_agent.doors.a2a.stored import task_in, task_of
from omniroute_agent.doors.a2a.visit import Visit
from omniroute_agent.store.tasks import RUNNING, Found, TaskRow

MOST_ON_A_PAGE: Final = 100
PAGE: Final = 50
CANCEL_SECONDS: Final = 5.0
"""How long a canceled task may take to end."""
CANCEL_LOOK_SECONDS: Final = 0.1


class Heard(Protocol):
    """What a stream tells, one after the other; `next` may be given up without anything being lost."""

    async def next(self) -> pb.StreamResponse | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Every operation raises `A2AError` or `CallError`, and every task that is not the caller's own is unknown."""

    runs: Runs
    intake: Intake
    hooks: Hooks
    cards: CardBook

    async def send(self, visit: Visit, request: pb.SendMessageRequest) -> pb.Task:
        """Waits until the task is over or waits for its caller, unless the caller does not want to wait."""
        configuration = request.configuration
        history = _history(configuration)
        live = await self._take_in(visit, request, streams=False)
        if not configuration.return_immediately:
            await live.ended()
        return shown(live.as_it_is(), history)

    async def stream(self, visit: Visit, request: pb.SendMessageRequest) -> Heard:
        live = await self._take_in(visit, request, streams=True)
        return live.listen(first=pb.StreamResponse(task=live.as_it_is()))

    async def _take_in(self, visit: Visit, request: pb.SendMessageRequest, *, streams: bool) -> LiveTask:
        hook = request.configuration.task_push_notification_config if _has_hook(request) else None
        if hook is not None:
            self.hooks.admit(visit, hook)
        durable = streams or request.configuration.return_immediately or hook is not None
        live = await self.intake.take(visit, request, streams=streams, durable=durable)
        if hook is not None:
            await self.set_hook(visit, live.row.id, hook)
        return live

    async def set_hook(
        self, visit: Visit, task_id: str, hook: pb.TaskPushNotificationConfig
    ) -> pb.TaskPushNotificationConfig:
        if (live := self.runs.find(visit.caller.id, task_id)) is not None:
            live.hooked = True
        return await self.hooks.create(visit, task_id, hook)

    async def get(self, visit: Visit, request: pb.GetTaskRequest) -> pb.Task:
        validate_proto_required_fields(request)
        history = _history(request)
        if (live := self.runs.find(visit.caller.id, request.id)) is not None:
            return shown(live.as_it_is(), history)
        return shown(task_of(await self._found(visit.caller.id, request.id)), history)

    async def list(self, visit: Visit, request: pb.ListTasksRequest) -> pb.ListTasksResponse:
        size = _page_size(request)
        page = await self.runs.rows.list(
            visit.caller.id,
            context_id=request.context_id or None,
            state=WORDS[pb.TaskState.Name(request.status)] if request.status else None,
            after=request.status_timestamp_after.ToMilliseconds() / 1000
            if request.HasField("status_timestamp_after")
            else None,
            limit=size,
            cursor=request.page_token or None,
        )
        history = _history(request)
        return pb.ListTasksResponse(
            tasks=[shown(task_in(row), history, artifacts=request.include_artifacts) for row in page.rows],
            next_page_token=page.next_cursor or "",
            page_size=size,
            total_size=page.total,
        )

    async def cancel(self, visit: Visit, request: pb.CancelTaskRequest) -> pb.Task:
        validate_proto_required_fields(request)
        owner = visit.caller.id
        if (live := self.runs.find(owner, request.id)) is not None:
            live.scope.cancel()
            with anyio.move_on_after(CANCEL_SECONDS):
                await live.ended()
            if live.row.state not in PARKED:
                return _canceled(live.row, live.as_it_is())
        row = (await self._found(owner, request.id)).row
        if row.state in RUNNING:
            row = await self._cancel_elsewhere(row)
            if row.state not in PARKED:
                return _canceled(row, task_in(row))
        if row.state not in PARKED:
            raise TaskNotCancelableError("The task is over.")
        if (ended := await self.runs.cancel_parked(row)) is not None:
            return task_in(ended)
        # It was answered in this very moment, and is at work again.
        return await self.cancel(visit, request)

    async def _cancel_elsewhere(self, row: TaskRow) -> TaskRow:
        """The process that runs it looks for such requests a few times a second."""
        ports, rows = self.runs.ports, self.runs.rows
        until = ports.monotonic() + CANCEL_SECONDS
        await rows.ask_to_cancel(row.owner, row.id, ports.now().timestamp())
        while row.state in RUNNING and ports.monotonic() < until:
            await ports.sleep(CANCEL_LOOK_SECONDS)
            row = (await self._found(row.owner, row.id)).row
        return row

    async def subscribe(self, visit: Visit, request: pb.SubscribeToTaskRequest) -> Heard:
        validate_proto_required_fields(request)
        if (live := self.runs.find(visit.caller.id, request.id)) is not None and not live.over:
            return live.listen(first=pb.StreamResponse(task=live.as_it_is()))
        found = await self._found(visit.caller.id, request.id)
        if found.row.state in TERMINAL:
            raise UnsupportedOperationError("The task is over; read it instead.")
        owner, task_id = found.row.owner, found.row.id
        return Elsewhere(found, lambda seen: self.runs.look(owner, task_id, skip=seen), self.runs.ports.sleep)

    async def extended_card(self, visit: Visit) -> JsonObject:
        """In the fields of 1.0."""
        if not self.cards.extends:
            raise UnsupportedOperationError("There is no extended card: this server takes callers without a key.")
        return await self.cards.extended(visit.caller, visit.base)

    async def _found(self, owner: str, task_id: str) -> Found:
        """
        Raises:
            TaskNotFoundError: it is not there, or it is somebody else's.
        """
        found = await self.runs.look(owner, task_id)
        if found is None:
            raise TaskNotFoundError
        return found


def _canceled(row: TaskRow, task: pb.Task) -> pb.Task:
    """
    Raises:
        TaskNotCancelableError: it came to another end before.
    """
    if row.state in TERMINAL - {"canceled"}:
        raise TaskNotCancelableError("The task was over before it could be canceled.")
    return task


def _history(asked: pb.SendMessageConfiguration | pb.GetTaskRequest | pb.ListTasksRequest) -> int | None:
    """
    Raises:
        InvalidParamsError: it is less than nothing.
    """
    if not asked.HasField("history_length"):
        return None
    if asked.history_length < 0:
        raise InvalidParamsError("`historyLength` must be 0 or more.")
    return asked.history_length


def _page_size(request: pb.ListTasksRequest) -> int:
    """
    Raises:
        InvalidParamsError: it is out of bounds.
    """
    size = request.page_size if request.HasField("page_size") else PAGE
    if not 1 <= size <= MOST_ON_A_PAGE:
        raise InvalidParamsError(f"`pageSize` must be from 1 to {MOST_ON_A_PAGE}.")
    return size


def _has_hook(request: pb.SendMessageRequest) -> bool:
    return request.configuration.HasField("task_push_notification_config")
