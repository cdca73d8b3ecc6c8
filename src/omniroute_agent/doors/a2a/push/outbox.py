"""Tells every hook how its task stands, for as long as the door is open, and never on a task's own path.

What is due is found in the store, so it does not matter which process changed the task or whether it still lives.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import Final

from omniroute_agent.doors.a2a.push.backoff import Failure, seconds_until_next
from omniroute_agent.doors.a2a.push.configs import Protocol, PushConfig
from omniroute_agent.doors.a2a.push.sealed import Seal
from omniroute_agent.doors.a2a.push.sender import Payload, Sender
from omniroute_agent.doors.a2a.states import TERMINAL
from omniroute_agent.kernel.errors import StoreUnavailable
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.kernel.sealed import CannotUnseal
from omniroute_agent.store.push import Busy, HookRow, PushRows
from omniroute_agent.store.tasks import Found, TaskRows

AT_ONCE: Final = 16
"""Notifications under way in this process."""
PER_HOST: Final = 4
PER_OWNER: Final = 8
LOOK_SECONDS: Final = 2.0
"""Between two looks at the store when nobody calls for one."""
LEAST_SECONDS: Final = 0.02
"""Between two looks, however often somebody calls."""
MOST_SHARE: Final = 0.1
"""Of the store's time that looking takes: with thousands of hooks of waiting tasks a look gets longer."""

Render = Callable[[Found, Protocol], Payload]

_log = logging.getLogger(__name__)


class Outbox:
    def __init__(self, rows: PushRows, tasks: TaskRows, seal: Seal, sender: Sender, ports: Ports) -> None:
        self._rows = rows
        self._tasks = tasks
        self._seal = seal
        self._sender = sender
        self._ports = ports
        self._render: Render | None = None
        self._called = asyncio.Event()
        self._under_way: set[HookRow] = set()
        self._lease = ports.new_id()
        self._waiting = False

    def kick(self) -> None:
        """Something may be due now. Waits for nothing."""
        self._called.set()

    async def run(self) -> None:
        """Until cancelled. Whatever is under way then is told again by whoever comes next."""
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.TaskGroup() as telling:
                while True:
                    self._called.clear()
                    began = clock()
                    due = await self._due()
                    looked = clock() - began
                    for hook in await self._taken() if due else ():
                        self._under_way.add(hook)
                        telling.create_task(self._tell(hook))
                    await self._ports.sleep(min(max(LEAST_SECONDS, looked / MOST_SHARE), LOOK_SECONDS))
                    await self._called_for()
        finally:
            self._rows.let_go(self._under_way)
            self._under_way.clear()

    async def _called_for(self) -> None:
        """When somebody calls, and after a while anyway."""
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._called.wait()
        except TimeoutError:
            pass

    async def _due(self) -> bool:
        """Whether there is anything to take, and a place for it."""
        if len(self._under_way) >= AT_ONCE:
            return False
        try:
            due = await self._rows.due(self._ports.now().timestamp())
        except StoreUnavailable as error:
            self._waits(error)
            return False
        self._waiting = False
        return due

    async def _taken(self) -> tuple[HookRow, ...]:
        busy = Busy(
            hosts=Counter(hook.host for hook in self._under_way),
            owners=Counter(hook.owner for hook in self._under_way),
            per_host=PER_HOST,
            per_owner=PER_OWNER,
        )
        free = AT_ONCE - len(self._under_way)
        try:
            return await self._rows.take(self._lease, self._ports.now().timestamp(), most=free, busy=busy)
        except StoreUnavailable as error:
            self._waits(error)
            return ()

    def _waits(self, error: StoreUnavailable) -> None:
        """Said once, however long it lasts."""
        if not self._waiting:
            _log.warning("Push notifications wait: %s", error.sentence())
        self._waiting = True

    async def _tell(self, hook: HookRow) -> None:
        try:
            await self._tell_and_note(hook)
        except StoreUnavailable as error:
            # Its lease runs out, and it is told again.
            _log.warning("It could not be noted how a push notification went: %s", error.sentence())
        # Not where it was cancelled: then its lease is given back.
        self._under_way.discard(hook)
        self._called.set()

    async def _tell_and_note(self, hook: HookRow) -> None:
        found = await self._tasks.find(hook.owner, hook.task_id)
        if found is None:
            await self._rows.delete(hook.owner, hook.task_id, hook.id)
            return
        failure = await self._sent(hook, found)
        if failure is None:
            await self._rows.told(hook, found.row.version, over=found.row.state in TERMINAL)
            return
        now = self._ports.now().timestamp()
        since = now if hook.failing_since is None else hook.failing_since
        wait = seconds_until_next(
            failure, tries=hook.tries + 1, failing_for=now - since, chance=self._ports.dice.random()
        )
        if wait is None:
            _log.warning(
                "A push notification to %s is given up after %d tries: %s.", hook.host, hook.tries + 1, failure.reason
            )
            await self._rows.give_up(hook, failure.reason, now)
        else:
            await self._rows.failed(hook, failure.reason, since=since, due_at=now + wait)

    async def _sent(self, hook: HookRow, found: Found) -> Failure | None:
        try:
            config, payload = await asyncio.to_thread(self._prepared, hook, found)
            return await self._sender.send(config, hook.task_id, payload)
        except CannotUnseal as why:
            return Failure(f"its secrets do not open: {why}", final=True)
        except Exception:  # noqa: BLE001 (one hook that cannot be told must not keep the others from it)
            _log.exception("A push notification could not be made.")
            return Failure("it could not be made; the log says why")

    def _prepared(self, hook: HookRow, found: Found) -> tuple[PushConfig, Payload]:
        """In a thread: a keyring may wait, the SDK takes a moment to load, and a task may be long."""
        if self._render is None:
            self._render = _renderer()
        config = self._seal.open(hook)
        return config, self._render(found, config.protocol)


def _renderer() -> Render:
    from omniroute_agent.doors.a2a.push.payload import payload_of  # noqa: PLC0415 (lazy: the SDK)

    return payload_of
