"""One event loop for one command."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from omniroute_agent.cli.failures import Terminated

T = TypeVar("T")


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `work` to its end, on uvloop where there is one.

    Raises:
        KeyboardInterrupt: Ctrl-C; `work` was cancelled and has put its things in order.
        Terminated: the same for SIGTERM.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            return runner.run(_until_terminated(work))
        except ExceptionGroup as group:
            raise _sole(group) from None


def _sole(error: Exception) -> Exception:
    """What really happened: a task group wraps even a single failure."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 (it does not exist on every platform)
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _until_terminated(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """A door that serves replaces the handler with one of its own."""
    task = asyncio.current_task()
    terminated = False

    def terminate() -> None:
        nonlocal terminated
        terminated = True
        if task is not None:
            task.cancel()

    # Windows ends the process instead, and outside the main thread signals are somebody else's.
    with suppress(NotImplementedError, ValueError, RuntimeError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
    try:
        return await work()
    except asyncio.CancelledError:
        if terminated:
            raise Terminated from None
        raise
