from pathlib import Path

import pytest

from omniroute_agent.clients.places import Surroundings, System, shown
from omniroute_agent.clients.table import CLIENTS

HOME = Path("/home/me")
FILES: dict[System, dict[str, str]] = {
    "linux": {
        "claude-desktop": ".config/Claude/claude_desktop_config.json",
        "claude-code": ".claude.json",
        "cursor": ".cursor/mcp.json",
        "vscode": ".config/Code/User/mcp.json",
        "windsurf": ".config/devin/mcp_config.json",
        "codex": ".codex/config.toml",
        "gemini-cli": ".gemini/settings.json",
        "zed": ".config/zed/settings.json",
        "goose": ".config/goose/config.yaml",
        "opencode": ".config/opencode/opencode.jsonc",
    },
    "macos": {
        "claude-desktop": "Library/Application Support/Claude/claude_desktop_config.json",
        "vscode": "Library/Application Support/Code/User/mcp.json",
        "zed": ".config/zed/settings.json",
        "goose": ".config/goose/config.yaml",
    },
    "windows": {
        "claude-desktop": "AppData/Roaming/Claude/claude_desktop_config.json",
        "claude-code": ".claude.json",
        "vscode": "AppData/Roaming/Code/User/mcp.json",
        "windsurf": "AppData/Roaming/devin/mcp_config.json",
        "zed": "AppData/Roaming/Zed/settings.json",
        "goose": "AppData/Roaming/Block/goose/config/config.yaml",
        "opencode": ".config/opencode/opencode.jsonc",
    },
}


def around(system: System, home: Path = HOME, here: Path = Path("/project"), **environment: str) -> Surroundings:
    return Surroundings(system, home, here, environment)


@pytest.mark.parametrize("system", FILES)
def test_each_system_has_its_own_files(system: System) -> None:
    found = {name: CLIENTS[name].file(around(system), project=False) for name in FILES[system]}
    assert found == {name: HOME / path for name, path in FILES[system].items()}


def test_variables_move_files_and_relative_ones_are_ignored() -> None:
    moved = around("linux", XDG_CONFIG_HOME="/cfg", CODEX_HOME="/cdx")
    assert CLIENTS["vscode"].file(moved, project=False) == Path("/cfg/Code/User/mcp.json")
    assert CLIENTS["codex"].file(moved, project=False) == Path("/cdx/config.toml")
    odd = around("linux", XDG_CONFIG_HOME="cfg")
    assert CLIENTS["vscode"].file(odd, project=False) == HOME / ".config/Code/User/mcp.json"
    # Zed asks no variable on macOS.
    mac = around("macos", XDG_CONFIG_HOME="/cfg")
    assert CLIENTS["zed"].file(mac, project=False) == HOME / ".config/zed/settings.json"


def test_a_project_has_its_file_where_the_client_knows_one() -> None:
    files = {name: client.file(around("linux"), project=True) for name, client in CLIENTS.items()}
    assert {name: str(path) for name, path in files.items() if path} == {
        "claude-code": "/project/.mcp.json",
        "cursor": "/project/.cursor/mcp.json",
        "vscode": "/project/.vscode/mcp.json",
        "codex": "/project/.codex/config.toml",
        "gemini-cli": "/project/.gemini/settings.json",
        "opencode": "/project/opencode.jsonc",
    }


def test_of_several_files_the_one_that_exists_is_taken_then_the_one_whose_directory_does(tmp_path: Path) -> None:
    windsurf = CLIENTS["windsurf"]
    here = around("linux", tmp_path)
    new, old = tmp_path / ".config/devin/mcp_config.json", tmp_path / ".codeium/windsurf/mcp_config.json"
    assert windsurf.file(here, project=False) == new
    old.parent.mkdir(parents=True)
    assert windsurf.file(here, project=False) == old
    new.parent.mkdir(parents=True)
    assert windsurf.file(here, project=False) == new
    old.touch()
    assert windsurf.file(here, project=False) == old


def test_a_client_seems_installed_when_something_of_its_own_is_there(tmp_path: Path) -> None:
    here = around("linux", tmp_path)
    assert [name for name, client in CLIENTS.items() if client.seems_installed(here)] == []
    (tmp_path / ".cursor").mkdir()
    (tmp_path / ".claude.json").touch()
    assert [name for name, client in CLIENTS.items() if client.seems_installed(here)] == ["claude-code", "cursor"]


def test_paths_are_shown_as_people_of_that_system_write_them() -> None:
    assert shown("{config}/zed/settings.json", "linux") == "~/.config/zed/settings.json"
    assert shown("{codex}/config.toml", "macos") == "${CODEX_HOME:-~/.codex}/config.toml"
    assert shown("{appdata}/Zed/settings.json", "windows") == "%APPDATA%\\Zed\\settings.json"
    assert shown("{home}/.cursor/mcp.json", "windows") == "%USERPROFILE%\\.cursor\\mcp.json"


def test_every_client_says_where_it_was_read_and_takes_a_short_name() -> None:
    for client in CLIENTS.values():
        assert client.sources, client.id
        assert set(client.user) == {"linux", "macos", "windows"}, client.id
        assert len(client.id) <= 16
