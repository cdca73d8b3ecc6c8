"""The process's standard streams as byte pipes for one protocol.

Pipes and sockets are read and written on the event loop: one system call a message, no thread. Terminals, files and
Windows handles go through two daemon threads, which may stay blocked in a call without keeping the process alive.
"""

import asyncio
import os
import queue
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, Protocol, cast

import anyio

from omniroute_agent.doors.serving import CannotServe

_CHUNK: Final = 256 * 1024
_WRITE_HIGH: Final = 1024 * 1024


class Source(Protocol):
    async def read(self) -> bytes:
        """The next bytes, empty at the end and after `stop`."""
        ...

    def stop(self) -> None: ...


class Sink(Protocol):
    async def write(self, data: bytes) -> None:
        """
        Raises:
            anyio.BrokenResourceError: nobody reads any more.
        """
        ...

    async def finish(self) -> None:
        """Wait until everything written has left."""
        ...


@contextmanager
def claimed() -> Iterator[tuple[int, int]]:
    """Own descriptors of stdin and stdout. Meanwhile fd 0 is empty and fd 1 leads to stderr.

    So whatever else prints or starts children cannot tear the protocol.

    Raises:
        CannotServe: stdin or stdout is closed.
    """
    try:
        wire_in, wire_out = _above_standard(0), _above_standard(1)
    except OSError as error:
        raise CannotServe("MCP over stdio needs stdin and stdout, and one of them is closed.") from error
    blocking = [(fd, os.get_blocking(fd)) for fd in (wire_in, wire_out)] if sys.platform != "win32" else []
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 (a descriptor is wanted, no path)
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    _flush_stdout()
    try:
        yield wire_in, wire_out
    finally:
        _flush_stdout()
        # The flag belongs to the open file, which a shell or a sibling process may share.
        for fd, was in blocking:
            os.set_blocking(fd, was)
        os.dup2(wire_in, 0)
        os.dup2(wire_out, 1)
        os.close(wire_in)
        os.close(wire_out)


def _flush_stdout() -> None:
    """Text that was printed goes where fd 1 leads now, and not later onto the wire."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()


def _above_standard(fd: int) -> int:
    low: list[int] = []
    duplicate = os.dup(fd)
    while duplicate <= 2:  # noqa: PLR2004 (stdin, stdout, stderr)
        low.append(duplicate)
        duplicate = os.dup(fd)
    for each in low:
        os.close(each)
    return duplicate


async def open_wire(fd_in: int, fd_out: int) -> tuple[Source, Sink]:
    """Source and sink over duplicates of these descriptors."""
    if _on_loop(fd_in, fd_out):
        source = _LoopSource()
        sink = _LoopSink(gone=source.stop)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: source.protocol, os.fdopen(os.dup(fd_in), "rb", buffering=0))
        await loop.connect_write_pipe(lambda: sink, os.fdopen(os.dup(fd_out), "wb", buffering=0))
        return source, sink
    return _ThreadSource(os.dup(fd_in)), _ThreadSink(os.dup(fd_out))


def _on_loop(fd_in: int, fd_out: int) -> bool:
    """Both are pipes or sockets, and not one and the same socket: the loop would take its input for a hang-up."""
    if sys.platform == "win32":
        return False
    found = os.fstat(fd_in), os.fstat(fd_out)
    if not all(stat.S_ISFIFO(each.st_mode) or stat.S_ISSOCK(each.st_mode) for each in found):
        return False
    return (found[0].st_dev, found[0].st_ino) != (found[1].st_dev, found[1].st_ino)


class _LoopSource:
    def __init__(self) -> None:
        self._reader = asyncio.StreamReader(limit=_CHUNK)
        self.protocol = asyncio.StreamReaderProtocol(self._reader)
        self._stopped = False

    async def read(self) -> bytes:
        return b"" if self._stopped else await self._reader.read(_CHUNK)

    def stop(self) -> None:
        self._stopped = True
        self._reader.feed_eof()


class _LoopSink(asyncio.BaseProtocol):
    def __init__(self, *, gone: Callable[[], None]) -> None:
        self._gone = gone
        self._transport: asyncio.WriteTransport | None = None
        self._lost = asyncio.Event()
        self._flowing = asyncio.Event()
        self._flowing.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, because uvloop's transports do not descend from asyncio's.
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.set_write_buffer_limits(high=_WRITE_HIGH)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's name)
        self._lost.set()
        self._flowing.set()
        self._gone()

    def pause_writing(self) -> None:
        self._flowing.clear()

    def resume_writing(self) -> None:
        self._flowing.set()

    async def write(self, data: bytes) -> None:
        assert self._transport is not None
        if self._transport.is_closing():
            raise anyio.BrokenResourceError
        self._transport.write(data)
        if not self._flowing.is_set():
            await self._flowing.wait()

    async def finish(self) -> None:
        assert self._transport is not None
        self._transport.close()
        await self._lost.wait()


class _Thread:
    """A daemon thread that does one blocking job after the other."""

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[tuple[Callable[[], bytes], asyncio.Future[bytes]]] = queue.SimpleQueue()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    async def run(self, job: Callable[[], bytes]) -> bytes:
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._jobs.put((job, future))
        return await future

    def _work(self) -> None:
        while True:
            job, future = self._jobs.get()
            try:
                result, error = job(), None
            except OSError as failed:
                result, error = b"", failed
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                future.get_loop().call_soon_threadsafe(_settle, future, result, error)


def _settle(future: "asyncio.Future[bytes]", result: bytes, error: OSError | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


class _ThreadSource:
    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._thread = _Thread("stdin")
        self._stopped = asyncio.Event()

    async def read(self) -> bytes:
        chunk = b""

        async def one_read() -> None:
            nonlocal chunk
            with suppress(OSError):
                chunk = await self._thread.run(lambda: os.read(self._fd, _CHUNK))
            race.cancel_scope.cancel()

        async with anyio.create_task_group() as race:
            race.start_soon(one_read)
            await self._stopped.wait()
            race.cancel_scope.cancel()
        return b"" if self._stopped.is_set() else chunk

    def stop(self) -> None:
        self._stopped.set()


class _ThreadSink:
    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._thread = _Thread("stdout")

    async def write(self, data: bytes) -> None:
        try:
            await self._thread.run(lambda: self._write_all(data))
        except OSError as error:
            raise anyio.BrokenResourceError from error

    def _write_all(self, data: bytes) -> bytes:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]
        return b""

    async def finish(self) -> None:
        await self._thread.run(lambda: b"")
