"""What changed, told inside this process to whoever listens. Nothing is kept: who listens looks anew."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

import anyio

Topic = Literal["grants", "combos", "health"]
"""grants: what a caller may do or is shown. combos: the combos. health: whether connections and guards stand open."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    topic: Topic
    names: frozenset[str] = frozenset()
    """Of combos: which ones. Of grants: the ids of the callers; none means anybody."""
    listed: bool = True
    """Of combos: some came or went."""


Listener = Callable[[Change], Awaitable[None]]


class News:
    def __init__(self) -> None:
        self._listeners: dict[object, tuple[Listener, frozenset[Topic]]] = {}

    def heard(self, topic: Topic) -> bool:
        """Whether anybody listens; if not, nobody needs to look for changes."""
        return any(topic in topics for _, topics in self._listeners.values())

    def listen(self, listener: Listener, *topics: Topic) -> Callable[[], None]:
        """`listener` is told every change of these topics, until the function given back is called."""
        token = object()
        self._listeners[token] = (listener, frozenset(topics))

        def leave() -> None:
            self._listeners.pop(token, None)

        return leave

    async def tell(self, change: Change) -> None:
        """Tell all listeners at once, and wait for the slowest."""
        async with anyio.create_task_group() as group:
            for listener, topics in tuple(self._listeners.values()):
                if change.topic in topics:
                    group.start_soon(_told, listener, change)

    async def grants_changed(self, callers: frozenset[str]) -> None:
        await self.tell(Change(topic="grants", names=callers))


async def _told(listener: Listener, change: Change) -> None:
    try:
        await listener(change)
    except Exception as error:  # noqa: BLE001 (one listener in trouble must not keep the news from the others)
        _log.warning("A listener could not be told of a change of %s: %s", change.topic, type(error).__qualname__)
