"""Where the file and the data lie; when nobody says so, in the directories this system gives to programs."""

from contextlib import suppress
from pathlib import Path
from typing import Final

import platformdirs

CONFIG_VARIABLE: Final = "OMNIROUTE_CONFIG"
DIRECTORY_VARIABLE: Final = "OMNIROUTE_DATA_DIR"
_PROGRAM: Final = "omniroute-agent"


def absolute(path: Path, directory: Path) -> Path:
    """`path` with `~` read and a relative one starting at `directory`."""
    with suppress(RuntimeError):  # no home directory: the tilde stays, and opening the path says what is missing
        path = path.expanduser()
    return directory / path


def default_config_path() -> Path:
    return Path(platformdirs.user_config_dir(_PROGRAM, appauthor=False)) / "config.toml"


def default_directory() -> Path:
    return Path(platformdirs.user_data_dir(_PROGRAM, appauthor=False))
