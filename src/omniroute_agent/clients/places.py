"""Where a client's file lies on this system, from a template such as `{config}/zed/settings.json`."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Final, Literal

System = Literal["linux", "macos", "windows"]

ROOTS: Final[Mapping[str, tuple[str | None, str]]] = {
    "home": (None, "~"),
    "support": (None, "~/Library/Application Support"),
    "config": ("XDG_CONFIG_HOME", "~/.config"),
    "appdata": ("APPDATA", "~/AppData/Roaming"),
    "codex": ("CODEX_HOME", "~/.codex"),
}
"""Word in a template → the variable that may name the directory, and where it is without."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What decides where files lie: tests and pages make their own."""

    system: System
    home: Path
    here: Path
    """The directory whose project is meant."""
    environment: Mapping[str, str]

    def expand(self, template: str) -> Path:
        root, _, rest = template.removeprefix("{").partition("}/")
        variable, otherwise = ROOTS[root]
        named = self.environment.get(variable, "") if variable else ""
        if named and Path(named).is_absolute():
            return Path(named) / rest
        return self.home / otherwise.removeprefix("~").removeprefix("/") / rest


def surroundings(environment: Mapping[str, str]) -> Surroundings:
    """Those of this process."""
    system: System = "windows" if sys.platform == "win32" else "macos" if sys.platform == "darwin" else "linux"
    return Surroundings(system, Path.home(), Path.cwd(), environment)


def shown(template: str, system: System) -> str:
    """The template as people of that system write it."""
    root, _, rest = template.removeprefix("{").partition("}/")
    variable, otherwise = ROOTS[root]
    if system == "windows":
        start = "%APPDATA%" if root == "appdata" else otherwise.replace("~", "%USERPROFILE%")
        return str(PureWindowsPath(start, rest))
    return f"{otherwise}/{rest}" if variable is None or root == "config" else f"${{{variable}:-{otherwise}}}/{rest}"
