"""What makes a window and a gateway alike, and what does not matter."""

from pathlib import Path

import pytest

from omniroute_agent.cli.likeness import likeness
from omniroute_agent.cli.start import Start
from omniroute_agent.kernel.secret import Secret

KEY = Secret("orak_fake")
SETTINGS = "[discovery]\nloopback = false\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "settings.toml").write_text(SETTINGS, "utf-8")
    (tmp_path / "key").write_text("sk-fake-one", "utf-8")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-fake-one")
    monkeypatch.setenv("OMNIROUTE_CACHE_MINUTES", "5")
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    return tmp_path


def start_in(home: Path, **flags: str) -> Start:
    start = Start(config=home / "settings.toml", data_dir=home / "data")
    return start.showing(
        toolsets=flags.get("toolsets"), tools=flags.get("tools"), exclude_tools=None, read_only="read_only" in flags
    )


def digest(home: Path, scopes: str = "full", key: Secret = KEY, **flags: str) -> str:
    watched = ("OPENAI_API_KEY", "GROQ_API_KEY", "OMNIROUTE_CACHE_MINUTES", "OMNIROUTE_SERVER_WINDOWS")
    return likeness(key, start_in(home, **flags), scopes, variables=watched, files=(str(home / "key"),))


def test_what_is_written_in_another_way_is_alike(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest(home, "read:health,read:usage", toolsets="core,memory")
    monkeypatch.setenv("OMNIROUTE_SERVER_PORT", "9")
    monkeypatch.setenv("OMNIROUTE_CONFIG", "elsewhere")  # the flag goes first
    monkeypatch.setenv("OMNIROUTE_OF_THE_EDITOR", "its own")
    assert digest(home, "read:usage read:health", toolsets="memory, core") == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_API_KEY", "sk-fake-two"),
        ("GROQ_API_KEY", "gsk-fake"),
        ("GROQ_API_KEY_FILE", "key"),
        ("OMNIROUTE_CACHE_MINUTES", "6"),
        ("OMNIROUTE_SERVER_WINDOWS", "false"),
    ],
)
def test_another_key_or_setting_of_the_environment_is_not_alike(
    name: str, value: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digest(home)
    monkeypatch.setenv(name, value)
    assert digest(home) != before


def test_other_files_flags_or_owners_are_not_alike(home: Path) -> None:
    seen = {
        digest(home),
        digest(home, "readonly"),
        digest(home, toolsets="core"),
        digest(home, read_only=""),
        digest(home, key=Secret("orak_other")),
    }
    (home / "settings.toml").write_text(f"{SETTINGS}# changed\n", "utf-8")
    seen.add(digest(home))
    (home / "key").write_text("sk-fake-two", "utf-8")
    seen.add(digest(home))
    assert len(seen) == 7


def test_the_digest_shows_no_key(home: Path) -> None:
    assert len(digest(home)) == 64
