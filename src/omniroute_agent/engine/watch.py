"""Looks whether health or combos changed, whichever process changed them, and tells it."""

from collections.abc import Hashable, Mapping
from typing import Final

import anyio

from omniroute_agent.engine.breaker import standing
from omniroute_agent.engine.candidates import Gatherer
from omniroute_agent.engine.combos import Combo, ComboBook
from omniroute_agent.kernel.health import ConnectionHealth, TargetHealth
from omniroute_agent.kernel.news import Change, News
from omniroute_agent.providers.discovery import Connections

EVERY_SECONDS: Final = 2.0
"""Between two looks while somebody listens."""


class Watch:
    def __init__(self, news: News, combos: ComboBook, connections: Connections, gatherer: Gatherer) -> None:
        self._news = news
        self._combos = combos
        self._connections = connections
        self._gatherer = gatherer
        self._combos_seen: Mapping[str, Combo] | None = None
        self._health_seen: Hashable | None = None
        self._looking = anyio.Lock()

    async def look(self) -> None:
        """Compare with the last look and tell what differs. What nobody listens to is not looked at; the first look
        after that only remembers.
        """
        async with self._looking:
            combos_before, health_before = self._combos_seen, self._health_seen
            self._combos_seen = await self._combos.by_name() if self._news.heard("combos") else None
            self._health_seen = await self._health() if self._news.heard("health") else None
            combos, health = self._combos_seen, self._health_seen
        if combos is not None and combos_before is not None:
            every = combos.keys() | combos_before.keys()
            if names := frozenset(name for name in every if combos.get(name) != combos_before.get(name)):
                listed = combos.keys() != combos_before.keys()
                await self._news.tell(Change(topic="combos", names=names, listed=listed))
        if health is not None and health_before not in (None, health):
            await self._news.tell(Change(topic="health"))

    async def _health(self) -> Hashable:
        """What decides whether requests get through: no clock and no counter in it, for these change all the time."""
        situation = await self._gatherer.situation()
        connections = tuple(
            (connection.id, connection.unavailable, *_standing(situation.connections.get(connection.id), situation.now))
            for connection in await self._connections.all()
        )
        locks = frozenset(where for where, lock in situation.locks.items() if lock.until > situation.now)
        rooms = tuple(
            (room.guard, room.action, room.limit, room.left == 0, room.degraded) for room in situation.rooms.values()
        )
        return connections, locks, rooms


def _standing(health: ConnectionHealth | None, now: float) -> tuple[str, str | None]:
    if health is None:
        return "closed", None
    refusal = standing(TargetHealth(connection=health), now)
    return health.breaker, refusal.reason if refusal else None
