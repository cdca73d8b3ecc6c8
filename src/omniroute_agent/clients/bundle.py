"""What a bundle for Claude Desktop holds: this program's own files, and the list of what its host installs for it.

Of the kinds of bundle the one is made whose host runs uv (manifest 0.4): a Python bundle would have to carry compiled
packages for every system, a binary one would work on one machine only.
"""

import importlib.util
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final

PROGRAM: Final = "omniroute-agent"
PACKAGES: Final = ("omniroute_agent", "omniroute_tools", "omniroute_memory", "omniroute_skills")
KEYS: Final[Mapping[str, str]] = {
    "OPENAI_API_KEY": "OpenAI",
    "ANTHROPIC_API_KEY": "Anthropic",
    "GEMINI_API_KEY": "Google Gemini",
    "OPENROUTER_API_KEY": "OpenRouter",
}
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MAIN: Final = '''"""Starts the server beside this file. Its host has installed what ../pyproject.toml names."""

import sys
from os import environ
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))

# What the user left open arrives empty, or as the placeholder itself.
for name in {names}:
    if not environ.get(name) or environ[name].startswith("${{"):
        environ.pop(name, None)

from omniroute_agent.cli.entry import main

if __name__ == "__main__":
    sys.argv[1:] = ["mcp"]
    main()
'''


class NotInstalled(Exception):
    """The program runs without having been installed, so nobody knows what it needs."""


def contents(version: str) -> Iterator[tuple[str, bytes]]:
    """Name in the bundle → content.

    Raises:
        NotInstalled: see there.
    """
    needs = _needs(PROGRAM)
    yield "manifest.json", _page(json.dumps(manifest(version), indent=2))
    yield "pyproject.toml", _page(project(version, needs, _installed(needs)))
    yield "server/main.py", _page(_MAIN.format(names=("OMNIROUTE_DATA_DIR", *KEYS)))
    for package in PACKAGES:
        for name, path in _files(package):
            yield f"server/lib/{name}", path.read_bytes()


def manifest(version: str) -> dict[str, Any]:
    return {
        "manifest_version": "0.4",
        "name": PROGRAM,
        "display_name": "OmniRoute Agent",
        "version": version,
        "description": "Lets any agent use every language model its owner may use, safely and cheaply.",
        "author": {"name": "omniroute-agent contributors"},
        "license": "MIT",
        "keywords": ["mcp", "llm", "router"],
        "server": {
            "type": "uv",
            "entry_point": "server/main.py",
            "mcp_config": {
                "command": "uv",
                "args": ["run", "--directory", "${__dirname}", "server/main.py"],
                "env": {
                    "OMNIROUTE_DATA_DIR": "${user_config.data_dir}",
                    **{name: f"${{user_config.{name.lower()}}}" for name in KEYS},
                },
            },
        },
        "tools_generated": True,
        "compatibility": {"platforms": ["darwin", "win32", "linux"], "runtimes": {"python": ">=3.11"}},
        "user_config": {
            "data_dir": {
                "type": "directory",
                "title": "Data directory",
                "description": "Where ledger and settings lie. Leave it empty for the usual place.",
                "required": False,
            },
            **{name.lower(): _key_field(title) for name, title in KEYS.items()},
        },
    }


def project(version: str, needs: Sequence[str], installed: Sequence[str]) -> str:
    """What uv reads: the program's needs, held to the versions that are installed here."""
    return "\n".join(
        (
            "[project]",
            f'name = "{PROGRAM}-bundle"',
            f'version = "{version}"',
            'requires-python = ">=3.11"',
            f"dependencies = {json.dumps(list(needs), indent=2)}",
            "",
            "[tool.uv]",
            "package = false",
            f"constraint-dependencies = {json.dumps(list(installed), indent=2)}",
        )
    )


def _key_field(title: str) -> dict[str, Any]:
    return {
        "type": "string",
        "title": f"{title} key",
        "description": f"API key of {title}, if you have one. Keys given here spend at most 5 USD a day at first.",
        "sensitive": True,
        "required": False,
    }


def _needs(name: str) -> list[str]:
    """Requirements of an installed package, those of its extras not."""
    try:
        return [need for need in distribution(name).requires or () if "extra ==" not in need]
    except PackageNotFoundError as error:
        raise NotInstalled(str(error)) from None


def _installed(needs: Sequence[str]) -> list[str]:
    """Everything that is installed here because of `needs`, as pins."""
    pins: dict[str, str] = {}
    waiting = list(needs)
    while waiting:
        match = _NAME.match(waiting.pop())
        assert match is not None
        name = re.sub(r"[-_.]+", "-", match[0]).lower()
        if name in pins:
            continue
        try:
            found = distribution(name)
            waiting += _needs(name)
        except (PackageNotFoundError, NotInstalled):
            continue  # for another system
        pins[name] = f"{name}=={found.version}"
    return [pins[name] for name in sorted(pins)]


def _files(package: str) -> Iterator[tuple[str, Path]]:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise NotInstalled(package)
    root = Path(spec.submodule_search_locations[0])
    for path in sorted(root.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"{package}/{path.relative_to(root).as_posix()}", path


def _page(text: str) -> bytes:
    return f"{text.rstrip()}\n".encode()
