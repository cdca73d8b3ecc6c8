"""Push notifications as the door's methods want them: hooks are written, read, listed and deleted by the owner of their
task, and told in the background.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from omniroute_agent.doors.a2a.push.configs import MOST_PER_TASK, PushConfig, check
from omniroute_agent.doors.a2a.push.outbox import Outbox
from omniroute_agent.doors.a2a.push.policy import HookPolicy
from omniroute_agent.doors.a2a.push.sealed import Seal
from omniroute_agent.doors.a2a.push.sender import Sender, Sign
from omniroute_agent.kernel.errors import LimitReached, NotFound, StoreUnavailable
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.kernel.sealed import CannotUnseal, Keys
from omniroute_agent.store.push import HookRow, PushRows, Standing
from omniroute_agent.store.tasks import TaskRows

_log = logging.getLogger(__name__)


class Pushes:
    def __init__(
        self,
        rows: PushRows,
        tasks: TaskRows,
        *,
        ports: Ports,
        keys: Keys,
        policy: HookPolicy,
        sign: Sign,
        issuer: str,
    ) -> None:
        """`issuer` is how this server calls itself in its signatures: its public address, or its name."""
        self._rows = rows
        self._tasks = tasks
        self._ports = ports
        self._policy = policy
        self._seal = Seal(keys)
        sender = Sender(ports=ports, policy=policy, sign=sign, issuer=issuer)
        self._outbox = Outbox(rows, tasks, self._seal, sender, ports)

    def kick(self) -> None:
        """A task has changed its state, on the disk. Waits for nothing."""
        self._outbox.kick()

    async def run(self) -> None:
        """Tell the hooks until cancelled."""
        await self._outbox.run()

    def admit(self, config: PushConfig) -> None:
        """Whether a hook could be written, before there is a task for it.

        Raises:
            InvalidRequest: a part of it cannot be kept or sent, or nothing is sent to its address.
        """
        check(config)
        self._policy.admit(config.url)

    async def create(self, owner: str, task_id: str, config: PushConfig) -> PushConfig:
        """Write a hook, or write the one of that id anew, and tell it soon how the task stands. Gives it with its id.

        Raises:
            InvalidRequest: a part of it cannot be kept or sent, or nothing is sent to its address.
            LimitReached: the task has too many.
            NotFound: the owner has no such task.
            StoreUnavailable: it cannot be written, or there is no key to seal its secrets with.
        """
        check(config)
        origin = self._policy.admit(config.url)
        now = self._ports.now().timestamp()
        named = replace(config, id=config.id or (task_id if config.protocol == "0.3" else self._ports.new_id()))
        blank = HookRow(
            owner=owner,
            task_id=task_id,
            id=named.id,
            generation=self._ports.new_id(),
            protocol=named.protocol,
            url=named.url,
            host=origin.host,
            scheme=named.scheme,
            sealed=None,
            created_at=now,
            due_at=now,
        )

        def make(standing: Standing) -> HookRow:
            before = {hook.id: hook for hook in standing.hooks}
            if named.id not in before and len(before) >= MOST_PER_TASK:
                raise LimitReached(
                    f"This task has {MOST_PER_TASK} push notification configurations already.",
                    hint="Delete one of them, or write one of them anew under its id.",
                )
            first = before[named.id].created_at if named.id in before else now
            row = replace(blank, created_at=first)
            return replace(row, sealed=self._seal.close(named, row, standing.sealed))

        try:
            if named.token or named.credentials:
                await asyncio.to_thread(self._seal.wake)
            written = await self._rows.put(owner, task_id, make)
        except CannotUnseal as why:
            _log.warning("The secrets of a push notification cannot be sealed: %s.", why)
            raise StoreUnavailable(
                "This agent cannot keep the token and credentials of a push notification safely at the moment.",
                hint="Leave both out, or ask the owner of this agent to look at its master key.",
            ) from None
        if written is None:
            raise _no_task()
        self.kick()
        return replace(named, credentials=None)

    async def get(self, owner: str, task_id: str, config_id: str = "") -> PushConfig:
        """Without an id: the one that has the task's own, which is what clients of 0.3 get when they name none, else
        the oldest.

        Raises:
            NotFound: the owner has no such task, or the task no such hook.
        """
        hooks = await self._of_task(owner, task_id)
        wanted = config_id or task_id
        found = next((hook for hook in hooks if hook.id == wanted), None)
        if found is None and hooks and not config_id:
            found = hooks[0]
        if found is None:
            raise NotFound(
                "This task has no such push notification configuration.",
                hint="List those it has.",
                facts={"kind": "push notification configuration"},
            )
        return (await self._opened([found]))[0]

    async def list(self, owner: str, task_id: str) -> tuple[PushConfig, ...]:
        """Oldest first.

        Raises:
            NotFound: the owner has no such task.
        """
        return await self._opened(await self._of_task(owner, task_id))

    async def delete(self, owner: str, task_id: str, config_id: str) -> None:
        """One that is not there is no error.

        Raises:
            NotFound: the owner has no such task.
        """
        if not await self._rows.delete(owner, task_id, config_id):
            raise _no_task()

    async def _of_task(self, owner: str, task_id: str) -> tuple[HookRow, ...]:
        hooks = await self._rows.of_task(owner, task_id)
        if hooks is None:
            raise _no_task()
        return hooks

    async def _opened(self, hooks: Sequence[HookRow]) -> tuple[PushConfig, ...]:
        return await asyncio.to_thread(lambda: tuple(map(self._readable, hooks)))

    def _readable(self, hook: HookRow) -> PushConfig:
        """As its owner may read it back: without credentials."""
        try:
            return replace(self._seal.open(hook), credentials=None)
        except CannotUnseal:
            return self._seal.open(replace(hook, sealed=None))


def _no_task() -> NotFound:
    return NotFound("There is no such task.", facts={"kind": "task"})
