"""Where the A2A door hangs. What stands behind it is loaded at its first request: a third of a second, and most who
start a server never ask for it.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from omniroute_agent.doors.a2a.furnishing import Furnishing
from omniroute_agent.doors.a2a.words import PATH

if TYPE_CHECKING:  # loaded at the first request
    from omniroute_agent.doors.a2a.door import Door

PATHS: Final = (PATH, f"{PATH}/", f"{PATH}/{{rest:path}}")


class LateDoor:
    def __init__(self, furnishing: Furnishing) -> None:
        self._furnishing = furnishing
        self._door: Door | None = None
        self._lock = anyio.Lock()
        self._group: TaskGroup | None = None
        self._closing: anyio.Event | None = None

    def routes(self) -> list[BaseRoute]:
        return [Route(path, endpoint=self) for path in PATHS]

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Tasks run in here; at its end those that still do are stopped and say so."""
        async with anyio.create_task_group() as self._group:
            # What was not told before the last end is told, whether or not anybody asks for the door.
            self._group.start_soon(self._furnishing.pushes.run)
            self._closing = anyio.Event()
            self._group.start_soon(self._end, self._closing)
            yield
            self._group.cancel_scope.cancel()

    def close(self) -> None:
        """The server is told to stop, and lets nobody in any more."""
        if self._closing is not None:
            self._closing.set()

    async def _end(self, closing: anyio.Event) -> None:
        await closing.wait()
        if self._door is not None:
            await self._door.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        door = self._door or await self._load()
        await door(scope, receive, send)

    async def _load(self) -> "Door":
        async with self._lock:
            if self._door is None:
                assert self._group is not None, "requests come between the start and the end of the server"
                make = await anyio.to_thread.run_sync(_load)
                self._door = make(self._furnishing, self._group)
            return self._door


def _load() -> "Callable[[Furnishing, TaskGroup], Door]":
    # Imported here: this is what is loaded at the first request.
    from omniroute_agent.doors.a2a.door import make_door  # noqa: PLC0415 (lazy)

    return make_door
