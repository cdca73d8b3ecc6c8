"""`install`, `uninstall` and `bundle` from the command line."""

import json
import tomllib
from pathlib import Path

import pytest

from agent.cli.conftest import Run
from omniroute_agent.clients.table import CLIENTS


@pytest.fixture(autouse=True)
def _linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")


def test_a_client_gets_the_server_and_loses_it_again(run: Run, tmp_path: Path) -> None:
    file = tmp_path / ".cursor" / "mcp.json"
    file.parent.mkdir()
    file.write_text('{ // mine\n  "mcpServers": {}\n}\n')
    shown = run("install", "--client", "cursor")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith(f"Cursor: the server is in {file}.\n")
    assert f"{file}.before-omniroute-" in shown.out
    entry = json.loads(file.read_text().replace("// mine", ""))["mcpServers"]["omniroute"]
    assert Path(entry["command"]).is_absolute()
    assert entry["args"][-1] == "mcp"
    assert "nothing changed" in run("install", "--client", "cursor").out
    shown = run("uninstall", "--client", "cursor")
    assert shown.out == f"Cursor: {file} is what it was before the server came.\n"
    assert file.read_text() == '{ // mine\n  "mcpServers": {}\n}\n'
    assert "no such server" in run("uninstall", "--client", "cursor").out


@pytest.mark.parametrize("client", CLIENTS)
def test_print_shows_what_would_be_written_for_every_client_and_touches_nothing(
    client: str, run: Run, tmp_path: Path
) -> None:
    shown = run("install", "--client", client, "--print")
    assert shown.code == 0
    assert "would be added" in shown.out
    assert "omniroute" in shown.out
    assert list(tmp_path.iterdir()) == []
    told = run("install", "--client", client, "--print", "--json").json
    assert told["written"] is False
    (one,) = told["clients"]
    assert (one["client"], one["state"], one["changes"], one["kept"]) == (client, "added", True, [])
    assert one["entry"]
    assert list(tmp_path.iterdir()) == []


def test_an_installation_in_a_cache_is_warned_about(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.prefix", "/home/me/.cache/uv/archive-v0/XsodSeRmjF3liL83")
    shown = run("install", "--client", "zed", "--print")
    assert shown.code == 0
    assert "uv tool install" in shown.err


def test_flags_before_and_options_behind_go_into_the_entry(run: Run, tmp_path: Path) -> None:
    words = ("--data-dir", str(tmp_path / "d"), "install", "--client", "codex", "--name", "work")
    assert run(*words, "--json", "--", "--scopes", "readonly").code == 0
    entry = tomllib.loads((tmp_path / ".codex" / "config.toml").read_text())["mcp_servers"]["work"]
    assert entry["args"][-5:] == ["--data-dir", str(tmp_path / "d"), "mcp", "--scopes", "readonly"]


def test_all_found_adds_the_server_to_the_clients_that_are_here(run: Run, tmp_path: Path) -> None:
    missing = run("install", "--client", "all-found", "--json")
    assert (missing.code, missing.error["code"]) == (3, "not_found")
    (tmp_path / ".gemini").mkdir()
    (tmp_path / "config" / "goose").mkdir(parents=True)
    told = run("install", "--client", "all-found", "--json").json
    assert [(one["client"], one["state"]) for one in told["clients"]] == [("gemini-cli", "added"), ("goose", "added")]
    told = run("uninstall", "--client", "all-found", "--json").json
    assert [one["state"] for one in told["clients"]] == ["deleted", "deleted"]


def test_one_bad_file_stops_all_before_the_first_is_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / ".cursor").mkdir()
    (tmp_path / ".gemini").mkdir()
    (tmp_path / ".gemini" / "settings.json").write_text("{")
    failed = run("install", "--client", "all-found", "--json")
    assert (failed.code, failed.error["code"]) == (1, "client_file")
    assert "line 1" in failed.error["message"]
    assert list((tmp_path / ".cursor").iterdir()) == []


def test_a_project_and_another_file_can_be_meant(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("install", "--client", "vscode", "--project").code == 0
    assert "omniroute" in json.loads((tmp_path / ".vscode" / "mcp.json").read_text())["servers"]
    assert run("install", "--client", "vscode", "--file", "profile.json").code == 0
    assert "omniroute" in json.loads((tmp_path / "profile.json").read_text())["servers"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("install",), "--client"),
        (("install", "--client", "emacs"), "Known: claude-desktop"),
        (("install", "--client", "goose", "--project"), "no file for a project"),
        (("install", "--client", "cursor", "--name", "a" * 17), "at most 16"),
        (("install", "--client", "cursor", "--name", "a.b"), "a.b"),
        (("install", "--client", "cursor", "zed"), "no option of `mcp`"),
        (("install", "--client", "all-found", "--project"), "neither"),
        (("install", "--client", "zed", "--link"), "cursor and vscode"),
        (("uninstall", "--client", "nope"), "no client `nope`"),
    ],
)
def test_what_cannot_be_meant_is_said(words: tuple[str, ...], says: str, run: Run, tmp_path: Path) -> None:
    shown = run(*words)
    assert (shown.code, shown.out) == (2, "")
    assert says in shown.err
    assert list(tmp_path.iterdir()) == []


def test_somebody_else_s_server_is_named_with_the_way_out(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_text('{"mcpServers": {"omniroute": {"url": "http://localhost"}}}')
    refused = run("install", "--client", "cursor", "--file", str(file))
    assert refused.code == 1
    assert "--name" in refused.err
    assert "--force" in refused.err
    assert run("install", "--client", "cursor", "--file", str(file), "--force").code == 0
    assert run("uninstall", "--client", "cursor", "--file", str(file)).code == 0
    assert file.read_text() == '{"mcpServers": {"omniroute": {"url": "http://localhost"}}}'


def test_links_are_printed_for_the_clients_that_have_them(run: Run, tmp_path: Path) -> None:
    shown = run("install", "--client", "cursor", "--link")
    assert shown.out.startswith("cursor://anysphere.cursor-deeplink/mcp/install?name=omniroute&config=")
    told = run("install", "--client", "vscode", "--link", "--json").json
    assert told["links"]["app"].startswith("vscode:mcp/install?")
    assert list(tmp_path.iterdir()) == []
