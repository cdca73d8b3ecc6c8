"""While a server runs: streams of keys that are no longer good end, and clients hear of it when a grant changes."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
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

    async def watch() -> None:
        while True:
            await ports.sleep(WATCH_SECONDS)
            try:
                await book.look(every=0)
            except StoreUnavailable as error:
                # Whoever comes in meanwhile is told so; nobody comes in on what was known before.
                _log.warning("The keys cannot be read: %s", error.sentence())
                continue
            gate.end_streams(book.good)
            if callers := book.take_changed():
                for tell in changed:
                    await tell(callers)

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        try:
            yield
        finally:
            group.cancel_scope.cancel()
            book.note_uses()
