"""What a release tells the MCP registry, and what its README must say for that."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from omniroute_agent import __version__
from omniroute_agent.cli.start import read_quickly
from omniroute_agent.clients.bundle import KEYS


@pytest.fixture(scope="module")
def server(root: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((root / "server.json").read_text("utf-8"))
    return content


def test_the_readme_names_the_server_as_the_registry_will(server: dict[str, Any], root: Path) -> None:
    """The registry looks for this line on the package's page to see that both have one owner."""
    assert re.findall(r"mcp-name: (\S+)", (root / "README.md").read_text("utf-8")) == [server["name"]]


def test_versions_and_names_agree_with_the_project(server: dict[str, Any], root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    (package,) = server["packages"]
    assert {server["version"], package["version"], project["version"]} == {__version__}
    assert package["identifier"] == project["name"]
    assert package["registryType"] == "pypi"


def test_the_registry_s_limits_are_kept(server: dict[str, Any]) -> None:
    """Read in the schema of 2025-12-11 on 2026-11-21."""
    assert server["$schema"].endswith("/2025-12-11/server.schema.json")
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", server["name"])
    assert len(server["description"]) <= 100


def test_a_client_that_follows_the_registry_starts_the_server(server: dict[str, Any]) -> None:
    (package,) = server["packages"]
    assert package["transport"] == {"type": "stdio"}
    assert read_quickly([argument["value"] for argument in package["packageArguments"]]) is not None
    secret = {variable["name"] for variable in package["environmentVariables"] if variable.get("isSecret")}
    assert secret == set(KEYS)
