"""The process that serves the local model; one per data directory, shared by every process that uses it.

It belongs to nobody: it detaches from whoever started it and lives as long as somebody holds the shared lock on
`USERS_LOCK`, which the kernel releases when that somebody dies in whatever way. Four files lie in the data directory:

- `local-model.lock`   held by the child for its life; free means that no child lives, whatever else lies there;
- `local-model.users`  held shared by each user; the child may take it alone only when there is none;
- `local-model.json`   where it listens and its key, 0600, there exactly while it can be used;
- `local-model.log`    what the model server says, begun anew at each start.
"""

import argparse
import asyncio
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from omniroute_agent.kernel.ports import Ports
from omniroute_agent.outside.ports import new_secret, real_ports
from omniroute_agent.providers.local.facts import SMOLLM2
from omniroute_agent.store.locks import FileLock

LIFE_LOCK: Final = "local-model.lock"
USERS_LOCK: Final = "local-model.users"
NOTE: Final = "local-model.json"
LOG: Final = "local-model.log"

TAKEN: Final = 3
"""Exit code: another child lives in this data directory."""

_POLL_SECONDS: Final = 1.0
_POLLS_ALONE: Final = 2
"""A user that is just being replaced by another leaves a gap; the second look bridges it."""
_LOG_BYTES: Final = 1 << 20
_MAX_THREADS: Final = 4
"""A model this small gains nothing from more."""
_PROMPT_CACHE_MIB: Final = 64
_ERRORS_ONLY: Final = 1


class Note(BaseModel):
    """How to use the running child."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pid: int
    port: int
    key: str
    started_at: datetime
    model: str

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def read_note(directory: Path) -> Note | None:
    """What the child wrote, or None. It is true only while `LIFE_LOCK` is held."""
    try:
        return Note.model_validate_json((directory / NOTE).read_bytes())
    except (OSError, ValueError):
        return None


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    directory: Path = options.directory
    os.umask(0o077)
    life = FileLock(directory / LIFE_LOCK)
    if not life.try_exclusive():
        return TAKEN
    # A child that was killed left its note.
    (directory / NOTE).unlink(missing_ok=True)
    _speak_into(directory / LOG)
    _detach()
    key = new_secret()
    server = _open_server(options.model, key)
    users = FileLock(directory / USERS_LOCK)
    try:
        asyncio.run(_serve(directory, _port(server), key, users, real_ports()))
    finally:
        (directory / NOTE).unlink(missing_ok=True)
    # Dropping the server would wait for answers that nobody reads any more, and dropping the locks would let a user in
    # while this process still seems to live. The system takes all three at once.
    os._exit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Serve the local model to the processes of this data directory.")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    return parser


def _speak_into(path: Path) -> None:
    """Send everything said here, by the C++ library too, into the log."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(log, stream.fileno())
    os.close(log)


def _detach() -> None:
    """Go on as a process without a parent that waits for it. The lock goes along: it belongs to the open file."""
    if sys.platform == "win32":
        return
    if os.fork() > 0:
        os._exit(0)


async def _serve(directory: Path, port: int, key: str, users: FileLock, ports: Ports) -> None:
    leave = asyncio.Event()
    _on_termination(leave)
    note = Note(pid=os.getpid(), port=port, key=key, started_at=ports.now(), model=SMOLLM2.id)
    _write_private(directory / NOTE, note.model_dump_json())
    await _until_alone(users, leave)


def _on_termination(leave: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, leave.set)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(leave.set))


def _open_server(model: Path, key: str) -> Any:
    """The model server, answering. The object must be kept: dropping it ends the server."""
    # By name: it is an optional extra, a compiled module without types.
    engine: Any = importlib.import_module("xllamacpp")
    wanted = engine.CommonParams()
    wanted.model.path = str(model)
    wanted.model_alias = {SMOLLM2.id}
    wanted.n_ctx = SMOLLM2.context_tokens
    wanted.n_parallel = 1
    for part in (wanted.cpuparams, wanted.cpuparams_batch):
        part.n_threads = min(_MAX_THREADS, os.cpu_count() or 1)
        # Waiting threads sleep instead of spinning: 17.7 tokens/s against 4.4 on two cores with two busy neighbours.
        part.poll = 0
    wanted.hostnames = ["127.0.0.1"]
    wanted.port = 0
    wanted.api_keys = [key]
    wanted.cors_origins = ""
    wanted.cors_credentials = False
    wanted.ui = False
    wanted.endpoint_slots = False
    wanted.offline = True
    # Its default is 8 GiB.
    wanted.cache_ram_mib = _PROMPT_CACHE_MIB
    wanted.verbosity = _ERRORS_ONLY
    return engine.Server(wanted)


def _port(server: Any) -> int:
    return int(str(server.listening_address).rsplit(":", 1)[1])


async def _until_alone(users: FileLock, leave: asyncio.Event) -> None:
    """Returns when told to leave, or when there was no user at two looks in a row.

    The last look keeps the lock: a user that comes now waits for it until this process is gone, and then finds no note.
    """
    alone = 0
    while not leave.is_set():
        alone = alone + 1 if users.try_exclusive() else 0
        if alone == _POLLS_ALONE:
            return
        if alone:
            users.release()
        _shorten_log()
        with suppress(TimeoutError):
            await asyncio.wait_for(leave.wait(), _POLL_SECONDS)


def _shorten_log() -> None:
    if os.fstat(sys.stderr.fileno()).st_size > _LOG_BYTES:
        os.ftruncate(sys.stderr.fileno(), 0)


def _write_private(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


if __name__ == "__main__":
    sys.exit(main())
