"""A first look at what a start was given, before there is time to check it: where the data lie, and the environment.

`sources.load` has the last word. This module loads next to nothing, because an editor waits for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from omniroute_agent.settings.environment import environment as read_environment
from omniroute_agent.settings.paths import (
    CONFIG_VARIABLE,
    DIRECTORY_VARIABLE,
    absolute,
    default_config_path,
    default_directory,
)

_STORAGE_VARIABLE: Final = "OMNIROUTE_STORAGE_DIRECTORY"
_MAX_FILE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    config: Path
    content: bytes | None
    """Of the settings file; None when there is none that can be read."""
    directory: Path
    """The data directory, which may not exist."""
    environment: Mapping[str, str]


def glance(
    config: Path | None = None, data_dir: Path | None = None, environment: Mapping[str, str] | None = None
) -> Glance:
    """`config` and `data_dir` are the flags of the same name."""
    env = read_environment(environment)
    here = Path.cwd()
    named = config if config is not None else env.get(CONFIG_VARIABLE)
    path = absolute(Path(named), here) if named else default_config_path()
    content = read_some(path, _MAX_FILE_BYTES)
    given = data_dir or env.get(DIRECTORY_VARIABLE) or env.get(_STORAGE_VARIABLE)
    directory = absolute(Path(given), here) if given else _directory_in(content, path) or default_directory()
    return Glance(config=path, content=content, directory=directory, environment=env)


def _directory_in(content: bytes | None, path: Path) -> Path | None:
    if content is None:
        return None
    # Imported here because most starts find no file: 3 ms on the way to the first answer.
    import tomllib  # noqa: PLC0415 (lazy)

    try:
        table = tomllib.loads(content.decode("utf-8-sig"))
    except ValueError:
        return None
    storage = table.get("storage")
    named = storage.get("directory") if isinstance(storage, dict) else None
    return absolute(Path(named), path.parent) if isinstance(named, str) else None


def read_some(path: Path, most: int) -> bytes | None:
    """The first `most` bytes of a file; None when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError:
        return None
