"""An event loop whose clock jumps over every wait: hours of waiting take no time, and nothing sleeps.

Only for code without threads: a loop that waits for a thread would jump too.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _JumpingSelector(selectors.SelectSelector):
    """Where a loop would wait for its next timer, the time has come at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout > 0:
            self.now += timeout
            timeout = 0
        return super().select(timeout)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run_virtual(story: Coroutine[Any, Any, T]) -> tuple[T, float]:
    """What the story gives and how many seconds it took on its own clock."""
    loop = VirtualLoop()
    try:
        result = loop.run_until_complete(story)
        took = loop.time()
        loop.run_until_complete(loop.shutdown_asyncgens())
        return result, round(took, 6)
    finally:
        loop.close()
