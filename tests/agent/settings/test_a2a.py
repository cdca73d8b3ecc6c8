import os
from pathlib import Path

import pytest

from omniroute_agent.doors.a2a.signer import Signer, new_signing_key
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.settings.a2a import A2aSettings
from omniroute_agent.settings.private import signing_key, write_private
from omniroute_agent.settings.problems import SettingsError
from omniroute_agent.settings.sources import load


def signer(directory: Path) -> Signer:
    return signing_key(directory, make=new_signing_key, read=Signer)


def test_the_signing_key_is_made_once_and_then_found(tmp_path: Path) -> None:
    directory = tmp_path / "not" / "there"
    first = signer(directory)
    assert signer(directory).key_id == first.key_id
    assert signer(tmp_path / "other").key_id != first.key_id
    assert [path.name for path in directory.iterdir()] == ["a2a_signing.pem"]
    assert (directory / "a2a_signing.pem").stat().st_mode & 0o077 == 0 or os.name != "posix"


def test_whoever_comes_second_takes_the_key_of_the_first(tmp_path: Path) -> None:
    def slowly() -> Secret:
        signer(tmp_path)  # somebody else was faster meanwhile
        return new_signing_key()

    found = signing_key(tmp_path, make=slowly, read=Signer)
    assert found.key_id == signer(tmp_path).key_id


@pytest.mark.skipif(os.name != "posix", reason="file modes of POSIX")
def test_a_signing_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    signer(tmp_path)
    (tmp_path / "a2a_signing.pem").chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        signer(tmp_path)


def test_a_file_that_is_no_key_is_told_and_not_repeated(tmp_path: Path) -> None:
    write_private(tmp_path / "a2a_signing.pem", "not-a-key\n")
    with pytest.raises(SettingsError, match="delete it to get a new one") as refused:
        signer(tmp_path)
    assert "not-a-key" not in str(refused.value)


def test_other_agents_may_come_unless_the_owner_says_otherwise(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("", encoding="utf-8")
    assert load(config=config, data_dir=tmp_path, environment={}).a2a == A2aSettings()
    config.write_text('[a2a]\nenabled = false\npublic_url = "https://agents.example/"\nsilent_minutes = 2\n')
    found = load(config=config, data_dir=tmp_path, environment={"OMNIROUTE_A2A_STRICT": "yes"}).a2a
    assert (found.enabled, found.public_url, found.silent_minutes, found.strict) == (
        False,
        "https://agents.example",
        2,
        True,
    )


@pytest.mark.parametrize("line", ['public_url = "gateway.example"', "silent_minutes = 0", "heartbeat_seconds = 0"])
def test_a_setting_that_cannot_be_meant_is_refused(tmp_path: Path, line: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f"[a2a]\n{line}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=f"a2a.{line.split(maxsplit=1)[0]}"):
        load(config=config, data_dir=tmp_path, environment={})
