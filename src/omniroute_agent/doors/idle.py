"""Names for the sessions of callers who name none: work that follows within half an hour belongs together."""

from collections.abc import Callable
from typing import Final

IDLE_SECONDS: Final = 30 * 60


class IdleSessions:
    """One running session per caller; after 30 idle minutes the next call opens a new one."""

    def __init__(self, monotonic: Callable[[], float], new_id: Callable[[], str]) -> None:
        self._monotonic = monotonic
        self._new_id = new_id
        self._running: dict[str, tuple[str, float]] = {}

    def name(self, caller_id: str) -> str:
        """The session this moment's call belongs to."""
        now = self._monotonic()
        name, seen = self._running.get(caller_id, ("", float("-inf")))
        if now - seen > IDLE_SECONDS:
            self._running = {each: kept for each, kept in self._running.items() if now - kept[1] <= IDLE_SECONDS}
            name = f"{caller_id}-{self._new_id()}"
        self._running[caller_id] = (name, now)
        return name
