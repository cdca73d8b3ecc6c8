"""A house that opens at the first call: a client is greeted and sees the tools while the database is still closed."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskGroup, TaskStatus

if TYPE_CHECKING:  # what this module is for is not to load them early
    from omniroute_agent.app import House
    from omniroute_agent.tooling.parts import Parts


class LateHouse:
    """Lives in a task of its own, because it must be closed by the task that opened it."""

    def __init__(self, group: TaskGroup, opening: Callable[[], AbstractAsyncContextManager["House"]]) -> None:
        self._group = group
        self._opening = opening
        self._house: House | None = None
        self._lock = anyio.Lock()
        self._leaving = anyio.Event()

    async def parts(self) -> "Parts":
        """
        Raises:
            StoreUnavailable: the database cannot be opened; the next call tries again.
        """
        house = self._house
        if house is not None:
            return house.parts
        async with self._lock:
            house = self._house
            if house is None:
                house = self._house = await self._group.start(self._live)
            return house.parts

    async def _live(self, *, task_status: TaskStatus["House"]) -> None:
        async with self._opening() as house:
            task_status.started(house)
            await self._leaving.wait()

    def leave(self) -> None:
        self._leaving.set()


@asynccontextmanager
async def late_house(opening: Callable[[], AbstractAsyncContextManager["House"]]) -> AsyncGenerator[LateHouse, None]:
    """Closes the house at the end, if it was ever opened."""
    async with anyio.create_task_group() as group:
        house = LateHouse(group, opening)
        try:
            yield house
        finally:
            house.leave()
