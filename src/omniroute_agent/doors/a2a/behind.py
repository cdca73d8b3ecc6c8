"""What a task says, written behind its telling."""

import logging

from anyio.abc import TaskGroup

from omniroute_agent.doors.a2a.live import LiveTask
from omniroute_agent.kernel.errors import StoreUnavailable
from omniroute_agent.store.tasks import TaskRows

_log = logging.getLogger(__name__)


class Behind:
    """Writes the pieces of an answer behind its telling, one write at a time with all that has gathered."""

    def __init__(self, rows: TaskRows, live: LiveTask, group: TaskGroup) -> None:
        self._rows = rows
        self._live = live
        self._group = group
        self._waiting: list[bytes] = []
        self._writing = False

    def write(self, text: str) -> None:
        if not self._live.stored:
            return
        self._waiting.append(text.encode())
        if not self._writing:
            self._writing = True
            self._group.start_soon(self._go_on)

    async def _go_on(self) -> None:
        row = self._live.row
        pieces: list[bytes] = []
        try:
            while self._waiting and not self._live.over:
                pieces, self._waiting = self._waiting, []
                await self._rows.append(row.owner, row.id, pieces)
        except StoreUnavailable as error:
            # With the next one, so that nothing is missing in the middle.
            self._waiting[:0] = pieces
            _log.warning("A piece of the task %s is not kept yet: %s", row.id, error.sentence())
        finally:
            self._writing = False
