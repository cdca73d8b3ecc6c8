"""Events with a clock beside them: what waits for the next one can be looked at when its time comes."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Generic, TypeVar

import anyio

from omniroute_agent.kernel.ports import Ports

T = TypeVar("T")


async def ticking(
    source: AsyncGenerator[T, None], ports: Ports, due_at: Callable[[], float | None]
) -> AsyncGenerator[T | None, None]:
    """The events of a source, and None when the time that `due_at` gives (on `ports.monotonic`) comes first.

    The source runs in a task of its own, as its cancel scopes must be left in the task they were entered in. It is
    closed, and waited for, when this generator is.
    """
    inbox = _Inbox[T]()
    feeder = asyncio.create_task(inbox.fill(source))  # noqa: TID251 (owned and ended right here)
    timer: asyncio.Task[None] | None = None
    try:
        while inbox.items or not feeder.done():
            while inbox.items:
                yield inbox.items.popleft()
            if timer is not None and timer.done():
                timer = None
                yield None
            elif not feeder.done():
                if timer is None and (at := due_at()) is not None:
                    timer = asyncio.create_task(inbox.wake(ports, at))  # noqa: TID251 (owned and ended right here)
                await inbox.stir()
        feeder.result()
    finally:
        inbox.scope.cancel()
        with anyio.CancelScope(shield=True):
            await _end(feeder, timer)


class _Inbox(Generic[T]):
    def __init__(self) -> None:
        self.items: deque[T] = deque()
        # Cancelled in the place of its task, so that what the source shields is left alone.
        self.scope = anyio.CancelScope()
        self._news = asyncio.Event()

    async def fill(self, source: AsyncGenerator[T, None]) -> None:
        try:
            with self.scope:
                async with aclosing(source):
                    async for item in source:
                        self.items.append(item)
                        self._news.set()
        finally:
            self._news.set()

    async def wake(self, ports: Ports, at: float) -> None:
        await ports.sleep(max(at - ports.monotonic(), 0.0))
        self._news.set()

    async def stir(self) -> None:
        """Wait until something came, the source ended or it was woken."""
        self._news.clear()
        await self._news.wait()


async def _end(feeder: "asyncio.Task[None]", timer: "asyncio.Task[None] | None") -> None:
    tasks = {feeder}
    if timer is not None:
        timer.cancel()
        tasks.add(timer)
    await asyncio.wait(tasks)
    if not feeder.cancelled():
        feeder.exception()  # raised above, or of no interest to whoever left
