"""Whether the database can be written, asked often and tried now and then."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from omniroute_agent.kernel.errors import StoreUnavailable
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.store.database import Database, DatabaseState

FRESH_SECONDS: Final = 5.0
"""A try costs an fsync; health is asked far more often than disks fill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    at: datetime
    state: DatabaseState | None
    """None: it cannot be written."""
    trouble: str | None


@dataclass(slots=True)
class Checkup:
    """The last try to write and read back, at most `FRESH_SECONDS` old."""

    database: Database
    ports: Ports
    _last: Finding | None = None
    _until: float = field(default=float("-inf"))

    async def finding(self) -> Finding:
        if self._last is not None and self.ports.monotonic() < self._until:
            return self._last
        try:
            state, trouble = await self.database.check(), None
        except StoreUnavailable as error:
            state, trouble = None, error.sentence()
        self._last = Finding(at=self.ports.now(), state=state, trouble=trouble)
        self._until = self.ports.monotonic() + FRESH_SECONDS
        return self._last
