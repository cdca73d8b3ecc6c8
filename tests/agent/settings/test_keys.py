import os
from pathlib import Path

import pytest

from omniroute_agent.settings.entries import ConnectionSettings
from omniroute_agent.settings.sources import (
    child_environment,
    connection_key,
    load,
    provider_key_problems,
    provider_keys,
)


def test_a_key_comes_from_its_variable_or_from_the_file_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-from-file\n", encoding="utf-8")
    environment = {"A_KEY": " sk-direct ", "B_KEY_FILE": str(tmp_path / "key"), "C_KEY": "  "}
    found = provider_keys(("A_KEY", "B_KEY", "C_KEY", "D_KEY"), environment)
    assert {name: secret.reveal() for name, secret in found.items()} == {"A_KEY": "sk-direct", "B_KEY": "sk-from-file"}


def test_a_variable_wins_over_its_file(tmp_path: Path) -> None:
    environment = {"A_KEY": "sk-direct", "A_KEY_FILE": str(tmp_path / "missing")}
    assert provider_keys(["A_KEY"], environment)["A_KEY"].reveal() == "sk-direct"
    assert provider_key_problems(["A_KEY"], environment) == ()


@pytest.mark.parametrize("content", [b"", b" \n", b"two\nlines", b"\xff\xfe\x00", b"k" * 20_000, "schlüssel".encode()])
def test_a_key_file_that_holds_no_key_is_told_and_not_used(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    environment = {"A_KEY_FILE": str(tmp_path / "key")}
    assert provider_keys(["A_KEY"], environment) == {}
    (problem,) = provider_key_problems(["A_KEY", "B_KEY"], environment)
    assert problem.key == "A_KEY"
    assert str(tmp_path / "key") in problem.message


def test_a_connection_without_its_key_is_a_warning_because_the_server_can_start(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        '[[connections]]\nid = "a"\nprovider = "openai"\nkey_env = "WORK_KEY"\n', encoding="utf-8"
    )
    settings = load(config=tmp_path / "config.toml", environment={})
    assert ["WORK_KEY is not set" in warning.message for warning in settings.warnings] == [True]
    found = connection_key(settings.connections[0], {"WORK_KEY": "sk-not-real"})
    assert found.secret is not None
    assert (found.where, found.problem) == ("environment variable WORK_KEY", None)


def test_a_rotated_key_file_is_seen_by_the_next_look(tmp_path: Path) -> None:
    path = tmp_path / "key"
    connection = ConnectionSettings(id="a", provider="openai", key_file=path)
    assert connection_key(connection).problem is not None
    for text in ("first", "second"):
        path.write_text(text, encoding="utf-8")
        found = connection_key(connection)
        assert found.secret is not None
        assert found.secret.reveal() == text


def test_a_connection_that_needs_no_key_has_no_problem() -> None:
    found = connection_key(ConnectionSettings(id="ollama", provider="ollama"))
    assert (found.secret, found.problem) == (None, None)


def test_a_child_process_gets_what_it_needs_and_no_key() -> None:
    environment = {
        "PATH": "/bin",
        "HOME": "/home/me",
        "LC_ALL": "C",
        "https_proxy": "http://proxy",
        "PIP_TIMEOUT": "3",
        "UV_OFFLINE": "1",
        "XDG_DATA_HOME": "/data",
        "SSL_CERT_FILE": "/certs",
        "OPENAI_API_KEY": "sk-not-real",
        "AWS_SECRET_ACCESS_KEY": "not-real",
        "OMNIROUTE_API_KEY": "not-real",
        "DATABASE_URL": "postgres://me:not-real@host",
    }
    assert set(child_environment(environment)) == set(list(environment)[:8])
    assert child_environment().get("PATH") == os.environ.get("PATH")
