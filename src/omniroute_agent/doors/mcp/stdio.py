"""MCP over the process's stdin and stdout, both protocol eras."""

import asyncio
import logging
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import anyio
import anyio.to_thread
from mcp.server.lowlevel import Server
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCRequest, JSONRPCResponse

from omniroute_agent.doors.mcp.envelope import MAX_MESSAGE, BadMessage, read_message, too_long
from omniroute_agent.doors.mcp.forward.handover import Handover
from omniroute_agent.doors.mcp.pipes import Sink, Source, claimed, open_wire
from omniroute_agent.doors.mcp.probe import METHOD as PROBE
from omniroute_agent.doors.mcp.probe import answer_probe
from omniroute_agent.doors.serving import stopped_by_signals

if TYPE_CHECKING:  # a private module of the SDK, wanted for its name only
    from mcp.shared._stream_protocols import ReadStream

_OFF_LOOP: Final = 1024 * 1024
"""Bytes from which a line is decoded on a thread, so that running calls are not held up."""
_FLUSH_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


async def serve_stdio(server: Server[Any], *, settle_seconds: float = 5.0, handover: Handover | None = None) -> None:
    """Serve until stdin ends, its reader leaves or SIGTERM or SIGINT arrives.

    Then running calls are cancelled and get `settle_seconds` to close their books; a call that takes longer is left
    behind, so that the caller of this function can close the database. With a `handover` another server has answered
    this client so far.

    Raises:
        CannotServe: stdin or stdout is closed.
    """
    with claimed() as (fd_in, fd_out):
        source, sink = await open_wire(fd_in, fd_out)
        before = handover or Handover()
        inbox, outbox = _Inbox(server, source, sink, before.first_bytes()), _Outbox(sink, before.answered)
        with stopped_by_signals(source.stop):
            # The one task without a group: a group could not leave it behind.
            serving = asyncio.create_task(  # noqa: TID251 (see above; it ends with this function or with the loop)
                server.run(inbox, outbox, server.create_initialization_options())
            )
            try:
                await asyncio.wait({serving, inbox.ended}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                source.stop()
                await asyncio.wait({serving}, timeout=settle_seconds)
                left_behind = not serving.done()
                serving.cancel()
        if left_behind:
            _log.warning("A call had not settled %g seconds after the client left; it is left behind.", settle_seconds)
        else:
            with anyio.move_on_after(_FLUSH_SECONDS):
                await sink.finish()
            serving.result()


class _Lines:
    """Lines of a source, without their ends."""

    def __init__(self, source: Source, read: bytes) -> None:
        """`read` has been taken from the source already."""
        self._source = source
        self._buffer = bytearray(read)
        self._scanned = 0
        self._dropping = False

    async def next(self) -> bytes | None:
        """None at the end.

        Raises:
            BadMessage: the line was too long and is dropped whole.
        """
        while (end := self._buffer.find(b"\n", self._scanned)) < 0:
            self._scanned = len(self._buffer)
            if self._dropping or self._scanned > MAX_MESSAGE:
                self._dropping = True
                self._clear()
            chunk = await self._source.read()
            if not chunk:
                return self._last()
            self._buffer += chunk
        line = bytes(memoryview(self._buffer)[:end])
        del self._buffer[: end + 1]
        self._scanned = 0
        if self._dropping or len(line) > MAX_MESSAGE:
            self._dropping = False
            raise too_long()
        return line

    def _last(self) -> bytes | None:
        """A last line without an end is a line."""
        line = bytes(self._buffer)
        self._clear()
        if self._dropping:
            self._dropping = False
            raise too_long()
        return line or None

    def _clear(self) -> None:
        self._buffer.clear()
        self._scanned = 0


class _Inbox:
    """The client's messages as the SDK reads them. What is no message is answered here and goes no further."""

    def __init__(self, server: Server[Any], source: Source, sink: Sink, read: bytes) -> None:
        self._server = server
        self._lines = _Lines(source, read)
        self._sink = sink
        self._probing = True
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def receive(self) -> SessionMessage:
        """
        Raises:
            anyio.EndOfStream: the client left.
        """
        while True:
            try:
                message = await self._read()
            except BadMessage as bad:
                await self._answer(bad.reply())
                continue
            if message is None:
                if not self.ended.done():
                    self.ended.set_result(None)
                raise anyio.EndOfStream
            if self._probing and isinstance(message, JSONRPCRequest):
                if message.method == PROBE:
                    await self._answer(_line(answer_probe(self._server, message)))
                    continue
                self._probing = False
            return SessionMessage(message)

    async def _read(self) -> JSONRPCMessage | None:
        while (line := await self._lines.next()) is not None:
            if len(line) > _OFF_LOOP:
                return await anyio.to_thread.run_sync(read_message, line)
            if line and not line.isspace():
                return read_message(line)
        return None

    async def _answer(self, reply: bytes) -> None:
        try:
            await self._sink.write(reply + b"\n")
        except anyio.BrokenResourceError:
            _log.debug("an answer found nobody reading")

    async def aclose(self) -> None:
        """The streams belong to `serve_stdio`."""

    def __aiter__(self) -> "ReadStream[SessionMessage | Exception]":
        return self

    async def __anext__(self) -> SessionMessage:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        return None


class _Outbox:
    """The server's messages on their way out, one line each."""

    def __init__(self, sink: Sink, answered: frozenset[int | str]) -> None:
        """Requests of these ids have their answer: the first one given to each here stays unsaid."""
        self._sink = sink
        self._answered = set(answered)

    async def send(self, item: SessionMessage, /) -> None:
        message = item.message
        if isinstance(message, JSONRPCResponse | JSONRPCError) and message.id in self._answered:
            self._answered.discard(message.id)
            return
        await self._sink.write(_line(message) + b"\n")

    async def aclose(self) -> None:
        """The streams belong to `serve_stdio`."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        return None


def _line(message: JSONRPCMessage) -> bytes:
    return message.model_dump_json(by_alias=True, exclude_unset=True).encode()
