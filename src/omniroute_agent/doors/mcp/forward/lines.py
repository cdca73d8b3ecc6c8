"""The standard streams of a window: lines in, lines out, as bytes and without an event loop."""

import os
import select
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

STDIN: Final = 0
STDOUT: Final = 1
MAX_LINE: Final = 16 * 1024 * 1024
"""Bytes of one message, as the server itself takes them."""
_CHUNK: Final = 256 * 1024


class TooLong(Exception):
    """A line was longer than a message may be; it is dropped whole."""


class ClientLeft(Exception):
    """Nobody reads what is written any more."""


class Interrupted(Exception):
    """Somebody else has something to say; what was read of a line is kept."""


class LinesIn:
    def __init__(self, fd: int = STDIN, out: int = STDOUT) -> None:
        """`out` is watched meanwhile: when its reader leaves, the lines end."""
        self._fd = fd
        self._woken, self._wake = os.pipe()
        self._poll = _watch(fd, out, self._woken)
        self._buffer = bytearray()
        self._scanned = 0
        self._dropping = False

    def next(self) -> bytes | None:
        """A line without its end; None when the client left.

        Raises:
            TooLong: and the next line is read as if nothing had been.
            Interrupted: instead of waiting for more.
        """
        while (end := self._buffer.find(b"\n", self._scanned)) < 0:
            if self._dropping or len(self._buffer) > MAX_LINE:
                self._dropping = True
                self._buffer.clear()
            self._scanned = len(self._buffer)
            chunk = self._read()
            if not chunk:
                return self._last()
            self._buffer += chunk
        line = bytes(memoryview(self._buffer)[:end])
        del self._buffer[: end + 1]
        self._scanned = 0
        return self._checked(line)

    def _last(self) -> bytes | None:
        """A last line without an end is a line."""
        return self._checked(self.rest()) or None

    def rest(self) -> bytes:
        """What was read and is not part of a line yet given."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._scanned = 0
        return rest

    def _checked(self, line: bytes) -> bytes:
        if self._dropping or len(line) > MAX_LINE:
            self._dropping = False
            raise TooLong
        return line

    def interrupt(self) -> bool:
        """From any thread: whoever waits for a line waits no longer. False where only a line ends the waiting."""
        if self._poll is None:
            return False
        os.write(self._wake, b"!")
        return True

    def _read(self) -> bytes:
        if self._poll is not None:
            ready = {fd for fd, _ in self._poll.poll()}
            if self._woken in ready:
                raise Interrupted
            if self._fd not in ready:
                return b""
        try:
            return os.read(self._fd, _CHUNK)
        except OSError:
            return b""


def _watch(fd: int, out: int, woken: int) -> "select.poll | None":
    """None where only reading tells that the client left."""
    if sys.platform == "win32":
        return None
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    poll.register(woken, select.POLLIN)
    poll.register(out, 0)  # tells of errors only: of the reader that left
    return poll


class LinesOut:
    """Written by several threads, each line whole."""

    def __init__(self, fd: int = STDOUT) -> None:
        self._fd = fd
        self._lock = threading.Lock()

    def write(self, line: bytes) -> None:
        """
        Raises:
            ClientLeft: nobody reads.
        """
        rest = memoryview(line + b"\n")
        with self._lock:
            try:
                while rest:
                    rest = rest[os.write(self._fd, rest) :]
            except OSError as error:
                raise ClientLeft from error


@contextmanager
def blocking(*fds: int) -> Generator[None, None, None]:
    """Reads and writes of these wait. The flag belongs to the open file, which a shell may share: it is put back."""
    if sys.platform == "win32":
        yield
        return
    before = [(fd, os.get_blocking(fd)) for fd in fds]
    for fd in fds:
        os.set_blocking(fd, True)
    try:
        yield
    finally:
        for fd, was in before:
            os.set_blocking(fd, was)
