"""The note that a running `serve` leaves in the data directory, by which `mcp` windows find it."""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from omniroute_agent.settings.private import read_private, write_private
from omniroute_agent.settings.problems import SettingsError

FILE: Final = "gateway.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    host: str
    port: int
    pid: int
    instance: str
    """Whose lock it holds for as long as it lives."""
    program: str
    schema: str
    likeness: str
    variables: tuple[str, ...]
    """Names of the environment variables that hold settings or keys."""
    files: tuple[str, ...]
    """Files that its settings name as holding keys."""

    @property
    def url(self) -> str:
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{shown}:{self.port}"


def publish(directory: Path, gateway: Gateway) -> None:
    """
    Raises:
        OSError: the file cannot be written.
    """
    write_private(directory / FILE, json.dumps(asdict(gateway), indent=1) + "\n")


def withdraw(directory: Path, gateway: Gateway) -> None:
    """Remove the note, unless another gateway has left its own meanwhile."""
    if published(directory) == gateway:
        with suppress(OSError):
            (directory / FILE).unlink()


def published(directory: Path) -> Gateway | None:
    """The gateway that the note names, alive or not; None without one that this user wrote for himself."""
    path = directory / FILE
    try:
        if os.name == "posix" and path.stat().st_uid != os.getuid():
            return None
        value = json.loads(read_private(path))
        value = {**value, "variables": tuple(value["variables"]), "files": tuple(value["files"])}
        return Gateway(**value)
    except (OSError, SettingsError, ValueError, TypeError, KeyError):
        return None
