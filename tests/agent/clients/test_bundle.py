"""The bundle for Claude Desktop: what is in it, and that it starts. `.ci/bundle.sh` has its format checked."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest

from omniroute_agent import __version__
from omniroute_agent.cli import bundle as command
from omniroute_agent.clients import bundle
from omniroute_agent.clients.bundle import KEYS, manifest
from programs import said

ROOT = Path(__file__).resolve().parent.parent.parent.parent
GREETING = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}


@pytest.fixture
def needs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the project says it needs, whether it is installed here or only on the path."""
    stated: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    known = bundle._needs
    monkeypatch.setattr(bundle, "_needs", lambda name: stated if name == bundle.PROGRAM else known(name))
    return stated


@pytest.fixture
def made(needs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert needs
    path = tmp_path / "o.mcpb"
    assert said(command.make_bundle(path, as_json=True), capsys.readouterr()).json["file"] == str(path)
    return path


def test_a_bundle_holds_the_program_and_nothing_that_was_compiled(made: Path) -> None:
    names = ZipFile(made).namelist()
    assert {"manifest.json", "pyproject.toml", "server/main.py"} <= set(names)
    for package in (
        "src/omniroute_agent",
        "tools/omniroute_tools",
        "skills/omniroute_skills",
        "memory/omniroute_memory",
    ):
        own = {
            f"server/lib/{path.relative_to((ROOT / package).parent).as_posix()}"
            for path in (ROOT / package).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert own <= set(names)
    assert [name for name in names if name.endswith((".pyc", ".so")) or name.startswith(("/", ".."))] == []
    assert made.stat().st_size < 2_000_000


def test_what_the_host_installs_is_what_the_project_states_at_the_versions_that_are_here(
    made: Path, needs: list[str]
) -> None:
    project = tomllib.loads(ZipFile(made).read("pyproject.toml").decode())
    assert project["project"]["dependencies"] == needs
    assert project["project"]["version"] == __version__
    pins = project["tool"]["uv"]["constraint-dependencies"]
    assert any(pin.startswith("mcp==") for pin in pins)
    assert all("==" in pin for pin in pins)


def test_the_same_program_makes_the_same_bundle(made: Path, tmp_path: Path) -> None:
    command.make_bundle(tmp_path / "again.mcpb", as_json=True)
    assert (tmp_path / "again.mcpb").read_bytes() == made.read_bytes()


def test_every_field_a_user_fills_in_reaches_the_server_and_keys_are_kept_secret() -> None:
    content = manifest("1.2.3")
    fields = content["user_config"]
    variables = content["server"]["mcp_config"]["env"]
    assert set(variables) == {"OMNIROUTE_DATA_DIR", *KEYS}
    assert {value.removeprefix("${user_config.").removesuffix("}") for value in variables.values()} == set(fields)
    assert all(fields[name.lower()]["sensitive"] for name in KEYS)
    assert not any(field["required"] for field in fields.values())


def test_what_is_in_a_bundle_greets_a_client_from_another_directory(made: Path, tmp_path: Path) -> None:
    """With the placeholders a host leaves for what the user left open: they must not be taken for keys or paths."""
    ZipFile(made).extractall(tmp_path / "unpacked")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    entry = json.loads((tmp_path / "unpacked" / "manifest.json").read_text("utf-8"))["server"]["mcp_config"]
    done = subprocess.run(
        [sys.executable, str(tmp_path / "unpacked" / entry["args"][-1])],
        input=json.dumps(GREETING) + "\n",
        env={**entry["env"], "HOME": str(elsewhere), "PATH": "/usr/bin"},
        cwd=elsewhere,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    answer = json.loads(done.stdout.splitlines()[0])
    assert answer["result"]["serverInfo"]["version"] == __version__
    assert not (elsewhere / "${user_config.data_dir}").exists()


def test_a_bundle_that_cannot_be_written_leaves_nothing(needs: list[str], tmp_path: Path) -> None:
    assert needs
    with pytest.raises(Exception, match="cannot be written"):
        command.make_bundle(tmp_path / "none" / "o.mcpb", as_json=True)
    assert list(tmp_path.iterdir()) == []
