"""What a slow tool says to the test, also from another process: one word a line through a named pipe."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

PATIENCE = 10.0


class Heard(list[tuple[float, float | None, str | None]]):
    """A progress callback that remembers."""

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        self.append((progress, total, message))


class Marks:
    def __init__(self, path: Path, reader: asyncio.StreamReader) -> None:
        self.path = str(path)
        self._reader = reader

    async def next(self) -> str:
        async with asyncio.timeout(PATIENCE):
            return (await self._reader.readline()).decode().strip()


@asynccontextmanager
async def marks_in(folder: Path) -> AsyncIterator[Marks]:
    path = folder / "marks"
    os.mkfifo(path)
    # Open both ways, so that neither side ever waits for the other to open.
    pipe = os.fdopen(os.open(path, os.O_RDWR | os.O_NONBLOCK), "rb", buffering=0)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        yield Marks(path, reader)
    finally:
        transport.close()
