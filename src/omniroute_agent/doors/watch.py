"""While a server runs: streams of keys that are no longer good end, and clients hear of it when a grant changes."""

import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import anyio

from omniroute_agent.doors.gate import Gate
from omniroute_agent.doors.keybook import KeyBook
from omniroute_agent.kernel.errors import StoreUnavailable
from omniroute_agent.kernel.ports import Ports

WATCH_SECONDS: Final = 0.75
"""Between two looks: what was revoked listens no longer than a second."""

Changed = Callable[[frozenset[str]], Awaitable[None]]
"""Told the ids of callers whose grant changed."""

_log = logging.getLogger(__name__)


@asynccontextmanager
async def watching(gate: Gate, book: KeyBook, ports: Ports, changed: Sequence[Changed]) -> AsyncIterator[None]:
    """Looks after the keys for as long as the context lasts."""

    async def look() -> None:
        try:
            await book.look(every=0)
        except StoreUnavailable as error:
            # Whoever comes in meanwhile is told so; nobody comes in on what was known before.
            _log.warning("The keys cannot be read: %s", error.sentence())
            return
        gate.end_streams(book.good)
        if callers := book.take_changed():
            # Not waited for: a client that does not read must not hold up the next look.
            group.start_soon(tell, callers)

    async def tell(callers: frozenset[str]) -> None:
        for each in changed:
            with _going_on("Telling of changed keys"):
                await each(callers)
        with _going_on("Ending subscriptions of narrowed keys"):
            gate.end_subscriptions(book.unnarrowed)

    async def watch() -> None:
        while True:
            await ports.sleep(WATCH_SECONDS)
            with _going_on("Looking after the keys"):
                await look()

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        try:
            yield
        finally:
            group.cancel_scope.cancel()
            book.note_uses()


@contextmanager
def _going_on(what: str) -> Iterator[None]:
    """A defect in it ends neither the watch nor, with that, the whole server."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 (see above)
        # Type and place only: the exception's text may hold a secret.
        frames = "".join(traceback.format_tb(error.__traceback__))
        _log.error("%s failed with %s and goes on.\n%s", what, type(error).__qualname__, frames)
