"""The program as a user starts it: a process of its own with a data directory of its own and nothing to find."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-m", "omniroute_agent")


def lonely_environment(home: Path) -> dict[str, str]:
    """What a program needs to start, and neither a key nor a model server, local model or settings."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in ("PATH", "PYTHONPATH", "SYSTEMROOT", "TEMP", "TMP", "LANG")
    }
    return {
        **kept,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "OMNIROUTE_DATA_DIR": str(home / "data"),
        "OMNIROUTE_DISCOVERY_LOOPBACK": "false",
        "OMNIROUTE_SECRETS_KEYRING": "false",
        "OMNIROUTE_LOCAL_ENABLED": "false",
    }


@dataclass(frozen=True)
class Ended:
    code: int | None
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one object on stdout."""
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The error of a program that was asked for JSON: the last line on stderr."""
        found: dict[str, Any] = json.loads(self.err.splitlines()[-1])["error"]
        return found


@asynccontextmanager
async def started(
    home: Path, *words: str, settings: str | None = None, **more: str
) -> AsyncGenerator[asyncio.subprocess.Process, None]:
    """A running program with pipes; it is killed when a test leaves it behind. `more` are environment variables."""
    if settings is not None:
        (home / "settings.toml").write_text(settings, "utf-8")
        words = ("--config", str(home / "settings.toml"), *words)
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**lonely_environment(home), **more},
        cwd=home,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def ended(process: asyncio.subprocess.Process, stdin: bytes = b"", *, within: float = 30.0) -> Ended:
    """Everything it says until it ends."""
    async with asyncio.timeout(within):
        out, err = await process.communicate(stdin)
    return Ended(process.returncode, out.decode(), err.decode())


async def told(home: Path, *words: str, settings: str | None = None, stdin: bytes = b"", **more: str) -> Ended:
    """A whole run."""
    async with started(home, *words, settings=settings, **more) as process:
        return await ended(process, stdin)


def said(code: int, captured: Sequence[str]) -> Ended:
    """The same of a run inside this process."""
    return Ended(code, *captured)
