"""Following a task that another process runs: by looking at its rows."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from a2a.types import a2a_pb2 as pb

from omniroute_agent.doors.a2a.render import artifact_event, status_event, words_event
from omniroute_agent.doors.a2a.stored import task_in, task_of
from omniroute_agent.store.tasks import RUNNING, Found

LOOK_SECONDS: Final = 0.25


class Elsewhere:
    """What one listener hears; `next` may be given up without anything being lost."""

    def __init__(
        self, found: Found, look: Callable[[int], Awaitable[Found | None]], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        """`look` finds the task as it is now, without that many of its pieces."""
        self._look = look
        self._sleep = sleep
        self._row = found.row
        self._seen = len(found.chunks)
        self._waiting = deque([pb.StreamResponse(task=task_of(found))])
        self._over = found.row.state not in RUNNING

    async def next(self) -> pb.StreamResponse | None:
        """
        Raises:
            StoreUnavailable: the rows cannot be read.
        """
        while not self._waiting and not self._over:
            await self._sleep(LOOK_SECONDS)
            found = await self._look(self._seen)
            if found is None:  # it was swept away
                self._over = True
            elif found.row.state in RUNNING:
                self._pieces(found)
            else:
                self._end(found)
        return self._waiting.popleft() if self._waiting else None

    def _pieces(self, found: Found) -> None:
        task = pb.Task(id=self._row.id, context_id=self._row.context_id)
        for chunk in found.chunks:
            self._waiting.append(words_event(task, chunk.decode(), append=bool(self._seen)))
            self._seen += 1

    def _end(self, found: Found) -> None:
        """The pieces are in the body by now, and nobody knows which of them were told: the artifacts as a whole."""
        task = task_in(found.row)
        self._waiting.extend(artifact_event(task, artifact) for artifact in task.artifacts)
        self._waiting.append(status_event(task, task.metadata if task.HasField("metadata") else None))
        self._over = True
