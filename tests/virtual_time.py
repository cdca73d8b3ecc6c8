"""An event loop whose clock jumps over every wait: hours of waiting take no time, and nothing sleeps.

Threads work in real time, so the clock stands still while one works for the loop: what runs in an executor of it, and
whatever else is `held`.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class _JumpingSelector(selectors.SelectSelector):
    """Where a loop would wait for its next timer, the time has come at once, unless a thread works for it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.held = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout > 0:
            if self.held:
                timeout = None  # the thread wakes the loop when it is done
            else:
                self.now += timeout
                timeout = 0
        return super().select(timeout)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> "asyncio.Future[T]":  # type: ignore[override]
        future = super().run_in_executor(executor, func, *args)
        self._jumping.held += 1
        future.add_done_callback(self._release)
        return future

    @contextmanager
    def held(self) -> Iterator[None]:
        """The clock stands still: a thread works."""
        self._jumping.held += 1
        try:
            yield
        finally:
            self._jumping.held -= 1

    def _release(self, _: object) -> None:
        self._jumping.held -= 1


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
