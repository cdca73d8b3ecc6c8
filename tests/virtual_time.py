"""An event loop whose clock jumps to the next timer: hours of waiting take no time, and nothing sleeps.

Only for code without threads: a loop that waits for a thread would jump too.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = 0.0
        super().__init__()

    def time(self) -> float:
        return self._virtual

    def _run_once(self) -> None:
        state: Any = self
        if not state._ready and state._scheduled:
            self._virtual = max(self._virtual, state._scheduled[0]._when)
        run: Callable[[], None] = getattr(super(), "_run_once")  # noqa: B009 (typeshed does not know it)
        run()


def run_virtual(story: Coroutine[Any, Any, T]) -> tuple[T, float]:
    """What the story gives and how many seconds it took on its own clock."""
    loop = VirtualLoop()
    try:
        result = loop.run_until_complete(story)
        took = loop.time()
        loop.run_until_complete(loop.shutdown_asyncgens())
        return result, took
    finally:
        loop.close()
