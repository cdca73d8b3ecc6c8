"""Where the master key lies: the environment, the system's keyring, a private file, in this order."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keyring
import pytest
from keyring.errors import KeyringLocked

from omniroute_agent.kernel.sealed import CannotUnseal
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.settings.master_key import MasterKeys, Ring, key_places, system_ring
from omniroute_agent.settings.sources import load

posix = pytest.mark.skipif(os.name != "posix", reason="file modes of POSIX")
ONE, TWO = "11" * 32, "22" * 32


class Chest:
    """A keyring in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


def keys(directory: Path, ring: Ring | None = None, **environment: str) -> MasterKeys:
    return MasterKeys(lambda: key_places(directory, environment=environment, find_ring=lambda: ring))


def test_without_anything_it_is_a_file_that_is_made_once(tmp_path: Path) -> None:
    house = keys(tmp_path / "data")
    assert house.current() is None
    made = house.create()
    assert keys(tmp_path / "data").current() == keys(tmp_path / "data").create() == made
    assert str(tmp_path / "data" / "master.key") in house.where()
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["master.key"]


@posix
def test_nobody_else_may_read_the_file(tmp_path: Path) -> None:
    keys(tmp_path / "data").create()
    path = tmp_path / "data" / "master.key"
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    with pytest.raises(CannotUnseal, match=r"others may read this file \(mode 640\)") as told:
        keys(tmp_path / "data").current()
    assert "delete" not in str(told.value), "deleting this file loses what it sealed"


def test_the_keyring_comes_before_the_file(tmp_path: Path) -> None:
    chest = Chest()
    made = keys(tmp_path, chest).create()
    assert keys(tmp_path, chest).current() == made
    assert "keyring" in keys(tmp_path, chest).where()
    assert not (tmp_path / "master.key").exists()
    assert keys(tmp_path / "other", chest).current() is None, "each data directory has its own"


def test_a_file_that_is_there_is_used_until_the_keyring_has_a_key(tmp_path: Path) -> None:
    made = keys(tmp_path).create()
    assert keys(tmp_path, Chest()).current() == made


def test_the_environment_comes_first_directly_or_by_a_file(tmp_path: Path) -> None:
    keys(tmp_path, Chest()).create()
    (tmp_path / "mounted").write_text(f"ormk_{TWO}\n")
    assert keys(tmp_path, Chest(), OMNIROUTE_MASTER_KEY=ONE).current() == Secret(ONE)
    assert keys(tmp_path, OMNIROUTE_MASTER_KEY_FILE=str(tmp_path / "mounted")).current() == Secret(TWO)
    assert "OMNIROUTE_MASTER_KEY" in keys(tmp_path, OMNIROUTE_MASTER_KEY=ONE).where()


@pytest.mark.parametrize("text", ["short", "zz" * 32, ONE + "1", "orak_" + ONE])
def test_what_is_no_key_is_told_without_showing_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(CannotUnseal, match="openssl rand -hex 32") as told:
        keys(tmp_path, OMNIROUTE_MASTER_KEY=text).current()
    assert text not in str(told.value)


def test_a_variable_whose_file_is_missing_is_told_and_no_key_is_made(tmp_path: Path) -> None:
    with pytest.raises(CannotUnseal, match="cannot be read"):
        keys(tmp_path, OMNIROUTE_MASTER_KEY_FILE=str(tmp_path / "missing")).current()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ring", [Chest, lambda: None], ids=["keyring", "file"])
def test_a_rotation_keeps_both_keys_until_the_new_one_takes_its_place(
    tmp_path: Path, ring: Callable[[], Ring | None]
) -> None:
    house = keys(tmp_path, ring())
    old = house.create()
    new = house.draw_next()
    assert (house.current(), house.upcoming()) == (old, new)
    house.promote()
    assert (house.current(), house.upcoming()) == (new, None)
    house.promote()
    assert house.current() == new


def test_a_key_from_the_environment_is_rotated_by_its_owner(tmp_path: Path) -> None:
    with pytest.raises(CannotUnseal, match="OMNIROUTE_MASTER_KEY_NEXT"):
        keys(tmp_path, OMNIROUTE_MASTER_KEY=ONE).draw_next()
    house = keys(tmp_path, OMNIROUTE_MASTER_KEY=ONE, OMNIROUTE_MASTER_KEY_NEXT=TWO)
    assert house.draw_next() == house.upcoming() == Secret(TWO)
    house.promote()
    assert house.current() == Secret(ONE)


def test_its_variables_are_no_unknown_settings(tmp_path: Path) -> None:
    names = ("OMNIROUTE_MASTER_KEY", "OMNIROUTE_MASTER_KEY_FILE", "OMNIROUTE_MASTER_KEY_NEXT")
    settings = load(data_dir=tmp_path, environment=dict.fromkeys(names, "x"))
    assert settings.warnings == ()


def backend(module: str, **members: Any) -> Any:
    """A backend as if it lived in that module."""
    made = type("Keyring", (Chest,), members)
    made.__module__ = module
    return made()


@pytest.mark.parametrize(
    "module",
    ["keyring.backends.fail", "keyring.backends.null", "keyrings.alt.file", "somewhere.else", "keyrings.alt.macOS"],
)
def test_a_keyring_that_writes_plain_text_or_forgets_is_refused(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setattr(keyring, "get_keyring", lambda: backend(module))
    assert system_ring() is None


def test_of_a_chain_only_a_trusted_keyring_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, good = backend("keyrings.alt.file"), backend("keyring.backends.SecretService")
    monkeypatch.setattr(keyring, "get_keyring", lambda: backend("keyring.backends.chainer", backends=[plain, good]))
    ring = system_ring()
    assert ring is not None
    ring.set_password("s", "u", "kept")
    assert (good.get_password("s", "u"), plain.kept) == ("kept", {})


def test_a_keyring_that_does_not_answer_is_none_and_one_that_locks_later_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object) -> str:
        raise KeyringLocked("locked")

    broken = backend("keyring.backends.libsecret", get_password=locked)
    monkeypatch.setattr(keyring, "get_keyring", lambda: broken)
    assert system_ring() is None
    good = backend("keyring.backends.libsecret")
    monkeypatch.setattr(keyring, "get_keyring", lambda: good)
    ring = system_ring()
    monkeypatch.setattr(good, "get_password", locked)
    with pytest.raises(CannotUnseal, match=r"keyring refused .* unlock it"):
        keys(tmp_path, ring).current()
    assert not (tmp_path / "master.key").exists(), "a locked keyring is no reason for another key"


def test_the_settings_can_leave_the_keyring_out(tmp_path: Path) -> None:
    places = key_places(tmp_path, keyring=False, environment={}, find_ring=Chest)
    assert [place.writable for place in places] == [False, True]
