"""The local model as a connection: started at the first use, shared with the other windows, left alone afterwards."""

import asyncio
import importlib.util
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import httpx2

from omniroute_agent.kernel.errors import NoRoute
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.outside.addresses import AllowedOrigins
from omniroute_agent.providers.local.child import LIFE_LOCK, LOG, TAKEN, USERS_LOCK, Note, read_note
from omniroute_agent.providers.local.environment import for_model
from omniroute_agent.providers.local.facts import SMOLLM2
from omniroute_agent.providers.local.model_file import is_there, is_whole, model_path
from omniroute_agent.providers.model import Connection, Endpoint
from omniroute_agent.providers.table import LOCAL
from omniroute_agent.store.locks import FileLock

_EXTRA: Final = "xllamacpp"
_CHILD: Final = "omniroute_agent.providers.local.child"
_START_LOCK: Final = "local-model.starting"
_START_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05
_ANSWER_SECONDS: Final = 5.0
_MAX_LAUNCHES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalState:
    model: str
    installed: bool
    """The extra `local` is installed."""
    downloaded: bool
    running: bool
    """A child of this data directory answers, whoever started it."""
    path: Path
    """Where the model file is or would be."""
    missing: str | None
    """What stands in the way and what to do, in one sentence; None when it can be used."""


class LocalModel:
    """One process's use of the local model. Nothing is started or locked before `reach`."""

    def __init__(
        self,
        directory: Path,
        *,
        ports: Ports,
        origins: AllowedOrigins,
        child_environment: Mapping[str, str],
        models: Path | None = None,
    ) -> None:
        """`directory` is the data directory, `models` where model files lie (by default `models` in it)."""
        self._directory = directory
        self._models = directory / "models" if models is None else models
        self._ports = ports
        self._origins = origins
        self._environment = for_model(child_environment)
        self._users = FileLock(directory / USERS_LOCK)
        self._joined = False
        self._reaching = asyncio.Lock()
        self._note: Note | None = None

    @cached_property
    def _installed(self) -> bool:
        """Looked for once: it takes a scan of the whole path."""
        return importlib.util.find_spec(_EXTRA) is not None

    def _missing(self) -> str | None:
        return _missing(installed=self._installed, downloaded=is_there(self._models, SMOLLM2))

    def state(self) -> LocalState:
        installed = self._installed
        downloaded = is_there(self._models, SMOLLM2)
        return LocalState(
            model=SMOLLM2.id,
            installed=installed,
            downloaded=downloaded,
            running=self._child_lives() and read_note(self._directory) is not None,
            path=model_path(self._models, SMOLLM2),
            missing=_missing(installed=installed, downloaded=downloaded),
        )

    def connection(self) -> Connection:
        return Connection(
            id=LOCAL.id,
            provider=LOCAL,
            source="local",
            tier="free",
            reach=self.reach,
            models=(SMOLLM2.id,),
            default_model=SMOLLM2.id,
            unavailable=self._missing(),
            last_resort=True,
        )

    async def reach(self) -> Endpoint:
        """The running child's endpoint; starts one when there is none.

        Raises:
            NoRoute: the extra or the file is missing, or the child did not come up within 60 seconds.
        """
        async with self._reaching:
            # Another window may have replaced a child that died, so the note is read each time: 0.03 ms.
            if self._note is None or not self._child_lives() or read_note(self._directory) != self._note:
                self._forget()
                try:
                    self._note = await self._brought_up()
                except (OSError, subprocess.TimeoutExpired) as error:
                    raise self._did_not_start(str(error)) from error
            return _endpoint(self._note)

    async def _brought_up(self) -> Note:
        missing = self.state().missing
        if missing:
            raise NoRoute("The local model is not ready.", hint=missing)
        until = self._ports.monotonic() + _START_SECONDS
        await self._join(until)
        return await self._running() or await self._start(until)

    async def close(self) -> None:
        """Stop using it. The child ends by itself about two seconds after its last user."""
        self._forget()
        self._joined = False
        self._users.release()

    async def _join(self, until: float) -> None:
        """Become a user: from here on the child stays. Waits only while one that found itself alone is leaving."""
        if not self._joined:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            while not self._users.try_shared():
                await self._pause(until)
            self._joined = True

    def _forget(self) -> None:
        if self._note is not None:
            # Another program may listen on that port next.
            self._origins.withdraw(self._note.origin)
            self._note = None

    def _child_lives(self) -> bool:
        path = self._directory / LIFE_LOCK
        if not path.exists():
            return False
        life = FileLock(path)
        try:
            # Shared, so that two windows looking at once do not take each other for the child.
            return not life.try_shared()
        finally:
            life.release()

    async def _running(self) -> Note | None:
        """The note of a child that lives and answers to its key."""
        note = read_note(self._directory) if self._child_lives() else None
        if note is None:
            return None
        self._origins.allow(note.origin)
        try:
            answer = await self._ports.http.get(
                f"{note.origin}/v1/models",
                headers={"authorization": f"Bearer {note.key}"},
                timeout=_ANSWER_SECONDS,
            )
            if answer.is_success and note.model in answer.text:
                return note
        except httpx2.HTTPError:
            pass
        self._origins.withdraw(note.origin)
        return None

    async def _start(self, until: float) -> Note:
        """Start the child, or wait for the one that another window is starting."""
        if not await asyncio.to_thread(is_whole, self._models, SMOLLM2):
            raise NoRoute(
                f"The model file `{model_path(self._models, SMOLLM2)}` is damaged.",
                hint=f"Run `omniroute-agent models pull {SMOLLM2.id}` to fetch it again.",
            )
        starting = FileLock(self._directory / _START_LOCK)
        try:
            while not starting.try_exclusive():
                await self._pause(until)
            launches = 0
            while (note := await self._running()) is None:
                if not self._child_lives():
                    if launches == _MAX_LAUNCHES:
                        raise self._did_not_start("its process ended at once")
                    launches += await asyncio.to_thread(self._launch)
                await self._pause(until)
            return note
        finally:
            starting.release()

    async def _pause(self, until: float) -> None:
        if self._ports.monotonic() > until:
            raise self._did_not_start(f"it was not ready after {_START_SECONDS:.0f} seconds")
        await self._ports.sleep(_POLL_SECONDS)

    def _launch(self) -> bool:
        """Start a child; False when another one lives by now.

        Raises:
            NoRoute: it failed before it could detach.
        """
        command = [sys.executable, "-P", "-m", _CHILD]
        command += ["--directory", str(self._directory.resolve())]
        command += ["--model", str(model_path(self._models, SMOLLM2).resolve())]
        if sys.platform == "win32":
            subprocess.Popen(  # noqa: S603 (our own module)
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=self._environment,
                cwd=self._directory,
                creationflags=subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP,
            )
            return True
        # This process ends as soon as the child has detached from it, and the child holds the life lock by then.
        ended = subprocess.run(  # noqa: S603 (our own module)
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=self._environment,
            cwd=self._directory,
            start_new_session=True,
            timeout=_START_SECONDS,
            check=False,
        )
        if ended.returncode not in (0, TAKEN):
            last = ended.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
            raise self._did_not_start(last[0][:200] if last else f"exit code {ended.returncode}")
        return ended.returncode == 0

    def _did_not_start(self, why: str) -> NoRoute:
        return NoRoute(f"The local model did not start: {why}.", hint=f"Its log is `{self._directory / LOG}`.")


def _missing(*, installed: bool, downloaded: bool) -> str | None:
    steps = [] if installed else ["install its engine with `pip install 'omniroute-agent[local]'`"]
    if not downloaded:
        steps.append(f"fetch the model with `omniroute-agent models pull {SMOLLM2.id}`")
    return f"To use it, {' and '.join(steps)}." if steps else None


def _endpoint(note: Note) -> Endpoint:
    return Endpoint(
        base_url=f"{note.origin}/v1",
        # It announces to keep a connection and closes it after each streamed answer; the next request on it then broke
        # in one of ten cases.
        headers=(("connection", "close"),),
        secret=Secret(note.key),
        loopback=True,
    )
