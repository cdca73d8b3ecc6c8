"""Whether a window and a gateway were started alike: with the same program, settings, keys and flags.

Each computes a digest of all that under the owner key, so that what lies in a file tells nothing about the keys.
"""

import hmac
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from omniroute_agent import __version__
from omniroute_agent.cli.start import Start
from omniroute_agent.kernel.scopes import parse_scopes
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.settings.glance import glance, read_some

_MAX_KEY_BYTES: Final = 1 << 14


def schema() -> str:
    """The newest migration this program knows, by its name."""
    folder = Path(__file__).parent.parent / "store" / "migrations"
    return max((file.stem for file in folder.glob("*.sql")), default="")


def likeness(key: Secret, start: Start, scopes: str, *, variables: Sequence[str], files: Sequence[str]) -> str:
    """The digest. `variables` are those that hold settings or keys, `files` those that the settings name.

    Raises:
        ValueError: a word of `scopes` is no scope.
    """
    seen = glance(start.config, start.data_dir)
    facts = {
        "program": [__version__, schema(), sys.prefix],
        "scopes": sorted(parse_scopes(scopes.replace(",", " ").split())),
        "flags": {name: _words(value) for name, value in start.overrides},
        "settings": [str(seen.config), None if seen.content is None else seen.content.hex()],
        "variables": {name: _found(name, seen.environment) for name in variables},
        "files": {name: _content(Path(name)) for name in files},
    }
    return hmac.digest(key.reveal().encode(), json.dumps(facts, sort_keys=True).encode(), "sha256").hex()


def _found(name: str, environment: Mapping[str, str]) -> list[str | None]:
    file = environment.get(f"{name}_FILE")
    return [environment.get(name), file, _content(Path(file)) if file else None]


def _content(path: Path) -> str | None:
    content = read_some(path, _MAX_KEY_BYTES)
    return None if content is None else content.hex()


def _words(value: object) -> object:
    """Lists may be written in any order."""
    return sorted(value.replace(",", " ").split()) if isinstance(value, str) else value
