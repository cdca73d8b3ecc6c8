import os
import threading
from pathlib import Path

import pytest

from omniroute_agent.settings.private import owner_key, read_private, state_key, write_private
from omniroute_agent.settings.problems import SettingsError

posix = pytest.mark.skipif(os.name != "posix", reason="file modes of POSIX")


def test_the_owner_key_is_made_once_and_then_found(tmp_path: Path) -> None:
    directory = tmp_path / "not" / "there"
    first = owner_key(directory)
    assert first.reveal().startswith("orak_")
    assert len(bytes.fromhex(first.reveal().removeprefix("orak_"))) * 8 == 256
    assert owner_key(directory) == first
    assert [path.name for path in directory.iterdir()] == ["owner.key"]


def test_two_owners_have_different_keys(tmp_path: Path) -> None:
    assert owner_key(tmp_path / "a") != owner_key(tmp_path / "b")


def test_what_seals_states_is_another_key_that_is_made_and_found_in_the_same_way(tmp_path: Path) -> None:
    key = state_key(tmp_path)
    assert key.reveal().startswith("orsk_")
    assert state_key(tmp_path) == key
    assert owner_key(tmp_path).reveal()[5:] != key.reveal()[5:]
    assert (tmp_path / "state.key").stat().st_mode & 0o077 == 0 or os.name != "posix"
    write_private(tmp_path / "state.key", owner_key(tmp_path).reveal())
    with pytest.raises(SettingsError, match="no state key; delete it"):
        state_key(tmp_path)


@posix
def test_nobody_else_may_read_the_owner_key(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    owner_key(directory)
    assert (directory / "owner.key").stat().st_mode & 0o777 == 0o600
    assert directory.stat().st_mode & 0o777 == 0o700
    (directory / "owner.key").chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        owner_key(directory)


def test_many_that_start_together_share_one_key(tmp_path: Path) -> None:
    together = threading.Barrier(8)
    found: list[str] = []

    def draw(count: int) -> bytes:
        together.wait(timeout=10)  # all have seen that there is no file yet
        return os.urandom(count)

    threads = [threading.Thread(target=lambda: found.append(owner_key(tmp_path, draw=draw).reveal())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert set(found) == {(tmp_path / "owner.key").read_text(encoding="utf-8").strip()}
    assert [path.name for path in tmp_path.iterdir()] == ["owner.key"]


@pytest.mark.parametrize("text", ["", "orak_", "orak_" + "0" * 63, "something else"])
def test_a_damaged_owner_key_is_not_accepted(tmp_path: Path, text: str) -> None:
    write_private(tmp_path / "owner.key", text)
    with pytest.raises(SettingsError, match="delete it"):
        owner_key(tmp_path)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(SettingsError, match="owner key"):
        owner_key(tmp_path / "file")


def test_a_private_file_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret"
    write_private(path, "first")
    write_private(path, "zweiter Schlüssel")
    assert read_private(path) == "zweiter Schlüssel"

    def disk_full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space"):
        write_private(path, "third")
    assert read_private(path) == "zweiter Schlüssel"
    assert [found.name for found in tmp_path.iterdir()] == ["secret"]


def test_a_private_file_that_is_not_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_private(path, "")
    path.write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="text"):
        read_private(path)
