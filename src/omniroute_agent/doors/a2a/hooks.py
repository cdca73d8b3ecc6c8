"""Push notifications in the SDK's types: the hooks of a task, as the desk wants them."""

from dataclasses import dataclass

from a2a.compat.v0_3 import conversions
from a2a.compat.v0_3 import types as old
from a2a.types import a2a_pb2 as pb
from a2a.utils.errors import TaskNotFoundError

from omniroute_agent.doors.a2a.push.configs import PushConfig
from omniroute_agent.doors.a2a.push.pushes import Pushes
from omniroute_agent.doors.a2a.push.translate import from_0_3, from_1_0, to_1_0
from omniroute_agent.doors.a2a.visit import Visit
from omniroute_agent.kernel.errors import NotFound


@dataclass(frozen=True, slots=True)
class Hooks:
    """A hook is told in the version it came in with."""

    pushes: Pushes

    def admit(self, visit: Visit, config: pb.TaskPushNotificationConfig) -> None:
        """
        Raises:
            InvalidRequest: no such hook may be written.
        """
        self.pushes.admit(_read(visit, config))

    async def create(
        self, visit: Visit, task_id: str, config: pb.TaskPushNotificationConfig
    ) -> pb.TaskPushNotificationConfig:
        """
        Raises:
            TaskNotFoundError: the caller has no such task.
            InvalidRequest, LimitReached: no such hook may be written.
        """
        try:
            return to_1_0(await self.pushes.create(visit.caller.id, task_id, _read(visit, config)), task_id)
        except NotFound:
            raise TaskNotFoundError from None

    async def get(self, visit: Visit, asked: pb.GetTaskPushNotificationConfigRequest) -> pb.TaskPushNotificationConfig:
        try:
            return to_1_0(await self.pushes.get(visit.caller.id, asked.task_id, asked.id), asked.task_id)
        except NotFound as error:
            raise TaskNotFoundError(error.message) from None

    async def list(
        self, visit: Visit, asked: pb.ListTaskPushNotificationConfigsRequest
    ) -> pb.ListTaskPushNotificationConfigsResponse:
        """All on one page: a task has few."""
        try:
            found = await self.pushes.list(visit.caller.id, asked.task_id)
        except NotFound:
            raise TaskNotFoundError from None
        return pb.ListTaskPushNotificationConfigsResponse(configs=[to_1_0(each, asked.task_id) for each in found])

    async def delete(self, visit: Visit, asked: pb.DeleteTaskPushNotificationConfigRequest) -> None:
        try:
            await self.pushes.delete(visit.caller.id, asked.task_id, asked.id)
        except NotFound:
            raise TaskNotFoundError from None


def _read(visit: Visit, config: pb.TaskPushNotificationConfig) -> PushConfig:
    if visit.version == "1.0":
        return from_1_0(config)
    return from_0_3(conversions.to_compat_push_notification_config(config))


def as_0_3(config: pb.TaskPushNotificationConfig) -> old.TaskPushNotificationConfig:
    return conversions.to_compat_task_push_notification_config(config)
