"""Where the file and the data lie when nobody says so: the directories this system gives to programs."""

from pathlib import Path

import platformdirs

_PROGRAM = "omniroute-agent"


def default_config_path() -> Path:
    return Path(platformdirs.user_config_dir(_PROGRAM, appauthor=False)) / "config.toml"


def default_directory() -> Path:
    return Path(platformdirs.user_data_dir(_PROGRAM, appauthor=False))
