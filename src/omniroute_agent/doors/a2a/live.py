"""A task while it runs here: what it has come to, and everything told of it, for as many as listen."""

from collections.abc import Sequence

import anyio
from a2a.types import a2a_pb2 as pb
from google.protobuf.struct_pb2 import Struct
from pydantic import JsonValue

from omniroute_agent.doors.a2a.render import artifact_event, shown, status_event, status_of, words_event
from omniroute_agent.store.tasks import TaskRow

Envelope = dict[str, JsonValue]


class LiveTask:
    """Told things stand in a list that every listener reads at its own pace: a slow one holds up nobody, and all see
    the same in the same order.
    """

    def __init__(self, row: TaskRow, task: pb.Task) -> None:
        """`task` is the one that `row` describes, with its status."""
        self.row = row
        self.task = task
        self.scope = anyio.CancelScope()
        """Cancelling it cancels the task."""
        self.hooked = False
        """Whether somebody is to be told of its state."""
        self.stored = False
        """Whether its row is on the disk."""
        self.over = False
        """Nothing more is told: it is finished, or waits for its caller."""
        self.text: list[str] = []
        """The pieces of the answer so far."""
        self._told: list[pb.StreamResponse] = []
        self._more = anyio.Event()

    def say(self, text: str, *, last: bool) -> None:
        """Tell a piece of the answer."""
        self._tell(words_event(self.task, text, append=bool(self.text), last=last))
        self.text.append(text)

    def stands(self, row: TaskRow) -> None:
        """The status is what the row says."""
        self.row = row
        self.task.status.CopyFrom(
            status_of(row.state, row.status_at, row.note, task_id=row.id, context_id=row.context_id)
        )

    def end(self, row: TaskRow, artifacts: Sequence[pb.Artifact], metadata: Struct | None) -> None:
        """Tell the artifacts that were not told in pieces, then the status the task ended or paused with, and what is
        known of how it was done.
        """
        self.stands(row)
        for artifact in artifacts:
            self._tell(artifact_event(self.task, artifact))
        self._tell(status_event(self.task, metadata))
        self.over = True
        self._wake()

    def as_it_is(self) -> pb.Task:
        """A copy with what was said so far."""
        task = shown(self.task, None)
        if self.text and not self.over:
            task.artifacts.add(artifact_id="answer", name="answer", parts=[pb.Part(text="".join(self.text))])
        return task

    def listen(self, *, first: pb.StreamResponse | None = None) -> "Listening":
        """From now on; `first` comes before."""
        return Listening(self, len(self._told), first)

    async def ended(self) -> None:
        while not self.over:
            await self._more.wait()

    async def beyond(self, count: int) -> None:
        """Until more than `count` things were told, or nothing more will be."""
        while len(self._told) <= count and not self.over:
            await self._more.wait()

    def told(self, place: int) -> pb.StreamResponse | None:
        return self._told[place] if place < len(self._told) else None

    def _tell(self, event: pb.StreamResponse) -> None:
        self._told.append(event)
        self._wake()

    def _wake(self) -> None:
        self._more.set()
        self._more = anyio.Event()


class Listening:
    """What one listener hears. `next` may be given up without anything being lost."""

    def __init__(self, live: LiveTask, place: int, first: pb.StreamResponse | None) -> None:
        self._live = live
        self._place = place
        self._first = first

    async def next(self) -> pb.StreamResponse | None:
        """The next thing told; None: there is nothing more."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        await self._live.beyond(self._place)
        event = self._live.told(self._place)
        if event is not None:
            self._place += 1
        return event
