import importlib.util
import os
from pathlib import Path

import pytest

from agent.cli.conftest import Run, RunBeside
from loopback import loopback
from programs import told


def test_with_nothing_configured_it_says_how_to_get_a_model_and_exits_with_1(run: Run) -> None:
    shown = run("doctor")
    assert shown.code == 1
    assert "no language model can be used from here now" in shown.out
    assert "OPENAI_API_KEY" in shown.out
    assert "Ollama" in shown.out


def test_its_json_has_every_finding_with_what_to_do(run: Run, tmp_path: Path) -> None:
    shown = run("doctor", "--json")
    assert shown.code == 1
    assert shown.json["ok"] is False
    findings = shown.json["findings"]
    assert {"python", "settings", "data", "local model", "guard", "database", "routing"} <= {
        f["about"] for f in findings
    }
    assert all(set(finding) == {"about", "level", "says", "do"} for finding in findings)
    assert [f["do"] != "" for f in findings if f["level"] == "trouble"] == [True]
    assert any(str(tmp_path / "data" / "storage.sqlite") in f["says"] for f in findings)


def test_it_tells_the_guard_over_keys_found_in_the_environment(run: Run) -> None:
    assert "keys found in the environment may spend 5 USD a day together; 0 USD spent" in run("doctor").out


def test_broken_settings_are_trouble_that_it_spells_out(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("[server]\nport = true\n")
    shown = run("doctor", "--config", str(tmp_path / "mine.toml"))
    assert shown.code == 1
    assert "mine.toml:2: server.port: expected a whole number" in shown.out


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_it_finds_a_directory_that_others_may_read_and_closes_it_when_asked(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(0o755)
    (data / "owner.key").write_text("obviously-fake")
    (data / "owner.key").chmod(0o644)
    shown = run("doctor").out
    assert f"others may look into {data} (mode 755)" in shown
    assert f"others may look into {data / 'owner.key'} (mode 644)" in shown
    assert "`omniroute-agent doctor --fix` makes it 700." in shown
    assert f"{data / 'owner.key'} is for you alone now (mode 600)" in run("doctor", "--fix").out
    assert data.stat().st_mode & 0o777 == 0o700
    assert "others may look" not in run("doctor").out


def test_a_key_variable_without_a_usable_key_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY_FILE", "/nowhere/at/all")
    shown = run("doctor").out
    assert "OPENAI_API_KEY: the key file /nowhere/at/all cannot be read" in shown


async def test_it_asks_each_connection_without_a_prompt(run_beside: RunBeside) -> None:
    async with loopback() as upstream:
        shown = await run_beside("doctor", settings=upstream.settings())
    assert shown.code == 0
    assert "✓ fake: Your own (OpenAI Chat), key from the settings file, tier key; answers" in shown.out
    assert "requests can be routed" in shown.out
    assert [(request.method, request.path) for request in upstream.seen] == [("GET", "/v1/models")]
    assert upstream.seen[0].headers["authorization"] == "Bearer obviously-fake"
    assert "obviously-fake" not in shown.out + shown.err


async def test_a_refused_key_is_told_and_blocks(run_beside: RunBeside) -> None:
    async with loopback(models_status=401) as upstream:
        shown = await run_beside("doctor", settings=upstream.settings())
    assert shown.code == 1
    assert "it refuses the key (401)" in shown.out


async def test_a_dead_server_is_told_and_blocks(run_beside: RunBeside) -> None:
    async with loopback() as upstream:
        settings = upstream.settings()
    shown = await run_beside("doctor", "--json", settings=settings)
    assert shown.code == 1
    assert any("it cannot be reached" in finding["says"] for finding in shown.json["findings"])


@pytest.mark.skipif(importlib.util.find_spec("xllamacpp") is None, reason="needs the extra `local`")
async def test_a_local_model_that_cannot_be_fetched_is_told_and_the_rest_is_examined(tmp_path: Path) -> None:
    async with loopback() as upstream:
        shown = await told(
            tmp_path,
            "doctor",
            "--fix",
            "--json",
            OMNIROUTE_LOCAL_ENABLED="true",
            OMNIROUTE_LOCAL_MODEL_URL=f"{upstream.url}/models",
        )
    assert shown.code == 1
    about = {finding["says"]: finding for finding in shown.json["findings"]}
    assert any("neither the package nor the model file" in says for says in about)
    assert "no language model can be used from here now" in about
