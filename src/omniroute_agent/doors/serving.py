"""What every way of serving shares: how it ends, and how it says that it cannot begin."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Final

_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class CannotServe(Exception):
    """Serving could not begin; the text says why and what to do."""


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Inside, SIGTERM and SIGINT call `stop` on the event loop instead of ending the process.

    Where the loop cannot take signals (Windows, or a loop outside the main thread) plain handlers stand in or, if they
    are not allowed either, the signals keep their meaning.
    """
    loop = asyncio.get_running_loop()

    def from_anywhere(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stop)

    undo: list[Callable[[], object]] = []
    for number in _STOP_SIGNALS:
        before = signal.getsignal(number)
        try:
            loop.add_signal_handler(number, stop)
            undo.append(partial(loop.remove_signal_handler, number))
        except (NotImplementedError, ValueError, RuntimeError):
            try:
                signal.signal(number, from_anywhere)
            except ValueError:
                continue
        if before is not None:
            undo.append(partial(signal.signal, number, before))
    try:
        yield
    finally:
        for step in undo:
            step()
